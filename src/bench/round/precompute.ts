// Cost of one round's precomputation on one node: every step for a batch, through the engine's public interface, in CPU time of
// the whole process (the workers' and the main thread's together).
import { randomBytes, systemRng } from '../../base/index.js';
import {
  createKeyShare,
  decryptionShares,
  generatorElement,
  joinCipher,
  precompDecrypt,
  precompPermute,
  proveDecryption,
  randomPermutation,
  type ShareContext,
  splitCipher,
} from '../../cmix/index.js';
import { type Engine, type EngineName, openEngine } from '../../engine/index.js';
import { type Group, randomElements, randomExponents } from '../../math/index.js';
import type { BenchShape } from '../options.js';
import { type Spread, takeSpread } from '../stats.js';

/** One step of the work. */
interface PrecomputeStep {
  readonly what: string;
  /** CPU µs per slot. */
  readonly cpuUsPerSlot: Spread;
}

export interface PrecomputeCost {
  readonly engine: string;
  readonly path: string;
  readonly slots: number;
  readonly width: 1;
  readonly bits: number;
  readonly exponentBits: number;
  readonly threads: number;
  readonly rounds: number;
  readonly steps: readonly PrecomputeStep[];
  /** CPU ms per slot of a whole round: the least of the rounds' sums, not the sum of the steps' least. */
  readonly cpuMsPerSlot: number;
  readonly cpuMsPerSlotMedian: number;
  /** Wall time of a whole round's computation, ms. */
  readonly wallMs: Spread;
}

/** CPU µs of each step of one round, by name. */
type Costs = Map<string, number>;

/** Measures the CPU time of the process during each step. */
class Meter {
  readonly costs: Costs = new Map();
  wallMs = 0;

  async step<T>(what: string, work: () => T | Promise<T>): Promise<T> {
    const [before, start] = [process.cpuUsage(), process.hrtime.bigint()];
    const result = await work();
    this.wallMs += Number(process.hrtime.bigint() - start) / 1e6;
    const { user, system } = process.cpuUsage(before);
    this.costs.set(what, (this.costs.get(what) ?? 0) + user + system);
    return result;
  }
}

const NODE = '00'.repeat(16) as ShareContext['node'];

interface Round {
  readonly engine: Engine;
  readonly meter: Meter;
  readonly slots: number;
  readonly exponentBytes: number;
}

/** Draws r, s, their exponents and the permutation. */
function draw({ engine: { group }, slots, exponentBytes }: Round) {
  const pair = () => ({
    plain: randomElements(systemRng, group, slots),
    exponents: randomExponents(systemRng, slots, exponentBytes),
  });
  return { r: pair(), s: pair(), source: randomPermutation(systemRng, slots) };
}

/** Generate: both encryptions, and the operands of the rings and of realtime. */
async function generate(round: Round, teamKey: Uint8Array) {
  const { engine, meter, exponentBytes } = round;
  const { r, s, source } = await meter.step('drawing r, s, exponents, permutation', () => draw(round));
  const [g, team] = await meter.step('tables of g and the team key', () =>
    Promise.all([engine.fixedBase(generatorElement(engine.group)), engine.fixedBase(teamKey)]),
  );
  const cipher = async ({ plain, exponents }: typeof r) => {
    const [heads, keys] = await meter.step('powFixed, 4 a slot', async () => [
      await engine.powFixed(g, exponents, { exponentBytes }),
      await engine.powFixed(team, exponents, { exponentBytes }),
    ]);
    return meter.step('products of the encryptions, 2 a slot', async () =>
      joinCipher(engine, heads!, await engine.mul(plain, keys!), 1),
    );
  };
  const [encR, encS] = [await cipher(r), await cipher(s)];
  const operands = await meter.step('prepare r, s, Enc(r), Enc(s), 6 a slot', async () => ({
    r: await engine.prepare(r.plain),
    s: await engine.prepare(s.plain),
    encR: await engine.prepare(encR),
    encS: await engine.prepare(encS),
  }));
  g.release();
  team.release();
  return { operands, source };
}

/** One round of one node in the middle of a team; the other nodes' batches are random elements. */
async function precompute(round: Round): Promise<Meter> {
  const { engine, meter, slots, exponentBytes } = round;
  const { group } = engine;
  const context = { group, roundDigest: randomBytes(systemRng, 32), node: NODE, width: 1, exponentBytes };
  const { exponents, share } = await meter.step('key share with its proof', () =>
    createKeyShare(engine, systemRng, context),
  );
  const { operands, source } = await generate(round, share.elements);
  const incoming = incomingBatch(group, slots);
  const ring = await meter.step('ring 1 to N: mul, 2 a slot', () => precompDecrypt(engine, incoming, operands.encR));
  const mixed = await meter.step('ring N to 1: mulGather, 2 a slot', () =>
    precompPermute(engine, ring, source, operands.encS, { width: 1 }),
  );
  const { c0, payload } = splitCipher(group, mixed, 1);
  const shares = await meter.step('decryption shares: powShared, 1 a slot', () =>
    decryptionShares(engine, c0, exponents, { exponentBytes }),
  );
  await meter.step('proof of the batch of shares', () => {
    const batchDigest = randomBytes(systemRng, 32);
    return proveDecryption(engine, systemRng, context, {
      ...{ publicShares: share.elements, exponents, c0, shares, batchDigest },
    });
  });
  const inverse = await meter.step('inversion and prepare, 1 a slot', async () =>
    engine.prepare(await engine.invertBatch(payload)),
  );
  for (const operand of [...Object.values(operands), inverse]) operand.release();
  exponents.wipe();
  return meter;
}

const incomingBatch = (group: Group, slots: number): Uint8Array => randomElements(systemRng, group, 2 * slots);

/**
 * Measures the precomputation.
 * @param options threads: the workers; repeat: rounds that are measured, after one that is not
 * @throws MixError ENGINE_UNAVAILABLE, ENGINE_SELFCHECK
 */
export async function benchPrecompute(
  options: BenchShape & { readonly engine?: EngineName | 'auto' },
): Promise<PrecomputeCost> {
  const { group, threads } = options;
  const engine = await openEngine({ engine: options.engine ?? 'auto', group, threads });
  try {
    return await measurePrecompute(engine, options);
  } finally {
    await engine.close();
  }
}

/** The same on an open engine. */
export async function measurePrecompute(
  engine: Engine,
  { batch: slots, repeat: rounds, exponentBits }: Pick<BenchShape, 'batch' | 'repeat' | 'exponentBits'>,
): Promise<PrecomputeCost> {
  const once = () => precompute({ engine, meter: new Meter(), slots, exponentBytes: exponentBits / 8 });
  await once();
  const all: Meter[] = [];
  for (let i = 0; i < rounds; i++) all.push(await once());
  const sums = takeSpread(all.map(({ costs }) => [...costs.values()].reduce((sum, us) => sum + us, 0) / slots / 1000));
  const steps = [...all[0]!.costs.keys()].map((what) => ({
    what,
    cpuUsPerSlot: takeSpread(all.map(({ costs }) => costs.get(what)! / slots)),
  }));
  const { name, path, group, threads } = engine;
  const shape = { slots, width: 1 as const, bits: group.bits, exponentBits, threads, rounds };
  const wallMs = takeSpread(all.map((meter) => meter.wallMs));
  return { engine: name, path, ...shape, steps, cpuMsPerSlot: sums.min, cpuMsPerSlotMedian: sums.median, wallMs };
}
