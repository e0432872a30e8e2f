// Health of a node: a store that cannot be written is in the metric, in /readyz and in the log; it takes the node out of rounds until it
// can be written again, and so does a clock that is minutes wrong.
import { describe, expect, it } from 'vitest';
import { systemClock } from '../../src/base/clock.js';
import { createLog, silentLog } from '../../src/base/log.js';
import { createMetrics } from '../../src/base/metrics.js';
import type { DiskStore } from '../../src/base/store.js';
import { NodeHealth } from '../../src/node/health.js';
import { counted, identity, memberOf } from '../comms/support.js';
import { MemoryStore } from '../support/memoryStore.js';
import { VirtualClock } from '../support/virtualClock.js';

const MINUTE_MS = 60_000;

/** A store in memory that is in trouble as the test says. */
class TroubledStore extends MemoryStore implements DiskStore {
  trouble: string | undefined;
  readonly #watchers = new Set<(trouble: string | undefined) => void>();

  watch(onChange: (trouble: string | undefined) => void): () => void {
    this.#watchers.add(onChange);
    return () => void this.#watchers.delete(onChange);
  }

  change(trouble: string | undefined): void {
    this.trouble = trouble;
    for (const onChange of this.#watchers) onChange(trouble);
  }
}

describe('a store that cannot be written', () => {
  it('is in the metric, in /readyz and once in the log, and pauses the node at once, until it can be written', async () => {
    const lines: string[] = [];
    const destination = { write: (line: string) => void lines.push(line) };
    const log = createLog({ name: 'x', level: 'info', format: 'json', destination });
    const [metrics, store, clock] = [createMetrics(), new TroubledStore(), new VirtualClock()];
    const paused: (string | undefined)[] = [];
    const health = new NodeHealth({
      ...{ clock, log, metrics, store },
      isConnected: () => true,
      degraded: () => [],
      otherMembers: () => [],
      clockLeadMs: () => undefined,
      onPaused: (reason) => paused.push(reason),
    });
    const stop = new AbortController();
    const watching = health.watch(stop.signal);
    const failing = () => counted(metrics, 'store_failing');
    const said = () => lines.map((line) => (JSON.parse(line) as { msg: string; reason?: string }).reason ?? 'in order');
    expect([await failing(), health.readiness().ready, paused]).toEqual([0, true, []]);

    store.change('no space left on device');
    const reason = 'store: no space left on device';
    expect([await failing(), health.readiness(), paused]).toEqual([1, { ready: false, reasons: [reason] }, [reason]]);
    for (let look = 0; look < 3; look++) clock.step();
    expect([said(), paused]).toEqual([[reason], [reason]]);

    store.change(undefined);
    expect([await failing(), health.readiness(), paused]).toEqual([
      0,
      { ready: true, reasons: [] },
      [reason, undefined],
    ]);
    expect(said()).toEqual([reason, 'in order']);
    stop.abort();
    await watching;
  });
});

describe('a clock that is minutes wrong', () => {
  it('pauses the node while it lasts, and seconds do not', async () => {
    const clock = new VirtualClock();
    const others = (await Promise.all(['a', 'b', 'c'].map((name) => identity(name)))).map((one) => memberOf(one));
    // Certificates are made now; the virtual clock tells another year.
    const today = { ...systemClock, nowMs: () => clock.nowMs(), after: clock.after.bind(clock) };
    const told: (string | undefined)[] = [];
    let leadMs = 0;
    const health = new NodeHealth({
      ...{ clock: today, log: silentLog, metrics: createMetrics() },
      store: new TroubledStore(),
      isConnected: () => true,
      degraded: () => [],
      otherMembers: () => others,
      clockLeadMs: () => leadMs,
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
