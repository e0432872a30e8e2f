// The absolute-value group Z⁺p = {1..q} with a∘b = min(ab mod p, p − ab mod p), p = 2q + 1 a safe prime (Haenni et al.,
// CHVote). It has prime order q, every number of 1..q is a member, and no Legendre symbol can be read off an element.
// Named groups are the RFC 3526 MODP primes; the TEST groups are small safe primes for tests and the simulator.
import { getDiffieHellman } from 'node:crypto';
import { checkObject, checkText, MixError } from '../base/index.js';

export const GROUP_NAMES = ['MODP-2048', 'MODP-3072', 'MODP-4096'] as const;
export const TEST_GROUP_NAMES = ['TEST-64', 'TEST-512'] as const;
export type GroupName = (typeof GROUP_NAMES)[number] | (typeof TEST_GROUP_NAMES)[number];

/** A group; immutable, one object per name. Elements on the wire are `elementBytes` bytes, little-endian. */
export interface Group {
  readonly name: GroupName;
  /** Bits of p. */
  readonly bits: number;
  /** Bytes of an element: bits / 8. */
  readonly elementBytes: number;
  readonly p: bigint;
  /** The order, (p − 1) / 2, and at the same time the largest element. */
  readonly q: bigint;
  /** The generator: 2. */
  readonly g: bigint;
}

// RFC 3526 primes as OpenSSL holds them; test/math/group.test.ts recomputes them from the RFC's formula with π.
const rfc3526 = (name: string): bigint => BigInt(`0x${getDiffieHellman(name).getPrime('hex')}`);

const primes: Record<GroupName, () => bigint> = {
  'MODP-2048': () => rfc3526('modp14'),
  'MODP-3072': () => rfc3526('modp15'),
  'MODP-4096': () => rfc3526('modp16'),
  // The largest safe primes below 2^64 and 2^512: offer no security whatever.
  'TEST-64': () => (1n << 64n) - 0x5bdn,
  'TEST-512': () => (1n << 512n) - 0x94e5n,
};

const cache = new Map<GroupName, Group>();

/** Returns the group of this name. @throws MixError GROUP_UNKNOWN, ARGUMENT_INVALID */
export function namedGroup(name: string): Group {
  checkText(name, 'name');
  if (!Object.hasOwn(primes, name)) throw new MixError('GROUP_UNKNOWN', { name });
  const groupName = name as GroupName;
  let group = cache.get(groupName);
  if (!group) {
    const p = primes[groupName]();
    const bits = p.toString(2).length;
    group = Object.freeze({ name: groupName, bits, elementBytes: bits / 8, p, q: (p - 1n) / 2n, g: 2n });
    cache.set(groupName, group);
  }
  return group;
}

/**
 * Returns the group for a name, or for an object that {@link namedGroup} gave. A group made by hand is refused: nothing that
 * relies on its order would hold.
 * @throws MixError ARGUMENT_INVALID, GROUP_UNKNOWN
 */
export function knownGroup(group: Group | string): Group {
  if (typeof group === 'string') return namedGroup(group);
  checkObject(group, 'group');
  const { name, p, q, g } = group;
  checkText(name, 'group.name');
  const known = namedGroup(name);
  if (known.p !== p || known.q !== q || known.g !== g)
    throw new MixError('GROUP_UNKNOWN', { name, why: 'made by hand' });
  return known;
}

/** Returns the production group with a p of `bits` bits. @throws MixError GROUP_UNKNOWN */
export function groupOfBits(bits: number): Group {
  return namedGroup(`MODP-${bits}`);
}
