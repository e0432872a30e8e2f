// Draws of busy nodes: precomputation and realtime of different rounds at the same time, or one after the other if so configured;
// and the size of the stock under varying demand.
import { describe, expect, it } from 'vitest';
import type { BootId, NodeId, RoundId } from '../../src/base/ids.js';
import { randomBytes, randomFraction } from '../../src/base/rng.js';
import { deriveNodeId } from '../../src/cmix/signatures.js';
import type { Stage } from '../../src/protocol/stages.js';
import { reduceScheduler } from '../../src/scheduler/machine/reducer.js';
import {
  type Demand,
  initialState,
  type SchedulerEffect,
  type SchedulerEvent,
} from '../../src/scheduler/machine/state.js';
import { consumed, stockTarget } from '../../src/scheduler/machine/stock.js';
import { DEFAULT_PARAMS, type SchedulerParams } from '../../src/scheduler/parameters.js';
import { SeededRng } from '../support/seededRng.js';

const BOOT = 'ab'.repeat(16) as BootId;

/** A scheduler of one team, driven by the test. */
class Bench {
  readonly #rng = new SeededRng('overlap');
  readonly nodes: NodeId[] = Array.from({ length: 5 }, () => deriveNodeId(randomBytes(this.#rng, 32)));
  #state;
  #atMs = 0;

  constructor(changes: Partial<SchedulerParams>) {
    this.#state = initialState('test', 0, { ...DEFAULT_PARAMS, demandMs: Infinity, ...changes });
    for (const node of this.nodes) {
      this.take({ type: 'registered', node, atMs: 0 });
      this.take({ type: 'online', node, bootId: BOOT, atMs: 0 });
    }
  }

  take(event: SchedulerEvent): readonly SchedulerEffect[] {
    const { state, effects } = reduceScheduler(this.#state, event);
    this.#state = state;
    return effects;
  }

  /** The effects of a tick, as words. */
  tick(): string[] {
    const effects = this.take({ type: 'tick', randomness: randomBytes(this.#rng, 32), atMs: ++this.#atMs });
    return effects.flatMap((effect) => {
      if (effect.type === 'open') return [`open ${effect.info.round}`];
      return effect.type === 'assign' ? [`assign ${effect.round}`] : [];
    });
  }

  say(round: number, stage: Stage, nodes = this.nodes): void {
    const atMs = ++this.#atMs;
    for (const node of nodes) {
      this.take({ type: 'report', node, bootId: BOOT, round: round as RoundId, stage, atMs });
    }
  }
}

describe('a node', () => {
  const serially = { overlap: false, pipelining: false, stockMin: 1 };

  it('without overlap precomputes nothing from the assignment of one of its rounds until that round is over', () => {
    const bench = new Bench(serially);
    expect(bench.tick()).toEqual(['open 1']);
    bench.say(1, 'PRECOMPUTING');
    bench.say(1, 'STANDBY');
    // The node has not been told yet, and reports nothing.
    expect(bench.tick()).toEqual(['assign 1']);
    expect(bench.tick()).toEqual([]);
    // One member has been told: the others count as told.
    bench.say(1, 'QUEUED', bench.nodes.slice(0, 1));
    expect(bench.tick()).toEqual([]);
    bench.say(1, 'REALTIME');
    expect(bench.tick()).toEqual([]);
    bench.say(1, 'COMPLETED');
    expect(bench.tick()).toEqual(['open 2']);
  });

  it('with overlap precomputes the next round as soon as one is assigned', () => {
    const bench = new Bench({ ...serially, overlap: true });
    expect(bench.tick()).toEqual(['open 1']);
    bench.say(1, 'PRECOMPUTING');
    bench.say(1, 'STANDBY');
    expect(bench.tick()).toEqual(['assign 1', 'open 2']);
  });
});

describe('the stock', () => {
  it('derives the rate of demand from pauses of any length, also with rounds consumed at the same moment', () => {
    const rng = new SeededRng('pauses');
    let demand: Demand = initialState('test', 0, DEFAULT_PARAMS).demand;
    let atMs = 0;
    for (let i = 0; i < 400; i++) {
      // Two at once, then a pause of 20 ms on average: one every 10 ms.
      if (i % 2 === 0) atMs += 40 * randomFraction(rng);
      demand = consumed(demand, atMs);
    }
    expect(demand.ratePerMs).toBeGreaterThan(0.07);
    expect(demand.ratePerMs).toBeLessThan(0.13);
  });

  it('covers the demand during a precomputation plus eight standard deviations, within its limits', () => {
    const demand = { lastConsumedMs: 0, waited: 0, consumed: 10, waiting: false };
    const level = (ratePerS: number, precomputeMs: number, changes: Partial<SchedulerParams> = {}) =>
      stockTarget({ ...demand, ratePerMs: ratePerS / 1_000, precomputeMs }, { ...DEFAULT_PARAMS, ...changes });
    expect(level(0, 2_000)).toBe(DEFAULT_PARAMS.stockMin);
    expect(level(2, 2_000)).toBe(4 + 8 * 2 + 1);
    expect(level(8, 2_000)).toBe(16 + 8 * 4 + 1);
    expect(level(8, 2_000, { stockMax: 20 })).toBe(20);
    expect(level(8, 2_000, { stockMin: 60 })).toBe(60);
  });
});
