// Uniform sampling without bias, and hashing to the group. Random elements and scalars come from rejection sampling on
// exactly as many bits as q has; hashes come from 128 bits more than needed, reduced, which is uniform up to 2^-128.

import { type DigestPart, MixError, type Rng, secretBytes, xof } from '../base/index.js';
import { allocateBatch, bigintToBytes, elementAt } from './batch.js';
import type { Group } from './group.js';
import { EXCESS_BYTES, reduceInto } from './reduce.js';

function fillUniform(rng: Rng, out: Uint8Array, accept: (value: Uint8Array) => boolean): void {
  // q has bits − 1 bits: clear the top one, and for the MODP primes all but 2^-64 of the draws are accepted.
  do {
    rng.fill(out);
    out[out.length - 1]! &= 0x7f;
  } while (!accept(out));
}

/** True if value ≤ limit; both little-endian, of one length. */
function atMost(value: Uint8Array, limit: Uint8Array): boolean {
  for (let i = value.length - 1; i >= 0; i--) {
    if (value[i]! < limit[i]!) return true;
    if (value[i]! > limit[i]!) return false;
  }
  return true;
}

/** Draws `count` uniform elements of the group as a flat batch in shared memory. */
export function randomElements(rng: Rng, group: Group, count: number): Uint8Array {
  const batch = allocateBatch(group, count);
  const limit = bigintToBytes(group.q, group.elementBytes);
  // A generator may refuse shared memory: draw into a private element, which is wiped at the end.
  const draw = secretBytes(group.elementBytes);
  for (let index = 0; index < count; index++) {
    fillUniform(rng, draw, (value) => atMost(value, limit) && value.some((byte) => byte !== 0));
    elementAt(group, batch, index).set(draw);
  }
  draw.fill(0);
  return batch;
}

/** Draws a uniform scalar in [0, q), little-endian in elementBytes bytes: a proof nonce, never shorter. */
export function randomScalar(rng: Rng, group: Group): Uint8Array {
  const limit = bigintToBytes(group.q - 1n, group.elementBytes);
  const scalar = secretBytes(group.elementBytes);
  fillUniform(rng, scalar, (value) => atMost(value, limit));
  return scalar;
}

/** Draws `count` uniform short exponents of `exponentBytes` bytes each, flat, in shared memory. */
export function randomExponents(rng: Rng, count: number, exponentBytes: number): Uint8Array {
  if (!Number.isInteger(exponentBytes) || exponentBytes < 8) {
    throw new MixError('EXPONENT_RANGE', { exponentBytes, least: 8 });
  }
  const exponents = new Uint8Array(new SharedArrayBuffer(count * exponentBytes));
  const draw = rng.fill(secretBytes(exponents.length));
  exponents.set(draw);
  draw.fill(0);
  return exponents;
}

/** Hashes to the group: (XOF(bits + 128) mod q) + 1, little-endian element. Not constant-time in the digest (a BigInt quotient). */
export function hashToElement(group: Group, domain: string, ...parts: readonly DigestPart[]): Uint8Array {
  const element = new Uint8Array(group.elementBytes);
  hashIntoElement(group, element, domain, ...parts);
  return element;
}

/** {@link hashToElement} into a buffer of elementBytes bytes. */
export function hashIntoElement(
  group: Group,
  element: Uint8Array,
  domain: string,
  ...parts: readonly DigestPart[]
): void {
  const wide = xof(group.elementBytes + EXCESS_BYTES, domain, ...parts);
  reduceInto(group, wide, element);
  wide.fill(0);
}
