// The measurements of the simulation, each a run of its own: rounds per second with and without pipelining, share of wanted
// rounds that wait, duration of realtime, and its ratio to the floor of latency and bandwidth alone.

import { takeMedian } from '../../../src/base/clock.js';
import { randomFraction } from '../../../src/base/rng.js';
import { initialState } from '../../../src/scheduler/machine/state.js';
import { stockTarget } from '../../../src/scheduler/machine/stock.js';
import { DEFAULT_PARAMS, type SchedulerParams } from '../../../src/scheduler/parameters.js';
import { VirtualClock } from '../../support/virtualClock.js';
import { type RoundShape, shapeOf } from './flows.js';
import type { Latency } from './links.js';
import { busiestOnAverage, capacityOf, type Loads, loadsOf, RESOURCES, type Resource } from './loads.js';
import { type Life, Network, type NetworkOptions, type Wanted } from './network.js';
import { roundPlan } from './phases.js';
import type { RoundPlan } from './plan.js';
import type { Pricing } from './pricing.js';
import { type PhaseSpans, RunningRound, World } from './world.js';

export interface Setting {
  readonly seed: string;
  readonly nodes: number;
  readonly teamSize: number;
  readonly slots: number;
  readonly latencyMs: Latency;
  readonly schedulerMs: number;
  readonly reportsRoundTrips: boolean;
  readonly mbitPerS: number;
  readonly pricing: Pricing;
  /** Rate of wanted rounds, as a share of the slower stage's capacity. */
  readonly load: number;
  /** Rounds measured in each run, after those that bring it to a steady state. */
  readonly rounds: number;
}

/** Rounds until a run is in a steady state: more than are open at once, for any number of nodes. */
const warmUpOf = ({ nodes }: Setting): number => Math.max(60, 2 * nodes);

const shapeFor = ({ teamSize, slots }: Setting): RoundShape =>
  shapeOf(teamSize, slots, Math.min(DEFAULT_PARAMS.chunkSlots, slots));

export const planOf = (setting: Setting, pricing = setting.pricing): RoundPlan => roundPlan(shapeFor(setting), pricing);

function paramsOf(setting: Setting, changes: Partial<SchedulerParams>): SchedulerParams {
  const { nodes, teamSize, slots } = setting;
  const chunkSlots = Math.min(DEFAULT_PARAMS.chunkSlots, slots);
  // Operators of a large network raise the limit of the stock: the default is for some two hundred nodes.
  const stockMax = Math.max(DEFAULT_PARAMS.stockMax, 2 * nodes);
  return { ...DEFAULT_PARAMS, demandMs: Infinity, teamSize, slots, chunkSlots, stockMax, ...changes };
}

function networkOf(setting: Setting, changes: Partial<SchedulerParams>): Network {
  const { pricing } = setting;
  const options: NetworkOptions = {
    ...setting,
    threads: pricing.threads,
    overtakeUs: pricing.overtakeUs,
    params: paramsOf(setting, changes),
    plan: planOf(setting),
  };
  const network = new Network(options);
  network.start();
  return network;
}

/** Milliseconds of one round in an idle network, from the scheduler's decision to its last node's end. */
export function roundAlone(setting: Setting): number {
  const network = networkOf({ ...setting }, { stockMin: 1, pipelining: false, overlap: false });
  let life: Life | undefined;
  network.onCompleted = (ended) => {
    life ??= ended;
  };
  network.greedy = true;
  network.until(() => life !== undefined);
  return life!.completedMs - life!.openedMs;
}

/**
 * Rounds per second if every available round is wanted: from the work of the busiest resource meanwhile, of which every round
 * takes the same. Counting ends would count waves: hundreds of rounds begin together, and end together for a while.
 */
export function saturated(setting: Setting, pipelining: boolean): number {
  // Without pipelining a node is in one round at a time, from its opening to its end.
  const serially = { pipelining, overlap: false, precomputingPerNode: 1, openPerNode: 1 };
  const network = networkOf(setting, { ...(pipelining ? {} : serially), stockMin: 2 * setting.nodes });
  network.greedy = true;
  const first = pipelining ? warmUpOf(setting) : Math.max(60, setting.nodes >> 1);
  const last = first + Math.max(setting.rounds, pipelining ? setting.nodes : 0);
  let completed = 0;
  let before: Busy | undefined;
  network.onCompleted = () => {
    if (++completed === first) before = busyMs(network);
  };
  network.until(() => completed >= last);
  const after = busyMs(network);
  const loads = wholeLoads(setting);
  const { resource } = busiestOnAverage(loads);
  const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0);
  const worked = sum(after[resource]) - sum(before![resource]);
  return (worked / sum(loads.map((own) => own[resource]))) * (1_000 / (after.nowMs - before!.nowMs));
}

/** Figures of a network with rounds wanted at random times. */
export interface Loaded {
  readonly ratePerS: number;
  /** Share of the wanted rounds for which none was in STANDBY. */
  readonly waitedShare: number;
  readonly realtimeMs: readonly number[];
  readonly lives: readonly Life[];
  /** Rounds in STANDBY, on average over the moments at which one was wanted. */
  readonly stock: number;
  /** Median time from opening a round to STANDBY, ms. */
  readonly precomputeMs: number;
  readonly virtualMs: number;
  /** Share of time busy, on average over nodes. */
  readonly utilisation: Readonly<Record<Resource, number>>;
  /** Share of time busy of the busiest resource. */
  readonly utilisationMost: number;
}

