// The refusals of the compliance suite: wrong inputs, each with its code, before any work is done; handles that are released or
// of another engine; and every call after close.
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { type ErrorCode, MixError } from '../../src/base/errors.js';
import type { Engine, Prepared } from '../../src/engine/engine.js';
import { operations } from '../../src/engine/operations.js';
import { bigintToBytes, CHECK_SLICE, toBatch, toBigints } from '../../src/math/batch.js';
import type { Group } from '../../src/math/group.js';
import { randomElements } from '../../src/math/sampling.js';
import type { Harness, OpenForTest } from '../engine.compliance.js';
import { SeededRng } from '../support/seededRng.js';

type Call = (engine: Engine) => Promise<unknown>;

export function refusalTests(harness: Harness): void {
  const { group, elements, exponents } = harness;
  const bytes = group.elementBytes;
  const tooLong = Math.max(2 * bytes, 64) + 1;
  const e32 = { exponentBytes: 32 };
  const badBatch = (value: bigint) => {
    const batch = elements(2);
    batch.set(bigintToBytes(value, bytes), bytes);
    return batch;
  };
  const refused: readonly (readonly [ErrorCode, string, Call])[] = [
    ['LENGTH_MISMATCH', 'half an element', (e) => e.mul(elements(2).subarray(1), elements(2))],
    ['LENGTH_MISMATCH', 'operands of different lengths', (e) => e.mul(elements(2), elements(3))],
    [
      'LENGTH_MISMATCH',
      'a prepared operand of another length',
      async (e) => e.mul(elements(2), await e.prepare(elements(3))),
    ],
    ['LENGTH_MISMATCH', 'a slice beyond the operand', async (e) => (await e.prepare(elements(3))).slice(1, 4)],
    ['LENGTH_MISMATCH', 'an odd number of elements at width 2', (e) => e.product(elements(3), { width: 2 })],
    [
      'LENGTH_MISMATCH',
      'a gather of half a slot',
      (e) => e.mulGather(elements(3), Uint32Array.of(0), elements(3), { width: 2 }),
    ],
    ['LENGTH_MISMATCH', 'fewer exponents than bases', (e) => e.pow(elements(2), exponents(1, 32), e32)],
    ['LENGTH_MISMATCH', 'half an exponent', (e) => e.pow(elements(2), exponents(2, 31), e32)],
    ['LENGTH_MISMATCH', 'more exponents than bases', (e) => e.multiExp(elements(1), exponents(2, 32), e32)],
    ['LENGTH_MISMATCH', 'a fixed base of two elements', (e) => e.fixedBase(elements(2))],
    ['LENGTH_MISMATCH', 'an empty fixed base', (e) => e.powFixed(elements(0), exponents(1, 32), e32)],
    ['LENGTH_MISMATCH', 'a result buffer too long', (e) => e.invertBatch(elements(2), { out: elements(3) })],
    ['LENGTH_MISMATCH', 'a result buffer too short', (e) => e.product(elements(4), { width: 2, out: elements(1) })],
    ['ELEMENT_RANGE', 'zero', (e) => e.mul(badBatch(0n), elements(2))],
    ['ELEMENT_RANGE', 'q + 1', (e) => e.mul(elements(2), badBatch(group.q + 1n))],
    ['ELEMENT_RANGE', 'p', (e) => e.prepare(badBatch(group.p))],
    ['ELEMENT_RANGE', 'zero to be inverted', (e) => e.invertBatch(badBatch(0n))],
    ['ELEMENT_RANGE', 'a base of zero', (e) => e.fixedBase(badBatch(0n).subarray(bytes))],
    ['ELEMENT_RANGE', 'bases beyond q', (e) => e.powShared(badBatch(group.q + 1n), exponents(1, 32), e32)],
    ['ELEMENT_RANGE', 'zero in a product', (e) => e.product(badBatch(0n))],
    ['ELEMENT_RANGE', 'zero in a multi-exponentiation', (e) => e.multiExp(badBatch(0n), exponents(2, 32), e32)],
    [
      'LENGTH_MISMATCH',
      'elements in range of another length',
      (e) => e.mul(elements(2), elements(3), { inRange: true }),
    ],
    ['LENGTH_MISMATCH', 'half an element in range', (e) => e.product(elements(2).subarray(1), { inRange: true })],
    [
      'ELEMENT_RANGE',
      'zero that is not said to be in range',
      (e) => e.mul(badBatch(0n), elements(2), { inRange: false }),
    ],
    [
      'ARGUMENT_INVALID',
      'neither in range nor not',
      (e) => e.mul(elements(2), elements(2), { inRange: 1 as unknown as boolean }),
    ],
    ['EXPONENT_RANGE', 'exponents of no bytes', (e) => e.pow(elements(1), exponents(1, 32), { exponentBytes: 0 })],
    ['EXPONENT_RANGE', 'exponents of half a byte', (e) => e.pow(elements(1), exponents(1, 32), { exponentBytes: 0.5 })],
    [
      'EXPONENT_RANGE',
      'exponents beyond twice an element, or 64 bytes',
      (e) => e.pow(elements(1), exponents(1, tooLong), { exponentBytes: tooLong }),
    ],
    ['WIDTH_INVALID', 'width 0', (e) => e.product(elements(2), { width: 0 })],
    ['WIDTH_INVALID', 'width 17', (e) => e.mulGather(elements(0), new Uint32Array(0), elements(0), { width: 17 })],
    ['WIDTH_INVALID', 'no shared exponent', (e) => e.powShared(elements(1), exponents(0, 32), e32)],
    ['PERMUTATION_INVALID', 'too few indices', (e) => e.mulGather(elements(2), Uint32Array.of(0), elements(2))],
    ['PERMUTATION_INVALID', 'an index twice', (e) => e.mulGather(elements(2), Uint32Array.of(1, 1), elements(2))],
    ['PERMUTATION_INVALID', 'an index beyond', (e) => e.mulGather(elements(2), Uint32Array.of(0, 2), elements(2))],
    [
      'BUFFER_OVERLAP',
      'a result over an input',
      (e) => {
        const a = elements(2);
        return e.mul(a, elements(2), { out: a });
      },
    ],
    ['ABORTED', 'an aborted signal', (e) => e.mul(elements(1), elements(1), { signal: AbortSignal.abort() })],
    ['HANDLE_FOREIGN', 'something that is no handle', (e) => e.mul(elements(1), { count: 1 } as unknown as Prepared)],
  ];

  it.each(refused)('refuses with %s: %s', async (code, _what, call) => {
    await expect(call(harness.engine)).rejects.toMatchObject({ name: 'MixError', code });
  });
}

