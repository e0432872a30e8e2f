// The load of a round, from its table alone: on each node's engine, main thread, uplink and downlink, stage by stage. It gives a
// network's capacity, and the time of one round if only its busiest part counted.
import type { RoundPlan, StageName } from './plan.js';

export const RESOURCES = ['engine', 'main', 'uplink', 'downlink'] as const;
export type Resource = (typeof RESOURCES)[number];

/** Milliseconds of load on each position's resources, all workers of an engine counted as one. */
export type Loads = readonly Readonly<Record<Resource, number>>[];

export interface Machine {
  readonly threads: number;
  readonly mbitPerS: number;
}

export function loadsOf(plan: RoundPlan, { threads, mbitPerS }: Machine, stages: readonly StageName[]): Loads {
  const loads = Array.from({ length: plan.size }, () => ({ engine: 0, main: 0, uplink: 0, downlink: 0 }));
  for (const { deed, stage } of plan.tasks) {
    if (!stages.includes(stage)) continue;
    const own = loads[deed.at]!;
    if (deed.kind === 'engine') own.engine += (deed.work.chunks * deed.work.chunkUs) / 1_000 / threads;
    if (deed.kind === 'main') own.main += deed.us / 1_000;
    if (deed.kind === 'send') {
      const ms = (deed.bytes * 8) / (mbitPerS * 1_000);
      own.uplink += ms;
      loads[deed.to]!.downlink += ms;
    }
  }
  return loads;
}

export interface Busiest {
  readonly resource: Resource;
  readonly ms: number;
}

const most = (entries: readonly Busiest[]): Busiest => entries.reduce((a, b) => (b.ms > a.ms ? b : a));

/** The busiest resource of any one position: the least interval between rounds of a single team. */
export function busiestOf(loads: Loads): Busiest {
  return most(loads.flatMap((own) => RESOURCES.map((resource) => ({ resource, ms: own[resource] }))));
}

/** The busiest resource on average over positions: nodes serve at all of them in turn. */
export function busiestOnAverage(loads: Loads): Busiest {
  const mean = (resource: Resource) => loads.reduce((sum, own) => sum + own[resource], 0) / loads.length;
  return most(RESOURCES.map((resource) => ({ resource, ms: mean(resource) })));
}

/** Rounds per second of a network with no other work. */
export function capacityOf(loads: Loads, nodes: number): number {
  return (nodes / loads.length) * (1_000 / busiestOnAverage(loads).ms);
}
