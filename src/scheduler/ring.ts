// The order of a team: the ring with the shortest way round, because every batch passes every link of it, in both directions.
// Exact by dynamic programming over subsets (Bellman; Held and Karp, 1962) up to 12 nodes, n²·2ⁿ steps instead of n!; above that
// by improving nearest-neighbour tours until neither turning round nor moving any stretch helps (2-opt and Or-opt).
import { MixError, type NodeId } from '../base/index.js';
import { ringEntry } from '../protocol/index.js';

/** Above this, 2ⁿ steps are too many for a decision that is made for every round. */
const EXACT_NODES_MAX = 12;
/** Longest stretch that Or-opt moves, in nodes. */
const STRETCH_MAX = 3;
/** Least improvement, ms; less is rounding. */
const GAIN_MIN = 1e-9;

/** Milliseconds of round trip between two nodes, the same both ways. */
export type Distance = (a: NodeId, b: NodeId) => number;

/** Numbers by row and column; reading outside of the table throws. */
class Table {
  readonly #columns: number;
  readonly #values: Float64Array;

  constructor(rows: number, columns: number, fill: number) {
    this.#columns = columns;
    this.#values = new Float64Array(rows * columns).fill(fill);
  }

  at(row: number, column: number): number {
    const value = this.#values[row * this.#columns + column];
    if (value === undefined) throw new MixError('INTERNAL', { what: 'a place in a table', row, column });
    return value;
  }

  set(row: number, column: number, value: number): void {
    this.#values[row * this.#columns + column] = value;
  }
}

/** Distances between nodes, by their indices in a team. */
type Distances = Pick<Table, 'at'>;

/** Length of the way round a ring. */
export function ringLength(ring: readonly NodeId[], distance: Distance): number {
  return ring.reduce((sum, node, i) => sum + distance(node, ringEntry(ring, i + 1)), 0);
}

/** The shortest ring of a team that is found (exact up to EXACT_NODES_MAX); the team's first node keeps its place. */
export function shortestRing(team: readonly NodeId[], distance: Distance): NodeId[] {
  const { length: size } = team;
  if (size <= 3) return [...team];
  const distances = new Table(size, size, 0);
  for (const [i, a] of team.entries()) {
    for (const [j, b] of team.entries()) if (i !== j) distances.set(i, j, distance(a, b));
  }
  const order = size <= EXACT_NODES_MAX ? exact(size, distances) : improved(size, distances);
  return order.map((index) => ringEntry(team, index));
}

/** Shortest tour from node 0 through all others: over subsets of the others, by their last node. */
function exact(size: number, distances: Distances): number[] {
  const others = size - 1;
  const subsets = 1 << others;
  const cost = new Table(subsets, others, Infinity);
  const before = new Table(subsets, others, -1);
  for (let node = 0; node < others; node++) cost.set(1 << node, node, distances.at(0, node + 1));
  for (let subset = 1; subset < subsets; subset++) {
    for (let last = 0; last < others; last++) {
      const so = cost.at(subset, last);
      if (so === Infinity) continue;
      for (let next = 0; next < others; next++) {
        if (subset & (1 << next)) continue;
        const grown = subset | (1 << next);
        const total = so + distances.at(last + 1, next + 1);
        if (total >= cost.at(grown, next)) continue;
        cost.set(grown, next, total);
        before.set(grown, next, last);
      }
    }
  }
  let subset = subsets - 1;
  let last = 0;
  for (let node = 1; node < others; node++) {
    const closed = (end: number) => cost.at(subset, end) + distances.at(end + 1, 0);
    if (closed(node) < closed(last)) last = node;
  }
  const tour: number[] = [];
  while (last >= 0) {
    tour.unshift(last + 1);
    const previous = before.at(subset, last);
    subset &= ~(1 << last);
    last = previous;
  }
  return [0, ...tour];
}

/** The best of all nearest-neighbour tours, improved until nothing helps. */
function improved(size: number, distances: Distances): number[] {
  let best: number[] = [];
  let bestLength = Infinity;
  for (let start = 0; start < size; start++) {
    const tour = nearestNeighbours(size, distances, start);
    while (turnStretches(tour, distances) || moveStretches(tour, distances));
    const length = measureTour(tour, distances);
    if (length < bestLength - GAIN_MIN) [best, bestLength] = [tour, length];
  }
  const zero = best.indexOf(0);
  return [...best.slice(zero), ...best.slice(0, zero)];
}

function measureTour(tour: readonly number[], distances: Distances): number {
  return tour.reduce((sum, node, i) => sum + distances.at(node, ringEntry(tour, i + 1)), 0);
}

function nearestNeighbours(size: number, distances: Distances, start: number): number[] {
  const left = new Set(Array.from({ length: size }, (_, node) => node));
  const tour: number[] = [];
  for (let last = start; ; ) {
    tour.push(last);
    left.delete(last);
    let nearest = -1;
    for (const node of left) if (nearest < 0 || distances.at(last, node) < distances.at(last, nearest)) nearest = node;
    if (nearest < 0) return tour;
    last = nearest;
  }
}

/** 2-opt: reverses stretches if that shortens the tour; true if it has. */
function turnStretches(tour: number[], distances: Distances): boolean {
  const n = tour.length;
  let any = false;
  for (let i = 0; i < n - 1; i++) {
    for (let j = i + 2; j < n; j++) {
      if (i === 0 && j === n - 1) continue;
      const [a, b, c, d] = [ringEntry(tour, i), ringEntry(tour, i + 1), ringEntry(tour, j), ringEntry(tour, j + 1)];
      const gain = distances.at(a, b) + distances.at(c, d) - distances.at(a, c) - distances.at(b, d);
      if (gain <= GAIN_MIN) continue;
      tour.splice(i + 1, j - i, ...tour.slice(i + 1, j + 1).reverse());
      any = true;
    }
  }
  return any;
}

/** Or-opt: moves one stretch of up to three nodes, in either direction, if that shortens the tour; true if it has. */
function moveStretches(tour: number[], distances: Distances): boolean {
  const n = tour.length;
  // Added length of the way from a to b if it goes past a stretch.
  const detour = (a: number, [head, tail]: readonly [number, number], b: number) =>
    distances.at(a, head) + distances.at(tail, b) - distances.at(a, b);
  for (let size = 1; size <= STRETCH_MAX; size++) {
    for (let from = 0; from < n; from++) {
      // The tour, rotated so that the stretch comes first.
      const turned = [...tour.slice(from), ...tour.slice(0, from)];
      const stretch = turned.slice(0, size);
      const rest = turned.slice(size);
      const [head, tail] = [ringEntry(turned, 0), ringEntry(turned, size - 1)];
      const saved = detour(ringEntry(turned, n - 1), [head, tail], ringEntry(turned, size));
      for (let at = 0; at < rest.length - 1; at++) {
        const [a, b] = [ringEntry(rest, at), ringEntry(rest, at + 1)];
        const straight = detour(a, [head, tail], b);
        const reversed = detour(a, [tail, head], b);
        if (Math.min(straight, reversed) >= saved - GAIN_MIN) continue;
        const placed = straight <= reversed ? stretch : [...stretch].reverse();
        tour.splice(0, n, ...rest.slice(0, at + 1), ...placed, ...rest.slice(at + 1));
        return true;
      }
    }
  }
  return false;
}