/** Rounds are wanted at Poisson times. */
export function loaded(setting: Setting, overlap: boolean): Loaded {
  const ratePerMs = ratePerSOf(setting) / 1_000;
  const network = networkOf(setting, { overlap, stockMin: fullStock(setting, ratePerMs) });
  // The stock is filled before the first message comes, as far as possible, and held full until the load is in a steady state:
  // the time of precomputations under load is known only then.
  network.until(() => network.stock >= network.state.params.stockMin || network.clock.nowMs() > 60_000);
  const first = warmUpOf(setting);
  const last = first + setting.rounds;
  const wanted: Wanted[] = [];
  const lives: Life[] = [];
  let stock = 0;
  let before: Busy | undefined;
  network.onCompleted = (life) => {
    if (life.wanted && measured.has(life.wanted)) lives.push(life);
  };
  const measured = new Set<Wanted>();
  const arrive = () => {
    const inRun = wanted.length >= first && wanted.length < last;
    if (inRun) stock += network.stock;
    if (wanted.length === first) {
      before = busyMs(network);
      network.setParams({ ...network.state.params, stockMin: DEFAULT_PARAMS.stockMin });
    }
    const one = network.want();
    wanted.push(one);
    if (inRun) measured.add(one);
    network.clock.after(-Math.log(1 - randomFraction(network.rng)) / ratePerMs, arrive);
  };
  arrive();
  network.until(() => lives.length === setting.rounds);
  const after = busyMs(network);
  const spanMs = after.nowMs - before!.nowMs;
  const shares = RESOURCES.map((resource) => [resource, share(before!, after, resource, spanMs)] as const);
  const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
  return {
    ratePerS: ratePerMs * 1_000,
    waitedShare: [...measured].filter(({ waited }) => waited).length / setting.rounds,
    realtimeMs: lives.map(({ closedMs, completedMs }) => completedMs - closedMs),
    lives,
    stock: stock / setting.rounds,
    precomputeMs: takeMedian(lives.map(({ openedMs, standbyMs }) => standbyMs - openedMs)),
    virtualMs: spanMs,
    utilisation: Object.fromEntries(shares.map(([name, values]) => [name, mean(values)])) as Record<Resource, number>,
    utilisationMost: Math.max(...shares.flatMap(([, values]) => values)),
  };
}

const NO_DEMAND = initialState('network', 0, DEFAULT_PARAMS).demand;

/** The stock level of a scheduler that already knows rate and duration. */
function fullStock(setting: Setting, ratePerMs: number): number {
  // Under load a precomputation takes about as long as a whole round alone.
  const precomputeMs = roundAlone(setting);
  return Math.min(stockTarget({ ...NO_DEMAND, ratePerMs, precomputeMs }, paramsOf(setting, {})), 2 * setting.nodes);
}

type Busy = Readonly<Record<Resource, readonly number[]>> & { readonly nowMs: number };

/** Busy time of every node's resources until now. */
function busyMs({ world, clock }: Network): Busy {
  return {
    nowMs: clock.nowMs(),
    engine: world.engines.map(({ busyUs, threads }) => busyUs / 1_000 / threads),
    main: world.mains.map(({ busyUs }) => busyUs / 1_000),
    uplink: world.wires.up.map((link) => link.busyMs),
    downlink: world.wires.down.map((link) => link.busyMs),
  };
}

function share(before: Busy, after: Busy, of: Resource, spanMs: number) {
  return after[of].map((ms, node) => (ms - before[of][node]!) / spanMs);
}

/** Rounds per second at which the busier of the two stages would be busy all the time. */
export function stageCapacity(setting: Setting): number {
  const plan = planOf(setting);
  const machine = { threads: setting.pricing.threads, mbitPerS: setting.mbitPerS };
  const capacities = (['precomputation', 'realtime'] as const).map((stage) =>
    capacityOf(loadsOf(plan, machine, [stage]), setting.nodes),
  );
  return Math.min(...capacities);
}

const ratePerSOf = (setting: Setting): number => setting.load * stageCapacity(setting);

/** Load of both stages of a round together. */
export function wholeLoads(setting: Setting): Loads {
  const machine = { threads: setting.pricing.threads, mbitPerS: setting.mbitPerS };
  return loadsOf(planOf(setting), machine, ['precomputation', 'realtime']);
}

/** Floor of realtime from latency and bandwidth alone: a team by itself with nodes that compute in no time. */
export function floorMs(setting: Setting, team: readonly number[]): number {
  return playAlone(setting, team, setting.pricing.free()).realtimeMs;
}

/** Plays a round of a team alone, without a scheduler: every door opens as soon as it can. */
export function playAlone(setting: Setting, team: readonly number[], pricing: Pricing, sharedCores?: number) {
  const clock = new VirtualClock();
  const { nodes, latencyMs, mbitPerS } = setting;
  const { threads, overtakeUs } = pricing;
  const world = new World({ clock, nodes, threads, overtakeUs, latencyMs, mbitPerS, sharedCores });
  const spans: PhaseSpans = new Map();
  const times = { standbyMs: 0, closedMs: 0, completedMs: 0 };
  let standby = 0;
  const round: RunningRound = new RunningRound(
    world,
    planOf(setting, pricing),
    team,
    (_, mark) => {
      if (mark === 'closed') times.closedMs = clock.nowMs();
      if (mark === 'COMPLETED') times.completedMs = clock.nowMs();
      if (mark !== 'STANDBY' || ++standby < team.length) return;
      times.standbyMs = clock.nowMs();
      clock.after(0, () => {
        for (const at of team.keys()) round.assign(at);
      });
    },
    spans,
  );
  for (const at of team.keys()) round.open(at);
  while (clock.step());
  return { world, spans, precomputeMs: times.standbyMs, realtimeMs: times.completedMs - times.closedMs, ...times };
}
