// The seeded simulator as a test: some seeds keep every invariant, a seed always plays the same, and each invariant that is
// broken on purpose is detected, and replays to the same failure.
import { describe, expect, it } from 'vitest';
import { BREAKS, type Break } from './breaks.js';
import { playSeed } from './run.js';

const SEEDS = Array.from({ length: 20 }, (_, i) => 1_000 + i);

describe('a simulated team', () => {
  it.each(SEEDS)('keeps every invariant (seed %i)', async (seed) => {
    const { violations } = await playSeed(seed);
    expect(violations, `replay: npm run sim -- --seed ${seed}`).toEqual([]);
  });

  it('plays a seed the same way every time, to the last packet', async () => {
    for (const seed of [3, 7, 11]) {
      const [first, second] = [await playSeed(seed), await playSeed(seed)];
      expect(second).toEqual(first);
      expect(second.packets).toBeGreaterThan(0);
    }
  });

  it('plays different seeds differently', async () => {
    const hashes = [await playSeed(2), await playSeed(3), await playSeed(5)].map(({ traceHash }) => traceHash);
    expect(new Set(hashes).size).toBe(3);
  });
});

const EXPECTED: Record<Break, string> = {
  'early-open': 'commit before release',
  'forge-outputs': 'outputs are what all have signed',
  'drop-message': 'every message comes out once or its sender is told',
  'forget-reservation': 'a precomputation is used once',
  'keep-secrets': 'no secret outlives its round',
};

describe('an invariant that is broken on purpose', () => {
  it.each(Object.keys(BREAKS) as Break[])(
    'is detected, and the seed replays to the same failure (%s)',
    async (broken) => {
      // Seed 2 completes its round if nothing is broken.
      const first = await playSeed(2, broken);
      expect(first.violations.map(({ invariant }) => invariant)).toContain(EXPECTED[broken]);
      const second = await playSeed(2, broken);
      expect(second.violations).toEqual(first.violations);
      expect(second.traceHash).toBe(first.traceHash);
    },
  );
});
