// The queue in front of the workers. An operation is a list of chunks of a few milliseconds; realtime operations go before
// precompute ones. Within a level the operation with least left to do goes first: a ring's chunk, for which the next node waits,
// does not stand behind another round's whole batch, and nodes work on several rounds without waiting for each other
// (docs/scheduling.md). Among equals, the smaller order goes first (older rounds before newer ones), then the earlier arrival.
//
// The queue interrupts no running chunk. If realtime work has workers of its own (`apart`), the operating system does, and
// overtaking costs nothing; else, on a card, it costs at most the chunks in flight: while there was realtime work lately, one
// chunk per worker and no second one behind it. If chunks are short and more wait than can be in flight, some of a level are
// handed over together: each hand-over costs a worker some 50 µs. The queue does not know threads: tests drive it by hand.
import { MixError, systemClock } from '../../base/index.js';
import type { Priority } from '../engine.js';

/** Observers of a queue. */
export interface QueueWatch {
  /** Called when the number of open operations of a level changes. */
  readonly onDepth?: ((priority: Priority, operations: number) => void) | undefined;
  /** Called with the time that workers have computed for a level, summed over workers, as it becomes known. */
  readonly onBusy?: ((priority: Priority, seconds: number) => void) | undefined;
}

interface QueueOptions<C> extends QueueWatch {
  /** Limit of calls of `run` that have not settled: per level if they are apart, else of both together. */
  readonly inFlightMax: number;
  /** Each level has workers of its own, and those of precomputation yield while those of realtime compute. */
  readonly apart?: boolean;
  /** Number of workers that share the waiting chunks, if these are short enough to be handed over together. */
  readonly workers: number;
  /** Limit of the estimated time of chunks that are handed over together, µs. */
  readonly togetherUs: number;
  /** Limit of open operations per level; one more is refused with ENGINE_BUSY. */
  readonly operationsMax: number;
  /** Computes chunks, one after the other, and returns for each its failure, if any. Rejects if all failed. */
  run(chunks: readonly C[], level: Priority): Promise<readonly (Failure | undefined)[]>;
  /** Any clock, in milliseconds. */
  readonly nowMs?: () => number;
}

export interface Failure {
  readonly error: unknown;
}

export interface SubmitOptions {
  readonly priority: Priority;
  /** Smaller goes first within a level; 0 by default. */
  readonly order?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

interface Operation<C> {
  readonly chunks: readonly C[];
  readonly priority: Priority;
  readonly order: number;
  /** Estimated time of each chunk, µs. */
  readonly chunkUs: number;
  readonly settle: (failure?: Failure) => void;
  next: number;
  running: number;
  failure: Failure | undefined;
}

const LEVELS: readonly Priority[] = ['realtime', 'precompute'];

/**
 * If levels share their workers, as on a card: number of precompute chunks after a realtime chunk that are handed over one per
 * worker; some seconds. A second one in a worker's port saves it 50 to 100 µs per chunk, but costs a realtime operation that
 * comes then a whole chunk; a round in realtime has some twenty operations in sequence, on each node. Without realtime work
 * nothing is lost.
 */
const WATCHFUL_CHUNKS = 1_000;

/** Work left of an operation: chunks, and time of each in µs; Infinity if unknown. */
interface Left {
  readonly chunks: { readonly length: number };
  readonly next: number;
  readonly chunkUs: number;
}

/**
 * Returns the index of the next operation: the one with least left to do, the first in order among equals. An operation of
 * unknown time keeps its turn: none behind it overtakes it, so that it does not wait for ever.
 */
export function findShortest(waiting: readonly Left[]): number {
  let [shortest, leastUs] = [0, Infinity];
  for (const [index, { chunks, next, chunkUs }] of waiting.entries()) {
    if (chunkUs === Infinity) break;
    const leftUs = (chunks.length - next) * chunkUs;
    if (leftUs < leastUs) [shortest, leastUs] = [index, leftUs];
  }
  return shortest;
}

export class ChunkQueue<C> {
  readonly #options: QueueOptions<C>;
  /** Operations with chunks not yet started, by level, in their order. */
  readonly #waiting: Record<Priority, Operation<C>[]> = { realtime: [], precompute: [] };
  /** Number of open operations. An operation of several steps is open over all of them. */
  readonly #open: Record<Priority, number> = { realtime: 0, precompute: 0 };
  /** Number of waiting chunks, by level. */
  readonly #backlog: Record<Priority, number> = { realtime: 0, precompute: 0 };
  /** Calls of `run` that have not settled, by level. */
  readonly #running: Record<Priority, number> = { realtime: 0, precompute: 0 };
  readonly #nowMs: () => number;
  /** Time of the last change of the number of computing workers. */
  #changedMs: number;
  /** Number of precompute chunks that are still to be handed over one per worker. */
  #watchful = 0;
  #closed = false;
  #idle: (() => void)[] = [];

