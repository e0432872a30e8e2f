// The reduction of a wide hash to an element: equal to BigInt's, for any hash, including chosen ones.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { toHex } from '../../src/base/bytes.js';
import { bigintToBytes, bytesToBigint } from '../../src/math/batch.js';
import { GROUP_NAMES, type Group, namedGroup, TEST_GROUP_NAMES } from '../../src/math/group.js';
import { EXCESS_BYTES, reduceInto } from '../../src/math/reduce.js';
import { outcome } from '../support/cmix.js';

function reduced(group: Group, wide: Uint8Array): Uint8Array {
  const element = new Uint8Array(group.elementBytes).fill(0x55);
  reduceInto(group, wide, element);
  return element;
}

const bytesOf = (group: Group) => group.elementBytes + EXCESS_BYTES;

function expectReduced(group: Group, wide: Uint8Array): void {
  const before = toHex(wide);
  const expected = bigintToBytes((bytesToBigint(wide) % group.q) + 1n, group.elementBytes);
  expect(toHex(reduced(group, wide))).toBe(toHex(expected));
  expect(toHex(wide)).toBe(before);
}

describe.each([...GROUP_NAMES, ...TEST_GROUP_NAMES])('a wide hash reduced to an element of %s', (name) => {
  const group = namedGroup(name);
  const length = bytesOf(group);
  const most = (1n << BigInt(8 * length)) - 1n;

  it('is (hash mod q) + 1', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: length, maxLength: length }), (wide) => expectReduced(group, wide)),
    );
  });

  it('is the same if the hash is a multiple of q, or next to one', () => {
    const top = most / group.q;
    const factors = [0n, 1n, 2n, 3n, (1n << 24n) - 1n, 1n << 64n, (1n << 128n) - 1n, 1n << 128n, top - 1n, top];
    const factor = fc.oneof(fc.constantFrom(...factors), fc.bigInt({ min: 0n, max: top }));
    const away = fc.oneof(fc.bigInt({ min: -2n, max: 2n }), fc.bigInt({ min: -(1n << 70n), max: 1n << 70n }));
    const property = fc.property(factor, away, (times, offset) => {
      const value = times * group.q + offset;
      if (value >= 0n && value <= most) expectReduced(group, bigintToBytes(value, length));
    });
    fc.assert(property, { numRuns: 500 });
    for (const times of factors) {
      for (const offset of [-1n, 0n, 1n]) {
        const value = times * group.q + offset;
        if (value >= 0n && value <= most) expectReduced(group, bigintToBytes(value, length));
      }
    }
  });

  it('is the same for runs of zeros and ones', () => {
    const cut = fc.nat(length);
    fc.assert(
      fc.property(cut, cut, fc.constantFrom(0, 0xff), (from, to, fill) => {
        expectReduced(group, new Uint8Array(length).fill(0xff - fill).fill(fill, from, to));
      }),
    );
    for (const fill of [0, 1, 0x7f, 0x80, 0xff]) expectReduced(group, new Uint8Array(length).fill(fill));
  });

  it('is the same for a view into a larger buffer', () => {
    const larger = new Uint8Array(length + 9).map((_, i) => i * 37);
    for (const from of [1, 3, 8]) expectReduced(group, larger.subarray(from, from + length));
  });

  it('is refused for another length', () => {
    for (const other of [0, length - 1, length + 1]) {
      expect(outcome(() => reduced(group, new Uint8Array(other)))).toBe('LENGTH_MISMATCH');
    }
    for (const other of [group.elementBytes - 1, length]) {
      expect(outcome(() => reduceInto(group, new Uint8Array(length), new Uint8Array(other)))).toBe('LENGTH_MISMATCH');
    }
  });
});
