// Whether nodes leak: memory, handles and round secrets of each process, read at quiet moments, and compared over the whole soak.

/** What a process may have gained between the first quiet moment and the last: caches that fill, heaps that are not collected. */
const MEMORY_GAIN_MAX = 48 * 1024 * 1024;
const HANDLES_GAIN_MAX = 12;

interface Reading {
  readonly memoryBytes: number;
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

export class LeakWatch {
  readonly #readings: Reading[][] = [];

  /** Reads these nodes' metrics, at a moment when nothing is under way; `secrets` false where precomputations still are. */
  async read(nodes: readonly { readonly httpAddress: string }[], { secrets } = { secrets: true }): Promise<void> {
    const readings = await Promise.all(
      nodes.map(async ({ httpAddress }) => {
        const text = await (await fetch(`http://${httpAddress}/metrics`)).text();
        return {
          memoryBytes: metricOf(text, 'process_resident_memory_bytes'),
          handles: metricOf(text, 'nodejs_active_handles_total'),
          secretBytes: secrets ? metricOf(text, 'millrace_round_secret_bytes') : 0,
        };
      }),
    );
    this.#readings.push(readings);
  }

  get readings(): number {
    return this.#readings.length;
  }

  /** What has grown that must not; empty where nothing has. The first third is for caches to fill. */
  problems(): string[] {
    const settled = this.#readings.slice(Math.floor(this.#readings.length / 3));
    const first = settled[0];
    const last = settled.at(-1);
    if (!first || !last || settled.length < 2) return [];
    return last.flatMap(({ memoryBytes, handles, secretBytes }, node) => {
      const before = first[node]!;
      const found: string[] = [];
      const gained = memoryBytes - before.memoryBytes;
      if (gained > MEMORY_GAIN_MAX) found.push(`node ${node + 1} has gained ${(gained / 2 ** 20).toFixed(0)} MiB`);
      if (handles - before.handles > HANDLES_GAIN_MAX) {
        found.push(`node ${node + 1} has ${handles} handles, ${before.handles} before`);
      }
      if (secretBytes > 0) found.push(`node ${node + 1} holds ${secretBytes} bytes of secrets of rounds that are over`);
      return found;
    });
  }

  report(): string {
    const row = (pick: (reading: Reading) => number, unit: number) =>
      this.#readings.map((nodes) => Math.round(Math.max(...nodes.map(pick)) / unit)).join(' ');
    return [
      `memory of the largest node, MiB: ${row(({ memoryBytes }) => memoryBytes, 2 ** 20)}`,
      `handles of the node with the most: ${row(({ handles }) => handles, 1)}`,
    ].join('\n');
  }
}
