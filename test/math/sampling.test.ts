// Sampling: uniform over exactly the group (or the scalars), never 0, never above; and hashing to the group, with pinned results.
import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { toHex, xof } from '../../src/base/bytes.js';
import type { Rng } from '../../src/base/rng.js';
import { bigintToBytes, bytesToBigint, checkElements, toBigints } from '../../src/math/batch.js';
import { namedGroup } from '../../src/math/group.js';
import { hashToElement, randomElements, randomExponents, randomScalar } from '../../src/math/sampling.js';
import { outcome } from '../support/cmix.js';
import { SeededRng } from '../support/seededRng.js';
import { chiSquare, chiSquareLimit } from '../support/statistics.js';

const small = namedGroup('TEST-64');
const BUCKETS = 64;

/** Chi-square over equal parts of 0..q. */
function uniformity(values: readonly bigint[]): number {
  const counts = new Array<number>(BUCKETS).fill(0);
  for (const value of values) counts[Number((value * BigInt(BUCKETS)) / (small.q + 1n))]!++;
  return chiSquare(counts);
}

/** A generator that returns these values, one per draw. */
function dealing(values: readonly bigint[]): Rng {
  const left = [...values];
  return {
    fill: (out) => {
      out.set(bigintToBytes(left.shift()!, out.length));
      return out;
    },
  };
}

describe('random elements', () => {
  it('are uniform over 1..q (chi-square), high and low bits alike', () => {
    const values = toBigints(small, randomElements(new SeededRng('elements'), small, 20_000));
    expect(uniformity(values)).toBeLessThan(chiSquareLimit(BUCKETS - 1));
    const low = new Array<number>(16).fill(0);
    for (const value of values) low[Number(value & 15n)]!++;
    expect(chiSquare(low)).toBeLessThan(chiSquareLimit(15));
  });

  it('are elements, also of the large groups', () => {
    for (const name of ['TEST-512', 'MODP-2048', 'MODP-4096']) {
      const group = namedGroup(name);
      const batch = randomElements(new SeededRng(name), group, 50);
      expect(checkElements(group, batch, 'random', 50)).toBe(50);
      expect(batch.buffer).toBeInstanceOf(SharedArrayBuffer);
      expect(new Set(toBigints(group, batch)).size).toBe(50);
    }
  });

  it('are drawn again if a draw is 0 or above q, and never folded into the range', () => {
    const { q } = small;
    const dealt = dealing([0n, q + 1n, q, (1n << 63n) - 1n, 1n]);
    expect(toBigints(small, randomElements(dealt, small, 2))).toEqual([q, 1n]);
  });
});

describe('random scalars', () => {
  it('are uniform over 0..q − 1 (chi-square) and of full size', () => {
    const rng = new SeededRng('scalars');
    const values = Array.from({ length: 20_000 }, () => bytesToBigint(randomScalar(rng, small)));
    expect(uniformity(values)).toBeLessThan(chiSquareLimit(BUCKETS - 1));
    expect(values.every((value) => value < small.q)).toBe(true);
    expect(randomScalar(rng, namedGroup('MODP-3072')).length).toBe(384);
  });

  it('may be 0 and q − 1, never q', () => {
    const { q } = small;
    const rng = dealing([0n, q, q - 1n]);
    expect(bytesToBigint(randomScalar(rng, small))).toBe(0n);
    expect(bytesToBigint(randomScalar(rng, small))).toBe(q - 1n);
  });
});

describe('random exponents', () => {
  it('are flat, in shared memory, of the requested length and no shorter than 8 bytes', () => {
    const exponents = randomExponents(new SeededRng('exponents'), 10, 32);
    expect([exponents.length, exponents.buffer instanceof SharedArrayBuffer]).toEqual([320, true]);
    expect(new Set(exponents).size).toBeGreaterThan(100);
    expect(randomExponents(new SeededRng(1), 0, 32).length).toBe(0);
    for (const bytes of [0, 7, -1, 8.5]) {
      expect(outcome(() => randomExponents(new SeededRng(1), 1, bytes))).toBe('EXPONENT_RANGE');
    }
  });
});

describe('hashing to the group', () => {
  const sha = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex').slice(0, 32);

  it('is (XOF(bits + 128) mod q) + 1', () => {
    const property = fc.property(fc.string({ maxLength: 9 }), fc.uint8Array({ maxLength: 9 }), (domain, part) => {
      const wide = bytesToBigint(xof(small.elementBytes + 16, domain, part));
      const hashed = bytesToBigint(hashToElement(small, domain, part));
      expect(hashed).toBe((wide % small.q) + 1n);
      expect(hashed >= 1n && hashed <= small.q).toBe(true);
    });
    fc.assert(property, { numRuns: 100 });
  });

  it('gives the pinned answers', () => {
    expect(toHex(hashToElement(small, 'known-answer', 'part', 1))).toBe('ad4a5948be06316e');
    expect(sha(hashToElement(namedGroup('TEST-512'), 'known-answer', 'part', 1))).toBe(
      '46ce9dd7cab865de62b143af6e75ffb2',
    );
    expect(sha(hashToElement(namedGroup('MODP-4096'), 'known-answer', 'part', 1))).toBe(
      '59e3450d7871baf4698d13f574321a93',
    );
  });

  it('is uniform (chi-square)', () => {
    const values = Array.from({ length: 5_000 }, (_, i) => bytesToBigint(hashToElement(small, 'uniform', i)));
    expect(uniformity(values)).toBeLessThan(chiSquareLimit(BUCKETS - 1));
  });

  it('differs by domain, by part and by group', () => {
    const group = namedGroup('TEST-512');
    const hashes = [
      hashToElement(group, 'a', 'b'),
      hashToElement(group, 'b', 'a'),
      hashToElement(group, 'ab'),
      hashToElement(group, 'a', 'b', ''),
      hashToElement(small, 'a', 'b'),
    ];
    expect(new Set(hashes.map(toHex)).size).toBe(hashes.length);
  });
});
