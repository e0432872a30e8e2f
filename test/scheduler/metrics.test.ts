// A scheduler's metrics: cheap to read in a large network, and without invented values.
import { describe, expect, it } from 'vitest';
import type { NodeId, RoundId } from '../../src/base/ids.js';
import { createMetrics } from '../../src/base/metrics.js';
import { medianRoundTripMs } from '../../src/scheduler/machine/nodePool.js';
import type { NodeRecord, RoundRecord, SchedulerView } from '../../src/scheduler/machine/state.js';
import { SchedulerMetrics } from '../../src/scheduler/metrics.js';
import { counted } from '../comms/support.js';
import { SimTeam } from '../sim/team.js';

const view = { nodes: [], stock: 3, stockTarget: 4, precomputing: 1, realtime: 1, waited: 0, overlapShare: null };
const ended = (resumed: boolean): RoundRecord => {
  const times = { openedMs: 0, standbyMs: 2_000, queuedMs: 3_000, realtimeMs: 4_000, endedMs: 5_000 };
  return { info: { round: 1 as RoundId }, state: 'COMPLETED', resumed, ...times } as unknown as RoundRecord;
};

describe('metrics of a scheduler', () => {
  it('are read from one view, and from a new one at the next scrape', async () => {
    let looks = 0;
    const metrics = createMetrics();
    new SchedulerMetrics(metrics, () => {
      looks++;
      return { ...view, stock: looks } as unknown as SchedulerView;
    });
    expect(await metrics.render()).toContain('millrace_scheduler_stock 1\n');
    expect(looks).toBe(1);
    expect(await metrics.render()).toContain('millrace_scheduler_stock 2\n');
  });

  it('count a failed round by its code, as reported first, or as the decision of the scheduler', async () => {
    const metrics = createMetrics();
    const kept = new SchedulerMetrics(metrics, () => view as unknown as SchedulerView);
    const failed = (...codes: string[]) => {
      const failures = new Map(codes.map((code, i) => [String(i), { code }]));
      return { ...ended(true), state: 'FAILED', failures } as unknown as RoundRecord;
    };
    kept.ended(failed('PEER_LOST', 'ROUND_OVER'), []);
    kept.ended(failed('PEER_LOST'), []);
    kept.ended(failed(), []);
    const text = await metrics.render();
    expect(text).toContain('millrace_scheduler_rounds_total{state="FAILED",code="PEER_LOST"} 2');
    expect(text).toContain('millrace_scheduler_rounds_total{state="FAILED",code="SCHEDULER_FAILED"} 1');
    expect(text).not.toContain('code=""');
  });

  it('of the nodes count a failed round by the code of its failure', async () => {
    const team = await new SimTeam({ seed: 'codes', nodes: 3 }).start();
    const { round } = await team.open();
    for (const { manager } of team.nodes) manager.failRound(round, 'the scheduler gave it up');
    await team.until(() => team.everyAlive((node) => team.stage(node, round) === 'FAILED'));
    for (const { metrics, manager } of team.nodes) {
      const labels = { stage: 'FAILED', code: 'SCHEDULER_FAILED' };
      expect(await counted(metrics, 'rounds_ended_total', labels)).toBe(1);
      expect(await counted(metrics, 'rounds_ended_total')).toBe(1);
      manager.close();
    }
  });

  it('have no durations of rounds opened by an earlier run: this run has not seen them begin', async () => {
    const metrics = createMetrics();
    const kept = new SchedulerMetrics(metrics, () => view as unknown as SchedulerView);
    kept.ended(ended(true), []);
    expect(await metrics.render()).not.toContain('stage_seconds_count{');
    kept.ended(ended(false), []);
    const text = await metrics.render();
    expect(text).toContain('millrace_scheduler_stage_seconds_sum{stage="precomputing"} 2');
    expect(text).toContain('millrace_scheduler_rounds_total{state="COMPLETED",code=""} 2');
  });
});

it('the median round trip of a node is over its own measurements, and null without any', () => {
  const measured = (...ms: number[]) =>
    medianRoundTripMs({
      roundTripsMs: new Map(ms.map((one, i) => [String(i) as NodeId, one])),
    } as unknown as NodeRecord);
  expect(measured()).toBe(null);
  expect(measured(7.25)).toBe(7.25);
  expect(measured(30, 1, 2)).toBe(2);
  expect(measured(4, 1, 2, 30)).toBe(3);
});
