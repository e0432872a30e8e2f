// The verdict of a run of attacks: memory that a node keeps, or honest messages that are lost, fail it.
import { expect, it } from 'vitest';
import { MEMORY_GAIN_MAX, memoryGains, takeSlope } from '../support/leakWatch.js';
import { abuseStatus } from './status.js';

const reading = (memoryBytes: number) => ({ memoryBytes });

it('a run of attacks fails if one node has kept more than 48 MiB, however little the others have', () => {
  expect(MEMORY_GAIN_MAX).toBe(48 * 2 ** 20);
  const before = [100, 200, 150].map((mib) => reading(mib * 2 ** 20));
  const flat = [148, 200, 90].map((mib) => reading(mib * 2 ** 20));
  const grown = [100, 249, 20].map((mib) => reading(mib * 2 ** 20));
  expect(memoryGains(before, flat)).toEqual([]);
  expect(memoryGains(before, grown)).toEqual(['node 2 has gained 49 MiB']);
  expect(abuseStatus([{ ratio: 1 }], memoryGains(before, flat))).toBe(0);
  expect(abuseStatus([{ ratio: 1 }], memoryGains(before, grown))).toBe(1);
});

it('a run of attacks fails if honest senders keep less than nine tenths of their rate, or it was not measured', () => {
  expect([0.9, 1.2].map((ratio) => abuseStatus([{ ratio: 1 }, { ratio }], []))).toEqual([0, 0]);
  expect([0.89, 0, Number.NaN].map((ratio) => abuseStatus([{ ratio: 1 }, { ratio }], []))).toEqual([1, 1, 1]);
});

it('the slope of memory is that of most readings: a few that are far off do not turn it', () => {
  const points = Array.from({ length: 14 }, (_, i) => [i / 14, 36 + (2 * i) / 14] as const);
  const withPeaks = points.map(([x, y], i) => [x, i % 6 === 5 ? y + 40 : y] as const);
  expect(takeSlope(points)).toBeCloseTo(2, 9);
  expect(takeSlope(withPeaks)).toBeCloseTo(2, 0);
  expect(takeSlope(points.map(([x], i) => [x, 36 + (i % 2)] as const))).toBeLessThan(0.5);
});
