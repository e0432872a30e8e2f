// The order of a team is the shortest ring: exact for small teams, compared with all rings, and near the shortest for larger
// ones.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { NodeId } from '../../src/base/ids.js';
import { randomFraction } from '../../src/base/rng.js';
import { type Distance, ringLength, shortestRing } from '../../src/scheduler/ring.js';
import { SeededRng } from '../support/seededRng.js';

const nodes = (count: number) => Array.from({ length: count }, (_, i) => `node ${i}` as NodeId);

/** Distances from a symmetric matrix. */
function distanceOf(matrix: readonly (readonly number[])[]): Distance {
  const index = (node: NodeId) => Number(node.slice(5));
  return (a, b) => matrix[Math.min(index(a), index(b))]![Math.max(index(a), index(b))]!;
}

const matrices = (size: number) =>
  fc.array(fc.array(fc.integer({ min: 1, max: 300 }), { minLength: size, maxLength: size }), {
    minLength: size,
    maxLength: size,
  });

/** Every ring through a team, with the first node in first place. */
function* allRings(team: readonly NodeId[]): Generator<NodeId[]> {
  const [first, ...others] = team;
  function* orders(left: readonly NodeId[]): Generator<NodeId[]> {
    if (left.length === 0) yield [];
    for (const node of left) {
      for (const rest of orders(left.filter((one) => one !== node))) yield [node, ...rest];
    }
  }
  for (const order of orders(others)) yield [first!, ...order];
}

describe('up to twelve nodes', () => {
  it.each([1, 2, 3, 4, 5, 6, 7])('the ring of %i is as short as the shortest of all', (size) => {
    fc.assert(
      fc.property(matrices(size), (matrix) => {
        const distance = distanceOf(matrix);
        const team = nodes(size);
        const ring = shortestRing(team, distance);
        const best = Math.min(...[...allRings(team)].map((one) => ringLength(one, distance)));
        expect(ringLength(ring, distance)).toBe(best);
        expect(ring[0]).toBe(team[0]);
        expect([...ring].sort()).toEqual([...team].sort());
      }),
      { numRuns: size > 6 ? 10 : 60 },
    );
  });

  it('finds the only shortest ring of twelve nodes on a circle', () => {
    const at = (node: NodeId) => (Number(node.slice(5)) * 7) % 12;
    const distance: Distance = (a, b) => {
      const step = Math.abs(at(a) - at(b));
      return Math.min(step, 12 - step);
    };
    expect(ringLength(shortestRing(nodes(12), distance), distance)).toBe(12);
  });
});

describe('above twelve nodes', () => {
  /** Random points in a square, like cities. */
  function square(count: number, seed: number): Distance {
    const rng = new SeededRng(seed);
    const points = Array.from({ length: count }, () => [randomFraction(rng), randomFraction(rng)] as const);
    const point = (node: NodeId) => points[Number(node.slice(5))]!;
    return (a, b) => Math.hypot(point(a)[0] - point(b)[0], point(a)[1] - point(b)[1]) * 100;
  }

  it('a ring on a circle is found completely', () => {
    for (const count of [13, 20, 40]) {
      const angle = (node: NodeId) => (((Number(node.slice(5)) * 17) % count) / count) * 2 * Math.PI;
      const distance: Distance = (a, b) => Math.abs(Math.sin((angle(a) - angle(b)) / 2));
      const whole = count * Math.sin(Math.PI / count);
      expect(ringLength(shortestRing(nodes(count), distance), distance)).toBeCloseTo(whole, 6);
    }
  });

  it('the heuristic is within 5% of the exact ring on teams that both can solve, and within 1% on average', () => {
    // Twelve nodes exactly, and the same twelve with one more at the place of the first, which adds no length.
    let sum = 0;
    const runs = 25;
    for (let seed = 0; seed < runs; seed++) {
      const twelve = square(12, seed);
      const same: Distance = (a, b) => {
        const real = (node: NodeId) => (node === ('node 12' as NodeId) ? ('node 0' as NodeId) : node);
        return real(a) === real(b) ? 0 : twelve(real(a), real(b));
      };
      const exact = ringLength(shortestRing(nodes(12), twelve), twelve);
      const found = ringLength(shortestRing(nodes(13), same), same);
      expect(found / exact).toBeLessThan(1.05);
      sum += found / exact;
    }
    expect(sum / runs).toBeLessThan(1.01);
  });

  it('is shorter than the order in which a team was drawn, and keeps every node', () => {
    const team = nodes(64);
    const distance = square(64, 5);
    const ring = shortestRing(team, distance);
    expect(ring[0]).toBe(team[0]);
    expect(new Set(ring).size).toBe(64);
    expect(ringLength(ring, distance)).toBeLessThan(0.3 * ringLength(team, distance));
  });
});
