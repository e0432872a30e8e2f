// A scheduler and its nodes for two days of virtual time: `npm run sim -- --days 14` plays two weeks.
import { beforeAll, describe, expect, it } from 'vitest';
import { containersOf } from '../support/containers.js';
import { type DaysResult, playDays } from './days/play.js';

describe('in two days of virtual time', () => {
  let result: DaysResult;
  beforeAll(async () => {
    result = await playDays(2, '1', false);
  });

  it('no map, set, array or store of a scheduler or a node grows, and no rotation is missed', () => {
    expect(result.violations).toEqual([]);
  });

  it('every kind of event has happened', () => {
    const { ends, tally, epochs, sizes } = result;
    expect(ends.completed).toBeGreaterThan(200);
    expect(tally).toMatchObject({ schedulers: 3, restarts: 6, certificates: 12, visitors: 47 });
    expect(Math.min(...epochs)).toBe(2);
    // The count includes private containers.
    const names = sizes.map(({ name }) => name);
    for (const name of ['Scheduler.#streams', 'RoundFeed.nodes', 'TokenStore.#entries', 'SenderRegistry.#known']) {
      expect(names).toContain(name);
    }
  });
});

describe('the count of containers', () => {
  class Inner {
    readonly #kept = new Map<string, unknown>([['a', [1, 2, 3]]]);
    get kept() {
      return this.#kept;
    }
  }
  class Outer {
    readonly #inner = new Inner();
    readonly #none = undefined;
    readonly list = [{ names: new Set(['x', 'y']) }, { names: new Set(['z']) }];
    readonly #table = Object.fromEntries(Array.from({ length: 100 }, (_, i) => [`key ${i}`, i]));
    get fields() {
      return [this.#inner.kept, this.#none, this.#table];
    }
  }

  it('includes private fields, named by class and field', () => {
    expect(Object.fromEntries(containersOf([new Outer()]))).toEqual({
      'Inner.#kept': { most: 1, total: 1 },
      'Inner.#kept[]': { most: 3, total: 3 },
      'Outer.list': { most: 2, total: 2 },
      'Outer.list[].names': { most: 2, total: 3 },
      'Outer.#table': { most: 100, total: 100 },
    });
  });
});
