// The suite that every engine must pass: each operation against the BigInt catalogue, bit for bit, on random and extreme inputs,
// in every way that a caller may pass them; and every refusal. Engines differ in speed only.
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Rng, randomBelow, randomBytes } from '../src/base/rng.js';
import { selfCheck } from '../src/engine/checked/selfCheck.js';
import type { Engine } from '../src/engine/engine.js';
import { readExponents } from '../src/engine/kernels/reference.js';
import { operations } from '../src/engine/operations.js';
import { bigintToBytes, toBatch, toBigints } from '../src/math/batch.js';
import { type Group, namedGroup } from '../src/math/group.js';
import { randomElements } from '../src/math/sampling.js';
import { garbageTests, handleTests, refusalTests, typeTests } from './engine/refusals.js';
import { SeededRng } from './support/seededRng.js';

/** Opens the engine under test in a group; the suite closes it. */
export type OpenForTest = (group: Group) => Promise<Engine>;

export interface Sizes {
  /** Slots of products, which are cheap. */
  readonly products: number;
  /** Powers with 256-bit exponents. */
  readonly powers: number;
  /** Elements inverted, one reference inversion each. */
  readonly inverses: number;
  /** Bases of the multi-exponentiation with 128-bit exponents. */
  readonly bases: number;
}

/** Small groups carry the bulk of the tests, large ones show that size changes nothing. */
const SIZES: ReadonlyMap<string, Sizes> = new Map([
  ['TEST-64', { products: 100, powers: 50, inverses: 50, bases: 50 }],
  ['TEST-512', { products: 1000, powers: 1000, inverses: 1000, bases: 1000 }],
  ['MODP-2048', { products: 100, powers: 20, inverses: 20, bases: 20 }],
  ['MODP-3072', { products: 100, powers: 18, inverses: 20, bases: 20 }],
  ['MODP-4096', { products: 1000, powers: 18, inverses: 20, bases: 20 }],
]);

/** MODP-3072 adds nothing for code that takes any size; it is for kernels that are compiled for each size. */
const ANY_SIZE = [...SIZES.keys()].filter((name) => name !== 'MODP-3072');

/** `groups`: the groups that the engine supports, if not all; `most`: limit of the sizes above, for slow engines. */
export function engineCompliance(name: string, open: OpenForTest, groups = ANY_SIZE, most = Infinity): void {
  for (const [groupName, full] of SIZES) {
    if (!groups.includes(groupName)) continue;
    const cut = (size: number) => Math.min(size, most);
    const sizes: Sizes = {
      products: cut(full.products),
      powers: cut(full.powers),
      inverses: cut(full.inverses),
      bases: cut(full.bases),
    };
    describe(`engine ${name} in ${groupName}`, () => {
      const harness = harnessOf(namedGroup(groupName), sizes, `${name} ${groupName}`);
      beforeAll(async () => {
        harness.engine = await open(harness.group);
      });
      afterAll(() => harness.engine.close());
      productTests(harness);
      powerTests(harness);
      foldTests(harness);
      it('computes every operation by its formula', () => selfCheck(harness.engine, harness.rng));
      if (groupName === 'TEST-64') propertyTests(harness);
      // Types are the same in all groups; in the largest one a batch can exceed a buffer.
      if (groupName === (groups.includes('MODP-4096') ? 'MODP-4096' : groups[0])) typeTests(harness);
      if (groupName === 'TEST-512' || !groups.includes('TEST-512')) refusalTests(harness);
      // Native code has kernels of its own for each size.
      garbageTests(harness);
    });
  }
  handleTests(name, open, namedGroup(groups.includes('TEST-512') ? 'TEST-512' : groups[0]!));
}

export interface Harness {
  engine: Engine;
  readonly group: Group;
  readonly sizes: Sizes;
  readonly rng: Rng;
  /** `count` elements, the first of them 1, q and 2. */
  readonly elements: (count: number) => Uint8Array;
  /** `count` exponents of a length, the first of them 0, 1, and the maximum. */
  readonly exponents: (count: number, bytes: number) => Uint8Array;
}

