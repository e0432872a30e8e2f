// The step from a wide hash to an element: (wide mod q) + 1, for any of the groups. With BigInt it costs as much as the hash
// itself, mostly for the conversion through hex and back, and leaves intermediate strings: here only the quotient, 129 bits, is
// BigInt, and the rest is arithmetic on limbs.
import { MixError } from '../base/index.js';
import type { Group } from './group.js';

/** Bytes by which a hash is longer than the element that it is reduced to. */
export const EXCESS_BYTES = 16;

/** The sum of six products of two limbs is below 2^53: a number holds it exactly. */
const LIMB_BITS = 24;
const LIMB_BYTES = LIMB_BITS / 8;
const LIMB = 2 ** LIMB_BITS;
/** Limbs of the quotient. */
const QUOTIENT_LIMBS = 6;
/** Inputs of the quotient's estimate: TOP_BYTES of the top of the hash, and as many bits of 1/q and a word more. */
const TOP_BYTES = 24;
const TOP_BITS = 192n;
const WORD = 64n;

interface Modulus {
  /** q, little-endian, after QUOTIENT_LIMBS − 1 zeros, so that a product can read below its first limb. */
  readonly limbs: Float64Array;
  /** 1/q, scaled: top · inverse · 2^−(TOP_BITS + WORD) is the quotient, or less than 1 and 2^−62 below it. */
  readonly inverse: bigint;
  /** Buffer for an element, all zeros between calls: allocating it costs more than computing it. */
  readonly scratch: Float64Array;
}

/** The quotient, in words and as their bytes; zeros between calls. */
const quotientWords = new BigUint64Array(3);
const quotientBytes = new Uint8Array(quotientWords.buffer);

const moduli = new WeakMap<Group, Modulus>();

function prepareModulus(group: Group): Modulus {
  const known = moduli.get(group);
  if (known) return known;
  const count = Math.ceil(group.elementBytes / LIMB_BYTES);
  const limbs = new Float64Array(QUOTIENT_LIMBS - 1 + count);
  for (let i = 0; i < count; i++) {
    limbs[QUOTIENT_LIMBS - 1 + i] = Number(BigInt.asUintN(LIMB_BITS, group.q >> BigInt(i * LIMB_BITS)));
  }
  const scale = BigInt(8 * (group.elementBytes + EXCESS_BYTES)) + WORD;
  const modulus = { limbs, inverse: (1n << scale) / group.q, scratch: new Float64Array(count) };
  moduli.set(group, modulus);
  return modulus;
}

const limbAt = (bytes: Uint8Array, at: number): number => bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16);

/** Returns ⌊wide / q⌋ or one less, as bytes. */
function estimateQuotient(wide: Uint8Array, inverse: bigint): Uint8Array {
  const view = new DataView(wide.buffer, wide.byteOffset + wide.length - TOP_BYTES, TOP_BYTES);
  const top =
    view.getBigUint64(0, true) | (view.getBigUint64(8, true) << WORD) | (view.getBigUint64(16, true) << (2n * WORD));
  const quotient = (top * inverse) >> (TOP_BITS + WORD);
  // Storing to the array keeps the low 64 bits of the value.
  for (let i = 0; i < 3; i++) quotientWords[i] = quotient >> (BigInt(i) * WORD);
  return quotientBytes;
}

/** Writes wide − quotient · q + 1, modulo the power of two above the element's last limb. */
function remainder(element: Float64Array, wide: Uint8Array, quotient: Uint8Array, q: Float64Array): void {
  const [e0, e1, e2] = [limbAt(quotient, 0), limbAt(quotient, 3), limbAt(quotient, 6)];
  const [e3, e4, e5] = [limbAt(quotient, 9), limbAt(quotient, 12), limbAt(quotient, 15)];
  let carry = 1;
  for (let i = 0; i < element.length; i++) {
    const product = e0 * q[i + 5]! + e1 * q[i + 4]! + e2 * q[i + 3]! + e3 * q[i + 2]! + e4 * q[i + 1]! + e5 * q[i]!;
    const value = carry + limbAt(wide, i * LIMB_BYTES) - product;
    carry = Math.floor(value / LIMB);
    element[i] = value - carry * LIMB;
  }
}

/**
 * Writes (wide mod q) + 1, little-endian, into an element; wide: elementBytes + EXCESS_BYTES bytes.
 * @throws MixError LENGTH_MISMATCH
 */
export function reduceInto(group: Group, wide: Uint8Array, out: Uint8Array): void {
  const { elementBytes } = group;
  const expected = elementBytes + EXCESS_BYTES;
  if (wide.length !== expected) throw new MixError('LENGTH_MISMATCH', { what: 'hash', length: wide.length, expected });
  if (out.length !== elementBytes) {
    throw new MixError('LENGTH_MISMATCH', { what: 'element', length: out.length, expected: elementBytes });
  }
  const { limbs: q, inverse, scratch } = prepareModulus(group);
  remainder(scratch, wide, estimateQuotient(wide, inverse), q);
  // In 1..2q, and so below 256^elementBytes: higher bytes of the last limb are remains of the hash's top.
  const last = scratch.length - 1;
  scratch[last]! %= 256 ** (elementBytes - last * LIMB_BYTES);
  if (isAbove(scratch, q)) subtract(scratch, q);
  writeBytes(scratch, out);
  scratch.fill(0);
  quotientWords.fill(0n);
}

/** True if value > q. */
function isAbove(value: Float64Array, q: Float64Array): boolean {
  for (let i = value.length - 1; i >= 0; i--) {
    const limb = q[i + QUOTIENT_LIMBS - 1]!;
    if (value[i] !== limb) return value[i]! > limb;
  }
  return false;
}

function subtract(value: Float64Array, q: Float64Array): void {
  let borrow = 0;
  for (let i = 0; i < value.length; i++) {
    const limb = value[i]! - q[i + QUOTIENT_LIMBS - 1]! - borrow;
    borrow = limb < 0 ? 1 : 0;
    value[i] = limb + borrow * LIMB;
  }
}

function writeBytes(limbs: Float64Array, out: Uint8Array): void {
  const { length } = out;
  for (let i = 0, at = 0; i < limbs.length; i++, at += LIMB_BYTES) {
    const limb = limbs[i]!;
    out[at] = limb;
    // The last limb may have bytes beyond the element.
    if (at + 1 < length) out[at + 1] = limb >> 8;
    if (at + 2 < length) out[at + 2] = limb >> 16;
  }
}
