// What a round takes up, by its table alone: of each node's engine, main thread, uplink and downlink, stage by stage. From that comes
// what a network can do at most, and what one round would take if nothing but its busiest part counted.
import type { RoundPlan, StageName } from './plan.js';

export const RESOURCES = ['engine', 'main', 'uplink', 'downlink'] as const;
export type Resource = (typeof RESOURCES)[number];

/** Milliseconds that each position's resources are taken up for, all of an engine's workers being one. */
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

/** The busiest resource of any one position: a round of a single team can follow another no sooner. */
export function busiestOf(loads: Loads): Busiest {
  return most(loads.flatMap((own) => RESOURCES.map((resource) => ({ resource, ms: own[resource] }))));
}

/** The busiest resource on average over positions: nodes stand at all of them in turn. */
export function busiestOnAverage(loads: Loads): Busiest {
  const mean = (resource: Resource) => loads.reduce((sum, own) => sum + own[resource], 0) / loads.length;
  return most(RESOURCES.map((resource) => ({ resource, ms: mean(resource) })));
}

/** Rounds a second of a network whose nodes do nothing but this. */
export function capacityOf(loads: Loads, nodes: number): number {
  return (nodes / loads.length) * (1_000 / busiestOnAverage(loads).ms);
}
