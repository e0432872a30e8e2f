// Statistics of samples: minimum, median, maximum, and the format of figures.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { takeMedian } from '../../src/base/clock.js';
import { figure, significant, takeSpread } from '../../src/bench/stats.js';

describe('spread', () => {
  it('is minimum, median and maximum, in any order of samples', () => {
    expect(takeSpread([3, 1, 2])).toEqual({ min: 1, median: 2, max: 3 });
    expect(takeSpread([4, 1, 3, 2])).toEqual({ min: 1, median: 2.5, max: 4 });
    expect(takeSpread([7])).toEqual({ min: 7, median: 7, max: 7 });
    expect(takeSpread([10, 9, 100])).toEqual({ min: 9, median: 10, max: 100 });
  });

  it('of no samples is refused', () => expect(() => takeSpread([])).toThrow(RangeError));

  it('is ordered, and does not change the samples', () => {
    fc.assert(
      fc.property(fc.array(fc.double({ min: 1e-3, max: 1e9, noNaN: true }), { minLength: 1 }), (samples) => {
        const before = [...samples];
        const { min, median, max } = takeSpread(samples);
        expect(samples).toEqual(before);
        expect(min).toBeLessThanOrEqual(median);
        expect(median).toBeLessThanOrEqual(max);
      }),
    );
  });

  it('has a median with as many samples below as above', () => {
    fc.assert(
      fc.property(fc.array(fc.integer(), { minLength: 1 }), (samples) => {
        const median = takeMedian(samples);
        const below = samples.filter((value) => value < median).length;
        const above = samples.filter((value) => value > median).length;
        expect(Math.max(below, above)).toBeLessThanOrEqual(samples.length / 2);
      }),
    );
  });
});

describe('figures', () => {
  it('have four significant digits as numbers', () => {
    expect(significant(1234.56)).toBe(1235);
    expect(significant(0.00123456)).toBe(0.001235);
  });

  it('have about three in tables', () => {
    expect([1234.56, 154.61, 40.04, 3.214, 0.5134, undefined].map(figure)).toEqual([
      '1235',
      '155',
      '40.0',
      '3.21',
      '0.513',
      '–',
    ]);
  });
});
