// Size of the stock of precomputed rounds, so that realtime never waits for one. Apart from nodePool.ts because reducer.ts and
// scheduler.ts use it, too. A base-stock policy: rounds in STANDBY or on their way there are kept at a level S = λT + 8·√(λT) + 1. While
// a round is precomputed, the rounds that are asked for are Poisson with mean λT. If nodes had time for any number of precomputations, 3
// deviations would do for all but one in a hundred. But precomputations queue for busy nodes, and only spare time of nodes makes up for a
// rush. At four fifths of a network's capacity, eight are needed (npm run sim -- --network). A round that waits costs its nodes memory
// and no time.
import type { SchedulerParams } from '../parameters.js';
import type { Demand } from './state.js';

/** Standard deviations of the demand that the stock must outlast. */
const DEVIATIONS = 8;
/** Weight of the newest precomputation in the moving average of their durations: about the last ten count. */
const NEWEST = 0.1;
/**
 * Weight of the newest pause between two rounds. Smaller, because pauses vary as much as they are long, and a rate that is taken for too
 * low lets the stock sink.
 */
const NEWEST_PAUSE = 0.05;
/** Least mean pause, because a few rounds at the same moment show no rate. */
const MEAN_PAUSE_MIN_MS = 1;

/** Empty rounds in a row before the first pause, the first pause and the longest one. */
const EMPTY_ROUNDS_MIN = 3;
const EMPTY_PAUSE_MS = 1_000;
const EMPTY_PAUSE_MAX_MS = 30_000;

/** The level at which rounds in STANDBY and PRECOMPUTING together are kept. */
export function stockTarget({ ratePerMs, precomputeMs }: Demand, params: SchedulerParams): number {
  const mean = ratePerMs * precomputeMs;
  const wanted = Math.ceil(mean + DEVIATIONS * Math.sqrt(mean)) + 1;
  return Math.min(Math.max(wanted, params.stockMin), params.stockMax);
}

/** Notes the duration of a precomputation. */
export function precomputed(demand: Demand, ms: number): Demand {
  const { precomputeMs } = demand;
  return { ...demand, precomputeMs: precomputeMs === 0 ? ms : precomputeMs + NEWEST * (ms - precomputeMs) };
}

/** Notes that a round was taken from the stock. */
export function consumed(demand: Demand, atMs: number): Demand {
  const { ratePerMs, lastConsumedMs } = demand;
  const taken = { ...demand, lastConsumedMs: atMs, consumed: demand.consumed + 1, waiting: false };
  if (lastConsumedMs === undefined) return taken;
  const pauseMs = atMs - lastConsumedMs;
  const meanMs = ratePerMs === 0 ? pauseMs : 1 / ratePerMs;
  // Averages pauses and not rates: two rounds at the same moment would count as infinitely many a second. The first few pauses weigh
  // alike, or one of them would count for long.
  const weight = Math.max(NEWEST_PAUSE, 1 / demand.consumed);
  return { ...taken, ratePerMs: 1 / Math.max(meanMs + weight * (pauseMs - meanMs), MEAN_PAUSE_MIN_MS) };
}

/**
 * Pause after rounds in a row that ended for want of senders. Somebody who asks for rounds and sends nothing, which takes one call in ten
 * seconds, must not have the network fail one round after another. The first few cost nothing: senders may come in a moment, and a first
 * node may turn them away. Those who come during a pause wait for its end, EMPTY_PAUSE_MAX_MS at most.
 */
export function emptyPauseMs(rounds: number): number {
  return rounds < EMPTY_ROUNDS_MIN
    ? 0
    : Math.min(EMPTY_PAUSE_MS * 2 ** (rounds - EMPTY_ROUNDS_MIN), EMPTY_PAUSE_MAX_MS);
}

/** Notes that a round was wanted and none was ready; counts once until one is taken. */
export function missed(demand: Demand): Demand {
  return demand.waiting ? demand : { ...demand, waiting: true, waited: demand.waited + 1 };
}
