// The permutation leak of plain Z*p, and its absence in Z⁺p. The Legendre symbol is multiplicative, so in Z*p the product of the
// symbols of a slot's realtime value and of its precomputed ciphertext passes every node unchanged: the node multiplies both by
// the same r and by the same s, which cancel. Any node on the ring reads one bit per element about the output that a slot became.
// Z⁺p takes absolute values, and −1 is a non-residue: dropping the sign flips the symbol at random.
import { describe, expect, test } from 'vitest';
import { randomBelow } from '../../src/base/rng.js';
import { randomPermutation } from '../../src/cmix/permutation.js';
import { bytesToBigint, toBigints } from '../../src/math/batch.js';
import { namedGroup } from '../../src/math/group.js';
import { randomElements, randomExponents } from '../../src/math/sampling.js';
import { type NaiveGroup, type NaiveNode, naiveRound } from '../naive/naiveCmix.js';
import { SeededRng } from '../support/seededRng.js';

const SLOTS = 200;
const TEAM = 3;
const EXPONENT_BYTES = 8;
const { p } = namedGroup('TEST-64');

/** Euler's criterion. */
function isResidue(x: bigint): boolean {
  let result = 1n;
  let square = x % p;
  for (let rest = (p - 1n) / 2n; rest > 0n; rest >>= 1n) {
    if (rest & 1n) result = (result * square) % p;
    square = (square * square) % p;
  }
  return result === 1n;
}

function drawElements(rng: SeededRng, sign: NaiveGroup['sign']): bigint[][] {
  const group = namedGroup('TEST-64');
  return toBigints(group, randomElements(rng, group, SLOTS)).map((x) => {
    // In Z*p an element is any of ±x.
    return [sign === 'plain' && randomBelow(rng, 2) === 1 ? p - x : x];
  });
}

function drawNode(rng: SeededRng, sign: NaiveGroup['sign']): NaiveNode {
  const exponents = (count: number) => {
    const bytes = randomExponents(rng, count, EXPONENT_BYTES);
    return Array.from({ length: count }, (_, i) => bytesToBigint(bytes.subarray(i * 8, (i + 1) * 8)));
  };
  return {
    z: exponents(1),
    r: drawElements(rng, sign),
    s: drawElements(rng, sign),
    y: exponents(SLOTS),
    yPrime: exponents(SLOTS),
    source: [...randomPermutation(rng, SLOTS)],
    k: drawElements(rng, sign),
  };
}

/** The first node's view of one round, per slot before mixing and after, and the input of each output. */
function observe(sign: NaiveGroup['sign'], seed: string) {
  const rng = new SeededRng(seed);
  // g = 4 generates the residues for any p, as g = 2 does for the RFC 3526 primes.
  const group: NaiveGroup = { p, g: 4n, sign };
  const nodes = Array.from({ length: TEAM }, () => drawNode(rng, sign));
  const run = naiveRound(group, nodes, drawElements(rng, sign));
  const tag = (x: bigint, c: bigint): boolean => isResidue(x) === isResidue(c);
  const last = TEAM - 1;
  const before = run.realtimeDecrypt[last]!.map(([x], j) => tag(x!, run.precompDecrypt[last]![j]![1]!));
  const after = run.realtimePermute[last]!.map(([x], k) => tag(x!, run.precompPermute[last]![k]![1]!));
  const cameFrom = Array.from({ length: SLOTS }, (_, k) => nodes.reduce((slot, node) => node.source[slot]!, k));
  return { before, after, cameFrom };
}

/** Number of the 200 true links that keep their tag. */
function kept({ before, after, cameFrom }: ReturnType<typeof observe>): number {
  return cameFrom.filter((j, k) => before[j] === after[k]).length;
}

/**
 * Number of outputs that an observer must still consider possible, averaged over the inputs. An output is no candidate for an
 * input if its tag is one that this input's true output never has; the observer learns that tag from rounds that it ran itself.
 */
function candidates(sign: NaiveGroup['sign']): number {
  const trained = [1, 2, 3].map((n) => observe(sign, `training ${n}`));
  const neverChanges = trained.every((round) => kept(round) === SLOTS);
  const neverStays = trained.every((round) => kept(round) === 0);
  const { before, after } = observe(sign, 'attack');
  const possible = before.map((tag) => after.filter((seen) => (seen === tag ? !neverStays : !neverChanges)).length);
  return possible.reduce((sum, count) => sum + count, 0) / SLOTS;
}

describe('the Legendre symbols of a batch of 200', () => {
  test('halve the candidates of every message in plain Z*p: the simulation detects the leak', () => {
    expect(kept(observe('plain', 'attack'))).toBe(SLOTS);
    expect(candidates('plain')).toBeGreaterThan(85);
    expect(candidates('plain')).toBeLessThan(115);
  });

  test('leave all 200 candidates in Z⁺p, and agree with the true links no more often than by chance', () => {
    expect(candidates('absolute')).toBe(SLOTS);
    // 800 coins: mean 400, standard deviation 14; five of them either way.
    const agreeing = [1, 2, 3, 4].reduce((sum, n) => sum + kept(observe('absolute', `chance ${n}`)), 0);
    expect(Math.abs(agreeing - 400)).toBeLessThan(71);
  });
});
