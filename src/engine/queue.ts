// The queue in front of the workers. An operation is a list of chunks of a few milliseconds; realtime operations go
// before precompute ones and first come is first served within a level. A running chunk is never interrupted, so what
// overtaking costs at most is the chunks already in flight. Knows nothing of threads: tests drive it by hand.
import { MixError } from '../base/errors.js';
import type { Priority } from './engine.js';

export interface QueueOptions<C> {
  /** Chunks handed to `run` and not yet settled. */
  readonly inFlightMax: number;
  /** Operations that may be open in each level; one more is refused with ENGINE_BUSY. */
  readonly operationsMax: number;
  run(chunk: C): Promise<void>;
  /** Told whenever the number of open operations of a level changes. */
  onDepth?(priority: Priority, operations: number): void;
}

export interface SubmitOptions {
  readonly priority: Priority;
  readonly signal?: AbortSignal | undefined;
}

interface Operation<C> {
  readonly chunks: readonly C[];
  readonly priority: Priority;
  readonly settle: (failure?: { readonly error: unknown }) => void;
  next: number;
  running: number;
  failure: { readonly error: unknown } | undefined;
}

const LEVELS: readonly Priority[] = ['realtime', 'precompute'];

export class ChunkQueue<C> {
  readonly #options: QueueOptions<C>;
  /** Operations with chunks not yet started, by level. */
  readonly #waiting: Record<Priority, Operation<C>[]> = { realtime: [], precompute: [] };
  /** Tickets of operations that are open: an operation of several steps holds one over all of them. */
  readonly #open: Record<Priority, number> = { realtime: 0, precompute: 0 };
  #inFlight = 0;
  #closed = false;
  #idle: (() => void)[] = [];

  constructor(options: QueueOptions<C>) {
    this.#options = options;
  }

  /** Open operations of a level. */
  depth(priority: Priority): number {
    return this.#open[priority];
  }

  get inFlight(): number {
    return this.#inFlight;
  }

  /**
   * Runs an operation of any number of steps under one ticket, so that its later steps are never refused for lack of
   * room. @throws MixError ENGINE_BUSY, ENGINE_CLOSED, ABORTED
   */
  async operation<T>(options: SubmitOptions, steps: (step: (chunks: readonly C[]) => Promise<void>) => Promise<T>) {
    const { priority, signal } = options;
    if (this.#closed) throw new MixError('ENGINE_CLOSED');
    if (signal?.aborted) throw new MixError('ABORTED');
    if (this.#open[priority] >= this.#options.operationsMax) {
      throw new MixError('ENGINE_BUSY', { priority, operations: this.#open[priority] });
    }
    this.#changeOpen(priority, 1);
    try {
      return await steps((chunks) => this.#submit(chunks, options));
    } finally {
      this.#changeOpen(priority, -1);
    }
  }

  /** Refuses new work and what has not started; resolves when the chunks in flight have ended. */
  async close(): Promise<void> {
    this.#closed = true;
    for (const level of LEVELS) {
      for (const operation of [...this.#waiting[level]]) this.#drop(operation, new MixError('ENGINE_CLOSED'));
    }
    if (this.#inFlight > 0) await new Promise<void>((resolve) => this.#idle.push(resolve));
  }

  #changeOpen(priority: Priority, by: number): void {
    this.#open[priority] += by;
    this.#options.onDepth?.(priority, this.#open[priority]);
  }

  #submit(chunks: readonly C[], { priority, signal }: SubmitOptions): Promise<void> {
    if (this.#closed) return Promise.reject(new MixError('ENGINE_CLOSED'));
    if (signal?.aborted) return Promise.reject(new MixError('ABORTED'));
    if (chunks.length === 0) return Promise.resolve();
    return new Promise((resolve, reject) => {
      const onAbort = () => this.#drop(operation, new MixError('ABORTED'));
      const settle = (failure?: { readonly error: unknown }) => {
        signal?.removeEventListener('abort', onAbort);
        if (failure) reject(failure.error);
        else resolve();
      };
      const operation: Operation<C> = { chunks, priority, settle, next: 0, running: 0, failure: undefined };
      signal?.addEventListener('abort', onAbort, { once: true });
      this.#waiting[priority].push(operation);
      this.#pump();
    });
  }

  /** Starts no further chunk of an operation. It settles when those in flight have ended: they still write its result. */
  #drop(operation: Operation<C>, error: unknown): void {
    operation.failure ??= { error };
    const waiting = this.#waiting[operation.priority];
    const index = waiting.indexOf(operation);
    if (index >= 0) waiting.splice(index, 1);
    this.#settle(operation);
  }

  #settle(operation: Operation<C>): void {
    if (operation.running > 0) return;
    if (operation.failure || operation.next === operation.chunks.length) operation.settle(operation.failure);
  }

  #pump(): void {
    while (this.#inFlight < this.#options.inFlightMax) {
      const operation = this.#waiting.realtime[0] ?? this.#waiting.precompute[0];
      if (!operation) return;
      const chunk = operation.chunks[operation.next++]!;
      operation.running++;
      this.#inFlight++;
      if (operation.next === operation.chunks.length) this.#waiting[operation.priority].shift();
      this.#options.run(chunk).then(
        () => {
          this.#ended(operation);
          this.#settle(operation);
        },
        (error: unknown) => {
          this.#ended(operation);
          this.#drop(operation, error);
        },
      );
    }
  }

  #ended(operation: Operation<C>): void {
    operation.running--;
    this.#inFlight--;
    // In a microtask, after this operation was dropped or settled: a failed one must not start another chunk.
    queueMicrotask(() => {
      this.#pump();
      if (this.#inFlight > 0) return;
      for (const resolve of this.#idle.splice(0)) resolve();
    });
  }
}
