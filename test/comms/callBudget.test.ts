// The budget of strangers' calls while the main thread is overloaded, on a virtual clock; strangers.test.ts tests that a listener
// consults the budget.
import { describe, expect, it } from 'vitest';
import { randomFraction } from '../../src/base/rng.js';
import { CallBudget } from '../../src/transport/serving/callBudget.js';
import { SeededRng } from '../support/seededRng.js';
import { VirtualClock } from '../support/virtualClock.js';

const SECOND_MS = 1_000;

/** A budget, and the utilization of its thread in each second, as the test sets it. */
function setUp() {
  const clock = new VirtualClock();
  const thread = { busy: 0 };
  const rng = new SeededRng('calls');
  const budget = new CallBudget(
    clock,
    () => thread.busy,
    () => randomFraction(rng),
  );
  /** Makes `count` calls from `places` places, each in turn; returns the number admitted. */
  const calls = (count: number, places: number, of = 'flood'): number => {
    let heard = 0;
    for (let i = 0; i < count; i++) if (budget.admits(`${of} ${i % places}`)) heard++;
    return heard;
  };
  const look = () => {
    clock.after(SECOND_MS, () => {});
    clock.step();
    budget.look();
  };
  const second = (count: number, places: number): number => {
    const heard = calls(count, places);
    look();
    return heard;
  };
  return { clock, thread, budget, calls, look, second };
}

describe('calls of strangers', () => {
  it('are all admitted while the thread has time, in any number', () => {
    const { thread, second, budget } = setUp();
    thread.busy = 0.7;
    for (let i = 0; i < 20; i++) expect(second(5_000, 200)).toBe(5_000);
    expect(budget.perS).toBe(Infinity);
  });

  it('are all admitted in a burst of a second, and if they are too few to be the cause', () => {
    const { thread, second, budget } = setUp();
    thread.busy = 1;
    expect(second(1_000, 1)).toBe(1_000);
    thread.busy = 0.5;
    second(0, 1);
    thread.busy = 1;
    for (let i = 0; i < 20; i++) expect(second(50, 10)).toBe(50);
    expect(budget.perS).toBe(Infinity);
  });

  it('are limited while the thread is overloaded, for any number of places, and unlimited again when it is not', () => {
    const { thread, second, budget } = setUp();
    thread.busy = 1;
    const heard = Array.from({ length: 20 }, () => second(800, 200));
    expect(heard.slice(0, 2)).toEqual([800, 800]);
    for (const count of heard.slice(6)) expect(count).toBeLessThan(150);
    thread.busy = 0.3;
    for (let i = 0; i < 60; i++) second(800, 200);
    expect(budget.perS).toBe(Infinity);
    expect(second(800, 200)).toBe(800);
    // The load comes back: the second time the limit applies at once.
    thread.busy = 1;
    second(800, 200);
    expect(second(800, 200)).toBeLessThan(300);
  });

  it('are not limited by the refused ones: a busy node admits more of them again', () => {
    const { thread, second, budget } = setUp();
    thread.busy = 1;
    for (let i = 0; i < 12; i++) second(800, 200);
    const [least] = [budget.perS];
    thread.busy = 0.7;
    for (let i = 0; i < 100; i++) second(800, 200);
    expect(budget.perS).toBeGreaterThan(4 * least);
  });

  it('take turns by place: a place with few calls is admitted beside one with many', () => {
    const { thread, second, calls, look } = setUp();
    thread.busy = 1;
    for (let i = 0; i < 12; i++) second(800, 1);
    let heard = 0;
    for (let i = 0; i < 20; i++) {
      calls(800, 1);
      heard += calls(5, 1, 'little');
      look();
    }
    expect(heard).toBeGreaterThan(60);
  });

  it('are drawn by lot: the first in each second do not take all', () => {
    const { thread, second, calls, look } = setUp();
    thread.busy = 1;
    for (let i = 0; i < 12; i++) second(400, 200);
    let heard = 0;
    for (let i = 0; i < 60; i++) {
      calls(400, 200);
      heard += calls(1, 1, 'last');
      look();
    }
    expect(heard).toBeGreaterThan(5);
  });

  it('are admitted if paid for: a hundred for each message that a whole team has accepted, within ten minutes', () => {
    const { clock, thread, second, budget, calls } = setUp();
    thread.busy = 1;
    for (let i = 0; i < 12; i++) second(800, 200);
    budget.credit('sender 0');
    budget.credit('sender 0');
    expect(calls(200, 1, 'sender')).toBe(200);
    expect(budget.hasCredit('sender 0')).toBe(false);
    expect(calls(200, 1, 'sender')).toBeLessThan(100);
    budget.credit('sender 1');
    clock.after(601 * SECOND_MS, () => {});
    clock.step();
    expect(budget.hasCredit('sender 1')).toBe(false);
  });
});
