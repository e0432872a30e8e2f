// Random numbers: seeded streams replay, and draws from a range are uniform over it, including its bounds.
import { describe, expect, it } from 'vitest';
import { toHex } from '../../src/base/bytes.js';
import { type Rng, randomBelow, randomBytes, randomFraction, systemRng } from '../../src/base/rng.js';
import { SeededRng } from '../support/seededRng.js';
import { chiSquare, chiSquareLimit } from '../support/statistics.js';

describe('a seeded generator', () => {
  it('gives the same stream for the same seed in pieces of any size, and another for another seed', () => {
    const whole = randomBytes(new SeededRng('seed'), 100);
    const pieces = new SeededRng('seed');
    const joined = [7, 0, 60, 33].map((length) => toHex(randomBytes(pieces, length))).join('');
    expect(joined).toBe(toHex(whole));
    expect(toHex(randomBytes(new SeededRng('seed2'), 100))).not.toBe(toHex(whole));
    expect(toHex(randomBytes(new SeededRng(1), 16))).toBe(toHex(randomBytes(new SeededRng('1'), 16)));
  });
});

describe('the operating system’s generator', () => {
  it('fills the given buffer, and differs every time', () => {
    const out = new Uint8Array(32);
    expect(systemRng.fill(out)).toBe(out);
    expect(toHex(randomBytes(systemRng, 32))).not.toBe(toHex(out));
  });
});

describe('randomBelow', () => {
  it('wipes its draw: draws of a permutation are as secret as the permutation', () => {
    let drawn: Uint8Array = Uint8Array.of(1);
    const rng: Rng = {
      fill: (out) => {
        drawn = out;
        return out.fill(7);
      },
    };
    expect(randomBelow(rng, 100)).toBe(0x07070707 % 100);
    expect([...drawn]).toEqual([0, 0, 0, 0]);
  });

  it('is uniform (chi-square), also for bounds that do not divide the range of its draws', () => {
    const rng = new SeededRng('chi-square');
    for (const bound of [2, 3, 7, 10, 100]) {
      const counts = new Array<number>(bound).fill(0);
      for (let i = 0; i < 20_000; i++) counts[randomBelow(rng, bound)]!++;
      expect(chiSquare(counts)).toBeLessThan(chiSquareLimit(bound - 1));
    }
  });

  it('is uniform over thirds of the bound 3·2^30, for which a modulus would be biased', () => {
    // 2^32 mod bound is 2^30: a plain modulus would give the lower third of the range twice as often as the rest.
    const bound = 3 * 2 ** 30;
    const rng = new SeededRng('bias');
    const counts = [0, 0, 0];
    for (let i = 0; i < 9_000; i++) counts[Math.floor(randomBelow(rng, bound) / 2 ** 30)]!++;
    expect(chiSquare(counts)).toBeLessThan(chiSquareLimit(2));
  });

  it('rejects draws in the incomplete last interval', () => {
    const draws = [0xffffffff, 0xfffffffe, 5];
    const rng: Rng = {
      fill: (out) => {
        new DataView(out.buffer).setUint32(0, draws.shift()!, true);
        return out;
      },
    };
    // 2^32 mod 10 is 6: the last six values are refused.
    expect(randomBelow(rng, 10)).toBe(5);
    expect(draws).toEqual([]);
  });

  it('accepts bounds from 1 to 2^32 only', () => {
    const rng = new SeededRng('bounds');
    for (let i = 0; i < 50; i++) expect(randomBelow(rng, 1)).toBe(0);
    expect(randomBelow(rng, 2 ** 32)).toBeLessThan(2 ** 32);
    for (const bound of [0, -1, 1.5, 2 ** 32 + 1, Number.NaN])
      expect(() => randomBelow(rng, bound)).toThrow(RangeError);
    for (let i = 0; i < 100; i++) {
      const fraction = randomFraction(rng);
      expect(fraction >= 0 && fraction < 1).toBe(true);
    }
  });
});