function harnessOf(group: Group, sizes: Sizes, seed: string): Harness {
  const rng = new SeededRng(seed);
  const edges = (values: readonly bigint[], count: number) => values.slice(0, count);
  return {
    engine: undefined as unknown as Engine,
    group,
    sizes,
    rng,
    elements: (count) => {
      const first = edges([1n, group.q, 2n], count);
      return toBatch(group, [...first, ...toBigints(group, randomElements(rng, group, count - first.length))]);
    },
    exponents: (count, bytes) => {
      const out = new Uint8Array(new SharedArrayBuffer(count * bytes));
      out.set(randomBytes(rng, count * bytes));
      const first = edges([0n, 1n, (1n << BigInt(8 * bytes)) - 1n], count);
      for (const [index, value] of first.entries()) out.set(bigintToBytes(value, bytes), index * bytes);
      return out;
    },
  };
}

function shuffled(rng: Rng, count: number): Uint32Array {
  const out = Uint32Array.from({ length: count }, (_, index) => index);
  for (let i = count - 1; i > 0; i--) {
    const j = randomBelow(rng, i + 1);
    [out[i], out[j]] = [out[j]!, out[i]!];
  }
  return out;
}

/** The same bytes in private memory, at an odd offset, like those from a socket. */
function unshared(bytes: Uint8Array): Uint8Array {
  const out = new Uint8Array(bytes.length + 1).subarray(1);
  out.set(bytes);
  return out;
}

/** The same bytes in shared memory, not at a word boundary. */
function unaligned(bytes: Uint8Array): Uint8Array {
  const out = new Uint8Array(new SharedArrayBuffer(bytes.length + 3)).subarray(3);
  out.set(bytes);
  return out;
}

function productTests(harness: Harness): void {
  const { group, sizes, rng, elements } = harness;
  const read = (batch: Uint8Array) => toBigints(group, batch);

  it.each([0, 1, 3, sizes.products])('multiplies %i elements, plain and prepared', async (count) => {
    const [a, b] = [elements(count), randomElements(rng, group, count)];
    const truth = operations.mul.reference(group, { a: read(a), b: read(b) });
    const operand = await harness.engine.prepare(b);
    expect(operand.count).toBe(count);
    expect(read(await harness.engine.mul(a, b))).toEqual(truth);
    expect(read(await harness.engine.mul(a, operand))).toEqual(truth);
    operand.release();
  });

  it('multiplies extremes by extremes', async () => {
    const values = [1n, 2n, group.q - 1n, group.q];
    const pairs = values.flatMap((a) => values.map((b) => [a, b] as const));
    const [a, b] = [pairs.map(([left]) => left), pairs.map(([, right]) => right)];
    const product = await harness.engine.mul(toBatch(group, a), toBatch(group, b));
    expect(read(product)).toEqual(operations.mul.reference(group, { a, b }));
  });

  it.each([
    { slots: 0, width: 1 },
    { slots: 1, width: 2 },
    { slots: sizes.products, width: 1 },
    { slots: 25, width: 2 },
  ])('multiplies gathered slots: $slots of width $width', async ({ slots, width }) => {
    const [a, b] = [elements(slots * width), elements(slots * width)];
    const source = shuffled(rng, slots);
    const truth = operations.mulGather.reference(group, { a: read(a), source, b: read(b), width });
    const operand = await harness.engine.prepare(b);
    expect(read(await harness.engine.mulGather(a, source, b, { width }))).toEqual(truth);
    expect(read(await harness.engine.mulGather(a, source, operand, { width }))).toEqual(truth);
    operand.release();
  });

  it('takes slices of prepared operands, also of slices', async () => {
    const [a, b] = [elements(4), elements(20)];
    const operand = await harness.engine.prepare(b);
    const slice = operand.slice(5, 15).slice(3, 7);
    expect(slice.count).toBe(4);
    expect(read(await harness.engine.mul(a, slice))).toEqual(
      operations.mul.reference(group, { a: read(a), b: read(b).slice(8, 12) }),
    );
    operand.release();
  });

  it('takes memory that is not shared or not aligned, and writes to the given output', async () => {
    const [a, b, source] = [elements(7), elements(7), shuffled(rng, 7)];
    const truth = operations.mulGather.reference(group, { a: read(a), source, b: read(b), width: 1 });
    for (const make of [unshared, unaligned]) {
      const out = make(new Uint8Array(a.length));
      expect(await harness.engine.mulGather(make(a), source, make(b), { out })).toBe(out);
      expect(read(out)).toEqual(truth);
    }
    const out = harness.engine.allocate(7);
    expect(await harness.engine.mulGather(a, source, b, { out, priority: 'realtime' })).toBe(out);
    expect(read(out)).toEqual(truth);
  });

  it('gives results in shared memory', async () => {
    expect((await harness.engine.mul(elements(2), elements(2))).buffer).toBeInstanceOf(SharedArrayBuffer);
    expect(harness.engine.allocate(3, 2).length).toBe(6 * group.elementBytes);
  });
}

