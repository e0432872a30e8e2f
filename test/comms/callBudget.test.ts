// What strangers' calls may cost while the main thread is overloaded, on a virtual clock; that a listener asks is in strangers.test.ts.
import { describe, expect, it } from 'vitest';
import { VirtualClock } from '../../src/base/clock.js';
import { CallBudget } from '../../src/transport/serving/callBudget.js';

const SECONDS = 1_000;

/** A budget, and how much of each second its thread is busy: as the test says. */
function setUp() {
  const clock = new VirtualClock();
  const thread = { busy: 0 };
  const budget = new CallBudget(clock, () => thread.busy);
  /** One second: calls from so many places, a few of each in turn; how many are heard. */
  const second = (calls: number, places: number, of = 'flood'): number => {
    let heard = 0;
    for (let i = 0; i < calls; i++) if (budget.admits(`${of} ${i % places}`)) heard++;
    budget.look();
    return heard;
  };
  return { clock, thread, budget, second };
}

describe('calls of strangers', () => {
  it('are all heard while the thread has time, however many there are', () => {
    const { thread, second, budget } = setUp();
    thread.busy = 0.7;
    for (let i = 0; i < 20; i++) expect(second(5_000, 200)).toBe(5_000);
    expect(budget.perS).toBe(Infinity);
  });

  it('are all heard in a burst of two seconds, and where they are too few to be the cause', () => {
    const { thread, second, budget } = setUp();
    thread.busy = 1;
    for (let i = 0; i < 2; i++) expect(second(1_000, 1)).toBe(1_000);
    thread.busy = 0.5;
    second(0, 1);
    thread.busy = 1;
    for (let i = 0; i < 20; i++) expect(second(100, 10)).toBe(100);
    expect(budget.perS).toBe(Infinity);
  });

  it('are fewer and fewer while the thread is overloaded, from however many places, and as many as before when it is not', () => {
    const { thread, second, budget } = setUp();
    thread.busy = 1;
    const heard = Array.from({ length: 12 }, () => second(800, 200));
    expect(heard.slice(0, 3)).toEqual([800, 800, 800]);
    for (let i = 4; i < heard.length; i++) expect(heard[i]).toBeLessThanOrEqual(heard[i - 1]!);
    expect(heard.at(-1)).toBeLessThanOrEqual(50);
    thread.busy = 0.3;
    for (let i = 0; i < 60; i++) second(800, 200);
    expect(budget.perS).toBe(Infinity);
    expect(second(800, 200)).toBe(800);
    // It comes back: there is no patience a second time.
    thread.busy = 1;
    second(800, 200);
    expect(second(800, 200)).toBeLessThanOrEqual(200);
  });

  it('have their turns by place: one that asks little is heard beside one that asks much', () => {
    const { thread, second, budget } = setUp();
    thread.busy = 1;
    for (let i = 0; i < 12; i++) second(800, 1);
    for (let i = 0; i < 5; i++) {
      for (let call = 0; call < 800; call++) budget.admits('flood 0');
      expect(second(10, 1, 'little')).toBe(10);
    }
  });

  it('are not limited where a whole team has accepted a message from, for ten minutes after the last', () => {
    const { clock, thread, second, budget } = setUp();
    budget.credit('sender 0');
    thread.busy = 1;
    for (let i = 0; i < 12; i++) second(800, 200);
    expect(second(500, 1, 'sender')).toBe(500);
    clock.after(601 * SECONDS, () => {});
    clock.step();
    for (let i = 0; i < 5; i++) second(800, 200);
    expect(second(500, 1, 'sender')).toBeLessThan(100);
  });
});
