// The order of a team: the ring with the shortest way round, because every batch passes every link of it, in both directions.
// Exact by dynamic programming over subsets (Bellman; Held and Karp, 1962) up to 12 nodes, n²·2ⁿ steps instead of n!; above that
// by improving nearest-neighbour tours until neither turning round nor moving any stretch helps (2-opt and Or-opt).
import type { NodeId } from '../base/index.js';

/** Above this, 2ⁿ is too much for a decision that is made all the time. */
const EXACT_NODES_MAX = 12;
/** Stretches that Or-opt moves. */
const STRETCH_MAX = 3;
/** Less than this, milliseconds, is no improvement but rounding. */
const GAIN_MIN = 1e-9;

/** Milliseconds of round trip between two nodes, the same both ways. */
export type Distance = (a: NodeId, b: NodeId) => number;

/** The way round a ring. */
export function ringLength(ring: readonly NodeId[], distance: Distance): number {
  return ring.reduce((sum, node, i) => sum + distance(node, ring[(i + 1) % ring.length]!), 0);
}

/** The shortest ring of a team; it begins with the team's first node, which it leaves where it is. */
export function shortestRing(team: readonly NodeId[], distance: Distance): NodeId[] {
  if (team.length <= 3) return [...team];
  const matrix = team.map((a) => Float64Array.from(team, (b) => (a === b ? 0 : distance(a, b))));
  const order = team.length <= EXACT_NODES_MAX ? exact(matrix) : improved(matrix);
  return order.map((index) => team[index]!);
}

/** Shortest tour from node 0 through all others: over subsets of the others, by their last node. */
function exact(matrix: readonly Float64Array[]): number[] {
  const others = matrix.length - 1;
  const subsets = 1 << others;
  const cost = new Float64Array(subsets * others).fill(Infinity);
  const before = new Int8Array(subsets * others).fill(-1);
  for (let node = 0; node < others; node++) cost[(1 << node) * others + node] = matrix[0]![node + 1]!;
  for (let subset = 1; subset < subsets; subset++) {
    for (let last = 0; last < others; last++) {
      const so = cost[subset * others + last]!;
      if (so === Infinity) continue;
      const row = matrix[last + 1]!;
      for (let next = 0; next < others; next++) {
        if (subset & (1 << next)) continue;
        const at = (subset | (1 << next)) * others + next;
        const total = so + row[next + 1]!;
        if (total >= cost[at]!) continue;
        cost[at] = total;
        before[at] = last;
      }
    }
  }
  let subset = subsets - 1;
  let last = 0;
  for (let node = 1; node < others; node++) {
    const closed = (end: number) => cost[subset * others + end]! + matrix[end + 1]![0]!;
    if (closed(node) < closed(last)) last = node;
  }
  const tour: number[] = [];
  while (last >= 0) {
    tour.unshift(last + 1);
    const previous = before[subset * others + last]!;
    subset &= ~(1 << last);
    last = previous;
  }
  return [0, ...tour];
}

/** The best of all nearest-neighbour tours, improved until nothing helps. */
function improved(matrix: readonly Float64Array[]): number[] {
  let best: number[] = [];
  let bestLength = Infinity;
  for (let start = 0; start < matrix.length; start++) {
    const tour = nearestNeighbours(matrix, start);
    while (turnStretches(tour, matrix) || moveStretches(tour, matrix));
    const length = lengthOf(tour, matrix);
    if (length < bestLength - GAIN_MIN) [best, bestLength] = [tour, length];
  }
  const zero = best.indexOf(0);
  return [...best.slice(zero), ...best.slice(0, zero)];
}

function lengthOf(tour: readonly number[], matrix: readonly Float64Array[]): number {
  return tour.reduce((sum, node, i) => sum + matrix[node]![tour[(i + 1) % tour.length]!]!, 0);
}

function nearestNeighbours(matrix: readonly Float64Array[], start: number): number[] {
  const left = new Set(matrix.keys());
  const tour = [start];
  left.delete(start);
  while (left.size > 0) {
    const row = matrix[tour.at(-1)!]!;
    let nearest = -1;
    for (const node of left) if (nearest < 0 || row[node]! < row[nearest]!) nearest = node;
    tour.push(nearest);
    left.delete(nearest);
  }
  return tour;
}

/** 2-opt: turns one stretch round where that shortens the tour; true where it has. */
function turnStretches(tour: number[], matrix: readonly Float64Array[]): boolean {
  const n = tour.length;
  let any = false;
  for (let i = 0; i < n - 1; i++) {
    for (let j = i + 2; j < n; j++) {
      if (i === 0 && j === n - 1) continue;
      const [a, b, c, d] = [tour[i]!, tour[i + 1]!, tour[j]!, tour[(j + 1) % n]!];
      const gain = matrix[a]![b]! + matrix[c]![d]! - matrix[a]![c]! - matrix[b]![d]!;
      if (gain <= GAIN_MIN) continue;
      tour.splice(i + 1, j - i, ...tour.slice(i + 1, j + 1).reverse());
      any = true;
    }
  }
  return any;
}

/** Or-opt: moves one stretch of up to three nodes, either way round, where that shortens the tour; true where it has. */
function moveStretches(tour: number[], matrix: readonly Float64Array[]): boolean {
  const n = tour.length;
  for (let size = 1; size <= STRETCH_MAX; size++) {
    for (let from = 0; from < n; from++) {
      // The tour turned so that the stretch stands in front.
      const turned = [...tour.slice(from), ...tour.slice(0, from)];
      const stretch = turned.slice(0, size);
      const rest = turned.slice(size);
      const [head, tail] = [stretch[0]!, stretch.at(-1)!];
      const [after, before] = [rest[0]!, rest.at(-1)!];
      const saved = matrix[before]![head]! + matrix[tail]![after]! - matrix[before]![after]!;
      for (let at = 0; at < rest.length - 1; at++) {
        const [a, b] = [rest[at]!, rest[at + 1]!];
        const straight = matrix[a]![head]! + matrix[tail]![b]! - matrix[a]![b]!;
        const reversed = matrix[a]![tail]! + matrix[head]![b]! - matrix[a]![b]!;
        if (Math.min(straight, reversed) >= saved - GAIN_MIN) continue;
        const placed = straight <= reversed ? stretch : [...stretch].reverse();
        tour.splice(0, n, ...rest.slice(0, at + 1), ...placed, ...rest.slice(at + 1));
        return true;
      }
    }
  }
  return false;
}
