// A node's health by a clock that stands still between looks: a fault of the machine is told once when it comes and once when it is over.
import { describe, expect, it } from 'vitest';
import { silentLog } from '../../src/base/log.js';
import { createMetrics } from '../../src/base/metrics.js';
import type { DiskStore } from '../../src/base/store.js';
import { NodeHealth } from '../../src/node/health.js';
import { VirtualClock } from '../support/virtualClock.js';

const MINUTE_MS = 60_000;

describe('a clock that is minutes wrong', () => {
  it('pauses the node while it lasts, and seconds do not', async () => {
    const clock = new VirtualClock();
    const told: (string | undefined)[] = [];
    let leadMs = 0;
    const health = new NodeHealth({
      ...{ clock, log: silentLog, metrics: createMetrics() },
      store: { trouble: undefined, watch: () => () => {} } as unknown as DiskStore,
      isConnected: () => true,
      degraded: () => [],
      clockOffsetsMs: () => [leadMs, leadMs, leadMs],
      otherCertificates: () => [],
      onPaused: (reason) => told.push(reason),
    });
    const watching = new AbortController();
    const over = health.watch(watching.signal);
    const look = async () => {
      clock.step();
      await new Promise((resolve) => setImmediate(resolve));
    };
    for (const lead of [0, 30_000, 6 * MINUTE_MS, 7 * MINUTE_MS]) {
      leadMs = lead;
      await look();
    }
    expect(told).toEqual([expect.stringMatching(/^clock: .* 360 s behind the median/)]);
    expect(health.readiness().ready).toBe(false);
    leadMs = 30_000;
    for (let looks = 0; looks < 3; looks++) await look();
    expect(told.slice(1)).toEqual([undefined]);
    expect(health.readiness().ready).toBe(true);
    watching.abort();
    await look();
    await over;
  });
});
