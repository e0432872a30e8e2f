// `millrace bench gpu`: a card through the real engine, from host memory to host memory, beside the cpu engine as a peer and the
// results of kernels/dev/check on the card itself, with the limits and the targets.

import { availableParallelism } from 'node:os';
import { systemClock, timestamp } from '../../base/index.js';
import { cudaEngine, degradedBy, type Engine, openEngine, probeEngines, QUEUE_LIMIT } from '../../engine/index.js';
import { type Group, groupOfBits } from '../../math/index.js';
import { QUEUED, readyOperation } from '../engine/operations.js';
import { type CardState, describeMachine, type Machine } from '../machine.js';
import { measurePrecompute, type PrecomputeCost } from '../round/precompute.js';
import { type Spread, significant, takeSpread } from '../stats.js';
import { type CheckReport, madsPerSecond } from './check.js';
import { cardLimits, DOCUMENTED, type Documented, gpuTargets, type Limits, operationLimit } from './limits.js';
import { Budget, type GpuCase, planCases, SHORT_BITS, type SkippedCase } from './plan.js';

interface GpuOptions {
  /** Output of the check; undefined if it did not run. */
  readonly check?: CheckReport;
  /** Default: the output of `npm run build:cuda`. */
  readonly library?: string;
  readonly minutes: number;
  readonly quick: boolean;
  readonly widths: readonly number[];
  readonly batches: readonly number[];
  /** Slots of the precomputation. */
  readonly slots: number;
  readonly threads: number;
  readonly command: string;
  /** State of the card by its driver, and result of its compliance suite. */
  readonly state: CardState | null;
  readonly compliance: Compliance | null;
}

export interface Compliance {
  readonly passed: number;
  readonly failed: number;
}

export interface GpuFigure extends GpuCase {
  readonly repeats: number;
  /** Time of one batch by itself. */
  readonly ms: Spread;
  /** Results (of product and multiExp: elements) per second: by the median batch, or by queued batches if those are faster. */
  readonly perSecond: number;
  /** Microseconds per result with queued batches; absent if not measured so. */
  readonly queuedUsPerOp?: Spread;
  /** Share of the limit. */
  readonly toLimit?: number;
  /** Lanes per number; absent if the library chose them. */
  readonly lanes?: number;
  /** Ratio to the cpu engine's rate in this run. */
  readonly toCpu?: number;
}

interface Peer {
  readonly engine: string;
  readonly path: string;
  readonly threads: number;
}

export interface GpuResult {
  readonly date: string;
  readonly machine: Machine;
  readonly command: string;
  readonly minutes: number;
  readonly quick: boolean;
  readonly card: CheckReport['card'] | { readonly name: string };
  readonly state: CardState | null;
  readonly issue: CheckReport['issue'];
  readonly comparisons: { readonly done: number; readonly wrong: readonly string[] } | null;
  readonly compliance: Compliance | null;
  readonly limits: readonly Limits[];
  readonly resident: readonly GpuFigure[];
  readonly withTransfers: readonly GpuFigure[];
  readonly cpu: readonly GpuFigure[];
  /** The engine of `cpu`: the cpu engine with all its threads, or its replacement. */
  readonly peer: Peer | null;
  readonly precompute: readonly PrecomputeCost[];
  readonly skipped: readonly SkippedCase[];
  /** Faults: the card failed during work, the check failed, or a result was wrong. Empty if there were none. */
  readonly faults: readonly string[];
  readonly documented: readonly Documented[];
  readonly targets: ReturnType<typeof gpuTargets>;
}

/** Batch of the cpu engine: a round's, or the largest planned one below it. */
const PEER_BATCH = 1024;
/** Batch size from which on queues are measured: a single short batch measures the transfer rather than the card. */
const QUEUED_FROM = 1024;
/** Time limit of the repeats of a case. */
const CASE_MS = 1500;
/** Share of the time for short exponents; full-length exponents get the rest. */
const SHORT_SHARE = 0.75;

