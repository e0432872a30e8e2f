// A checked call on its way to the code that computes it. The front (checkedEngine.ts) turns every method of the Engine into one
// of these requests, with all lengths and ranges checked and the result's buffer in place; an Executor only computes.
import type { OperationName, Priority } from '../engine.js';

/** The second operand of a product: plain elements, or elements in the executor's own form. */
export interface Operand {
  readonly data: Uint8Array;
  readonly prepared: boolean;
}

/** The base of powFixed. `table` is the executor's own, kept between calls where the caller holds a handle. */
export interface FixedOperand {
  readonly element: Uint8Array;
  /** Present for handles: where the executor keeps its table. A base passed as bytes has none. */
  readonly slot?: TableSlot;
}

/** The place for a table of powers. Emptied by the front when the handle is released. */
export interface TableSlot {
  table: Uint8Array | undefined;
}

interface Powers {
  readonly bases: Uint8Array;
  readonly exponents: Uint8Array;
  readonly exponentBytes: number;
  readonly out: Uint8Array;
}

export type Request =
  | { readonly op: 'prepare'; readonly a: Uint8Array; readonly out: Uint8Array }
  | { readonly op: 'table'; readonly base: FixedOperand }
  | { readonly op: 'mul'; readonly a: Uint8Array; readonly b: Operand; readonly out: Uint8Array }
  | {
      readonly op: 'mulGather';
      readonly a: Uint8Array;
      readonly source: Uint32Array;
      readonly b: Operand;
      readonly width: number;
      readonly out: Uint8Array;
    }
  | {
      readonly op: 'powFixed';
      readonly base: FixedOperand;
      readonly exponents: Uint8Array;
      readonly exponentBytes: number;
      readonly out: Uint8Array;
    }
  | ({ readonly op: 'powShared' } & Powers)
  | ({ readonly op: 'pow' } & Powers)
  | ({ readonly op: 'multiExp' } & Powers)
  | { readonly op: 'invertBatch'; readonly a: Uint8Array; readonly out: Uint8Array }
  | { readonly op: 'product'; readonly a: Uint8Array; readonly width: number; readonly out: Uint8Array };

export type RequestOperation = OperationName | 'prepare' | 'table';
export type RequestOf<O extends RequestOperation> = Extract<Request, { op: O }>;

export interface ExecuteOptions {
  readonly priority: Priority;
  readonly order?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** What computes requests: inline (reference.ts) or in worker threads (pool/executor.ts). */
export interface Executor {
  readonly threads: number;
  readonly path: string;
  /** Writes the result to the request's `out`. Buffers of the request may be read until the promise settles. */
  execute(request: Request, options: ExecuteOptions): Promise<void>;
  /** In which ways it is worse than when it opened; empty where in none. */
  degraded?(): readonly string[];
  /** Told when the storage of a handle is wiped: frees what is kept elsewhere for it. */
  forget?(storage: ArrayBufferLike): void;
  /** Stops taking work, lets running chunks end, frees everything. Called once. */
  close(): Promise<void>;
}
