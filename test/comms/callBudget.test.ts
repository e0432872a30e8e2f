// What strangers' calls may cost while the main thread is overloaded, on a virtual clock; that a listener asks is in strangers.test.ts.
import { describe, expect, it } from 'vitest';
import { randomFraction } from '../../src/base/rng.js';
import { CallBudget } from '../../src/transport/serving/callBudget.js';
import { SeededRng } from '../support/seededRng.js';
import { VirtualClock } from '../support/virtualClock.js';

const SECOND_MS = 1_000;

/** A budget, and how much of each second its thread is busy: as the test says. */
function setUp() {
  const clock = new VirtualClock();
  const thread = { busy: 0 };
  const rng = new SeededRng('calls');
  const budget = new CallBudget(
    clock,
    () => thread.busy,
    () => randomFraction(rng),
  );
  /** So many calls from so many places, a few of each in turn; how many are heard. */
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
  it('are all heard while the thread has time, however many there are', () => {
    const { thread, second, budget } = setUp();
    thread.busy = 0.7;
    for (let i = 0; i < 20; i++) expect(second(5_000, 200)).toBe(5_000);
    expect(budget.perS).toBe(Infinity);
  });

  it('are all heard in a burst of a second, and where they are too few to be the cause', () => {
    const { thread, second, budget } = setUp();
    thread.busy = 1;
    expect(second(1_000, 1)).toBe(1_000);
    thread.busy = 0.5;
    second(0, 1);
    thread.busy = 1;
    for (let i = 0; i < 20; i++) expect(second(50, 10)).toBe(50);
    expect(budget.perS).toBe(Infinity);
  });

  it('are few while the thread is overloaded, from however many places, and as many as before when it is not', () => {
    const { thread, second, budget } = setUp();
    thread.busy = 1;
    const heard = Array.from({ length: 20 }, () => second(800, 200));
    expect(heard.slice(0, 2)).toEqual([800, 800]);
    for (const count of heard.slice(6)) expect(count).toBeLessThan(150);
    thread.busy = 0.3;
    for (let i = 0; i < 60; i++) second(800, 200);
    expect(budget.perS).toBe(Infinity);
    expect(second(800, 200)).toBe(800);
    // It comes back: there is no patience a second time.
    thread.busy = 1;
    second(800, 200);
    expect(second(800, 200)).toBeLessThan(300);
  });

  it('are not held down by what was refused: a busy node hears more of them again', () => {
    const { thread, second, budget } = setUp();
    thread.busy = 1;
    for (let i = 0; i < 12; i++) second(800, 200);
    const [least] = [budget.perS];
    thread.busy = 0.7;
    for (let i = 0; i < 100; i++) second(800, 200);
    expect(budget.perS).toBeGreaterThan(4 * least);
  });

  it('have their turns by place: one that asks little is heard beside one that asks much', () => {
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

  it('are drawn by lot: whoever is first in each second does not take them all', () => {
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

  it('are heard where they are paid for: a hundred for each message that a whole team has accepted, within ten minutes', () => {
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
