// Detection of leaks in nodes: memory, handles and round secrets of each process, read at quiet moments, and compared over the
// whole soak.
import type { ChildProcess } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { sleep, systemClock, takeMedian } from '../../src/base/clock.js';

/** Permitted gain of a process between the first quiet moment and the last: caches that fill, heaps that are not collected. */
export const MEMORY_GAIN_MAX = 48 * 1024 * 1024;
const HANDLES_GAIN_MAX = 12;
/** Permitted growth of what nodes hold, objects and buffers, over an hour or more; a shorter slope is mostly its own noise. */
const HELD_MIB_PER_HOUR_MAX = 1;
/** The same of a single node, whose readings differ by a MiB. */
const ONE_MIB_PER_HOUR_MAX = 3;
const SLOPE_HOURS_MIN = 0.6;

interface Reading {
  readonly atMs: number;
  /** The minimum since the previous reading, just after garbage collection. */
  readonly memoryBytes: number;
  /** Parts of it: JavaScript objects, buffers outside of their heap, and the rest, such as libraries and stacks. */
  readonly heapBytes: number;
  readonly bufferBytes: number;
  readonly nativeBytes: number;
  readonly handles: number;
  readonly secretBytes: number;
}

function metricOf(metrics: string, name: string): number {
  const values = metrics
    .split('\n')
    .filter((line) => line.startsWith(`${name} `) || line.startsWith(`${name}{`))
    .map((line) => Number(line.slice(line.lastIndexOf(' ') + 1)));
  return values.reduce((sum, value) => sum + value, 0);
}

const SAMPLE_MS = 1_000;
const HOUR_MS = 3_600_000;
const MIB = 2 ** 20;

type Node = { readonly httpAddress: string; readonly process: ChildProcess };

const COLLECTOR = fileURLToPath(new URL('./collectOnSignal.cjs', import.meta.url));
const COLLECTION_MS = 500;

/** Nodes that this process starts from now on collect their garbage when told so, by {@link LeakWatch.read}. */
export function startCollectable(): void {
  process.env.NODE_OPTIONS = `${process.env.NODE_OPTIONS ?? ''} --expose-gc --require=${COLLECTOR}`;
}

async function readingOf({ httpAddress }: Node): Promise<Reading> {
  const text = await (await fetch(`http://${httpAddress}/metrics`)).text();
  const of = (name: string) => metricOf(text, name);
  const [resident, heapBytes, bufferBytes] = [
    // Without unused room of the heap, which comes and goes.
    of('process_resident_memory_bytes') - of('nodejs_heap_size_total_bytes') + of('nodejs_heap_size_used_bytes'),
    of('nodejs_heap_size_used_bytes'),
    of('nodejs_external_memory_bytes'),
  ];
  return {
    atMs: systemClock.nowMs(),
    memoryBytes: resident,
    heapBytes,
    bufferBytes,
    nativeBytes: resident - heapBytes - bufferBytes,
    handles: of('nodejs_active_handles_total'),
    secretBytes: of('millrace_round_secret_bytes'),
  };
}

/** Nodes that have gained more than the limit since an earlier reading, in words; empty if none has. */
export function memoryGains(before: readonly MemoryReading[], after: readonly MemoryReading[]): string[] {
  return after.flatMap(({ memoryBytes }, node) => {
    const gained = memoryBytes - (before[node]?.memoryBytes ?? 0);
    return gained > MEMORY_GAIN_MAX ? [`node ${node + 1} has gained ${(gained / 2 ** 20).toFixed(0)} MiB`] : [];
  });
}

/** Slope of a line through points (x, y) of which a few may be far off: the median slope of all pairs (Theil, Sen). */
export function takeSlope(points: readonly (readonly [number, number])[]): number {
  return takeMedian(points.flatMap(([x, y], i) => points.slice(i + 1).map(([x2, y2]) => (y2 - y) / (x2 - x))));
}

type MemoryReading = Pick<Reading, 'memoryBytes'>;

export class LeakWatch {
  readonly #readings: Reading[][] = [];
  /** Minimum of each node's memory since the last reading, just after garbage collection. */
  readonly #least = new Map<string, Reading>();

