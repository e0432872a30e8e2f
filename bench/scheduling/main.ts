// Measures the cost of one scheduler decision with a thousand nodes in the pool, and of ordering a team by the shortest ring and
// by trying all rings, as the xx network does, on the same eight nodes in the same run.
//
//   node --import tsx bench/scheduling/main.ts [--nodes N] [--repeat R] [--json FILE]
import { writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import type { BootId, NodeId } from '../../src/base/ids.js';
import { randomBytes, randomFraction } from '../../src/base/rng.js';
import { takeSpread } from '../../src/bench/stats.js';
import { commandLine, whole } from '../../src/cli/common/arguments.js';
import { deriveNodeId } from '../../src/cmix/signatures.js';
import { reduceScheduler } from '../../src/scheduler/machine/reducer.js';
import { initialState, type SchedulerState } from '../../src/scheduler/machine/state.js';
import { DEFAULT_PARAMS } from '../../src/scheduler/parameters.js';
import { type Distance, ringLength, shortestRing } from '../../src/scheduler/ring.js';
import { SeededRng } from '../../test/support/seededRng.js';

const { nodes, repeat, json } = commandLine('bench/scheduling', 'what a decision of the scheduler costs')
  .option('--nodes <number>', 'of the pool', whole(10, 10_000), 1_000)
  .option('--repeat <number>', 'measurements', whole(1, 1_000), 15)
  .option('--json <file>', 'write the figures there, too')
  .parse()
  .opts<{ readonly nodes: number; readonly repeat: number; readonly json?: string }>();
const rng = new SeededRng('scheduling');
const ids = Array.from({ length: nodes }, () => deriveNodeId(randomBytes(rng, 32)));

/** A pool of nodes that are all online, with measured round trips to fifty others each. */
function pool(): SchedulerState {
  let state = initialState('bench', 0, { ...DEFAULT_PARAMS, demandMs: Infinity, stockMin: 200, stockMax: 400 });
  for (const node of ids) {
    state = reduceScheduler(state, { type: 'registered', node, atMs: 0 }).state;
    state = reduceScheduler(state, { type: 'online', node, bootId: 'ab'.repeat(16) as BootId, atMs: 0 }).state;
  }
  for (const node of ids) {
    const roundTrips = Array.from({ length: 50 }, () => ({
      peer: ids[Math.floor(randomFraction(rng) * nodes)]!,
      ms: 300 * randomFraction(rng),
    }));
    state = reduceScheduler(state, { type: 'roundTrips', node, roundTrips, atMs: 0 }).state;
  }
  return state;
}

/** CPU milliseconds of this process. */
function cpuMs(work: () => void): number {
  const before = process.cpuUsage();
  work();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1000;
}

/** A tick that opens one round in a pool that has `open` rounds open already. */
function decision(state: SchedulerState, open: number): number {
  let filled = { ...state, params: { ...state.params, stockMin: Math.max(1, open) } };
  let atMs = 1;
  const tick = (from: SchedulerState) =>
    reduceScheduler(from, { type: 'tick', randomness: randomBytes(rng, 32), atMs: atMs++ });
  while (filled.rounds.size < open) filled = tick(filled).state;
  filled = { ...filled, params: { ...filled.params, stockMin: open + 1 } };
  return cpuMs(() => {
    if (tick(filled).state.rounds.size !== open + 1) throw new Error('no round was opened');
  });
}

function bruteForce(team: readonly NodeId[], distance: Distance): number {
  let best = Infinity;
  const order = [...team];
  const go = (at: number): void => {
    if (at === order.length) {
      best = Math.min(best, ringLength(order, distance));
      return;
    }
    for (let i = at; i < order.length; i++) {
      [order[at], order[i]] = [order[i]!, order[at]!];
      go(at + 1);
      [order[at], order[i]] = [order[i]!, order[at]!];
    }
  };
  go(0);
  return best;
}

const state = pool();
const eight = ids.slice(0, 8);
const far = new Map(eight.flatMap((a) => eight.map((b) => [`${[a, b].sort()}`, 300 * randomFraction(rng)] as const)));
const distance: Distance = (a, b) => far.get(`${[a, b].sort()}`)!;
const times = {
  decision: [] as number[],
  decisionBusy: [] as number[],
  shortest: [] as number[],
  allRings: [] as number[],
};
for (let i = 0; i < repeat; i++) {
  times.decision.push(decision(state, 0));
  times.decisionBusy.push(decision(state, 200));
  // Too short for one reading of the clock.
  times.shortest.push(cpuMs(() => Array.from({ length: 200 }, () => shortestRing(eight, distance))) / 200);
  times.allRings.push(cpuMs(() => bruteForce(eight, distance)));
}
const same = Math.abs(ringLength(shortestRing(eight, distance), distance) - bruteForce(eight, distance)) < 1e-6;
const result = {
  machine: cpus()[0]?.model,
  nodes,
  decisionCpuMs: takeSpread(times.decision),
  decisionWith200RoundsCpuMs: takeSpread(times.decisionBusy),
  shortestRingOf8CpuMs: takeSpread(times.shortest),
  allRingsOf8CpuMs: takeSpread(times.allRings),
  sameLength: same,
};
process.stdout.write(`${JSON.stringify(result, null, 2)}\n`);
if (json !== undefined) writeFileSync(json, `${JSON.stringify(result, null, 2)}\n`);