/** An operation with valid arguments, by name. Arguments that the operation does not have are not changed. */
interface Signature {
  readonly operation: string;
  readonly argumentNames: readonly string[];
  readonly options: readonly string[];
  readonly good: () => unknown[];
}

function signatures({ group, elements, exponents }: Harness): Signature[] {
  const one = () => elements(1).subarray(0, group.elementBytes);
  const work = ['signal', 'priority', 'order'];
  const powers = [...work, 'out', 'exponentBytes'];
  const e32 = () => ({ exponentBytes: 32 });
  const list: [string, string[], string[], () => unknown[]][] = [
    ['prepare', ['elements'], work, () => [elements(2), {}]],
    ['fixedBase', ['base'], work, () => [one(), {}]],
    ['mul', ['a', 'b'], [...work, 'out'], () => [elements(2), elements(2), {}]],
    [
      'mulGather',
      ['a', 'source', 'b'],
      [...work, 'out', 'width'],
      () => [elements(2), Uint32Array.of(1, 0), elements(2), {}],
    ],
    ['powFixed', ['base', 'exponents'], powers, () => [one(), exponents(2, 32), e32()]],
    ['powShared', ['bases', 'exponents'], powers, () => [elements(2), exponents(2, 32), e32()]],
    ['pow', ['bases', 'exponents'], powers, () => [elements(2), exponents(2, 32), e32()]],
    ['invertBatch', ['a'], [...work, 'out'], () => [elements(2), {}]],
    ['product', ['a'], [...work, 'out', 'width'], () => [elements(2), {}]],
    ['multiExp', ['bases', 'exponents'], powers, () => [elements(2), exponents(2, 32), e32()]],
  ];
  return list.map(([operation, argumentNames, options, good]) => ({ operation, argumentNames, options, good }));
}

