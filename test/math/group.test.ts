// The groups: the RFC 3526 primes recomputed from the RFC's own formula, safe primes throughout, and the laws of the
// absolute-value group, with 1 ≤ x ≤ q as the only membership test.
import { isProbablyPrime } from 'bigint-crypto-utils';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { absolute, invert, isElement, multiply, power } from '../../src/math/arithmetic.js';
import { GROUP_NAMES, groupOfBits, namedGroup, TEST_GROUP_NAMES } from '../../src/math/group.js';
import { outcome } from '../support/cmix.js';

/** ⌊2^bits · π⌋, by Machin's formula in fixed point with 64 bits to spare. */
function piScaled(bits: number): bigint {
  const one = 1n << BigInt(bits + 64);
  const arctanInverse = (x: bigint): bigint => {
    let sum = 0n;
    let term = one / x;
    for (let n = 1n, sign = 1n; term > 0n; n += 2n, sign = -sign, term /= x * x) sum += (sign * term) / n;
    return sum;
  };
  return (4n * (4n * arctanInverse(5n) - arctanInverse(239n))) >> 64n;
}

describe('π', () => {
  it('is π', () => {
    // The first digits in hexadecimal: 3.243F6A8885A308D3…
    expect(piScaled(64).toString(16)).toBe('3243f6a8885a308d3');
  });
});

describe('the RFC 3526 groups', () => {
  it.each([
    [2048, 124476n],
    [3072, 1690314n],
    [4096, 240904n],
  ])('MODP-%i is 2^n − 2^(n−64) − 1 + 2^64·(⌊2^(n−130)·π⌋ + %d)', (bits, constant) => {
    const n = BigInt(bits);
    const expected = (1n << n) - (1n << (n - 64n)) - 1n + (1n << 64n) * (piScaled(bits - 130) + constant);
    const { p, q, g, elementBytes, name } = groupOfBits(bits);
    expect(p).toBe(expected);
    expect([q, g, elementBytes, name]).toEqual([(p - 1n) / 2n, 2n, bits / 8, `MODP-${bits}`]);
    // p is prime by the RFC; that g generates the group follows from q being prime, checked below for all groups.
    expect(p % 4n).toBe(3n);
  });
});

describe('every group', () => {
  it.each([...TEST_GROUP_NAMES])('%s has a safe prime: p and q are prime', async (name) => {
    const { p, q, bits } = namedGroup(name);
    expect(p).toBe(2n * q + 1n);
    expect(p.toString(2).length).toBe(bits);
    expect(await isProbablyPrime(p, 20)).toBe(true);
    expect(await isProbablyPrime(q, 20)).toBe(true);
  });

  it.each([...GROUP_NAMES])('%s has a safe prime, by one round of the Fermat test', (name) => {
    // OpenSSL ships these primes; a full test of the largest takes seconds. Fermat to base 3 still detects a wrong digit.
    const group = namedGroup(name);
    expect(power(group, 3n, group.p - 1n)).toBe(1n);
    // In a group of prime order q, every element to the power q is 1.
    expect(power(group, 3n, group.q)).toBe(1n);
  });

  it('has one frozen object per name, and no other names exist', () => {
    for (const name of [...GROUP_NAMES, ...TEST_GROUP_NAMES]) {
      expect(namedGroup(name)).toBe(namedGroup(name));
      expect(Object.isFrozen(namedGroup(name))).toBe(true);
    }
    for (const name of ['MODP-1024', 'modp-2048', '', '__proto__', 'toString', 'constructor']) {
      expect(outcome(() => namedGroup(name))).toBe('GROUP_UNKNOWN');
    }
    expect(outcome(() => groupOfBits(512))).toBe('GROUP_UNKNOWN');
  });
});

describe.each(['TEST-64', 'TEST-512', 'MODP-2048'])('in %s', (name) => {
  const group = namedGroup(name);
  const edges = [1n, 2n, group.q - 1n, group.q];
  const element = fc.oneof(fc.constantFrom(...edges), fc.bigInt({ min: 1n, max: group.q }));
  const runs = { numRuns: name === 'MODP-2048' ? 20 : 100 };
  const holds = (law: (a: bigint, b: bigint, c: bigint) => void) =>
    fc.assert(fc.property(element, element, element, law), runs);

  it('products and inverses are elements, by a commutative and associative law with 1 as neutral element', () => {
    holds((a, b, c) => {
      const product = multiply(group, a, b);
      expect(isElement(group, product)).toBe(true);
      expect(product).toBe(multiply(group, b, a));
      expect(multiply(group, product, c)).toBe(multiply(group, a, multiply(group, b, c)));
      expect(multiply(group, a, 1n)).toBe(a);
      expect(isElement(group, invert(group, a))).toBe(true);
      expect(multiply(group, a, invert(group, a))).toBe(1n);
    });
  });

  it('a product is min(ab mod p, p − ab mod p)', () => {
    holds((a, b) => {
      const residue = (a * b) % group.p;
      const mirror = group.p - residue;
      expect(multiply(group, a, b)).toBe(residue < mirror ? residue : mirror);
    });
  });

  it('powers follow the laws of exponents modulo q', () => {
    const exponent = fc.bigInt({ min: 0n, max: 1n << 80n });
    const law = fc.property(element, exponent, exponent, (a, x, y) => {
      expect(power(group, a, x + y)).toBe(multiply(group, power(group, a, x), power(group, a, y)));
      expect(power(group, a, x + group.q)).toBe(power(group, a, x));
      expect(power(group, a, 0n)).toBe(1n);
      expect(power(group, a, 1n)).toBe(a);
      expect(invert(group, power(group, a, x))).toBe(power(group, invert(group, a), x));
    });
    fc.assert(law, { numRuns: name === 'MODP-2048' ? 5 : 50 });
  });

  it('an element and its mirror are one element, and every residue has one of the two in the group', () => {
    holds((a, b) => {
      expect(absolute(group, group.p - a)).toBe(a);
      expect(absolute(group, -a)).toBe(a);
      expect(multiply(group, group.p - a, b)).toBe(multiply(group, a, b));
    });
  });

  it('elements are 1..q and nothing else', () => {
    for (const x of edges) expect(isElement(group, x)).toBe(true);
    for (const x of [0n, -1n, group.q + 1n, group.p - 1n, group.p, group.p + 1n])
      expect(isElement(group, x)).toBe(false);
  });
});