/** Measures one case on an engine, after a warm-up that is not counted. */
async function measure(engine: Engine, one: GpuCase, quick: boolean): Promise<GpuFigure> {
  const { op, batch, exponentBits } = one;
  const ready = await readyOperation(engine, op, { exponentBits: exponentBits || SHORT_BITS, batch });
  try {
    await ready.once();
    const runs: number[] = [];
    let spentMs = 0;
    while (runs.length === 0 || (runs.length < (quick ? 3 : 7) && spentMs < CASE_MS)) {
      runs.push(await ready.once());
      spentMs += runs.at(-1)!;
    }
    const ms = takeSpread(runs);
    const alone = (batch / ms.median) * 1000;
    const figure = { ...one, repeats: runs.length, ms };
    if (!QUEUED.includes(op) || batch < QUEUED_FROM || quick) return { ...figure, perSecond: significant(alone) };
    const queuedUsPerOp = takeSpread([await ready.sample(), await ready.sample()]);
    return { ...figure, perSecond: significant(Math.max(alone, 1e6 / queuedUsPerOp.median)), queuedUsPerOp };
  } finally {
    ready.release();
  }
}

/** Opens the cpu engine; if it was not built, the engine that a node would run instead. */
async function openPeer(group: Group, threads: number): Promise<Engine> {
  const built = probeEngines(group).some(({ name, available }) => name === 'cpu' && available);
  return openEngine({ engine: built ? 'cpu' : 'openssl', group, threads });
}

class GpuBench {
  readonly #options: GpuOptions;
  readonly #say: (line: string) => void;
  readonly #startMs = systemClock.nowMs();
  readonly card: GpuFigure[] = [];
  readonly cpu: GpuFigure[] = [];
  readonly precompute: PrecomputeCost[] = [];
  readonly skipped: SkippedCase[] = [];
  readonly faults: string[] = [];
  cardName = '';
  peer: Peer | undefined;

  constructor(options: GpuOptions, say: (line: string) => void) {
    this.#options = options;
    this.#say = say;
  }

  async run(): Promise<void> {
    const { widths, minutes } = this.#options;
    const until = (share: number) => new Budget(this.#startMs + share * minutes * 60_000, () => systemClock.nowMs());
    const [short, full] = [until(SHORT_SHARE), until(1)];
    for (const [index, bits] of widths.entries()) {
      await this.#width(bits, SHORT_BITS, index === 0 ? full : short, index === 0);
    }
    for (const bits of widths) await this.#width(bits, bits, full, false);
  }

  /** Runs all cases of a width, on the card and on the CPU. */
  async #width(bits: number, exponentBits: number, budget: Budget, withPrecompute: boolean): Promise<void> {
    const { library, threads, batches } = this.#options;
    const group = groupOfBits(bits);
    // Everything goes to the card, and nothing is computed twice: the card alone is measured.
    const everything = { crossover: { products: 1, powers: 1 }, checkRate: 0, ...(library && { library }) };
    const card = await cudaEngine({ group, threads, queueLimit: QUEUE_LIMIT, ...everything });
    try {
      this.cardName = card.path.split(';')[0]!;
      const cpu = await openPeer(group, threads);
      this.peer = { engine: cpu.name, path: cpu.path, threads: cpu.threads };
      try {
        if (withPrecompute) await this.#precompute([card, cpu]);
        const peers = batches.filter((batch) => batch <= PEER_BATCH);
        const peer = peers.length > 0 ? Math.max(...peers) : Math.min(...batches);
        await this.#all('cpu', cpu, planCases(bits, exponentBits, [peer]), budget, this.cpu);
        await this.#all('card', card, planCases(bits, exponentBits, batches), budget, this.card);
      } finally {
        await cpu.close();
      }
    } finally {
      await card.close();
    }
  }

