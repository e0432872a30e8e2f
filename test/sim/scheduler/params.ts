// Parameters of a simulated scheduler: the initial ones, and other valid ones to change to at any moment.
import { type Rng, randomBelow, randomFraction } from '../../../src/base/rng.js';
import { checkParams, DEFAULT_PARAMS, type SchedulerParams } from '../../../src/scheduler/parameters.js';
import { SECOND_MS } from './scenario.js';

export function paramsOf(teamSize: number): SchedulerParams {
  return {
    ...DEFAULT_PARAMS,
    // Senders are always there.
    demandMs: Infinity,
    teamSize,
    slots: 10,
    chunkSlots: 5,
    minSenders: 1,
    quotaPerSender: 10,
    group: 'TEST-512',
    precomputingPerNode: 3,
    openPerNode: 8,
    stockMin: 2,
    staleMs: 20 * SECOND_MS,
    sitOutMs: 20 * SECOND_MS,
    convictedMs: 20 * SECOND_MS,
    pairMs: 60 * SECOND_MS,
    deadlines: {
      precomputeMs: 10 * SECOND_MS,
      standbyMs: 60 * SECOND_MS,
      collectMs: 2 * SECOND_MS,
      realtimeMs: 10 * SECOND_MS,
      precomputePhaseMs: 5 * SECOND_MS,
      realtimePhaseMs: 5 * SECOND_MS,
    },
    standbyLifetimeMs: 50 * SECOND_MS,
  };
}

/** Draws all parameters anew. */
export function otherParams(rng: Rng, nodes: number): SchedulerParams {
  const between = (least: number, most: number) => least + randomBelow(rng, most - least + 1);
  const seconds = (least: number, most: number) => between(least, most) * SECOND_MS;
  const [openPerNode, slots, standbyMs] = [between(2, 10), between(1, 40), seconds(20, 60)];
  const [precomputeMs, realtimeMs, failureWindowRounds] = [seconds(5, 15), seconds(4, 12), between(3, 20)];
  const stockMin = between(1, 4);
  return checkParams({
    demandMs: Infinity,
    teamSize: between(2, Math.min(6, nodes)),
    group: 'TEST-512',
    slots,
    width: between(1, 3),
    chunkSlots: between(1, slots),
    exponentBytes: between(32, 64),
    minSenders: between(1, slots),
    quotaPerSender: between(1, slots),
    deadlines: {
      precomputeMs,
      standbyMs,
      collectMs: seconds(1, 3),
      realtimeMs,
      precomputePhaseMs: precomputeMs / 2,
      realtimePhaseMs: realtimeMs / 2,
    },
    poolThreshold: randomFraction(rng) / 2,
    stockMin,
    stockMax: between(stockMin, 12),
    nodeShareMax: between(1, 10) / 10,
    precomputingPerNode: between(1, openPerNode),
    openPerNode,
    collecting: between(1, 3),
    minimumDelayMs: between(0, 500),
    standbyLifetimeMs: standbyMs - between(0, 10) * SECOND_MS,
    staleMs: seconds(10, 30),
    pruneMs: DEFAULT_PARAMS.pruneMs,
    failureRateMax: between(2, 10) / 10,
    failureWindowRounds,
    failuresMin: between(1, failureWindowRounds),
    sitOutMs: seconds(0, 20),
    convictedMs: seconds(5, 20),
    pairMs: seconds(10, 60),
    overlap: between(0, 3) > 0,
    pipelining: between(0, 3) > 0,
  });
}