function powerTests(harness: Harness): void {
  const { group, sizes, elements, exponents } = harness;
  const read = (batch: Uint8Array) => toBigints(group, batch);
  /** Exponent lengths: odd, short, as long as an element, the longest. Large groups: few, because the reference is slow. */
  const large = group.bits > 1024;
  const lengths = [1, 5, 33, group.elementBytes, 2 * group.elementBytes].filter((bytes) => !large || bytes < 100);

  it.each([
    ...lengths.map((exponentBytes) => ({ count: 4, exponentBytes })),
    { count: sizes.powers, exponentBytes: 32 },
  ])('raises $count bases to exponents of $exponentBytes bytes', async ({ count, exponentBytes }) => {
    const [bases, own] = [elements(count), exponents(count, exponentBytes)];
    const truth = operations.pow.reference(group, { bases: read(bases), exponents: readExponents(own, exponentBytes) });
    expect(read(await harness.engine.pow(bases, own, { exponentBytes }))).toEqual(truth);
  });

  it('raises to exponents at and beyond the order: q, q + 1, p, 2q', async () => {
    const { p, q, elementBytes } = group;
    const values = large ? [q] : [q - 1n, q, q + 1n, p, 2n * q];
    const own = new Uint8Array(values.length * elementBytes);
    for (const [i, value] of values.entries()) own.set(bigintToBytes(value, elementBytes), i * elementBytes);
    const base = elements(4).subarray(3 * elementBytes);
    const truth = operations.powFixed.reference(group, { base: read(base)[0]!, exponents: values });
    expect(read(await harness.engine.powFixed(base, own, { exponentBytes: elementBytes }))).toEqual(truth);
  });

  it.each([
    { count: 0, width: 1 },
    { count: 5, width: 1 },
    { count: 5, width: 2 },
    { count: 4, width: 3 },
  ])('raises $count bases to $width shared exponents', async ({ count, width }) => {
    const [bases, shared] = [elements(count), exponents(width, 32)];
    const truth = operations.powShared.reference(group, { bases: read(bases), exponents: readExponents(shared, 32) });
    expect(read(await harness.engine.powShared(bases, shared, { exponentBytes: 32 }))).toEqual(truth);
  });

  it.each([
    { count: 0, exponentBytes: 32 },
    { count: 3, exponentBytes: 32 },
    { count: sizes.powers, exponentBytes: 32 },
    { count: large ? 18 : 40, exponentBytes: 41 },
    { count: 20, exponentBytes: 1 },
  ])('raises a fixed base $count times, $exponentBytes bytes', async ({ count, exponentBytes }) => {
    const own = exponents(count, exponentBytes);
    for (const base of [elements(4).subarray(3 * group.elementBytes), elements(2).subarray(group.elementBytes)]) {
      const truth = operations.powFixed.reference(group, {
        base: read(base)[0]!,
        exponents: readExponents(own, exponentBytes),
      });
      const handle = await harness.engine.fixedBase(base);
      expect(read(handle.element)).toEqual(read(base));
      expect(read(await harness.engine.powFixed(handle, own, { exponentBytes }))).toEqual(truth);
      expect(read(await harness.engine.powFixed(base, own, { exponentBytes }))).toEqual(truth);
      handle.release();
      if (large) break;
    }
  });

  it('takes exponents that are not shared', async () => {
    const [bases, own] = [elements(4), exponents(4, 7)];
    const truth = operations.pow.reference(group, { bases: read(bases), exponents: readExponents(own, 7) });
    const options = { exponentBytes: 7, out: unshared(bases) };
    expect(read(await harness.engine.pow(unshared(bases), unshared(own), options))).toEqual(truth);
  });
}

