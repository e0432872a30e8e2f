// The scheduler in virtual time, with everything that may go wrong around it: `npm run sim -- --scheduler --seeds 1000` plays more.
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

  it('has been through every fault and every transition of a round by then', () => {
    expect(missing(coverage)).toEqual([]);
  });

  it('brings rounds to their end where nothing goes wrong, and fails none', async () => {
    const { violations, completed, failed } = await new SchedulerSim(calm('calm')).play();
    expect(violations).toEqual([]);
    expect(completed).toBeGreaterThan(40);
    expect(failed).toBeLessThanOrEqual(10);
  });

  it('plays a seed twice alike', async () => {
    const ends = async () => {
      const { completed, failed, deaths, restarts, coverage: seen } = await new SchedulerSim(scenarioOf('7')).play();
      return { completed, failed, deaths, restarts, seen: [...seen] };
    };
    expect(await ends()).toEqual(await ends());
  });
});
