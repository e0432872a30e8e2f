// How many precomputed rounds to hold, so that realtime never waits for one. A base-stock policy: rounds that are in STANDBY or on
// their way there are kept at a level S = λT + 8·√(λT) + 1. While a round is precomputed, the rounds that are asked for are Poisson
// with mean λT. If nodes had time for any number of precomputations, 3 deviations would do for all but one in a hundred; but they
// queue for nodes that are busy, and a rush is made up for by no more than what the nodes have to spare. At four fifths of what a
// network can do, eight are needed (npm run sim -- --network); a round that waits costs its nodes memory and no time.
import type { SchedulerParams } from '../parameters.js';
import type { Demand } from './state.js';

/** Standard deviations of the demand that the stock is to outlast. */
const DEVIATIONS = 8;
/** Weight of the newest observation of how long a precomputation takes: about ten are looked back over. */
const NEWEST = 0.1;
/** Of a pause between two rounds: pauses vary as much as they are long, and a rate that is taken for too low lets the stock sink. */
const NEWEST_PAUSE = 0.05;
/** A rate that a few rounds at the same moment seem to show is none. */
const MEAN_PAUSE_MIN_MS = 1;

/** The level that rounds in STANDBY and PRECOMPUTING together are kept at. */
export function stockTarget({ ratePerMs, precomputeMs }: Demand, params: SchedulerParams): number {
  const mean = ratePerMs * precomputeMs;
  const wanted = Math.ceil(mean + DEVIATIONS * Math.sqrt(mean)) + 1;
  return Math.min(Math.max(wanted, params.stockMin), params.stockMax);
}

/** A precomputation took so long. */
export function precomputed(demand: Demand, ms: number): Demand {
  const { precomputeMs } = demand;
  return { ...demand, precomputeMs: precomputeMs === 0 ? ms : precomputeMs + NEWEST * (ms - precomputeMs) };
}

/** A round was taken from the stock. */
export function consumed(demand: Demand, atMs: number): Demand {
  const { ratePerMs, lastConsumedMs } = demand;
  const taken = { ...demand, lastConsumedMs: atMs, consumed: demand.consumed + 1, waiting: false };
  if (lastConsumedMs === undefined) return taken;
  const pauseMs = atMs - lastConsumedMs;
  const meanMs = ratePerMs === 0 ? pauseMs : 1 / ratePerMs;
  // Pauses are averaged and not rates: two rounds at the same moment would count as infinitely many a second. The first few weigh
  // alike, or one of them would count for long.
  const weight = Math.max(NEWEST_PAUSE, 1 / demand.consumed);
  return { ...taken, ratePerMs: 1 / Math.max(meanMs + weight * (pauseMs - meanMs), MEAN_PAUSE_MIN_MS) };
}

/** One was wanted and none was there; counted once for each that waits. */
export function missed(demand: Demand): Demand {
  return demand.waiting ? demand : { ...demand, waiting: true, waited: demand.waited + 1 };
}
