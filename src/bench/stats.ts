// Statistics of repeated measurements: minimum, median and maximum. The minimum is closest to the cost of the code on a shared
// machine; the spread shows how far to trust it. Apart from the benchmarks, which all use it.
import { takeMedian } from '../base/index.js';

/** Minimum, median and maximum of one measurement's repeats, in the unit of its field. */
export interface Spread {
  readonly min: number;
  readonly median: number;
  readonly max: number;
}

/** Rounds to four significant digits: more would be false precision. */
export function significant(value: number): number {
  return Number(value.toPrecision(4));
}

/** @throws RangeError if there are no samples */
export function takeSpread(samples: readonly number[]): Spread {
  if (samples.length === 0) throw new RangeError('no samples');
  return {
    min: significant(Math.min(...samples)),
    median: significant(takeMedian(samples)),
    max: significant(Math.max(...samples)),
  };
}

/** Formats a time or ratio for a table: three digits, no exponent. */
export function figure(value: number | undefined): string {
  if (value === undefined) return '–';
  const digits = value >= 100 ? 0 : value >= 10 ? 1 : value >= 1 ? 2 : 3;
  return value.toFixed(digits);
}
