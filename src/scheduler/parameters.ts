// Scheduler parameters. Every parameter may change while the scheduler runs: later decisions use the new value, open rounds keep what is
// signed in their RoundInfo.
import { MixError } from '../base/index.js';
import { GROUP_NAMES, type GroupName, namedGroup, TEST_GROUP_NAMES } from '../math/index.js';
import { type RoundDeadlines, TEAM_SIZE_MAX, TEAM_SIZE_MIN } from '../protocol/index.js';

export interface SchedulerParams {
  readonly teamSize: number;
  readonly group: GroupName;
  readonly slots: number;
  readonly width: number;
  readonly chunkSlots: number;
  readonly exponentBytes: number;
  readonly minSenders: number;
  readonly quotaPerSender: number;
  readonly deadlines: RoundDeadlines;
  /** Share of the registered nodes that must be ready before a team is drawn: small pools are easy to corrupt. */
  readonly poolThreshold: number;
  /** Least and most rounds of the stock, precomputed or in precomputation; between them the demand decides. */
  readonly stockMin: number;
  readonly stockMax: number;
  /** Largest share of the stock that one node may be in, if enough others are ready: its death voids no more. */
  readonly nodeShareMax: number;
  /**
   * Rounds that one node precomputes at once: so many that it has work while some of them wait for its neighbours. `openPerNode`: rounds
   * that it has open in all, most of which wait in STANDBY.
   */
  readonly precomputingPerNode: number;
  readonly openPerNode: number;
  /** Rounds that take messages at once. */
  readonly collecting: number;
  /** Least time between two rounds that begin to take messages. */
  readonly minimumDelayMs: number;
  /** Time after a request of senders in which rounds are assigned; without requests, the stock waits. */
  readonly demandMs: number;
  /** Lifetime of a precomputation; nodes give it up by themselves after deadlines.standbyMs. */
  readonly standbyLifetimeMs: number;
  /** A node that reports nothing for `staleMs` is inactive; after `pruneMs` it is forgotten. */
  readonly staleMs: number;
  readonly pruneMs: number;
  /** A node sits out for `sitOutMs` if it is to blame for this share of its last `failureWindowRounds`, and for `failuresMin` of them. */
  readonly failureRateMax: number;
  readonly failureWindowRounds: number;
  readonly failuresMin: number;
  readonly sitOutMs: number;
  /** Time for which a convicted node sits out. */
  readonly convictedMs: number;
  /** Time for which a pair is remembered: two nodes of which one accuses the other by words alone. */
  readonly pairMs: number;
  /**
   * `overlap`: nodes precompute while other rounds are in realtime. `pipelining`: they precompute several rounds at once. Off for
   * comparison only.
   */
  readonly overlap: boolean;
  readonly pipelining: boolean;
}

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;

export const DEFAULT_PARAMS: SchedulerParams = {
  teamSize: 5,
  group: 'MODP-4096',
  slots: 1_000,
  width: 1,
  chunkSlots: 64,
  exponentBytes: 32,
  minSenders: 100,
  quotaPerSender: 20,
  deadlines: {
    precomputeMs: 5 * MINUTE_MS,
    standbyMs: 4 * HOUR_MS,
    collectMs: 5_000,
    realtimeMs: MINUTE_MS,
    precomputePhaseMs: 2 * MINUTE_MS,
    realtimePhaseMs: MINUTE_MS / 2,
  },
  poolThreshold: 0.5,
  stockMin: 2,
  stockMax: 200,
  nodeShareMax: 0.5,
  precomputingPerNode: 8,
  openPerNode: 48,
  collecting: 1,
  minimumDelayMs: 0,
  demandMs: 10_000,
  standbyLifetimeMs: 3.5 * HOUR_MS,
  staleMs: 3 * MINUTE_MS,
  pruneMs: 168 * HOUR_MS,
  failureRateMax: 0.25,
  failureWindowRounds: 20,
  failuresMin: 3,
  sitOutMs: 10 * MINUTE_MS,
  convictedMs: 24 * HOUR_MS,
  pairMs: HOUR_MS,
  overlap: true,
  pipelining: true,
};

/** @throws MixError CONFIG_INVALID naming the parameter */
export function checkParams(params: SchedulerParams): SchedulerParams {
  const whole = (value: number, least: number, most: number) =>
    Number.isInteger(value) && value >= least && value <= most;
  const share = (value: number) => value >= 0 && value <= 1;
  const p = params;
  const groups: readonly string[] = [...GROUP_NAMES, ...TEST_GROUP_NAMES];
  const rules: readonly (readonly [keyof SchedulerParams, boolean])[] = [
    ['teamSize', whole(p.teamSize, TEAM_SIZE_MIN, TEAM_SIZE_MAX)],
    ['group', groups.includes(p.group)],
    ['slots', whole(p.slots, 1, 1 << 20)],
    ['width', whole(p.width, 1, 15)],
    ['chunkSlots', whole(p.chunkSlots, 1, p.slots)],
    ['minSenders', whole(p.minSenders, 1, p.slots)],
    ['quotaPerSender', whole(p.quotaPerSender, 1, p.slots)],
    ['poolThreshold', share(p.poolThreshold)],
    ['stockMin', whole(p.stockMin, 1, p.stockMax)],
    ['stockMax', whole(p.stockMax, 1, 100_000)],
    ['nodeShareMax', share(p.nodeShareMax) && p.nodeShareMax > 0],
    ['precomputingPerNode', whole(p.precomputingPerNode, 1, p.openPerNode)],
    ['openPerNode', whole(p.openPerNode, 1, 1024)],
    ['collecting', whole(p.collecting, 1, 64)],
    ['minimumDelayMs', p.minimumDelayMs >= 0],
    ['standbyLifetimeMs', p.standbyLifetimeMs > 0 && p.standbyLifetimeMs <= p.deadlines.standbyMs],
    ['staleMs', p.staleMs > 0],
    ['pruneMs', p.pruneMs >= p.staleMs],
    ['failureRateMax', share(p.failureRateMax)],
    ['failureWindowRounds', whole(p.failureWindowRounds, 1, 1_000)],
    ['failuresMin', whole(p.failuresMin, 1, p.failureWindowRounds)],
    ['sitOutMs', p.sitOutMs >= 0],
    ['convictedMs', p.convictedMs >= 0],
    ['pairMs', p.pairMs >= 0],
  ];
  const broken = rules.find(([, holds]) => !holds);
  if (broken) throw new MixError('CONFIG_INVALID', { key: `scheduler.${broken[0]}`, got: String(p[broken[0]]) });
  const exponentBytes = namedGroup(p.group).elementBytes;
  if (!whole(p.exponentBytes, 32, Math.max(32, exponentBytes))) {
    throw new MixError('CONFIG_INVALID', { key: 'scheduler.exponentBytes', got: p.exponentBytes });
  }
  return params;
}
