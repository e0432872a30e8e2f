// Chi-square tests for samplers: seeded, so that the verdict is the same on every run.

/** The statistic of counts that should be equal. */
export function chiSquare(counts: readonly number[]): number {
  const expected = counts.reduce((sum, count) => sum + count, 0) / counts.length;
  return counts.reduce((sum, count) => sum + (count - expected) ** 2 / expected, 0);
}

/** Value that a fair sampler exceeds once in about 100,000 runs (Wilson–Hilferty). */
export function chiSquareLimit(degrees: number): number {
  const z = 4.26;
  const spread = 2 / (9 * degrees);
  return degrees * (1 - spread + z * Math.sqrt(spread)) ** 3;
}
