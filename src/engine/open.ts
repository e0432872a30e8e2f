// Opens an engine: probes this machine, builds the best engine (or the requested one), runs the self-check against the reference,
// and logs in one line which engine it is and why. A fallback logs a warning, and the metric shows it.
import { availableParallelism } from 'node:os';
import { asMixError, checkMethods, checkObject, checkWhole, keepingAlive, MixError, systemRng } from '../base/index.js';
import { type Logger, silentLog } from '../base/log.js';
import { createMetrics, type Metrics } from '../base/metrics.js';
import { type Group, knownGroup } from '../math/index.js';
import { ComposedExecutor } from './arrays/executor.js';
import type { BatchField } from './arrays/field.js';
import { openGpujs } from './arrays/gpujs.js';
import { openTfjs } from './arrays/tfjs.js';
import { CheckedEngine } from './checked/checkedEngine.js';
import { selfCheck } from './checked/selfCheck.js';
import { type CudaExecutor, checkedRate } from './cuda/executor.js';
import { type OpenCardsOptions, openCards } from './cuda/library.js';
import { ENGINE_NAMES, type Engine, type EngineName } from './engine.js';
import { referenceExecutor, yieldingExecutor } from './kernels/reference.js';
import { type EngineMeters, engineMeters } from './meters.js';
import { PooledExecutor, QUEUE_LIMIT } from './pool/executor.js';
import type { KernelName } from './pool/job.js';
import type { QueueWatch } from './pool/queue.js';
import { describePath, type EngineProbe, probeEngines } from './probe.js';

export { type EngineProbe, probeEngines } from './probe.js';

interface OpenEngineOptions {
  /** Default: `auto`, the best one that works here. */
  readonly engine?: EngineName | 'auto' | undefined;
  /** A group or its name. */
  readonly group: Group | string;
  /** Worker threads. Default: one per core. `reference` has none. */
  readonly threads?: number | undefined;
  readonly log?: Logger | undefined;
  readonly metrics?: Metrics | undefined;
  /** Operations of each priority that may wait or run at once. */
  readonly queueLimit?: number | undefined;
  /** Share of a card's results of which one unit is computed again on the CPU, 0 to 1. */
  readonly checkRate?: number | undefined;
}

/** Sanity limit: more threads than any machine has cores. */
const THREADS_MAX = 1024;

/** An engine that can be tried. Tests supply their own. */
export interface Candidate {
  readonly probe: EngineProbe;
  create(meters: EngineMeters): Engine | Promise<Engine>;
}

interface Settings {
  readonly group: Group;
  readonly threads: number;
  readonly queueLimit: number;
}

/** Reasons of engines that are a fallback. */
const fallbacks = new WeakMap<Engine, string>();

/** Returns how an engine is worse than it could be, now, for operators. Empty if it is not. */
export function degradedBy(engine: Engine): readonly string[] {
  const fallback = fallbacks.get(engine);
  return [...(fallback ? [fallback] : []), ...(engine instanceof CheckedEngine ? engine.degraded : [])];
}

/** Makes the reference engine synchronously: for the simulator and tests, which need neither selection nor self-check. */
export function referenceEngine(group: Group, meters?: EngineMeters): Engine {
  return new CheckedEngine('reference', group, referenceExecutor(group), meters);
}

const makeWatch = (meters: EngineMeters | undefined): QueueWatch =>
  meters ? { onDepth: meters.depth, onBusy: meters.busy } : {};

/** Makes a pooled engine with a given kernel, without selection or self-check; tests force a path with it. */
export function pooledEngine(name: EngineName, kernel: KernelName, settings: Settings, meters?: EngineMeters): Engine {
  const executor = new PooledExecutor({ ...settings, kernel, path: describePath(kernel), ...makeWatch(meters) });
  return new CheckedEngine(name, settings.group, executor, meters);
}

/** Makes the engine on cards, with the best pooled kernel beside them; without selection or self-check. */
export async function cudaEngine(
  settings: Settings & Omit<OpenCardsOptions, 'group' | 'cpu'>,
  meters?: EngineMeters,
): Promise<Engine> {
  const { group, threads, queueLimit } = settings;
  const kernel = probeEngines(group).find((probe) => probe.kernel !== undefined)?.kernel ?? 'bigint';
  const { onDepth, onBusy } = makeWatch(meters);
  // Busy time counts the cards; the depth counts the operations that wait for the CPU beside them.
  const cpu = new PooledExecutor({ group, threads, queueLimit, kernel, path: describePath(kernel), onDepth });
  let cards: CudaExecutor | undefined;
  try {
    cards = await openCards({ ...settings, cpu, onBusy });
    await checkCards(group, cards);
    return new CheckedEngine('cuda', group, cards, meters);
  } catch (thrown) {
    await (cards ?? cpu).close();
    throw thrown;
  }
}

/** Makes an engine that composes the catalogue of a field's products, without selection or self-check. */
export function composedEngine<V>(
  name: EngineName,
  field: BatchField<V>,
  queueLimit = QUEUE_LIMIT,
  meters?: EngineMeters,
): Engine {
  const executor = new ComposedExecutor({ field, queueLimit, ...makeWatch(meters) });
  return new CheckedEngine(name, field.group, executor, meters);
}

