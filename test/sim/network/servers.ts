// Computation in a simulated node: the engine's workers behind their queue, like src/engine/pool/queue.ts, and the main thread
// that hashes, checks and signs. Realtime work has workers of its own. While realtime work has all cores, precomputation stands
// still; on a real node it would get a tenth, and nothing at first.
import type { CancelTimer, Clock } from '../../../src/base/clock.js';
import type { Priority } from '../../../src/engine/engine.js';
import { CHUNK_US } from '../../../src/engine/pool/chunkPlanner.js';
import { findShortest } from '../../../src/engine/pool/queue.js';
import { TASKS_PER_WORKER } from '../../../src/engine/pool/workers.js';
import type { Work } from './pricing.js';

export type Done = () => void;

interface Operation {
  readonly chunks: { readonly length: number };
  /** The queue's estimate of a chunk; Infinity if it has none. */
  readonly chunkUs: number;
  readonly us: number;
  readonly done: Done;
  next: number;
  running: number;
}

/** Times are sums of fractions of milliseconds: the rest of an ended job is not exactly zero. */
const ROUNDING_US = 1e-3;

/** Operations handed to a worker together, and their remaining work. */
interface Job {
  leftUs: number;
  readonly us: number;
  readonly operations: Operation[];
}

const LEVELS: readonly Priority[] = ['realtime', 'precompute'];

const perLevel = <T>(make: () => T): Readonly<Record<Priority, T>> => ({ realtime: make(), precompute: make() });

/** Workers of one level: their running jobs, and the jobs waiting behind them in their ports. */
class Workers {
  readonly waiting: Operation[] = [];
  readonly running = new Set<Job>();
  readonly ahead: Job[] = [];
  backlog = 0;
  /** Share of a core for each running job. */
  share = 1;
}

export class EngineServer {
  /** Cores, and workers of each level. */
  readonly threads: number;
  readonly #clock: Clock;
  readonly #overtakeUs: number;
  readonly #workers = perLevel(() => new Workers());
  #settledMs = 0;
  #wake: CancelTimer = () => {};
  /** Microseconds computed by all workers together. */
  busyUs = 0;

  /** @param overtakeUs time that realtime work waits for a core in use by precomputation */
  constructor(threads: number, clock: Clock, overtakeUs = 0) {
    this.threads = threads;
    this.#clock = clock;
    this.#overtakeUs = overtakeUs;
  }

  submit({ chunks, chunkUs, estimatedUs }: Work, priority: Priority, done: Done): void {
    if (chunkUs === 0) {
      done();
      return;
    }
    const workers = this.#workers[priority];
    workers.waiting.push({ chunks: { length: chunks }, chunkUs: estimatedUs, us: chunkUs, done, next: 0, running: 0 });
    workers.backlog += chunks;
    this.#settle();
    this.#pump();
  }

  /** Hands out jobs, shares the cores again, and sets the timer of the first job to end. */
  #pump(): void {
    for (const level of LEVELS) {
      const { waiting, running, ahead } = this.#workers[level];
      while (waiting.length > 0 && running.size + ahead.length < TASKS_PER_WORKER * this.threads) {
        const job = this.#take(this.#workers[level]);
        if (running.size < this.threads) this.#run(level, job);
        else ahead.push(job);
      }
    }
    const { realtime, precompute } = this.#workers;
    // Precomputation gets the cores that realtime work leaves.
    precompute.share = Math.min(1, (this.threads - realtime.running.size) / precompute.running.size);
    const ends = LEVELS.flatMap((level) => {
      const { running, share } = this.#workers[level];
      return share > 0 ? [...running].map(({ leftUs }) => leftUs / share) : [];
    });
    this.#wake();
    if (ends.length === 0) return;
    this.#wake = this.#clock.after(Math.min(...ends) / 1_000, () => this.#onWake());
  }

  /** Takes the next chunk, and as many more as are short enough and within a worker's share of the backlog. */
  #take(workers: Workers): Job {
    const { waiting } = workers;
    const share = Math.ceil(workers.backlog / this.threads);
    const operations: Operation[] = [];
    let us = 0;
    for (let estimatedUs = 0; operations.length < share; ) {
      const index = findShortest(waiting);
      const operation = waiting[index]!;
      estimatedUs += operation.chunkUs;
      if (operations.length > 0 && estimatedUs > CHUNK_US) break;
      us += operation.us;
      operations.push(operation);
      operation.running++;
      workers.backlog--;
      if (++operation.next === operation.chunks.length) waiting.splice(index, 1);
    }
    return { us, leftUs: us, operations };
  }

  #run(level: Priority, job: Job): void {
    const { realtime, precompute } = this.#workers;
    const overtakes = level === 'realtime' && realtime.running.size + precompute.running.size >= this.threads;
    if (overtakes) job.leftUs += this.#overtakeUs;
    this.#workers[level].running.add(job);
  }

  /** Accounts for the computation until now. */
  #settle(): void {
    const nowMs = this.#clock.nowMs();
    const sinceUs = (nowMs - this.#settledMs) * 1_000;
    this.#settledMs = nowMs;
    for (const level of LEVELS) {
      const { running, share } = this.#workers[level];
      for (const job of running) job.leftUs -= sinceUs * share;
    }
  }

  #onWake(): void {
    this.#settle();
    const ended = new Set<Operation>();
    for (const level of LEVELS) {
      const { running, ahead } = this.#workers[level];
      for (const job of [...running]) {
        if (job.leftUs > ROUNDING_US) continue;
        this.busyUs += job.us;
        running.delete(job);
        const next = ahead.shift();
        if (next) this.#run(level, next);
        // All are counted before one ends: an operation may have several chunks among them.
        for (const operation of job.operations) {
          operation.running--;
          ended.add(operation);
        }
      }
    }
    for (const operation of ended) {
      if (operation.running === 0 && operation.next === operation.chunks.length) operation.done();
    }
    this.#pump();
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

  /** Work without duration also waits for earlier work: a batch's root does not overtake its last chunk. */
  submit(us: number, done: Done): void {
    const nowMs = this.#clock.nowMs();
    this.#freeMs = Math.max(this.#freeMs, nowMs) + us / 1_000;
    this.busyUs += us;
    this.#clock.after(this.#freeMs - nowMs, done);
  }
}
