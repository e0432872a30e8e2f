// The tests of the two engines on array libraries (gpujs, tfjs): the compliance suite, 1,000 random powers, extremes, aborts.
// They are slow engines, so `npm test` runs them in small groups; `npm run engines` (MILLRACE_ENGINES=full) runs all tests in all
// groups.
import { describe, expect, it } from 'vitest';
import { randomBytes } from '../../src/base/rng.js';
import type { Engine } from '../../src/engine/engine.js';
import { readExponents } from '../../src/engine/kernels/reference.js';
import { operations } from '../../src/engine/operations.js';
import { toBatch, toBigints } from '../../src/math/batch.js';
import { type Group, namedGroup } from '../../src/math/group.js';
import { randomElements } from '../../src/math/sampling.js';
import { engineCompliance, type OpenForTest } from '../engine.compliance.js';
import { SeededRng } from '../support/seededRng.js';

const FULL = process.env.MILLRACE_ENGINES === 'full';
const LONG_MS = FULL ? 3_600_000 : 60_000;
const LARGE = ['MODP-2048', 'MODP-4096'];

/** 1,000 random powers in one batch. */
async function thousandPowers(name: string, engine: Engine, exponentBytes: number): Promise<void> {
  const { group } = engine;
  const rng = new SeededRng(`${name} ${group.name}`);
  const [bases, exponents] = [randomElements(rng, group, 1000), randomBytes(rng, 1000 * exponentBytes)];
  const truth = operations.pow.reference(group, {
    bases: toBigints(group, bases),
    exponents: readExponents(exponents, exponentBytes),
  });
  expect(toBigints(group, await engine.pow(bases, exponents, { exponentBytes }))).toEqual(truth);
}

/** Every operation at its full size, in short: extremes, powers of one byte, a table, a fold, an inverse. */
async function shortWork(engine: Engine): Promise<void> {
  const { group } = engine;
  const values = [1n, 2n, group.q - 1n, group.q];
  const pairs = values.flatMap((a) => values.map((b) => [a, b] as const));
  const [left, right] = [pairs.map(([a]) => a), pairs.map(([, b]) => b)];
  const read = (batch: Uint8Array) => toBigints(group, batch);
  const [a, b] = [toBatch(group, left), toBatch(group, right)];
  const operand = await engine.prepare(b);
  expect(read(await engine.mul(a, operand))).toEqual(operations.mul.reference(group, { a: left, b: right }));
  const random = randomElements(new SeededRng(group.name), group, 3);
  const exponents = Uint8Array.of(0, 1, 255);
  const e1 = { exponentBytes: 1 };
  const numbers = readExponents(exponents, 1);
  expect(read(await engine.pow(random, exponents, e1))).toEqual(
    operations.pow.reference(group, { bases: read(random), exponents: numbers }),
  );
  expect(read(await engine.invertBatch(random))).toEqual(operations.invertBatch.reference(group, { a: read(random) }));
  expect(read(await engine.multiExp(random, exponents, e1))).toEqual(
    operations.multiExp.reference(group, { bases: read(random), exponents: numbers }),
  );
  const many = Uint8Array.from({ length: 9 }, (_, index) => 30 * index);
  const base = random.subarray(0, group.elementBytes);
  const truth = operations.powFixed.reference(group, { base: read(base)[0]!, exponents: readExponents(many, 1) });
  expect(read(await engine.powFixed(base, many, e1))).toEqual(truth);
  operand.release();
}

/** The short form: limit of its sizes, and the groups of its compliance suite; every operation runs in TEST-512 in any case. */
interface ShortForm {
  readonly most: number;
  readonly groups: readonly string[];
}

export function arrayEngineTests(name: string, open: OpenForTest, short?: Partial<ShortForm>): void {
  const { most = 20, groups = ['TEST-64', 'TEST-512'] } = short ?? {};
  if (FULL) engineCompliance(name, open, ['TEST-64', 'TEST-512', ...LARGE, 'MODP-3072'], 100);
  else engineCompliance(name, open, [...groups], most);

  const withEngine = async (group: Group, work: (engine: Engine) => Promise<void>) => {
    const engine = await open(group);
    try {
      await work(engine);
    } finally {
      await engine.close();
    }
  };

  describe(`engine ${name}`, () => {
    it.each(FULL ? ['TEST-512', 'MODP-2048'] : ['TEST-64'])(
      'computes 1,000 random powers of %s like the reference',
      (group) => withEngine(namedGroup(group), (engine) => thousandPowers(name, engine, FULL ? 32 : 5)),
      LONG_MS,
    );

    // A minute of a core for each engine: only in the full form.
    it.each(FULL ? [...LARGE, 'MODP-3072'] : ['TEST-512'])(
      'computes every operation in %s',
      (group) => withEngine(namedGroup(group), shortWork),
      LONG_MS,
    );

    it('stops in the middle of a power when it is aborted', () =>
      withEngine(namedGroup('TEST-512'), async (engine) => {
        const abort = new AbortController();
        const bases = randomElements(new SeededRng('abort'), engine.group, 50);
        const power = engine.pow(bases, new Uint8Array(50 * 128).fill(255), {
          exponentBytes: 128,
          signal: abort.signal,
        });
        setTimeout(() => abort.abort(), 5);
        await expect(power).rejects.toMatchObject({ code: 'ABORTED' });
        await engine.mul(bases, bases);
      }));
  });
}
