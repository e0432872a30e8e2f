// The metrics factory: prom-client behind one small object per process (or per simulated node), so that no module uses a global
// registry. No metric may carry a sender, a slot, a permutation or a per-message time as label or value.

import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import { droppedLogLines } from './log.js';

export interface Metrics {
  counter<L extends string>(name: string, help: string, labels?: readonly L[]): Counter<L>;
  gauge<L extends string>(name: string, help: string, labels?: readonly L[]): Gauge<L>;
  /** A gauge that reads its value at each collection. */
  observed(name: string, help: string, read: () => number): void;
  /** Buckets are upper bounds, in the unit at the end of the name. */
  histogram<L extends string>(
    name: string,
    help: string,
    buckets: readonly number[],
    labels?: readonly L[],
  ): Histogram<L>;
  /** The Prometheus text exposition. */
  render(): Promise<string>;
  readonly contentType: string;
}

const PREFIX = 'millrace_';

/** Makes a fresh registry. The same name twice gives the same metric. `processMetrics` adds CPU, memory, event loop. */
export function createMetrics(options: { processMetrics?: boolean } = {}): Metrics {
  const registry = new Registry();
  if (options.processMetrics) collectDefaultMetrics({ register: registry });
  const registers = [registry];
  const known = <M>(name: string, make: () => M): M => (registry.getSingleMetric(name) as M | undefined) ?? make();
  const made: Metrics = {
    counter: <L extends string>(name: string, help: string, labelNames: readonly L[] = []) =>
      known(PREFIX + name, () => new Counter<L>({ name: PREFIX + name, help, labelNames: [...labelNames], registers })),
    gauge: <L extends string>(name: string, help: string, labelNames: readonly L[] = []) =>
      known(PREFIX + name, () => new Gauge<L>({ name: PREFIX + name, help, labelNames: [...labelNames], registers })),
    observed(name, help, read) {
      new Gauge({
        name: PREFIX + name,
        help,
        registers,
        collect() {
          this.set(read());
        },
      });
    },
    histogram: <L extends string>(
      name: string,
      help: string,
      buckets: readonly number[],
      labelNames: readonly L[] = [],
    ) =>
      known(
        PREFIX + name,
        () =>
          new Histogram<L>({
            name: PREFIX + name,
            help,
            buckets: [...buckets],
            labelNames: [...labelNames],
            registers,
          }),
      ),
    render: () => registry.metrics(),
    contentType: registry.contentType,
  };
  if (options.processMetrics) {
    made.observed('log_lines_dropped', 'Log lines that could not be written', droppedLogLines);
  }
  return made;
}