function detached(): Uint8Array {
  const bytes = new Uint8Array(64);
  structuredClone(bytes.buffer, { transfer: [bytes.buffer] });
  return bytes;
}

/** Values that no argument or option of any operation can have. */
const WRONG: readonly (readonly [string, () => unknown])[] = [
  ['null', () => null],
  ['a string', () => '0123456789abcdef'],
  ['a boolean', () => true],
  ['not a number', () => Number.NaN],
  ['a symbol', () => Symbol('x')],
  ['a function', () => () => new Uint8Array(64)],
  ['an array of numbers', () => [0, 1]],
  ['Uint16Array', () => Uint16Array.of(1, 0)],
  ['Int32Array', () => Int32Array.of(0, -1)],
  ['Float64Array', () => Float64Array.of(0.5, 1)],
  ['BigUint64Array', () => BigUint64Array.of(1n, 0n)],
  ['DataView', () => new DataView(new ArrayBuffer(64))],
  ['ArrayBuffer', () => new ArrayBuffer(64)],
  ['SharedArrayBuffer', () => new SharedArrayBuffer(64)],
  ['an array-like object', () => ({ length: 2, 0: 1, 1: 0, buffer: new ArrayBuffer(8), byteLength: 8, byteOffset: 0 })],
  ['a detached buffer', detached],
];

/** Wrong types at every place of every operation: refused with an error that names the argument; the engine continues. */
export function typeTests(harness: Harness): void {
  const { group, elements } = harness;
  const call = (operation: string, args: unknown[]): Promise<unknown> => {
    const engine = harness.engine as unknown as Record<string, (...args: unknown[]) => Promise<unknown>>;
    return engine[operation]!(...args);
  };
  const refusal = (name: string) => ({
    name: 'MixError',
    message: expect.stringMatching(new RegExp(`(=|options\\.)${name}\\b|\\b${name}=`)),
  });

  it.each(signatures(harness))('$operation refuses wrong types of every argument and option', async (signature) => {
    const { operation, argumentNames, options, good } = signature;
    await call(operation, good());
    for (const [, wrong] of WRONG) {
      for (const [place, name] of argumentNames.entries()) {
        const args = good();
        args[place] = wrong();
        await expect(call(operation, args)).rejects.toMatchObject(refusal(name));
      }
      for (const name of options) {
        const args = good();
        args[argumentNames.length] = { ...(args[argumentNames.length] as object), [name]: wrong() };
        await expect(call(operation, args)).rejects.toMatchObject(refusal(name));
      }
      const args = good();
      args[argumentNames.length] = wrong();
      if (typeof args[argumentNames.length] !== 'object' || ArrayBuffer.isView(args[argumentNames.length])) {
        await expect(call(operation, args)).rejects.toMatchObject(refusal('options'));
      }
    }
    for (let missing = 0; missing < argumentNames.length; missing++) {
      await expect(call(operation, good().slice(0, missing))).rejects.toMatchObject({ name: 'MixError' });
    }
    await call(operation, good());
  });

  it('refuses any mixture of wrong types with an error of its own', async () => {
    const all = signatures(harness);
    const wrong = fc.constantFrom(...WRONG.map(([, make]) => make));
    const property = fc.asyncProperty(
      fc.constantFrom(...all),
      fc.infiniteStream(wrong),
      fc.nat(15),
      async (one, values, mask) => {
        const args = one.good();
        const places = Array.from({ length: one.argumentNames.length }, (_, place) => place);
        const replaced = places.filter((place) => mask & (1 << place));
        if (replaced.length === 0) replaced.push(0);
        for (const place of replaced) args[place] = values.next().value();
        const thrown = await call(one.operation, args).catch((error: unknown) => error);
        expect(thrown).toBeInstanceOf(MixError);
        expect((thrown as MixError).code).not.toBe('INTERNAL');
      },
    );
    await fc.assert(property, { numRuns: 200, seed: 1 });
  });

  it("gathers by the indices at the time of the call, even if the caller's memory changes later", async () => {
    const slots = 64;
    const a = elements(slots);
    const b = elements(slots);
    const source = new Uint32Array(new SharedArrayBuffer(4 * slots));
    for (let slot = 0; slot < slots; slot++) source[slot] = slots - 1 - slot;
    const given = [...source];
    const gathered = harness.engine.mulGather(a, source, b);
    source.fill(0xffff_ffff);
    expect(toBigints(group, await gathered)).toEqual(
      operations.mulGather.reference(group, {
        a: toBigints(group, a),
        source: given,
        b: toBigints(group, b),
        width: 1,
      }),
    );
  });

  it('refuses a wrong element at the end of a long batch that is made slow to check', async () => {
    const count = CHECK_SLICE + 10;
    const slow = toBatch(group, new Array<bigint>(count).fill(1n));
    await harness.engine.prepare(slow).then((operand) => operand.release());
    slow.set(bigintToBytes(0n, group.elementBytes), (count - 1) * group.elementBytes);
    const refused = { code: 'ELEMENT_RANGE', values: { index: count - 1 } };
    await expect(harness.engine.prepare(slow)).rejects.toMatchObject(refused);
    await expect(harness.engine.invertBatch(slow)).rejects.toMatchObject(refused);
  });

  it.skipIf(group.elementBytes < 512)('refuses a batch larger than any buffer, before it is allocated', () => {
    const refused = expect.objectContaining({ code: 'BATCH_TOO_LARGE', values: { bytes: 2 ** 33, bytesMax: 2 ** 32 } });
    expect(() => harness.engine.allocate(2 ** 20, 16)).toThrow(refused);
  });
}

