// How many precomputed rounds to hold, so that realtime never waits for one. A base-stock policy: rounds that are in STANDBY or on
// their way there are kept at a level S. While a round is precomputed, the rounds that are asked for are Poisson with mean λT; one
// is asked for in vain when they are S or more, which for S = λT + 3·√(λT) + 1 is less than one in a hundred times.
import type { SchedulerParams } from './schedulerParams.js';
import type { Demand } from './schedulerState.js';

/** Standard deviations of the demand that the stock is to outlast. */
const DEVIATIONS = 3;
/** Weight of the newest observation: estimates look back over about ten. */
const NEWEST = 0.1;

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
  const pauseMs = Math.max(atMs - lastConsumedMs, 1);
  const meanMs = ratePerMs === 0 ? pauseMs : 1 / ratePerMs;
  // Pauses are averaged and not rates: two rounds at the same moment would count as infinitely many a second.
  return { ...taken, ratePerMs: 1 / (meanMs + NEWEST * (pauseMs - meanMs)) };
}

/** One was wanted and none was there; counted once for each that waits. */
export function missed(demand: Demand): Demand {
  return demand.waiting ? demand : { ...demand, waiting: true, waited: demand.waited + 1 };
}