  /** Samples these nodes' memory repeatedly until the signal aborts. */
  async watch(nodes: readonly Node[], signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      for (const node of nodes) {
        const reading = await readingOf(node).catch(() => undefined);
        if (reading) this.#lesser(node, reading);
      }
      await sleep(systemClock, SAMPLE_MS, signal);
    }
  }

  #lesser({ httpAddress }: Node, reading: Reading): Reading {
    const before = this.#least.get(httpAddress);
    const least = before && before.memoryBytes < reading.memoryBytes ? before : reading;
    this.#least.set(httpAddress, least);
    return least;
  }

  /** Collects these nodes' garbage ({@link startCollectable}) and reads their metrics when nothing is pending; `secrets` is false if precomputations still are. */
  async read(nodes: readonly Node[], { secrets } = { secrets: true }): Promise<readonly Reading[]> {
    // The first collection runs finalizers, whose objects the second one collects.
    for (let collections = 0; collections < 2; collections++) {
      for (const { process: child } of nodes) child.kill('SIGUSR2');
      await sleep(systemClock, COLLECTION_MS);
    }
    const readings = await Promise.all(
      nodes.map(async (node) => {
        const reading = await readingOf(node);
        const { handles, secretBytes } = reading;
        const { heapBytes, bufferBytes, atMs } = reading;
        const held = { heapBytes, bufferBytes, atMs };
        return { ...this.#lesser(node, reading), ...held, handles, secretBytes: secrets ? secretBytes : 0 };
      }),
    );
    this.#least.clear();
    this.#readings.push(readings);
    return readings;
  }

  get readings(): number {
    return this.#readings.length;
  }

  /** The readings after the first third, in which caches fill. */
  get #settled(): readonly (readonly Reading[])[] {
    return this.#readings.slice(Math.floor(this.#readings.length / 3));
  }

  /** Growth of objects and buffers, MiB an hour: the mean of all nodes, and the most of one; NaN before there are two readings. */
  get #heldMibPerHour(): { readonly mean: number; readonly most: number } {
    const slope = (held: (nodes: readonly Reading[]) => number) =>
      takeSlope(this.#settled.map((nodes) => [nodes[0]!.atMs / HOUR_MS, held(nodes) / MIB] as const));
    const bytesOf = (reading: Reading | undefined) => (reading ? reading.heapBytes + reading.bufferBytes : Number.NaN);
    const each = this.#settled[0]?.map((_, node) => slope((nodes) => bytesOf(nodes[node]))) ?? [];
    const mean = slope((nodes) => nodes.reduce((sum, reading) => sum + bytesOf(reading), 0) / nodes.length);
    return { mean, most: Math.max(...each) };
  }

  /** Growth beyond the limits; empty if there is none. */
  problems(): string[] {
    const settled = this.#settled;
    const first = settled[0];
    const last = settled.at(-1);
    if (!first || !last || settled.length < 2) return [];
    const others = last.flatMap(({ handles, secretBytes }, node) => {
      const before = first[node]!;
      const found: string[] = [];
      if (handles - before.handles > HANDLES_GAIN_MAX) {
        found.push(`node ${node + 1} has ${handles} handles, ${before.handles} before`);
      }
      if (secretBytes > 0) found.push(`node ${node + 1} holds ${secretBytes} bytes of secrets of rounds that are over`);
      return found;
    });
    const hours = (last[0]!.atMs - first[0]!.atMs) / HOUR_MS;
    const { mean, most } = this.#heldMibPerHour;
    const grows = hours >= SLOPE_HOURS_MIN && !(mean < HELD_MIB_PER_HOUR_MAX && most < ONE_MIB_PER_HOUR_MAX);
    const slopes = grows
      ? [`nodes hold ${mean.toFixed(1)} MiB more every hour, one of them ${most.toFixed(1)} MiB`]
      : [];
    return [...memoryGains(first, last), ...slopes, ...others];
  }

  report(): string {
    const row = (pick: (reading: Reading) => number, unit: number) =>
      this.#readings.map((nodes) => Math.round(Math.max(...nodes.map(pick)) / unit)).join(' ');
    const nodes = this.#readings[0]?.length ?? 0;
    const each = Array.from({ length: nodes }, (_, node) => {
      const of = (pick: (reading: Reading) => number) =>
        this.#readings.map((readings) => (pick(readings[node]!) / 2 ** 20).toFixed(1)).join(' ');
      return [
        `node ${node + 1}, MiB: ${of(({ memoryBytes }) => memoryBytes)}`,
        `  heap ${of(({ heapBytes }) => heapBytes)}`,
        `  buffers ${of(({ bufferBytes }) => bufferBytes)}`,
        `  native ${of(({ nativeBytes }) => nativeBytes)}`,
      ].join('\n');
    });
    const { mean, most } = this.#heldMibPerHour;
    return [
      `memory of the largest node, MiB: ${row(({ memoryBytes }) => memoryBytes, 2 ** 20)}`,
      ...each,
      `objects and buffers, growth after the first third: ${mean.toFixed(2)} MiB an hour in the mean of all nodes, ${most.toFixed(2)} in one`,
      `handles of the node with the most: ${row(({ handles }) => handles, 1)}`,
    ].join('\n');
  }
}
