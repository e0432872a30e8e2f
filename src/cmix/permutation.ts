// Secret permutations: uniform, by Fisher and Yates with unbiased draws (the shuffle of Durstenfeld, 1964). A permutation is
// written as its `source` list, out[k] = in[source[k]], as mulGather takes it: source is π⁻¹ of the protocol.
import { type Rng, randomBelow, secretBytes } from '../base/index.js';

/** Bytes per request to the generator: a call costs far more than the bytes. */
const BULK_BYTES = 4096;

/** Draws an Rng's bytes in blocks, hands them out and wipes them as they are used. */
class BulkRng implements Rng {
  readonly #rng: Rng;
  readonly #bulk = new Uint8Array(BULK_BYTES);
  #used = BULK_BYTES;

  constructor(rng: Rng) {
    this.#rng = rng;
  }

  fill<T extends Uint8Array>(out: T): T {
    if (this.#used + out.length > BULK_BYTES) {
      this.#rng.fill(this.#bulk);
      this.#used = 0;
    }
    const end = this.#used + out.length;
    out.set(this.#bulk.subarray(this.#used, end));
    this.#bulk.fill(0, this.#used, end);
    this.#used = end;
    return out;
  }

  wipe(): void {
    this.#bulk.fill(0);
    this.#used = BULK_BYTES;
  }
}

/**
 * Draws a uniform permutation of 0..slots−1 as a source list. A round secret: its owner wipes it. The bytes come from `rng` in
 * blocks of fixed size, so that a seeded generator gives the same permutation every time.
 */
export function randomPermutation(rng: Rng, slots: number): Uint32Array {
  const bulk = new BulkRng(rng);
  const source = new Uint32Array(secretBytes(4 * slots).buffer);
  for (let index = 0; index < slots; index++) source[index] = index;
  for (let last = slots - 1; last > 0; last--) {
    const chosen = randomBelow(bulk, last + 1);
    const moved = source[last]!;
    source[last] = source[chosen]!;
    source[chosen] = moved;
  }
  bulk.wipe();
  return source;
}

/** True if `source` names every index of its own length exactly once. */
export function isPermutation(source: Uint32Array): boolean {
  const seen = new Uint8Array(source.length);
  for (const index of source) {
    if (index >= source.length || seen[index] !== 0) return false;
    seen[index] = 1;
  }
  return true;
}

/** Returns the inverse of `source`: inverse[source[k]] = k, the output slot of the message in input slot source[k]. */
export function inversePermutation(source: Uint32Array): Uint32Array {
  const inverse = new Uint32Array(source.length);
  for (const [k, index] of source.entries()) inverse[index] = k;
  return inverse;
}