/** Checks every card by itself: the engine's own self-check would not reach them, because small batches go to the CPU. */
async function checkCards(group: Group, cards: CudaExecutor): Promise<void> {
  for (const device of cards.devices) {
    await selfCheck(new CheckedEngine('cuda', group, cards.onlyOn(device)), systemRng).catch((thrown: unknown) =>
      device.retire(`the self-check: ${asMixError(thrown).message}`),
    );
  }
  const reasons = cards.devices.map(({ name, sick }) => sick && `${name}: ${sick}`);
  if (reasons.every((reason) => reason !== undefined)) {
    throw new MixError('ENGINE_UNAVAILABLE', { engine: 'cuda', reason: reasons.join('; ') });
  }
}

function candidates(settings: Settings & Pick<OpenCardsOptions, 'checkRate' | 'log'>): Candidate[] {
  return probeEngines(settings.group).map((probe) => ({
    probe,
    create: async (meters) => {
      const { group, queueLimit, log } = settings;
      if (probe.name === 'cuda') return cudaEngine(settings, meters);
      if (probe.name === 'gpujs') return composedEngine('gpujs', await openGpujs(group, log), queueLimit, meters);
      if (probe.name === 'tfjs') return composedEngine('tfjs', await openTfjs(group, log), queueLimit, meters);
      return probe.kernel
        ? pooledEngine(probe.name, probe.kernel, settings, meters)
        : new CheckedEngine('reference', group, yieldingExecutor(group), meters);
    },
  }));
}

/** Opens an engine. @throws MixError ENGINE_UNKNOWN, ENGINE_UNAVAILABLE, ENGINE_SELFCHECK, GROUP_UNKNOWN, ARGUMENT_INVALID */
export async function openEngine(options: OpenEngineOptions): Promise<Engine> {
  checkObject(options, 'options');
  const group = knownGroup(options.group);
  const { threads = availableParallelism(), queueLimit = QUEUE_LIMIT } = options;
  for (const [name, value, most] of [
    ['threads', threads, THREADS_MAX],
    ['queueLimit', queueLimit, 2 ** 31],
  ] as const) {
    checkWhole(value, `options.${name}`, 1, most);
  }
  const { checkRate, log, metrics } = options;
  if (log !== undefined) checkMethods(log, 'options.log', ['info', 'warn', 'error']);
  if (metrics !== undefined) checkMethods(metrics, 'options.metrics', ['gauge', 'counter']);
  const cards = { ...(checkRate !== undefined && { checkRate: checkedRate(checkRate) }), ...(log && { log }) };
  return keepingAlive(() => selectEngine(options, candidates({ group, threads, queueLimit, ...cards })));
}

/** Returns the first candidate that works; if an engine is requested by name, that one or none. */
export async function selectEngine(options: OpenEngineOptions, all: readonly Candidate[]): Promise<Engine> {
  const { engine: wanted = 'auto', log = silentLog } = options;
  if (wanted !== 'auto' && !ENGINE_NAMES.includes(wanted)) throw new MixError('ENGINE_UNKNOWN', { engine: wanted });
  const tried = wanted === 'auto' ? all : all.filter(({ probe }) => probe.name === wanted);
  const failures: string[] = [];
  for (const candidate of tried) {
    const { name, available, reason: why } = candidate.probe;
    if (!available) {
      if (!candidate.probe.unexpected || wanted !== 'auto') failures.push(`${name}: ${why}`);
      continue;
    }
    const reason = [wanted === 'auto' ? 'best available' : 'asked for', ...failures, ...(why ? [why] : [])].join('; ');
    const fallback = failures.length > 0 || why !== '';
    const opened = await tryCandidate(candidate, options, { reason, fallback });
    if ('error' in opened) {
      if (wanted !== 'auto') throw opened.error;
      failures.push(`${name}: ${opened.error.message}`);
      continue;
    }
    const { engine } = opened;
    const { group, path, threads } = engine;
    const line = { engine: engine.name, path, group: group.name, threads, reason };
    if (fallback) fallbacks.set(engine, `engine ${engine.name}, a fallback: ${reason}`);
    if (fallback) log.warn(line, `engine ${engine.name} (${path}), a fallback: ${reason}`);
    else log.info(line, `engine ${engine.name} (${path}): ${reason}`);
    return engine;
  }
  throw new MixError('ENGINE_UNAVAILABLE', { engine: wanted, reason: failures.join('; ') });
}

type Opened = { readonly engine: Engine } | { readonly error: MixError };

/** Builds a candidate and checks it; a failing one is closed again, and leaves no metric behind. */
async function tryCandidate(
  { probe, create }: Candidate,
  { metrics = createMetrics() }: OpenEngineOptions,
  { reason, fallback }: { reason: string; fallback: boolean },
): Promise<Opened> {
  let engine: Engine | undefined;
  try {
    // The labels need the engine, which does not exist yet: so the meters are connected afterwards.
    const meters = deferredMeters();
    engine = await create(meters);
    await selfCheck(engine, systemRng);
    const { path, threads, group } = engine;
    const labels = { engine: probe.name, path, group: group.name, threads, reason } as const;
    meters.connect(engineMeters(metrics, { ...labels, fallback: fallback ? 'yes' : 'no' }));
    return { engine };
  } catch (thrown) {
    await engine?.close();
    return { error: asMixError(thrown) };
  }
}

/** Meters that count nothing until they are connected: the self-check is not the caller's work. */
function deferredMeters(): EngineMeters & { connect(target: EngineMeters): void } {
  let target: EngineMeters | undefined;
  return {
    connect: (meters) => {
      target = meters;
    },
    done: (operation, elements) => target?.done(operation, elements),
    failed: (operation, code) => target?.failed(operation, code),
    depth: (priority, operations) => target?.depth(priority, operations),
    busy: (priority, seconds) => target?.busy(priority, seconds),
    closed: () => target?.closed(),
  };
}