  constructor(options: QueueOptions<C>) {
    this.#options = options;
    this.#nowMs = options.nowMs ?? (() => systemClock.nowMs());
    this.#changedMs = this.#nowMs();
  }

  /** Open operations of a level. */
  depth(priority: Priority): number {
    return this.#open[priority];
  }

  get inFlight(): number {
    return this.#running.realtime + this.#running.precompute;
  }

  /**
   * Runs an operation of any number of steps under one ticket, so that its later steps are never refused for lack of room. A step
   * gives the estimated time of its chunks, µs, if they may be handed over with others.
   * @throws MixError ENGINE_BUSY, ENGINE_CLOSED, ABORTED
   */
  async operation<T>(
    options: SubmitOptions,
    steps: (step: (chunks: readonly C[], chunkUs?: number) => Promise<void>) => Promise<T>,
  ) {
    const { priority, signal } = options;
    if (this.#closed) throw new MixError('ENGINE_CLOSED');
    if (signal?.aborted) throw new MixError('ABORTED');
    if (this.#open[priority] >= this.#options.operationsMax) {
      throw new MixError('ENGINE_BUSY', { priority, operations: this.#open[priority] });
    }
    this.#changeOpen(priority, 1);
    try {
      return await steps((chunks, chunkUs = Infinity) => this.#submit(chunks, chunkUs, options));
    } finally {
      this.#changeOpen(priority, -1);
    }
  }

  /** Refuses new work and drops chunks that have not started; resolves when the chunks in flight have ended. */
  async close(): Promise<void> {
    this.#closed = true;
    for (const level of LEVELS) {
      for (const operation of [...this.#waiting[level]]) this.#drop(operation, new MixError('ENGINE_CLOSED'));
    }
    if (this.inFlight > 0) await new Promise<void>((resolve) => this.#idle.push(resolve));
  }

  #changeOpen(priority: Priority, by: number): void {
    this.#open[priority] += by;
    this.#options.onDepth?.(priority, this.#open[priority]);
  }

  #submit(chunks: readonly C[], chunkUs: number, { priority, order = 0, signal }: SubmitOptions): Promise<void> {
    if (this.#closed) return Promise.reject(new MixError('ENGINE_CLOSED'));
    if (signal?.aborted) return Promise.reject(new MixError('ABORTED'));
    if (chunks.length === 0) return Promise.resolve();
    return new Promise((resolve, reject) => {
      const onAbort = () => this.#drop(operation, new MixError('ABORTED'));
      const settle = (failure?: Failure) => {
        signal?.removeEventListener('abort', onAbort);
        if (failure) reject(failure.error);
        else resolve();
      };
      const cost = { chunks, chunkUs, priority, order };
      const operation: Operation<C> = { ...cost, settle, next: 0, running: 0, failure: undefined };
      signal?.addEventListener('abort', onAbort, { once: true });
      const waiting = this.#waiting[priority];
      const behind = waiting.findLastIndex((other) => other.order <= order);
      waiting.splice(behind + 1, 0, operation);
      this.#backlog[priority] += chunks.length;
      this.#pump();
    });
  }

  /** Starts no further chunk of an operation. It settles when those in flight have ended, because they still write its result. */
  #drop(operation: Operation<C>, error: unknown): void {
    operation.failure ??= { error };
    const waiting = this.#waiting[operation.priority];
    const index = waiting.indexOf(operation);
    if (index >= 0) {
      waiting.splice(index, 1);
      this.#backlog[operation.priority] -= operation.chunks.length - operation.next;
    }
    this.#settle(operation);
  }

  #settle(operation: Operation<C>): void {
    if (operation.running > 0) return;
    if (operation.failure || operation.next === operation.chunks.length) operation.settle(operation.failure);
  }

  #pump(): void {
    for (let level = this.#nextLevel(); level; level = this.#nextLevel()) this.#start(level);
  }

  /** Returns the level of the next chunk to hand over. */
  #nextLevel(): Priority | undefined {
    const { apart, inFlightMax } = this.#options;
    if (apart) return LEVELS.find((one) => this.#waiting[one].length > 0 && this.#running[one] < inFlightMax);
    const level = LEVELS.find((one) => this.#waiting[one].length > 0);
    return level && this.inFlight < this.#inFlightMax(level) ? level : undefined;
  }

  #start(level: Priority): void {
    const taken = this.#take(level);
    this.#watchful = level === 'realtime' ? WATCHFUL_CHUNKS : Math.max(0, this.#watchful - taken.length);
    this.#run(level, 1);
    this.#options
      .run(
        taken.map(({ chunk }) => chunk),
        level,
      )
      .then(
        (failures) =>
          this.#ended(
            level,
            taken.map(({ operation }, i) => ({ operation, failure: failures[i] })),
          ),
        (error: unknown) =>
          this.#ended(
            level,
            taken.map(({ operation }) => ({ operation, failure: { error } })),
          ),
      );
  }

  #inFlightMax(level: Priority): number {
    const { workers, inFlightMax } = this.#options;
    return level === 'precompute' && this.#watchful > 0 ? Math.min(workers, inFlightMax) : inFlightMax;
  }

  /** Takes the next chunk of a level, and with it more, within a worker's share of the waiting chunks and the time limit. */
  #take(level: Priority): { readonly operation: Operation<C>; readonly chunk: C }[] {
    const waiting = this.#waiting[level];
    const { workers, togetherUs } = this.#options;
    const share = Math.ceil(this.#backlog[level] / workers);
    const taken: { readonly operation: Operation<C>; readonly chunk: C }[] = [];
    for (let us = 0; taken.length < share; ) {
      const index = findShortest(waiting);
      const operation = waiting[index]!;
      us += operation.chunkUs;
      if (taken.length > 0 && us > togetherUs) break;
      taken.push({ operation, chunk: operation.chunks[operation.next++]! });
      operation.running++;
      this.#backlog[level]--;
      if (operation.next === operation.chunks.length) waiting.splice(index, 1);
    }
    return taken;
  }

  /** Reports the busy time until now, before the number of running calls changes. */
  #run(level: Priority, by: number): void {
    const nowMs = this.#nowMs();
    const { onBusy } = this.#options;
    for (const one of LEVELS) {
      const computing = this.#computing(one);
      if (computing > 0) onBusy?.(one, (computing * (nowMs - this.#changedMs)) / 1_000);
    }
    this.#changedMs = nowMs;
    this.#running[level] += by;
  }

  /** Number of workers that compute for a level, of as many as there are cores; further calls in flight wait in front of one. */
  #computing(level: Priority): number {
    const { workers, apart } = this.#options;
    const { [level]: own, realtime } = this.#running;
    if (!apart) return this.inFlight === 0 ? 0 : own * Math.min(1, workers / this.inFlight);
    return level === 'realtime' ? Math.min(own, workers) : Math.min(own, Math.max(0, workers - realtime));
  }

  #ended(
    level: Priority,
    chunks: readonly { readonly operation: Operation<C>; readonly failure: Failure | undefined }[],
  ): void {
    this.#run(level, -1);
    // Count all chunks out before one operation settles: it may have several among them.
    for (const { operation } of chunks) operation.running--;
    for (const { operation, failure } of chunks) {
      if (failure) this.#drop(operation, failure.error);
    }
    for (const operation of new Set(chunks.map((chunk) => chunk.operation))) this.#settle(operation);
    // In a microtask, so that the next submissions of callers are there when the rest is shared out.
    queueMicrotask(() => {
      this.#pump();
      if (this.inFlight > 0) return;
      for (const resolve of this.#idle.splice(0)) resolve();
    });
  }
}
