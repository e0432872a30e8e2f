// The scheduler in virtual time, with all faults that may happen around it: `npm run sim -- --scheduler --seeds 1000` plays more.
import { describe, expect, it } from 'vitest';
import { type Coverage, count } from './scheduler/invariants.js';
import { missing } from './scheduler/play.js';
import { calm, scenarioOf } from './scheduler/scenario.js';
import { SchedulerSim } from './scheduler/world.js';

const SEEDS = 21;

describe('a scheduler', () => {
  const coverage: Coverage = new Map();

  it.each(Array.from({ length: SEEDS }, (_, i) => String(i + 1)))('keeps all its promises: seed %s', async (seed) => {
    const { violations, coverage: seen } = await new SchedulerSim(scenarioOf(seed)).play();
    expect(violations).toEqual([]);
    for (const [what, times] of seen) count(coverage, what, times);
  });

  it('has by then been through every fault and every transition of a round', () => {
    expect(missing(coverage)).toEqual([]);
  });

  it('completes more than 40 rounds without faults, and fails at most 10', async () => {
    const { violations, completed, failed } = await new SchedulerSim(calm('calm')).play();
    expect(violations).toEqual([]);
    expect(completed).toBeGreaterThan(40);
    expect(failed).toBeLessThanOrEqual(10);
  });

  it('plays a seed the same way twice', async () => {
    const ends = async () => {
      const { completed, failed, deaths, restarts, coverage: seen } = await new SchedulerSim(scenarioOf('7')).play();
      return { completed, failed, deaths, restarts, seen: [...seen] };
    };
    expect(await ends()).toEqual(await ends());
  });
});
