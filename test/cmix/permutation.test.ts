import { describe, expect, test } from 'vitest';
import { randomBelow } from '../../src/base/rng.js';
import { inversePermutation, isPermutation, randomPermutation } from '../../src/cmix/permutation.js';
import { toBatch, toBigints } from '../../src/math/batch.js';
import { engine, group } from '../support/cmix.js';
import { SeededRng } from '../support/seededRng.js';

/** χ² of the counts of each permutation of `slots`, against the uniform distribution. */
function chiSquare(draw: () => Uint32Array, cells: number, draws: number): number {
  const counts = new Map<string, number>();
  for (let i = 0; i < draws; i++) {
    const name = draw().join();
    counts.set(name, (counts.get(name) ?? 0) + 1);
  }
  const expected = draws / cells;
  const missing = (cells - counts.size) * expected;
  return [...counts.values()].reduce((sum, count) => sum + (count - expected) ** 2 / expected, missing);
}

describe('a random permutation', () => {
  test('is uniform over all 120 permutations of 5 slots (χ², 119 degrees of freedom)', () => {
    const rng = new SeededRng('chi');
    // The 1 − 10⁻⁶ quantile of χ² with 119 degrees of freedom is 204; its mean 119.
    expect(chiSquare(() => randomPermutation(rng, 5), 120, 24_000)).toBeLessThan(204);
  });

  test('would fail that test if every step drew from all slots, the well-known mistake', () => {
    const rng = new SeededRng('biased');
    const biased = (): Uint32Array => {
      const source = Uint32Array.of(0, 1, 2, 3, 4);
      for (let i = 0; i < 5; i++) {
        const j = randomBelow(rng, 5);
        [source[i], source[j]] = [source[j]!, source[i]!];
      }
      return source;
    };
    expect(chiSquare(biased, 120, 24_000)).toBeGreaterThan(1000);
  });

  test('puts every slot in every place equally often (χ² of places, 200 slots)', () => {
    const rng = new SeededRng('places');
    const counts = new Float64Array(200);
    const draws = 4000;
    for (let i = 0; i < draws; i++) counts[randomPermutation(rng, 200)[137]!]!++;
    const expected = draws / 200;
    const chi = counts.reduce((sum, count) => sum + (count - expected) ** 2 / expected, 0);
    // The 1 − 10⁻⁶ quantile for 199 degrees of freedom is about 306.
    expect(chi).toBeLessThan(306);
  });

  test('is a permutation, and reproducible from a seed, for any number of slots', () => {
    for (const slots of [0, 1, 2, 3, 1000, 5000]) {
      const source = randomPermutation(new SeededRng(slots), slots);
      expect(source).toHaveLength(slots);
      expect(isPermutation(source)).toBe(true);
      expect(randomPermutation(new SeededRng(slots), slots)).toEqual(source);
    }
  });
});

test('a list that omits a slot, repeats one or exceeds the range is no permutation', () => {
  for (const source of [
    [0, 0],
    [1, 2],
    [0, 2, 3],
    [0, 1, 1],
  ])
    expect(isPermutation(Uint32Array.from(source))).toBe(false);
});

test('the inverse gives the output slot of each input slot', async () => {
  const source = randomPermutation(new SeededRng('inverse'), 7);
  const inverse = inversePermutation(source);
  const input = toBatch(group, [10n, 11n, 12n, 13n, 14n, 15n, 16n]);
  const ones = toBatch(group, new Array<bigint>(7).fill(1n));
  const output = toBigints(group, await engine.mulGather(input, source, ones));
  for (let j = 0; j < 7; j++) expect(output[inverse[j]!]).toBe(10n + BigInt(j));
});
