// The scheduler in virtual time, with everything that may go wrong around it: `npm run sim -- --scheduler --seeds 1000` plays more.
import { describe, expect, it } from 'vitest';
import { SchedulerSim, scenarioOf } from './schedulerSim.js';

const SEEDS = 20;

describe('a scheduler', () => {
  it.each(Array.from({ length: SEEDS }, (_, i) => String(i + 1)))('keeps all its promises: seed %s', async (seed) => {
    const { violations } = await new SchedulerSim(scenarioOf(seed)).play();
    expect(violations).toEqual([]);
  });

  it('brings rounds to their end where nothing goes wrong, and fails none', async () => {
    const calm = { nodeDeathMs: Infinity, schedulerDeathMs: Infinity, mischief: 0, saboteur: false };
    const sim = new SchedulerSim({ ...scenarioOf('calm'), ...calm, nodes: 8, teamSize: 5 });
    const { violations, completed, failed } = await sim.play();
    expect(violations).toEqual([]);
    expect(completed).toBeGreaterThan(40);
    expect(failed).toBeLessThanOrEqual(10);
  });

  it('plays a seed twice alike', async () => {
    const ends = async () => {
      const { completed, failed, deaths, restarts } = await new SchedulerSim(scenarioOf('7')).play();
      return { completed, failed, deaths, restarts };
    };
    expect(await ends()).toEqual(await ends());
  });
});
