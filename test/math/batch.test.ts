// Flat batches: little-endian elements side by side, and the range check between the wire and the group.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  allocateBatch,
  bigintToBytes,
  bytesToBigint,
  CHECK_SLICE,
  checkElements,
  checkElementsInTurns,
  countElements,
  elementAt,
  readElement,
  SLOTS_MAX,
  toBatch,
  toBigints,
  WIDTH_MAX,
  writeElement,
} from '../../src/math/batch.js';
import { namedGroup } from '../../src/math/group.js';
import { outcome } from '../support/cmix.js';

describe('integers', () => {
  it('round-trip little-endian, and refuse a length that is too short', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 1, maxLength: 70 }), (bytes) => {
        expect(Buffer.compare(bigintToBytes(bytesToBigint(bytes), bytes.length), bytes)).toBe(0);
      }),
    );
    expect(bigintToBytes(258n, 4)).toEqual(Uint8Array.of(2, 1, 0, 0));
    expect(bytesToBigint(Uint8Array.of(0, 0, 1))).toBe(65_536n);
    expect(outcome(() => bigintToBytes(256n, 1))).toBe('LENGTH_MISMATCH');
    expect(outcome(() => bigintToBytes(-1n, 4))).toBe('LENGTH_MISMATCH');
    expect(outcome(() => bigintToBytes(1n, 0))).toBe('LENGTH_MISMATCH');
  });
});

describe.each(['TEST-64', 'TEST-512', 'MODP-2048', 'MODP-3072', 'MODP-4096'])('a batch in %s', (name) => {
  const group = namedGroup(name);
  const { q, p, bits, elementBytes } = group;
  const element = fc.bigInt({ min: 1n, max: q });
  const codeOf = (value: bigint) => outcome(() => checkElements(group, bigintToBytes(value, elementBytes), 'test'));

  it('holds element e of slot j at (j·width + e)·elementBytes', () => {
    fc.assert(
      fc.property(fc.array(element, { maxLength: 9 }), (values) => {
        const batch = toBatch(group, values);
        expect(batch.buffer).toBeInstanceOf(SharedArrayBuffer);
        expect(toBigints(group, batch)).toEqual(values);
        for (const [index, value] of values.entries()) {
          expect(readElement(group, batch, index)).toBe(value);
          expect(elementAt(group, batch, index).byteOffset).toBe(index * elementBytes);
        }
        expect(checkElements(group, batch, 'test', values.length)).toBe(values.length);
      }),
      { numRuns: 30 },
    );
  });

  it('accepts 1 and q, and refuses 0, q + 1, p and all ones', () => {
    for (const value of [1n, 2n, q - 1n, q, q >> 1n, 1n << 40n]) expect(codeOf(value)).toBe(1);
    for (const value of [0n, q + 1n, p - 1n, p, p + 1n, (1n << BigInt(bits)) - 1n])
      expect(codeOf(value)).toBe('ELEMENT_RANGE');
  });

  it('agrees with 1 ≤ x ≤ q on every value around the edges and at random', () => {
    const top = BigInt(bits - 32);
    const near = fc.tuple(fc.constantFrom(0n, q, p, (q >> top) << top, 1n << top), fc.bigInt({ min: -3n, max: 3n }));
    const anything = fc.bigInt({ min: 0n, max: (1n << BigInt(bits)) - 1n });
    const value = fc.oneof(
      near.map(([x, d]) => x + d).filter((x) => x >= 0n && x >> BigInt(bits) === 0n),
      anything,
    );
    fc.assert(
      fc.property(value, (x) => {
        expect(codeOf(x)).toBe(x >= 1n && x <= q ? 1 : 'ELEMENT_RANGE');
      }),
      { numRuns: 300 },
    );
  });

  it('names the first wrong element at any place', () => {
    for (const index of [0, 3, 6]) {
      const batch = toBatch(group, [1n, q, 2n, q, 5n, q, 1n]);
      writeElement(group, batch, index, q + 1n);
      expect(() => checkElements(group, batch, 'thing')).toThrow(`what=thing, index=${index}`);
      // A view into a larger batch counts from its own start.
      expect(checkElements(group, batch.subarray((index + 1) * elementBytes), 'rest')).toBe(6 - index);
    }
  });

  it('refuses a wrong length, and a wrong number of elements', () => {
    for (const length of [1, elementBytes - 1, elementBytes + 1]) {
      expect(outcome(() => countElements(group, new Uint8Array(length), 'test'))).toBe('LENGTH_MISMATCH');
      expect(outcome(() => checkElements(group, new Uint8Array(length), 'test'))).toBe('LENGTH_MISMATCH');
    }
    const three = toBatch(group, [1n, 1n, 1n]);
    expect(outcome(() => checkElements(group, three, 'test', 2))).toBe('LENGTH_MISMATCH');
    expect(checkElements(group, new Uint8Array(0), 'test', 0)).toBe(0);
  });
});

describe('range checks of hostile elements', () => {
  const group = namedGroup('MODP-4096');
  const count = 2000;
  /** CPU time, the minimum of several runs: other processes share this machine. */
  const cpuUs = (work: () => unknown): number => {
    const times = Array.from({ length: 5 }, () => {
      const start = process.cpuUsage();
      work();
      const { user, system } = process.cpuUsage(start);
      return user + system;
    });
    return Math.min(...times);
  };
  const checked = (batch: Uint8Array) => () => {
    for (let i = 0; i < 5; i++) checkElements(group, batch, 'batch');
  };
  const all = (value: bigint) => toBatch(group, new Array<bigint>(count).fill(value));

  it('use no big integers: they take less than half of the time of reading them as such', () => {
    for (const value of [1n, 1n << 4030n, group.q - 1n, group.q]) {
      // Measured: 60 times less for 1, 12 times less in the worst case.
      const batch = all(value);
      expect(cpuUs(checked(batch)) / 5).toBeLessThan(cpuUs(() => toBigints(group, batch)) / 2);
    }
  });

  it('let the event loop turn between slices, and name the wrong element in any slice', async () => {
    const long = all(group.q);
    const batch = toBatch(namedGroup('TEST-64'), new Array<bigint>(3 * CHECK_SLICE).fill(1n));
    const small = namedGroup('TEST-64');
    let turns = 0;
    const turn = () => {
      turns++;
      timer = setImmediate(turn);
    };
    let timer = setImmediate(turn);
    await checkElementsInTurns(small, batch, 'batch');
    clearImmediate(timer);
    expect(turns).toBeGreaterThanOrEqual(2);
    writeElement(small, batch, 2 * CHECK_SLICE + 5, 0n);
    await expect(checkElementsInTurns(small, batch, 'batch')).rejects.toMatchObject({
      code: 'ELEMENT_RANGE',
      values: { index: 2 * CHECK_SLICE + 5 },
    });
    expect(await checkElementsInTurns(group, long, 'batch')).toBe(count);
  });
});

describe('an allocation', () => {
  const group = namedGroup('TEST-64');

  it('is zeroed and of the right size, and refused out of bounds before it is made', () => {
    expect(allocateBatch(group, 3, 2)).toEqual(new Uint8Array(48));
    expect(allocateBatch(group, 0).length).toBe(0);
    for (const slots of [-1, 1.5, SLOTS_MAX + 1, Number.NaN, 2 ** 53]) {
      expect(outcome(() => allocateBatch(group, slots))).toBe('SLOT_COUNT');
    }
    for (const width of [0, -1, 1.5, WIDTH_MAX + 1])
      expect(outcome(() => allocateBatch(group, 1, width))).toBe('WIDTH_INVALID');
  });
});
