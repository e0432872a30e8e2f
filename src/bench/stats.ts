// Statistics of repeated measurements: the least, the middle and the greatest. The least is the nearest to what the code
// costs on a machine that others use, too; the spread says how far to trust it.

/** Microseconds an operation, over the repeats of one measurement. */
export interface Spread {
  readonly min: number;
  readonly median: number;
  readonly max: number;
}

/** Rounded to four significant digits: more would pretend. */
export function significant(value: number): number {
  return Number(value.toPrecision(4));
}

/** The middle value; of an even number, the mean of the two in the middle. */
export function takeMedian(samples: readonly number[]): number {
  const sorted = [...samples].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

/** @throws RangeError for no samples: there is nothing to say */
export function takeSpread(samples: readonly number[]): Spread {
  if (samples.length === 0) throw new RangeError('no samples');
  return {
    min: significant(Math.min(...samples)),
    median: significant(takeMedian(samples)),
    max: significant(Math.max(...samples)),
  };
}

/** A time or ratio for a table: three digits, no exponent. */
export function figure(value: number | undefined): string {
  if (value === undefined) return '–';
  const digits = value >= 100 ? 0 : value >= 10 ? 1 : value >= 1 ? 2 : 3;
  return value.toFixed(digits);
}
