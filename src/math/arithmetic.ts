// Reference arithmetic in Z⁺p on BigInt: the truth for every engine, and the few computations of the control path. Not
// constant-time: BigInt never is. Bulk work and secrets belong to an engine. Apart from group.ts,
// which computes nothing.
import { modInv, modPow } from 'bigint-crypto-utils';
import type { Group } from './group.js';

/** Returns the representative of ±x in 1..q; x must not be a multiple of p. */
export function absolute(group: Group, x: bigint): bigint {
  const residue = ((x % group.p) + group.p) % group.p;
  return residue > group.q ? group.p - residue : residue;
}

export function multiply(group: Group, a: bigint, b: bigint): bigint {
  const product = (a * b) % group.p;
  return product > group.q ? group.p - product : product;
}

/** Returns base^exponent. The group has order q, so exponents count mod q. exponent ≥ 0. */
export function power(group: Group, base: bigint, exponent: bigint): bigint {
  return absolute(group, modPow(base, exponent, group.p));
}

export function invert(group: Group, a: bigint): bigint {
  return absolute(group, modInv(a, group.p));
}

/** True for members of the group: 1 ≤ x ≤ q is the whole check. */
export function isElement(group: Group, x: bigint): boolean {
  return x >= 1n && x <= group.q;
}
