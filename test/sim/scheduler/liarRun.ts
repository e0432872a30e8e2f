// A network with liars, measured: the rounds it completes, the draws of each node, and the late draws of liars.
import type { NodeId } from '../../../src/base/ids.js';
import { areApart } from '../../../src/scheduler/machine/pairs.js';
import { DEFAULT_PARAMS } from '../../../src/scheduler/parameters.js';
import { FEUD, LIE_NAMES, LIE_STAGES, type Lie, type LieStage } from './liars.js';
import { type SchedulerScenario, SECOND_MS } from './scenario.js';
import { SchedulerSim } from './world.js';

export interface LiarRun {
  readonly violations: readonly string[];
  readonly completed: number;
  readonly draws: ReadonlyMap<NodeId, number>;
  /** Draws that a node missed because the other node of its pair was drawn. */
  readonly missed: ReadonlyMap<NodeId, number>;
  readonly liars: ReadonlySet<NodeId>;
  readonly told: number;
  /** Draws of liars in the last minute. */
  readonly drawnLate: number;
}

const DURATION_MS = 300 * SECOND_MS;
const LATE_MS = 60 * SECOND_MS;

/** Plays eight nodes with the scheduler's own parameters; the last `liars` of them lie, if a lie is given. */
export async function playLiars(
  lie: { readonly name: Lie; readonly stage: LieStage } | undefined,
  liars: number,
): Promise<LiarRun> {
  const scenario: SchedulerScenario = {
    seed: 'liars',
    nodes: 8,
    teamSize: 5,
    faults: new Set(),
    lie: lie && { ...lie, liars, fromMs: 0 },
    durationMs: DURATION_MS,
  };
  const params = {
    ...DEFAULT_PARAMS,
    demandMs: Infinity,
    group: 'TEST-512',
    slots: 10,
    chunkSlots: 5,
    minSenders: 1,
    quotaPerSender: 10,
  } as const;
  const sim = new SchedulerSim(scenario, params);
  const draws = new Map<NodeId, number>(sim.nodes.map(({ id }) => [id, 0]));
  const suspects = new Set(sim.nodes.slice(-liars).map(({ id }) => id));
  let [completed, drawnLate] = [0, 0];
  const missed = new Map<NodeId, number>(draws);
  await sim.watch(DURATION_MS, (effect, { pairs }) => {
    if (effect.type === 'ended' && effect.round.state === 'COMPLETED') completed++;
    if (effect.type !== 'open') return;
    for (const { id } of sim.nodes) {
      const { team } = effect.info;
      const isPassedOver = !team.includes(id) && team.some((member) => areApart(pairs, member, id));
      if (isPassedOver) missed.set(id, missed.get(id)! + 1);
    }
    for (const node of effect.info.team) {
      draws.set(node, draws.get(node)! + 1);
      if (suspects.has(node) && sim.clock.nowMs() > DURATION_MS - LATE_MS) drawnLate++;
    }
  });
  const told = lie ? (sim.coverage.get(`lie: ${lie.name}`) ?? 0) : 0;
  return { violations: [...sim.invariants.violations], completed, draws, missed, liars: suspects, told, drawnLate };
}

/**
 * Minimum of the rate, relative to the rate without liars: with one liar, and with two of eight, which leave teams of five from
 * six nodes.
 */
const RATE_MIN = 0.8;
const RATE_MIN_TWO = 0.7;
/** Maximum share of an honest node's draws that it may miss as a member of a pair. */
const MISSED_MAX = 0.1;
/** Minimum of an honest node's draws, relative to those without a liar. */
const DRAWS_MIN = 0.9;
/**
 * Minimum of draws if a liar always accuses the same node of something that cannot be proved: that is one testimony against
 * another, and the two are kept out of common teams permanently. Each loses the draws in which the other comes first: (teamSize −
 * 1) / (2 · (nodes − 1)) of its own, 0.29 of them with teams of five of eight, a tenth with teams of five of twenty-one.
 */
const FEUD_DRAWS_MIN = 0.6;

/** Costs of liars to the others beyond the limits; empty if all are within. */
export function faultsOf(lie: Lie, run: LiarRun, without: LiarRun): readonly string[] {
  const faults = [...run.violations];
  const rate = run.completed / without.completed;
  if (rate < (run.liars.size === 1 ? RATE_MIN : RATE_MIN_TWO))
    faults.push(`rounds go on at ${rate.toFixed(2)} of the rate without a liar`);
  for (const [node, draws] of run.draws) {
    const missed = run.missed.get(node)! / (run.missed.get(node)! + draws);
    if (!run.liars.has(node) && missed > MISSED_MAX && lie !== FEUD)
      faults.push(`an honest node misses ${missed.toFixed(2)} of its draws`);
  }
  const least = leastDraws(run, without);
  if (least < (lie === FEUD ? FEUD_DRAWS_MIN : DRAWS_MIN))
    faults.push(`an honest node has ${least.toFixed(2)} of its draws`);
  if (run.drawnLate > 0 && lie !== FEUD) faults.push(`a liar is drawn ${run.drawnLate} times in the last minute`);
  return faults;
}

/** Draws of the honest node with the fewest, relative to the mean of all nodes without liars. */
function leastDraws({ draws, liars }: LiarRun, without: LiarRun): number {
  const usual = [...without.draws.values()].reduce((sum, drawn) => sum + drawn, 0) / without.draws.size;
  return Math.min(...[...draws].flatMap(([node, drawn]) => (liars.has(node) ? [] : [drawn / usual])));
}

/** Plays every lie in every stage, by one liar and by two. Returns the exit code: 0, or 1 if one of them exceeds its limits. */
export async function playAllLiars(json: boolean): Promise<number> {
  const bad: string[] = [];
  let plays = 0;
  for (const liars of [1, 2]) {
    const without = await playLiars(undefined, liars);
    for (const name of LIE_NAMES) {
      for (const stage of LIE_STAGES) {
        const run = await playLiars({ name, stage }, liars);
        const faults = faultsOf(name, run, without);
        const what = `${liars === 1 ? 'one liar' : 'two liars'}, ${name}, in ${stage}`;
        const rate = (run.completed / without.completed).toFixed(2);
        const draws = leastDraws(run, without).toFixed(2);
        console.log(
          `${what}: told ${run.told} times, rate ${rate}, least draws ${draws}; ${faults.join('; ') || (name === FEUD ? 'one word against another' : 'harmless')}`,
        );
        plays++;
        if (faults.length > 0) bad.push(what);
      }
    }
  }
  if (json) console.log(JSON.stringify({ ok: bad.length === 0, lies: plays, bad }));
  return bad.length === 0 ? 0 : 1;
}
