// Detection of leaks in nodes: memory, handles and round secrets of each process, read at quiet moments, and compared over the
// whole soak.
import type { ChildProcess } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { sleep, systemClock } from '../../src/base/clock.js';

/** Permitted gain of a process between the first quiet moment and the last: caches that fill, heaps that are not collected. */
export const MEMORY_GAIN_MAX = 48 * 1024 * 1024;
const HANDLES_GAIN_MAX = 12;

interface Reading {
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
    for (const { process: child } of nodes) child.kill('SIGUSR2');
    await sleep(systemClock, COLLECTION_MS);
    const readings = await Promise.all(
      nodes.map(async (node) => {
        const reading = await readingOf(node);
        const { handles, secretBytes } = reading;
        return { ...this.#lesser(node, reading), handles, secretBytes: secrets ? secretBytes : 0 };
      }),
    );
    this.#least.clear();
    this.#readings.push(readings);
    return readings;
  }

  get readings(): number {
    return this.#readings.length;
  }

  /** Growth beyond the limits; empty if there is none. The first third of the readings is for caches to fill. */
  problems(): string[] {
    const settled = this.#readings.slice(Math.floor(this.#readings.length / 3));
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
    return [...memoryGains(first, last), ...others];
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
    return [
      `memory of the largest node, MiB: ${row(({ memoryBytes }) => memoryBytes, 2 ** 20)}`,
      ...each,
      `handles of the node with the most: ${row(({ handles }) => handles, 1)}`,
    ].join('\n');
  }
}