/**
 * Elements out of range that a caller says are in range: a wrong result, or a refusal of an error of the product, but no crash and no
 * hang; and right results for the next caller. Bases of `fixedBase` and `powFixed` are always checked.
 */
export function garbageTests(harness: Harness): void {
  const { group, elements, exponents } = harness;
  const bytes = group.elementBytes;
  const slots = 7;
  const garbage: readonly (readonly [string, () => Uint8Array])[] = [
    ['zero', () => bigintToBytes(0n, bytes)],
    ['all ones', () => new Uint8Array(bytes).fill(0xff)],
    ['p', () => bigintToBytes(group.p, bytes)],
    ['q + 1', () => bigintToBytes(group.q + 1n, bytes)],
    ['p - 1', () => bigintToBytes(group.p - 1n, bytes)],
  ];
  const options = { inRange: true, exponentBytes: 8 };
  const reversed = () => Uint32Array.from({ length: slots }, (_, slot) => slots - 1 - slot);

  /** Every operation, with these elements at each of its places. */
  const calls: readonly (readonly [string, (e: Engine, bad: Uint8Array) => Promise<unknown>])[] = [
    ['mul a', (e, bad) => e.mul(bad, elements(slots), options)],
    ['mul b', (e, bad) => e.mul(elements(slots), bad, options)],
    ['mul both', (e, bad) => e.mul(bad, Uint8Array.from(bad), options)],
    ['mulGather a', (e, bad) => e.mulGather(bad, reversed(), elements(slots), options)],
    ['mulGather b', (e, bad) => e.mulGather(elements(slots), reversed(), bad, options)],
    ['powShared', (e, bad) => e.powShared(bad, exponents(1, 8), options)],
    ['pow', (e, bad) => e.pow(bad, exponents(slots, 8), options)],
    ['invertBatch', (e, bad) => e.invertBatch(bad, options)],
    ['product', (e, bad) => e.product(bad, options)],
    ['multiExp', (e, bad) => e.multiExp(bad, exponents(slots, 8), options)],
    ['fixedBase', (e, bad) => e.fixedBase(bad.subarray(0, bytes), options).then((base) => base.release())],
    ['powFixed', (e, bad) => e.powFixed(bad.subarray(0, bytes), exponents(slots, 8), options)],
    [
      'prepare, then mul and mulGather',
      async (e, bad) => {
        const operand = await e.prepare(bad, options);
        try {
          await e.mul(elements(slots), operand, options);
          await e.mulGather(elements(slots), reversed(), operand, options);
        } finally {
          operand.release();
        }
      },
    ],
  ];

  it.each(calls)('survives garbage that is said to be in range, and computes on: %s', async (_, call) => {
    for (const [, make] of garbage) {
      for (const wrong of [[0], [slots - 1], [...Array(slots).keys()]]) {
        const bad = elements(slots);
        for (const slot of wrong) bad.set(make(), slot * bytes);
        const thrown = await call(harness.engine, bad).then(
          () => undefined,
          (error: unknown) => error,
        );
        if (thrown !== undefined) expect(thrown).toBeInstanceOf(MixError);
      }
    }
    const [a, b] = [toBigints(group, elements(slots)), toBigints(group, elements(slots))];
    const truth = operations.mul.reference(group, { a, b });
    expect(toBigints(group, await harness.engine.mul(toBatch(group, a), toBatch(group, b)))).toEqual(truth);
    const inverses = operations.invertBatch.reference(group, { a });
    expect(toBigints(group, await harness.engine.invertBatch(toBatch(group, a)))).toEqual(inverses);
  });
}