function foldTests(harness: Harness): void {
  const { group, sizes, elements, exponents } = harness;
  const read = (batch: Uint8Array) => toBigints(group, batch);

  it.each([0, 1, 2, sizes.inverses])('inverts %i elements', async (count) => {
    const a = elements(count);
    expect(read(await harness.engine.invertBatch(a))).toEqual(operations.invertBatch.reference(group, { a: read(a) }));
  });

  it.each([
    { slots: 0, width: 1 },
    { slots: 0, width: 2 },
    { slots: 1, width: 2 },
    { slots: 33, width: 2 },
    { slots: sizes.products, width: 1 },
  ])('folds $slots slots of width $width into their product', async ({ slots, width }) => {
    const a = elements(slots * width);
    expect(read(await harness.engine.product(a, { width }))).toEqual(
      operations.product.reference(group, { a: read(a), width }),
    );
  });

  it.each([
    { count: 0, exponentBytes: 16 },
    { count: 1, exponentBytes: 16 },
    { count: sizes.bases, exponentBytes: 16 },
    { count: 6, exponentBytes: 33 },
  ])('folds powers: $count bases, $exponentBytes bytes', async ({ count, exponentBytes }) => {
    const [bases, own] = [elements(count), exponents(count, exponentBytes)];
    const truth = operations.multiExp.reference(group, {
      bases: read(bases),
      exponents: readExponents(own, exponentBytes),
    });
    expect(read(await harness.engine.multiExp(bases, own, { exponentBytes }))).toEqual(truth);
  });
}

function propertyTests(harness: Harness): void {
  const { group } = harness;
  const element = fc.oneof(fc.constantFrom(1n, group.q), fc.bigInt({ min: 1n, max: group.q }));
  const exponent = fc.oneof(fc.constantFrom(0n, group.q, group.p), fc.bigInt({ min: 0n, max: (1n << 128n) - 1n }));
  const triples = fc.array(fc.tuple(element, element, exponent), { maxLength: 40 });
  const read = (batch: Uint8Array) => toBigints(group, batch);
  const options = { exponentBytes: 16 };

  it('agrees with the catalogue on any batch', async () => {
    await fc.assert(
      fc.asyncProperty(triples, async (list) => {
        const [left, right, powers] = [list.map(([a]) => a), list.map(([, b]) => b), list.map(([, , e]) => e)];
        const [a, b] = [toBatch(group, left), toBatch(group, right)];
        const flat = new Uint8Array(list.length * 16);
        for (const [index, value] of powers.entries()) flat.set(bigintToBytes(value, 16), index * 16);
        const { engine } = harness;
        expect(read(await engine.mul(a, b))).toEqual(operations.mul.reference(group, { a: left, b: right }));
        expect(read(await engine.pow(a, flat, options))).toEqual(
          operations.pow.reference(group, { bases: left, exponents: powers }),
        );
        expect(read(await engine.invertBatch(a))).toEqual(operations.invertBatch.reference(group, { a: left }));
        expect(read(await engine.product(a))).toEqual(operations.product.reference(group, { a: left, width: 1 }));
        expect(read(await engine.multiExp(a, flat, options))).toEqual(
          operations.multiExp.reference(group, { bases: left, exponents: powers }),
        );
      }),
      { numRuns: 40, seed: 1 },
    );
  });
}
