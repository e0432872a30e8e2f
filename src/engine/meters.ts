// The meters of an engine: operations, elements, failures, and queue depth. Labels name the engine, the operation and the
// priority, and nothing else: a metric must not show whose batch it was.
import type { ErrorCode } from '../base/index.js';
import type { Metrics } from '../base/metrics.js';
import type { RequestName } from './checked/request.js';
import type { EngineName, Priority } from './engine.js';

export interface EngineMeters {
  done(operation: RequestName, elements: number): void;
  failed(operation: RequestName, code: ErrorCode): void;
  /** Operations of a priority that wait or run now. */
  depth(priority: Priority, operations: number): void;
  /** Time that workers have computed for a priority, summed over workers. */
  busy(priority: Priority, seconds: number): void;
  closed(): void;
}

export const NO_METERS: EngineMeters = {
  done: () => {},
  failed: () => {},
  depth: () => {},
  busy: () => {},
  closed: () => {},
};

/** The labels of the gauge that names the engine in use. */
interface EngineInfo {
  readonly engine: EngineName;
  readonly path: string;
  readonly group: string;
  readonly threads: number;
  /** Reason of the choice: `best available`, `asked for`, or the cause of the fallback. */
  readonly reason: string;
  /** `yes` if a better engine was tried and did not work. */
  readonly fallback: 'yes' | 'no';
}

export function engineMeters(metrics: Metrics, info: EngineInfo): EngineMeters {
  const { engine } = info;
  const named = metrics.gauge('engine_info', 'The engine in use: always 1, see the labels', [
    'engine',
    'path',
    'group',
    'threads',
    'reason',
    'fallback',
  ]);
  const labels = { ...info, threads: String(info.threads) };
  named.set(labels, 1);
  const operations = metrics.counter('engine_operations_total', 'Operations done', ['engine', 'operation']);
  const elements = metrics.counter('engine_elements_total', 'Group elements computed', ['engine', 'operation']);
  const failures = metrics.counter('engine_failures_total', 'Operations that failed', ['engine', 'operation', 'code']);
  const queue = metrics.gauge('engine_queue_operations', 'Operations that wait or run', ['engine', 'priority']);
  const busy = metrics.counter(
    'engine_busy_seconds_total',
    'Time that workers (of cuda: cards) have computed, summed over them: its rate over their number is the utilisation',
    ['engine', 'priority'],
  );
  for (const priority of ['realtime', 'precompute']) {
    queue.set({ engine, priority }, 0);
    busy.inc({ engine, priority }, 0);
  }
  return {
    done(operation, count) {
      operations.inc({ engine, operation });
      elements.inc({ engine, operation }, count);
    },
    failed: (operation, code) => failures.inc({ engine, operation, code }),
    depth: (priority, count) => queue.set({ engine, priority }, count),
    busy: (priority, seconds) => busy.inc({ engine, priority }, seconds),
    closed: () => named.remove(labels),
  };
}
