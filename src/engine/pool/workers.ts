// The worker threads: piscina, with every limit set explicitly. Work that throws is answered as a failure, so a task that piscina
// rejects means that a worker died: that is ENGINE_WORKER, and piscina starts a new worker by itself.
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Piscina } from 'piscina';
import { MixError } from '../../base/index.js';
import type { Job, JobResult } from './job.js';
import type { Failure } from './queue.js';

/** Compiled code: worker threads take no TypeScript. The same file whether this one runs from src or from dist. */
const WORKER_FILE = fileURLToPath(new URL('../../../dist/engine/pool/worker.js', import.meta.url));

/** Two tasks per worker: while it computes one, the next one already waits in its port. */
export const TASKS_PER_WORKER = 2;

interface PoolOptions {
  /** Its threads yield to others: precomputation to realtime work and the main thread. */
  readonly yieldsToRealtime?: boolean;
  readonly filename?: string;
}

/** Settings of a worker, given at its start. */
export interface WorkerSetting {
  readonly yieldsToRealtime: boolean;
}

export class WorkerPool {
  readonly threads: number;
  readonly #piscina: Piscina<Job, JobResult>;
  readonly #pending = new Set<(error: MixError) => void>();

  constructor(threads: number, { yieldsToRealtime = false, filename = WORKER_FILE }: PoolOptions = {}) {
    this.threads = threads;
    this.#piscina = new Piscina<Job, JobResult>({
      filename,
      minThreads: threads,
      maxThreads: threads,
      concurrentTasksPerWorker: TASKS_PER_WORKER,
      // The queue keeps at most this many in flight; while a dead worker is replaced, its share waits here.
      maxQueue: TASKS_PER_WORKER * threads,
      // Its histograms cost as much as posting a task; the engine's meters replace them.
      recordTiming: false,
      // Loaders of TypeScript in the main thread are of no use to compiled workers.
      execArgv: [],
      workerData: { yieldsToRealtime } satisfies WorkerSetting,
    });
    // A worker that dies without a task is replaced like any other; if it cannot be, the next task fails.
    this.#piscina.on('error', () => {});
    // piscina replaces a worker that died, but not one that fails as it starts: tasks would then wait without end. Checked a turn
    // later, after piscina's replacement.
    this.#piscina.on('workerDestroy', () => setImmediate(() => this.#checkAlive()));
  }

  /**
   * Runs the items of a job, one after the other. Returns for each the error that it threw (INTERNAL), if it did.
   * @throws MixError ENGINE_WORKER if the worker died
   */
  async run(job: Job): Promise<readonly (Failure | undefined)[]> {
    if (this.#piscina.threads.length === 0) throw workerError('no worker can be started');
    const result = await new Promise<JobResult>((resolve, reject) => {
      const end = (settle: () => void) => {
        this.#pending.delete(fail);
        settle();
      };
      const fail = (error: MixError) => end(() => reject(error));
      this.#pending.add(fail);
      this.#piscina.run(job).then(
        (answer) => end(() => resolve(answer)),
        (thrown: unknown) => fail(workerError(thrown instanceof Error ? thrown.message : String(thrown), thrown)),
      );
    });
    return result.map((message) =>
      message === undefined ? undefined : { error: new MixError('INTERNAL', { message }) },
    );
  }

  /** Lets every worker wipe and free its native memory, then ends them. No job may be running. */
  async close(): Promise<void> {
    const count = this.#piscina.threads.length;
    const job: Job = { kind: 'dispose', arrived: new Int32Array(new SharedArrayBuffer(4)), count };
    // A dead worker has nothing left to free.
    await Promise.allSettled(Array.from({ length: count }, () => this.run(job)));
    await this.#piscina.destroy();
  }

  #checkAlive(): void {
    if (this.#piscina.threads.length > 0) return;
    for (const fail of [...this.#pending]) fail(workerError('no worker can be started'));
  }
}

const workerError = (message: string, cause?: unknown): MixError =>
  new MixError('ENGINE_WORKER', { message }, { cause });

/** Reason why workers cannot start; undefined if they can. */
export function workersUnavailable(): string | undefined {
  return existsSync(WORKER_FILE) ? undefined : 'the compiled worker is missing: run `npm run build`';
}