export function handleTests(name: string, open: OpenForTest, group: Group): void {
  const batch = () => randomElements(new SeededRng(name), group, 3);
  const exponents = Uint8Array.of(1, 2, 3);
  const e1 = { exponentBytes: 1 };
  const released = { code: 'HANDLE_RELEASED' };

  it(`engine ${name} refuses released handles, and those of another engine`, async () => {
    const [engine, other] = [await open(group), await open(group)];
    const operand = await engine.prepare(batch());
    const slice = operand.slice(0, 1);
    const base = await engine.fixedBase(batch().subarray(0, group.elementBytes));
    await expect(other.mul(batch(), operand)).rejects.toMatchObject({ code: 'HANDLE_FOREIGN' });
    await expect(other.powFixed(base, exponents, e1)).rejects.toMatchObject({ code: 'HANDLE_FOREIGN' });
    slice.release();
    operand.release();
    base.release();
    base.release();
    await expect(engine.mul(batch(), operand)).rejects.toMatchObject(released);
    await expect(engine.mul(batch().subarray(0, group.elementBytes), slice)).rejects.toMatchObject(released);
    expect(() => operand.slice(0, 1)).toThrow(expect.objectContaining(released));
    await expect(engine.powFixed(base, exponents, e1)).rejects.toMatchObject(released);
    await Promise.all([engine.close(), other.close()]);
  });

  it(`engine ${name} finishes an operation whose operand is released meanwhile`, async () => {
    const engine = await open(group);
    const operand = await engine.prepare(batch());
    const product = engine.mul(batch(), operand);
    operand.release();
    const values = toBigints(group, batch());
    expect(toBigints(group, await product)).toEqual(operations.mul.reference(group, { a: values, b: values }));
    await engine.close();
  });

  it(`engine ${name} refuses every call after close, which may be called again`, async () => {
    const engine = await open(group);
    const operand = await engine.prepare(batch());
    await Promise.all([engine.close(), engine.close()]);
    await engine.close();
    const closed = { code: 'ENGINE_CLOSED' };
    await expect(engine.mul(batch(), batch())).rejects.toMatchObject(closed);
    await expect(engine.mul(batch(), operand)).rejects.toMatchObject(closed);
    await expect(engine.prepare(batch())).rejects.toMatchObject(closed);
    await expect(engine.fixedBase(batch().subarray(0, group.elementBytes))).rejects.toMatchObject(closed);
    operand.release();
  });
}
