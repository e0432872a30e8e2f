// The one computation with a secret that no engine does: the response s = w + e·z mod q of a proof. It uses limbs and masks
// rather than BigInt, so that its steps do not depend on the secrets and nothing is left behind: a proof nonce read from the heap
// would reveal the team key share.
import { bigintToBytes, type Group } from '../../math/index.js';

/** Limbs of 16 bits: a product and two carries stay below 2^32, the range of JavaScript's unsigned shifts. */
const LIMB_BITS = 16;

function toLimbs(bytes: Uint8Array, length: number): Uint32Array {
  const limbs = new Uint32Array(length);
  for (let i = 0; i < bytes.length; i++) limbs[i >> 1]! |= bytes[i]! << (8 * (i & 1));
  return limbs;
}

/** acc += a·b; acc is long enough for the sum. */
function addProduct(acc: Uint32Array, a: Uint32Array, b: Uint32Array): void {
  for (let i = 0; i < a.length; i++) {
    let carry = 0;
    for (let j = 0; i + j < acc.length; j++) {
      const sum = acc[i + j]! + a[i]! * (j < b.length ? b[j]! : 0) + carry;
      acc[i + j] = sum & 0xffff;
      carry = sum >>> LIMB_BITS;
    }
  }
}

/** acc −= value if acc ≥ value; the same steps either way. */
function subtractWhereAtLeast(acc: Uint32Array, value: Uint32Array, difference: Uint32Array): void {
  let borrow = 0;
  for (let i = 0; i < acc.length; i++) {
    const limb = acc[i]! - value[i]! - borrow;
    difference[i] = limb & 0xffff;
    borrow = (limb >> 31) & 1;
  }
  const keep = -borrow & 0xffff;
  for (let i = 0; i < acc.length; i++) acc[i] = (acc[i]! & keep) | (difference[i]! & ~keep & 0xffff);
}

/**
 * Computes (nonce + challenge·exponent) mod q, little-endian in elementBytes bytes.
 * @param nonce uniform in [0, q), elementBytes bytes
 * @param challenge public, any length
 * @param exponent secret, any length
 */
export function proofResponse(
  group: Group,
  nonce: Uint8Array,
  challenge: Uint8Array,
  exponent: Uint8Array,
): Uint8Array {
  const bytesMax = Math.max(group.elementBytes, challenge.length + exponent.length);
  const length = Math.ceil(bytesMax / 2) + 1;
  const acc = toLimbs(nonce, length);
  const factor = toLimbs(exponent, Math.ceil(exponent.length / 2));
  const difference = new Uint32Array(length);
  addProduct(acc, toLimbs(challenge, Math.ceil(challenge.length / 2)), factor);
  // Shift and subtract, from the longest q·2^shift that fits. In the production groups e·z is shorter than q: a handful of steps.
  for (let shift = length * LIMB_BITS - (group.bits - 1); shift >= 0; shift--) {
    const multiple = bigintToBytes(group.q << BigInt(shift), length * 2);
    subtractWhereAtLeast(acc, toLimbs(multiple, length), difference);
  }
  const response = new Uint8Array(group.elementBytes);
  for (let i = 0; i < response.length; i++) response[i] = acc[i >> 1]! >> (8 * (i & 1));
  acc.fill(0);
  factor.fill(0);
  difference.fill(0);
  return response;
}
