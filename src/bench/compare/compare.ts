// `millrace bench compare`: engines and other libraries side by side in one run. Contestants take turns, one sample each, round
// after round, so that disturbances of the machine affect all of them.

import { availableParallelism, cpus } from 'node:os';
import { timestamp } from '../../base/index.js';
import { describeMachine, type Machine } from '../machine.js';
import type { BenchShape } from '../options.js';
import { benchPrecompute, type PrecomputeCost } from '../round/precompute.js';
import { significant, takeSpread } from '../stats.js';
import {
  COMPARED,
  type ComparedOperation,
  type ComparedTable,
  type Contestant,
  type Entry,
  openContestants,
} from './contestants.js';
import { checkTargets, type Target } from './targets.js';

/** Limit of products in one sample of a library. */
const MANY = 20_000;
/** Limit of one sample's time, µs, if its count is free. */
const SAMPLE_US = 150_000;
/** Longest batch of full-length exponents. */
const FULL_BATCH_MAX = 64;

export interface Comparison {
  readonly date: string;
  readonly machine: Machine;
  readonly command: string;
  readonly bits: number;
  readonly exponentBits: number;
  readonly batch: number;
  readonly rounds: number;
  readonly absent: readonly string[];
  readonly tables: readonly ComparedTable[];
  readonly precompute: PrecomputeCost;
  readonly targets: readonly Target[];
}

/** One entry with its samples so far. */
interface Course {
  readonly entry: Entry;
  readonly count: number;
  readonly samples: number[];
}

/** Finds the number of operations that fit into a sample, by a small one that also serves as the warm-up. */
async function begin(entry: Entry, batch: number): Promise<Course | undefined> {
  const { grain, fixedCount } = entry;
  if (fixedCount !== undefined) {
    return (await entry.sample(fixedCount)) === undefined ? undefined : { entry, count: fixedCount, samples: [] };
  }
  const first = await entry.sample(grain);
  if (first === undefined) return undefined;
  const fitting = Math.min(Math.max(batch, grain), Math.floor(SAMPLE_US / first));
  const count = Math.max(grain, Math.floor(fitting / grain) * grain);
  await entry.sample(count);
  return { entry, count, samples: [] };
}

/** Starts to measure the cores that others use: all busy time, less that of this process and of the child that runs GMP. */
function startOthers(): (children: readonly Course[]) => number {
  const busyMs = () => cpus().reduce((sum, { times }) => sum + times.user + times.nice + times.sys + times.irq, 0);
  const [busy, own, start] = [busyMs(), process.cpuUsage(), process.hrtime.bigint()];
  return (children) => {
    const elapsedMs = Number(process.hrtime.bigint() - start) / 1e6;
    const { user, system } = process.cpuUsage(own);
    const childUs = children.reduce((sum, { count, samples }) => sum + count * samples.reduce((a, b) => a + b, 0), 0);
    const cores = (busyMs() - busy - (user + system + childUs) / 1000) / elapsedMs;
    return Number(Math.max(0, cores).toFixed(2));
  };
}

/** Measures one table: every contestant once per round. */
async function contest(
  op: ComparedOperation,
  contestants: readonly Contestant[],
  { group, exponentBits, batch, repeat }: BenchShape,
): Promise<ComparedTable> {
  const bits = op === 'powFull' ? group.bits : exponentBits;
  const size = op === 'powFull' ? Math.min(batch, FULL_BATCH_MAX) : batch;
  const courses: Course[] = [];
  for (const entry of contestants.flatMap((one) => one.enter(op, bits, size))) {
    const course = await begin(entry, op === 'mul' ? MANY : size);
    if (course) courses.push(course);
  }
  const others = startOthers();
  for (let round = 0; round < repeat; round++) {
    for (const { entry, count, samples } of courses) samples.push((await entry.sample(count))!);
  }
  const othersCores = others(courses.filter(({ entry }) => entry.contestant === 'GMP'));
  const measured = courses.map(({ entry, count, samples }) => ({ entry, count, usPerOp: takeSpread(samples) }));
  const gmp = measured.find(({ entry }) => entry.contestant === 'GMP')?.usPerOp.min;
  const openssl = measured.find(({ entry }) => entry.contestant === 'openssl')?.usPerOp.min;
  const rows = measured.map(({ entry: { contestant, what, threads }, count, usPerOp }) => ({
    ...{ contestant, what, threads, count, usPerOp },
    ...(gmp !== undefined && { toGmp: significant(gmp / usPerOp.min) }),
    ...(openssl !== undefined && { toOpenssl: significant(openssl / usPerOp.min) }),
  }));
  return { op, ...(!['mul', 'invertBatch'].includes(op) && { exponentBits: bits }), othersCores, rows };
}

/** Runs all tables. `say` gets progress lines. */
export async function compare(options: BenchShape, command: string, say: (line: string) => void): Promise<Comparison> {
  const { group, exponentBits, batch, threads, repeat: rounds } = options;
  const machine = describeMachine();
  const absent: string[] = [];
  const contestants = await openContestants(group, threads, availableParallelism(), (line) => {
    absent.push(line);
    say(`does not take part: ${line}`);
  });
  const tables: ComparedTable[] = [];
  try {
    for (const op of COMPARED) {
      say(`${op}: ${rounds} rounds`);
      tables.push(await contest(op, contestants, options));
    }
  } finally {
    for (const contestant of contestants) await contestant.close();
  }
  say(`precomputation: ${rounds} rounds`);
  const precompute = await benchPrecompute({ ...options, threads: 1 });
  const date = timestamp();
  const facts = { date, machine, command, bits: group.bits, exponentBits, batch, rounds, absent, tables, precompute };
  return { ...facts, targets: checkTargets(facts) };
}
