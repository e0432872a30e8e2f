// A node's clock against the median of the members' clocks: one member cannot move it, and both bounds hold on either side.
import { describe, expect, it } from 'vitest';
import type { NodeId } from '../../src/base/ids.js';
import { clockErrorMs, clockTrouble } from '../../src/node/process/clockWatch.js';

const NOW_MS = Date.UTC(2026, 5, 1);

describe('the error of a clock', () => {
  it('is its lead over the median of all clocks, its own included', () => {
    expect(clockErrorMs([-30, -20])).toBe(20);
    expect(clockErrorMs([10, 20])).toBe(-10);
    expect(clockErrorMs([20, 40, 60])).toBe(-30);
    expect(clockErrorMs([-5, 5])).toBe(-0);
  });

  it('is unknown with fewer than two other clocks: it would be the word of one member', () => {
    expect(clockErrorMs([])).toBe(undefined);
    expect(clockErrorMs([-3_600_000])).toBe(undefined);
    expect(clockTrouble(NOW_MS, [-3_600_000], [])).toBe(undefined);
  });

  it('is not moved by one clock that is far off, whatever it says', () => {
    for (const far of [-1e12, 1e12]) {
      expect(Math.abs(clockErrorMs([far, 3, -2])!)).toBeLessThanOrEqual(3);
      expect(clockTrouble(NOW_MS, [far, 3, -2], [])).toBe(undefined);
    }
  });
});

describe('a clock that is wrong', () => {
  const behind = (ms: number) => clockTrouble(NOW_MS, [ms, ms, ms], []);

  it.each([1, -1])('is reported from 10 s, and fatal from 5 minutes (on the side of %i)', (side) => {
    const way = side > 0 ? 'behind' : 'ahead of';
    expect(behind(side * 9_999)).toBe(undefined);
    expect(behind(side * 10_000)).toEqual({
      reason: `clock: it says 2026-06-01T00:00:00.000Z, 10 s ${way} the median of the members`,
      fatal: false,
    });
    expect(behind(side * 299_999)).toMatchObject({ fatal: false });
    expect(behind(side * 300_000)).toMatchObject({ reason: expect.stringContaining(`300 s ${way}`), fatal: true });
  });

  it("is fatal if half of the members' certificates seem out of their time, and no fewer", () => {
    const valid = (fromMs: number, toMs: number) => ({ node: 'x' as NodeId, fromMs, toMs });
    const good = valid(NOW_MS - 1, NOW_MS + 1);
    const early = valid(NOW_MS + 1, NOW_MS + 2);
    const late = valid(NOW_MS - 2, NOW_MS - 1);
    expect(clockTrouble(NOW_MS, [], [good, valid(NOW_MS, NOW_MS)])).toBe(undefined);
    expect(clockTrouble(NOW_MS, [], [good, early])).toMatchObject({
      reason: expect.stringContaining('before'),
      fatal: true,
    });
    expect(clockTrouble(NOW_MS, [], [late, good])).toMatchObject({
      reason: expect.stringContaining('after'),
      fatal: true,
    });
    expect(clockTrouble(NOW_MS, [], [good, good, early])).toBe(undefined);
    expect(clockTrouble(NOW_MS, [], [good, late, early])).toBe(undefined);
  });
});
