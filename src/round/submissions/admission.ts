// Admission under load: a pressure that builds up and leaks away, and a proof of work that is required while it is high. At rest
// nothing is required. This file knows amounts and time only, not what callers are admitted to.
import { type Clock, digest, MixError, REST_LOAD, type Rng, randomBytes } from '../../base/index.js';

/** A leaky bucket of recent arrivals. */
export class Pressure {
  readonly #clock: Clock;
  readonly #capacity: number;
  readonly #leakPerS: number;
  #level = 0;
  #atMs: number;

  constructor(clock: Clock, capacity: number, leakPerS: number) {
    this.#clock = clock;
    this.#capacity = capacity;
    this.#leakPerS = leakPerS;
    this.#atMs = clock.nowMs();
  }

  /** 0 at rest, 1 if the bucket is full. */
  get load(): number {
    const nowMs = this.#clock.nowMs();
    this.#level = Math.max(0, this.#level - ((nowMs - this.#atMs) / 1_000) * this.#leakPerS);
    this.#atMs = nowMs;
    return this.#level / this.#capacity;
  }

  add(amount = 1): void {
    this.#level = Math.min(this.#capacity, this.load * this.#capacity + amount);
  }
}

/** Least work: half a millisecond, at half load. */
const LEAST_BITS = 8;
/** Most work: a second or two of one core, for each key and node. */
export const MOST_BITS = 20;
export const NONCE_BYTES = 8;

/**
 * Returns the work required at a load from 0 to 1, in leading zero bits of a hash: none below REST, then doubled with each
 * twelfth of the rest.
 */
export function difficultyBits(load: number): number {
  if (load < REST_LOAD) return 0;
  const over = Math.min(1, (load - REST_LOAD) / (1 - REST_LOAD));
  return LEAST_BITS + Math.round(over * (MOST_BITS - LEAST_BITS));
}

/** Inputs of a proof of work: bound to one node, key and epoch, so that it cannot be reused or computed ahead. */
interface Puzzle {
  readonly node: string;
  readonly key: Uint8Array;
  readonly epoch: number;
}

function leadingZeros(hash: Uint8Array): number {
  for (const [index, byte] of hash.entries()) if (byte !== 0) return 8 * index + Math.clz32(byte) - 24;
  return 8 * hash.length;
}

/** True if the work is done: one hash to check, 2^bits on average to find. */
export function isSolved({ node, key, epoch }: Puzzle, nonce: Uint8Array, bits: number): boolean {
  if (bits <= 0) return true;
  return nonce.length === NONCE_BYTES && leadingZeros(digest('admission-puzzle', node, epoch, key, nonce)) >= bits;
}

/** Hashes that are tried before the thread yields: 1.4 ms. */
const TRIED_AT_ONCE = 1_024;

/**
 * Does the work: 2^bits hashes on average. `pause` yields the thread.
 * @throws MixError PUZZLE_REQUIRED if more is asked for than any node may ask
 */
export async function solve(puzzle: Puzzle, bits: number, rng: Rng, pause: () => Promise<void>): Promise<Uint8Array> {
  const nonce = randomBytes(rng, NONCE_BYTES);
  if (bits > MOST_BITS) throw new MixError('PUZZLE_REQUIRED', { bits, most: MOST_BITS });
  const view = new DataView(nonce.buffer, nonce.byteOffset, nonce.byteLength);
  for (let tries = 1; !isSolved(puzzle, nonce, bits); tries++) {
    view.setBigUint64(0, view.getBigUint64(0, true) + 1n, true);
    if (tries % TRIED_AT_ONCE === 0) await pause();
  }
  return nonce;
}
