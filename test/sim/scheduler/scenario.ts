// Faults in a simulated network of a scheduler and its nodes: every fault has a name, a scenario is a set of them, determined by
// its seed, and twenty consecutive seeds cover all of them.
import { type Rng, randomBelow } from '../../../src/base/rng.js';
import { STAGES, type Stage } from '../../../src/protocol/stages.js';
import { SeededRng } from '../../support/seededRng.js';

import { LIE_NAMES, LIE_STAGES, type Lie, type LieStage } from './liars.js';

export const SECOND_MS = 1_000;

/** A node is killed when a round of its own enters this stage. */
export const NODE_DEATHS = STAGES.map((stage) => `node dies in ${stage}` as const);

/** A scheduler is killed between two writes: its decision is not on disk, partly on disk, or on disk and not announced. */
export const SCHEDULER_DEATHS = [
  'scheduler dies: opening decided',
  'scheduler dies: round id written',
  'scheduler dies: opening written',
  'scheduler dies: assignment decided',
  'scheduler dies: assignment noted',
  'scheduler dies: assignment written',
  'scheduler dies: failure decided',
  'scheduler dies: failure written',
  'scheduler dies: end decided',
  'scheduler dies: end written',
] as const;

/** False or misplaced reports of a node. */
export const REPORT_FAULTS = [
  'report late',
  'report twice',
  'report out of order',
  'report of a wrong stage',
  'report of another run',
  'report of no round',
] as const;

const OTHERS = [
  'nodes die at random',
  'scheduler dies at random',
  'clocks are wrong',
  'team slow: node timeout races',
  'team slow: scheduler timeout races',
  'registration flood',
  'saboteur',
  'node does not read',
  'parameters change',
  'member leaves and returns',
  'node banned',
  'node refuses rounds',
] as const;

export const FAULTS = [...NODE_DEATHS, ...SCHEDULER_DEATHS, ...REPORT_FAULTS, ...OTHERS];
export type Fault = (typeof FAULTS)[number];
export type SchedulerMoment = (typeof SCHEDULER_DEATHS)[number];

export interface SchedulerScenario {
  readonly seed: string;
  readonly nodes: number;
  readonly teamSize: number;
  readonly faults: ReadonlySet<Fault>;
  /** The lie of one or more nodes, and its stage in a round. */
  readonly lie:
    | { readonly name: Lie; readonly stage: LieStage; readonly liars: number; readonly fromMs: number }
    | undefined;
  /** Duration of the faults; then everything heals. */
  readonly durationMs: number;
}

const pick = <T>(list: readonly T[], index: number): T => list[index % list.length]!;

/** Numeric seeds go through the faults in order, each kind at a pace of its own. */
export function scenarioOf(seed: string): SchedulerScenario {
  const rng = new SeededRng(`scheduler scenario ${seed}`);
  const number = Number.isInteger(Number(seed)) ? Number(seed) : randomBelow(rng, 2 ** 20);
  const faults = new Set<Fault>([
    pick(NODE_DEATHS, number),
    pick(SCHEDULER_DEATHS, number),
    pick(REPORT_FAULTS, number),
    pick(OTHERS, number),
    pick(OTHERS, 5 * number + 3),
  ]);
  const nodes = 6 + randomBelow(rng, 8);
  const teamSize = 3 + randomBelow(rng, 3);
  const lie = {
    name: pick(LIE_NAMES, number),
    stage: pick(LIE_STAGES, 3 * number + 2),
    liars: nodes < 10 ? 1 : 2,
    fromMs: 6 * SECOND_MS,
  };
  return { seed, nodes, teamSize, faults, lie, durationMs: 60 * SECOND_MS };
}

/** The same network without faults. */
export const calm = (seed: string): SchedulerScenario => ({
  ...scenarioOf(seed),
  faults: new Set(),
  lie: undefined,
  nodes: 8,
  teamSize: 5,
});

export const deathStage = (fault: Fault): Stage | undefined =>
  STAGES.find((stage) => fault === `node dies in ${stage}`);

/** Milliseconds around a mean, at least 1. */
export const around = (rng: Rng, meanMs: number): number => 1 + randomBelow(rng, Math.max(1, Math.round(2 * meanMs)));
