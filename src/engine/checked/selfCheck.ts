// The self-check: an engine computes every operation on random and extreme inputs, and each result is compared with the
// catalogue's before the engine is handed out. It finds a broken library or machine, not every bug: that is the task of
// the compliance suite.
import { MixError, type Rng, randomBytes } from '../../base/index.js';
import { allocateBatch, batchOf, bytesToBigint, elementsOf, randomElements } from '../../math/index.js';
import { catalogue } from '../catalogue.js';
import type { Engine, OperationName } from '../engine.js';
import { exponentsOf } from '../kernels/reference.js';

const EXPONENT_BYTES = 32;
/** Elements of each check: the two extremes and random ones. Few, because the reference's powers are slow. */
const RANDOM_ELEMENTS = 4;
/** Enough powers of one base that an engine with tables uses them. Short exponents keep the reference's part small. */
const FIXED_POWERS = 16;
const FIXED_EXPONENT_BYTES = 4;

interface Case {
  readonly operation: OperationName;
  readonly actual: () => Promise<Uint8Array>;
  readonly expected: () => readonly bigint[];
}

/** @throws MixError ENGINE_SELFCHECK naming the first operation whose result differs from the reference. */
export async function selfCheck(engine: Engine, rng: Rng): Promise<void> {
  const { group } = engine;
  const random = randomElements(rng, group, RANDOM_ELEMENTS);
  const a = batchOf(group, [1n, group.q, ...elementsOf(group, random)]);
  const b = batchOf(group, [...elementsOf(group, randomElements(rng, group, RANDOM_ELEMENTS)), group.q, 1n]);
  const operand = await engine.prepare(b);
  const base = randomElements(rng, group, 1);
  const handle = await engine.fixedBase(base);
  try {
    for (const { operation, actual, expected } of cases({ engine, rng, a, b, operand, base, handle })) {
      const result = elementsOf(group, await actual());
      const truth = expected();
      if (result.length !== truth.length || result.some((value, index) => value !== truth[index])) {
        throw new MixError('ENGINE_SELFCHECK', { engine: engine.name, operation, group: group.name });
      }
    }
  } finally {
    operand.release();
    handle.release();
  }
}

interface Inputs {
  readonly engine: Engine;
  readonly rng: Rng;
  readonly a: Uint8Array;
  readonly b: Uint8Array;
  readonly operand: Awaited<ReturnType<Engine['prepare']>>;
  readonly base: Uint8Array;
  readonly handle: Awaited<ReturnType<Engine['fixedBase']>>;
}

function cases({ engine, rng, a, b, operand, base, handle }: Inputs): Case[] {
  const { group } = engine;
  const [left, right] = [elementsOf(group, a), elementsOf(group, b)];
  const exponents = randomBytes(rng, left.length * EXPONENT_BYTES);
  const powers = { exponentBytes: EXPONENT_BYTES };
  const values = exponentsOf(exponents, EXPONENT_BYTES);
  const short = randomBytes(rng, FIXED_POWERS * FIXED_EXPONENT_BYTES);
  const shortValues = exponentsOf(short, FIXED_EXPONENT_BYTES);
  const shortPowers = { exponentBytes: FIXED_EXPONENT_BYTES };
  const shared = exponents.subarray(0, 2 * FIXED_EXPONENT_BYTES);
  const source = Uint32Array.from([2, 0, 1]);
  const fixed = bytesToBigint(base);
  const none = allocateBatch(group, 0);
  return [
    { operation: 'mul', actual: () => engine.mul(a, b), expected: () => catalogue.mul(group, left, right) },
    { operation: 'mul', actual: () => engine.mul(a, operand), expected: () => catalogue.mul(group, left, right) },
    {
      operation: 'mulGather',
      actual: () => engine.mulGather(a, source, operand, { width: 2 }),
      expected: () => catalogue.mulGather(group, left, source, right, 2),
    },
    {
      operation: 'powFixed',
      actual: () => engine.powFixed(handle, short, shortPowers),
      expected: () => catalogue.powFixed(group, fixed, shortValues),
    },
    {
      operation: 'powFixed',
      actual: () => engine.powFixed(base, short, shortPowers),
      expected: () => catalogue.powFixed(group, fixed, shortValues),
    },
    {
      operation: 'powShared',
      actual: () => engine.powShared(a, shared, shortPowers),
      expected: () => catalogue.powShared(group, left, exponentsOf(shared, FIXED_EXPONENT_BYTES)),
    },
    {
      operation: 'pow',
      actual: () => engine.pow(a, exponents, powers),
      expected: () => catalogue.pow(group, left, values),
    },
    {
      operation: 'invertBatch',
      actual: () => engine.invertBatch(a),
      expected: () => catalogue.invertBatch(group, left),
    },
    {
      operation: 'product',
      actual: () => engine.product(a, { width: 2 }),
      expected: () => catalogue.product(group, left, 2),
    },
    { operation: 'product', actual: () => engine.product(none), expected: () => [1n] },
    {
      operation: 'multiExp',
      actual: () => engine.multiExp(a, short.subarray(0, left.length * 4), shortPowers),
      expected: () => [catalogue.multiExp(group, left, shortValues.slice(0, left.length))],
    },
  ];
}
