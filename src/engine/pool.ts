// The worker threads: piscina, with every bound set explicitly. A job that throws is answered as such, so a task that
// piscina rejects means that a worker died: that is ENGINE_WORKER, and piscina starts a new worker by itself.
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Piscina } from 'piscina';
import { MixError } from '../base/errors.js';
import type { Job, JobResult } from './job.js';

/** Compiled code: worker threads take no TypeScript. The same file whether this one runs from src or from dist. */
export const WORKER_FILE = fileURLToPath(new URL('../../dist/engine/worker.js', import.meta.url));

/** Two tasks a worker: while it computes one, the next one already waits in its port. */
export const TASKS_PER_WORKER = 2;

export class WorkerPool {
  readonly threads: number;
  readonly #piscina: Piscina<Job, JobResult>;

  constructor(threads: number, filename = WORKER_FILE) {
    this.threads = threads;
    this.#piscina = new Piscina<Job, JobResult>({
      filename,
      minThreads: threads,
      maxThreads: threads,
      concurrentTasksPerWorker: TASKS_PER_WORKER,
      // Our own queue keeps at most this many in flight; while a dead worker is replaced, its share waits here.
      maxQueue: TASKS_PER_WORKER * threads,
      // Whatever loads TypeScript into the main thread is of no use to compiled workers.
      execArgv: [],
    });
    // A worker that dies without a task is replaced like any other; the next task tells if it cannot be.
    this.#piscina.on('error', () => {});
  }

  /** @throws MixError INTERNAL where the job threw, ENGINE_WORKER where its worker died. */
  async run(job: Job): Promise<void> {
    let result: JobResult;
    try {
      result = await this.#piscina.run(job);
    } catch (thrown) {
      const message = thrown instanceof Error ? thrown.message : String(thrown);
      throw new MixError('ENGINE_WORKER', { message }, { cause: thrown });
    }
    if (!result.ok) throw new MixError('INTERNAL', { message: result.message });
  }

  /** Lets every worker wipe and free its native memory, then ends them. No job may be running. */
  async close(): Promise<void> {
    const job: Job = { kind: 'dispose', arrived: new Int32Array(new SharedArrayBuffer(4)), count: this.threads };
    // A worker that is dead already has nothing left to free.
    await Promise.allSettled(Array.from({ length: this.threads }, () => this.run(job)));
    await this.#piscina.destroy();
  }
}

/** Why workers cannot start; undefined where they can. */
export function workersUnavailable(): string | undefined {
  return existsSync(WORKER_FILE) ? undefined : 'the compiled worker is missing: run `npm run build`';
}
