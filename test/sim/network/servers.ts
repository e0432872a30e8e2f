// What computes in a simulated node: the engine's workers behind their queue, as src/engine/queue.ts has it, and the one main thread
// that hashes, checks and signs. A chunk that runs is never interrupted; realtime overtakes what has not been handed to a worker.
import type { Clock } from '../../../src/base/clock.js';
import type { Priority } from '../../../src/engine/engine.js';
import { CHUNK_US } from '../../../src/engine/plan.js';
import { TASKS_PER_WORKER } from '../../../src/engine/pool.js';
import { shortestOf } from '../../../src/engine/queue.js';
import type { Work } from './pricing.js';

export type Done = () => void;

interface Operation {
  readonly chunks: { readonly length: number };
  /** What the queue takes a chunk for; Infinity where it does not know. */
  readonly chunkUs: number;
  readonly us: number;
  readonly done: Done;
  next: number;
  running: number;
}

/** Chunks that were handed over together. */
interface Job {
  us: number;
  readonly operations: Operation[];
}

const LEVELS: readonly Priority[] = ['realtime', 'precompute'];

export class EngineServer {
  readonly threads: number;
  readonly #clock: Clock;
  readonly #waiting: Record<Priority, Operation[]> = { realtime: [], precompute: [] };
  readonly #backlog: Record<Priority, number> = { realtime: 0, precompute: 0 };
  /** In a worker's port, behind what it computes. */
  readonly #ahead: Job[] = [];
  #running = 0;
  /** Microseconds that workers have computed, all together. */
  busyUs = 0;

  constructor(threads: number, clock: Clock) {
    this.threads = threads;
    this.#clock = clock;
  }

  submit({ chunks, chunkUs, estimatedUs }: Work, priority: Priority, done: Done): void {
    if (chunkUs === 0) {
      done();
      return;
    }
    const length = chunks;
    this.#waiting[priority].push({ chunks: { length }, chunkUs: estimatedUs, us: chunkUs, done, next: 0, running: 0 });
    this.#backlog[priority] += chunks;
    this.#pump();
  }

  #pump(): void {
    for (;;) {
      const level = LEVELS.find((one) => this.#waiting[one].length > 0);
      if (!level) return;
      // There is realtime work every now and then, so that precomputation is handed over one chunk a worker.
      const inFlightMax = (level === 'realtime' ? TASKS_PER_WORKER : 1) * this.threads;
      if (this.#running + this.#ahead.length >= inFlightMax) return;
      const job = this.#take(level);
      if (this.#running < this.threads) this.#run(job);
      else this.#ahead.push(job);
    }
  }

  /** The next chunk, and with it as many more as are a worker's share of what waits and short enough. */
  #take(level: Priority): Job {
    const waiting = this.#waiting[level];
    const share = Math.ceil(this.#backlog[level] / this.threads);
    const job: Job = { us: 0, operations: [] };
    for (let estimatedUs = 0; job.operations.length < share; ) {
      const index = shortestOf(waiting);
      const operation = waiting[index]!;
      estimatedUs += operation.chunkUs;
      if (job.operations.length > 0 && estimatedUs > CHUNK_US) break;
      job.us += operation.us;
      job.operations.push(operation);
      operation.running++;
      this.#backlog[level]--;
      if (++operation.next === operation.chunks.length) waiting.splice(index, 1);
    }
    return job;
  }

  #run(job: Job): void {
    this.#running++;
    this.#clock.after(job.us / 1_000, () => {
      this.busyUs += job.us;
      this.#running--;
      const next = this.#ahead.shift();
      if (next) this.#run(next);
      // All are counted out before one ends: an operation may have several among them.
      for (const operation of job.operations) operation.running--;
      for (const operation of new Set(job.operations)) {
        if (operation.running === 0 && operation.next === operation.chunks.length) operation.done();
      }
      this.#pump();
    });
  }
}

/** One thread, first come, first served. */
export class MainThread {
  readonly #clock: Clock;
  #freeMs = 0;
  busyUs = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** What takes no time ends after what is begun now: a batch's root does not overtake its last chunk. */
  submit(us: number, done: Done): void {
    const nowMs = this.#clock.nowMs();
    this.#freeMs = Math.max(this.#freeMs, nowMs) + us / 1_000;
    this.busyUs += us;
    this.#clock.after(this.#freeMs - nowMs, done);
  }
}