  async #precompute(engines: readonly Engine[]): Promise<void> {
    const { slots, quick } = this.#options;
    for (const engine of engines) {
      const shape = { batch: slots, repeat: quick ? 1 : 3, exponentBits: SHORT_BITS };
      const cost = await measurePrecompute(engine, shape);
      const failed = engine.name === 'cuda' ? degradedBy(engine) : [];
      this.faults.push(...failed);
      if (failed.length > 0) continue;
      this.precompute.push(cost);
      this.#say(
        `precomputation of ${slots} slots, ${engine.group.bits} bits, ${engine.name}: ${cost.wallMs.median} ms`,
      );
    }
  }

  async #all(
    where: 'card' | 'cpu',
    engine: Engine,
    cases: readonly GpuCase[],
    budget: Budget,
    to: GpuFigure[],
  ): Promise<void> {
    for (const one of cases) {
      const why = budget.why(where, one);
      const { op, bits, batch, exponentBits } = one;
      const name = `${where} ${op} ${bits} bits × ${batch}${exponentBits > 0 ? `, ${exponentBits}-bit exponents` : ''}`;
      if (why !== undefined) {
        this.skipped.push({ ...one, where, why });
        this.#say(`${name}: skipped, ${why}`);
        continue;
      }
      const figure = await measure(engine, one, this.#options.quick);
      // A failed card is replaced silently by the CPU.
      const failed = degradedBy(engine);
      if (where === 'card' && failed.length > 0) {
        this.faults.push(...failed);
        this.#say(`${name}: ${failed.join('; ')}`);
        return;
      }
      budget.took(where, one, figure.ms.median);
      to.push(figure);
      this.#say(`${name}: ${figure.ms.median} ms`);
    }
  }
}

/** Converts the check's measurements to figures like the engine's. */
function residentFigures(check: CheckReport): GpuFigure[] {
  return check.figures.map(({ op, bits, lanes, batch, exponentBits, repeats, ms }) => {
    const spread = { min: significant(ms.min), median: significant(ms.median), max: significant(ms.max) };
    const perSecond = significant((batch / ms.median) * 1000);
    return { op, bits, batch, exponentBits, lanes, repeats, ms: spread, perSecond };
  });
}

/** Adds to figures their ratio to the limits and to the cpu engine. */
export function related(
  figures: readonly GpuFigure[],
  mads: number | undefined,
  cpu: readonly GpuFigure[],
): GpuFigure[] {
  return figures.map((figure) => {
    const { op, bits, exponentBits, perSecond } = figure;
    const peer = cpu.find((one) => one.op === op && one.bits === bits && one.exponentBits === exponentBits);
    return {
      ...figure,
      ...(mads !== undefined && { toLimit: significant(perSecond / operationLimit(mads, op, bits, exponentBits)) }),
      ...(peer && { toCpu: significant(perSecond / peer.perSecond) }),
    };
  });
}

function listFaults({ check, compliance }: GpuOptions): string[] {
  return [
    ...(check?.wrong ?? []).map((one) => `wrong result on the card: ${one}`),
    ...(check?.error ? [`the check ended: ${check.error}`] : []),
    ...(compliance && compliance.failed > 0 ? [`compliance suite: ${compliance.failed} failed`] : []),
  ];
}

function findBest(figures: readonly GpuFigure[]) {
  return (op: GpuFigure['op']): number | undefined => {
    const rates = figures
      .filter((one) => one.op === op && one.bits === 4096 && [0, SHORT_BITS].includes(one.exponentBits))
      .map(({ perSecond }) => perSecond);
    return rates.length > 0 ? Math.max(...rates) : undefined;
  };
}

/** @throws MixError ENGINE_UNAVAILABLE if no card computes */
export async function benchGpu(options: GpuOptions, say: (line: string) => void): Promise<GpuResult> {
  const { check, widths, minutes, quick, command, state, compliance } = options;
  const bench = new GpuBench(options, say);
  await bench.run();
  const mads = check && madsPerSecond(check);
  const resident = related(check ? residentFigures(check) : [], mads, bench.cpu);
  const withTransfers = related(bench.card, mads, bench.cpu);
  const card = check?.card ?? { name: bench.cardName };
  const skipped = (check?.skipped ?? []).map((one): SkippedCase => ({ ...one, where: `resident, ${one.lanes} lanes` }));
  return {
    date: timestamp(),
    machine: describeMachine(),
    ...{ command, minutes, quick, card, state },
    issue: check?.issue ?? [],
    comparisons: check ? { done: check.comparisons, wrong: check.wrong } : null,
    compliance,
    limits: mads === undefined ? [] : widths.map((bits) => cardLimits(mads, bits)),
    ...{ resident, withTransfers, cpu: bench.cpu, peer: bench.peer ?? null, precompute: bench.precompute },
    skipped: [...skipped, ...bench.skipped],
    faults: [...listFaults(options), ...bench.faults],
    documented: DOCUMENTED,
    targets: gpuTargets(card.name, { resident: findBest(resident), withTransfers: findBest(withTransfers) }),
  };
}

export const defaultThreads = (): number => availableParallelism();
