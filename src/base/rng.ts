// The Rng port: the source of random bytes. Production takes them from the operating system; the simulator and tests take them
// from a seed, so that a failing run can be replayed. Apart from clock.ts, the other port, because few need both.
import { randomFillSync } from 'node:crypto';
import { secretBytes } from './secret.js';

export interface Rng {
  /** Fills `out` with uniform random bytes and returns it. */
  fill<T extends Uint8Array>(out: T): T;
}

/** The operating system's CSPRNG. */
export const systemRng: Rng = { fill: (out) => randomFillSync(out) };

/** Returns `length` fresh random bytes. Many are secrets, so all are in memory for secrets. */
export function randomBytes(rng: Rng, length: number): Uint8Array {
  return rng.fill(secretBytes(length));
}

// A draw for a permutation is as secret as the permutation: it is kept here, and wiped.
const word = new Uint32Array(1);
const wordBytes = new Uint8Array(word.buffer);

/** A uniform integer in [0, bound), without modulo bias (rejection sampling). 1 ≤ bound ≤ 2^32. */
export function randomBelow(rng: Rng, bound: number): number {
  if (!Number.isInteger(bound) || bound < 1 || bound > 2 ** 32) throw new RangeError(`randomBelow: bound ${bound}`);
  const limit = 2 ** 32 - (2 ** 32 % bound);
  for (;;) {
    rng.fill(wordBytes);
    const value = word[0]!;
    word[0] = 0;
    if (value < limit) return value % bound;
  }
}

/** A uniform number in [0, 1) with 32 bits: for backoff jitter and the simulator. */
export function randomFraction(rng: Rng): number {
  return randomBelow(rng, 2 ** 32) / 2 ** 32;
}
