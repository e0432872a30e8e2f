// Time as a port: the virtual clock fires in order and only on step(), and sleeping ends early if its signal aborts.
import { describe, expect, it } from 'vitest';
import { HeardClocks, sleep, systemClock } from '../../src/base/clock.js';
import { deferred } from '../../src/base/promises.js';
import { randomBelow } from '../../src/base/rng.js';
import { SeededRng } from '../support/seededRng.js';
import { VirtualClock } from '../support/virtualClock.js';

describe('the virtual clock', () => {
  it('fires timers by time, and those of one time in the order in which they were set', () => {
    const clock = new VirtualClock();
    const fired: string[] = [];
    const set = (name: string, delayMs: number) => clock.after(delayMs, () => fired.push(`${name}@${clock.nowMs()}`));
    set('late', 30);
    set('first', 10);
    set('second', 10);
    set('now', 0);
    set('past', -5);
    expect(fired).toEqual([]);
    while (clock.step()) {}
    expect(fired).toEqual(['now@0', 'past@0', 'first@10', 'second@10', 'late@30']);
    expect([clock.nowMs(), clock.pending, clock.step()]).toEqual([30, 0, false]);
  });

  it('keeps the order of thousands of timers, some of them cancelled', () => {
    const clock = new VirtualClock();
    const rng = new SeededRng('timers');
    const fired: (readonly [number, number])[] = [];
    const expected: (readonly [number, number])[] = [];
    for (let i = 0; i < 5_000; i++) {
      const atMs = randomBelow(rng, 500);
      const cancel = clock.after(atMs, () => fired.push([clock.nowMs(), i]));
      if (i % 3 === 0) cancel();
      else expected.push([atMs, i]);
    }
    expect(clock.pending).toBe(expected.length);
    while (clock.step()) {}
    expect(fired).toEqual(expected.sort((a, b) => a[0] - b[0] || a[1] - b[1]));
  });

  it('fires timers set by a firing timer, at their time', () => {
    const clock = new VirtualClock();
    const fired: number[] = [];
    clock.after(10, () => clock.after(5, () => fired.push(clock.nowMs())));
    clock.after(12, () => fired.push(clock.nowMs()));
    while (clock.step()) {}
    expect(fired).toEqual([12, 15]);
  });

  it('does not fire cancelled timers', () => {
    const clock = new VirtualClock();
    let fired = 0;
    const cancel = clock.after(10, () => fired++);
    cancel();
    cancel();
    expect(clock.step()).toBe(false);
    expect(fired).toBe(0);
    // Wall time moves with the clock, for certificates.
    const wallMs = clock.wallMs();
    clock.after(1_000, () => {});
    clock.step();
    expect(clock.wallMs() - wallMs).toBe(1_000);
  });
});

describe('sleep', () => {
  it('ends when its time is over, and leaves no listener behind', async () => {
    const clock = new VirtualClock();
    const abort = new AbortController();
    const slept = sleep(clock, 100, abort.signal);
    clock.step();
    await slept;
    abort.abort();
    expect(clock.pending).toBe(0);
  });

  it('ends at once when aborted, before or during, and cancels its timer', async () => {
    const clock = new VirtualClock();
    const abort = new AbortController();
    const slept = sleep(clock, 100, abort.signal);
    abort.abort();
    await slept;
    await sleep(clock, 100, abort.signal);
    expect([clock.pending, clock.nowMs()]).toEqual([0, 0]);
  });

  it('works on the machine’s clock as well', async () => {
    const before = systemClock.nowMs();
    await sleep(systemClock, 1);
    expect(systemClock.nowMs()).toBeGreaterThan(before);
    expect(Math.abs(systemClock.wallMs() - Date.now())).toBeLessThan(60_000);
    let fired = false;
    systemClock.after(1, () => {
      fired = true;
    })();
    await sleep(systemClock, 5);
    expect(fired).toBe(false);
  });
});

describe('a deferred', () => {
  it('is settled once, by the first call', async () => {
    const one = deferred<number>();
    expect(one.settled).toBe(false);
    one.resolve(1);
    one.reject(new Error('late'));
    one.resolve(2);
    expect(one.settled).toBe(true);
    expect(await one.promise).toBe(1);
  });

  it('may be rejected before anyone waits for it', async () => {
    const one = deferred<number>();
    one.reject(new Error('early'));
    await new Promise((resolve) => setImmediate(resolve));
    await expect(one.promise).rejects.toThrow('early');
  });
});

describe('clocks of others', () => {
  it('run on by steady time, so that setting this clock shows at once', () => {
    let [nowMs, wallMs] = [1_000, 50_000];
    const clocks = new HeardClocks<string>({ ...systemClock, nowMs: () => nowMs, wallMs: () => wallMs });
    expect(clocks.leadMs('a')).toBe(undefined);
    clocks.heard('a', 50_300);
    clocks.heard('b', 49_000, 200);
    const leads = () => ['a', 'b'].map((id) => clocks.leadMs(id));
    expect(leads()).toEqual([300, -800]);
    [nowMs, wallMs] = [nowMs + 5_000, wallMs + 5_000];
    expect(leads()).toEqual([300, -800]);
    wallMs -= 7_200_000;
    expect(leads()).toEqual([7_200_300, 7_199_200]);
    clocks.keep((id) => id === 'b');
    expect(leads()).toEqual([undefined, 7_199_200]);
  });
});
