// Multi-exponentiation by Pippenger's buckets, for public exponents. The exponents are cut into windows; for each one the bases
// are sorted into buckets by their digit, and ∏ bucket[d]^d takes two products per bucket. Windows are independent, so each one
// is a chunk of its own; `horner` combines them with one chain of squarings. Everything between the first conversion and the last
// is in Montgomery form. 1,000 bases with 128-bit exponents cost 24 products per base.
import type { WorkOf } from '../pool/job.js';
import { toAddress } from './openssl/library.js';
import { type MontgomeryField, scratch } from './openssl/montgomery.js';

/** Above this many bits the buckets would exceed the cache. */
const WINDOW_BITS_MAX = 10;

/** Returns the window length with the fewest products for this many bases. */
export function multiExpWindowBits(bases: number, exponentBits: number): number {
  let best = 1;
  let least = Number.POSITIVE_INFINITY;
  for (let bits = 1; bits <= WINDOW_BITS_MAX; bits++) {
    // Buckets beyond the number of bases stay empty and cost one product in the running sum, not two.
    const buckets = 2 ** bits;
    const products = Math.ceil(exponentBits / bits) * (bases + buckets + Math.min(buckets, bases));
    if (products < least) [best, least] = [bits, products];
  }
  return best;
}

/** Returns bits [lowBit, lowBit + count) of a little-endian integer. count ≤ 16. */
function takeBits(exponent: Uint8Array, lowBit: number, count: number): number {
  const byte = lowBit >> 3;
  const value = (exponent[byte] ?? 0) | ((exponent[byte + 1] ?? 0) << 8) | ((exponent[byte + 2] ?? 0) << 16);
  return (value >> (lowBit & 7)) & ((1 << count) - 1);
}

/** Products of elements. An accumulator that is still one costs nothing. */
class Accumulators {
  readonly #field: MontgomeryField;
  readonly #memory;
  readonly #full: Uint8Array;

  constructor(field: MontgomeryField, count: number) {
    this.#field = field;
    this.#memory = scratch(count * field.bytes);
    this.#full = new Uint8Array(count);
  }

  at(index: number): number {
    return this.#memory.address + index * this.#field.bytes;
  }

  has(index: number): boolean {
    return this.#full[index] === 1;
  }

  /** accumulator[index] ·= the element at `address`. */
  multiply(index: number, address: number): void {
    const one = this.has(index) ? this.at(index) : this.#field.at.r;
    this.#full[index] = 1;
    this.#field.multiply(this.at(index), one, address);
  }

  square(index: number): void {
    if (this.has(index)) this.#field.multiply(this.at(index), this.at(index), this.at(index));
  }

  /** Copies the accumulator in Montgomery form: R if it is still one. */
  copyTo(index: number, target: number): void {
    this.#field.multiply(target, this.has(index) ? this.at(index) : this.#field.at.r, this.#field.at.r);
  }
}

export function windowProduct(field: MontgomeryField, work: WorkOf<'window'>): void {
  const { bases, exponents, exponentBytes, lowBit, windowBits, from, to, out } = work;
  const count = 1 << windowBits;
  // Bucket d at d; bucket 0 is not needed and holds the running product; the result comes last.
  const buckets = new Accumulators(field, count + 1);
  const [running, result] = [0, count];
  const source = toAddress(bases);
  for (let i = from; i < to; i++) {
    const digit = takeBits(exponents.subarray(i * exponentBytes, (i + 1) * exponentBytes), lowBit, windowBits);
    if (digit !== 0) buckets.multiply(digit, source + i * field.bytes);
  }
  for (let digit = count - 1; digit > 0; digit--) {
    if (buckets.has(digit)) buckets.multiply(running, buckets.at(digit));
    if (buckets.has(running)) buckets.multiply(result, buckets.at(running));
  }
  buckets.copyTo(result, toAddress(out));
}

export function horner(field: MontgomeryField, { parts, ranges, windowBits, out }: WorkOf<'horner'>): void {
  const { at, bytes, multiply } = field;
  const sum = new Accumulators(field, 1);
  const source = toAddress(parts);
  for (let top = parts.length / bytes; top > 0; top -= ranges) {
    for (let bit = 0; bit < windowBits; bit++) sum.square(0);
    for (let part = top - ranges; part < top; part++) sum.multiply(0, source + part * bytes);
  }
  sum.copyTo(0, at.result);
  multiply(at.result, at.result, at.one);
  field.canonical(new Int32Array(out.buffer, out.byteOffset, out.length / 4), 0);
}
