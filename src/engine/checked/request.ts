// A checked call on its way to the code that computes it. The front (checkedEngine.ts) turns every method of the Engine into one
// of these requests, with all lengths and ranges checked and the result's buffer in place; an Executor only computes. All
// requests have one shape, so that code treats operands by their kind (operations.ts), for any operation.
import type { Group } from '../../math/index.js';
import type { Priority } from '../engine.js';
import { type EntryName, findEntry, type OperandKind, type ViewsOf } from '../operations.js';

/** An operand: bytes, or the indices of a permutation. */
export type View = Uint8Array | Uint32Array;

/** Holder of a table of powers. The front empties it when the handle is released. */
export interface TableSlot {
  table: Uint8Array | undefined;
}

/** Fields of a request besides its operands. */
interface Shape {
  /** Elements of a slot; 1 if the operation has no width. */
  readonly width: number;
  /** Bytes of an exponent; 0 if there is none. */
  readonly exponentBytes: number;
  /** The multiplier is in the executor's own form. */
  readonly prepared: boolean;
  /** Holder of the base's table, for the executor. A base that was passed as bytes has none. */
  readonly slot?: TableSlot | undefined;
  /** The table of the base, in a chunk of the pool. */
  readonly table?: Uint8Array | undefined;
}

export interface RequestOf<O extends EntryName> extends Shape {
  readonly op: O;
  readonly operands: ViewsOf<O>;
  readonly out: Uint8Array;
}

/** A request that computes elements. */
export type ComputeRequest = { [O in EntryName]: RequestOf<O> }[EntryName];
/** Requests the table of a base, ahead of its first use. */
export interface TableRequest {
  readonly op: 'table';
  readonly base: Uint8Array;
  readonly slot: TableSlot;
}
export type Request = ComputeRequest | TableRequest;
export type RequestName = Request['op'];

/** Makes a request of units of one element, unless `shape` says otherwise. */
export function makeRequest<O extends EntryName>(
  op: O,
  operands: ViewsOf<O>,
  out: Uint8Array,
  { width = 1, exponentBytes = 0, prepared = false }: Partial<Shape> = {},
): RequestOf<O> {
  // All fields in one literal: with requests that were spread and added to, a call of the front took 15 µs instead of 1.5.
  return { op, operands, width, exponentBytes, prepared, slot: undefined, table: undefined, out };
}

/** Any request, with operands by name. */
interface AnyRequest extends Shape {
  readonly op: EntryName;
  readonly operands: Readonly<Record<string, View>>;
  readonly out: Uint8Array;
}

/** Finds the operand of a kind; undefined if the operation has none. */
export function findOperand(request: AnyRequest, wanted: OperandKind): View | undefined {
  const { operands } = findEntry(request.op);
  for (const name in operands) if (operands[name] === wanted) return request.operands[name];
  return undefined;
}

/** Returns the same request with other operands. `change` must return a view of the type that it gets. */
export function withOperands<R extends AnyRequest>(
  request: R,
  change: (view: View, kind: OperandKind | undefined) => View,
): R {
  const kinds = findEntry(request.op).operands;
  const operands: Record<string, View> = {};
  for (const name in request.operands) {
    const view = request.operands[name];
    if (view) operands[name] = change(view, kinds[name]);
  }
  return { ...request, operands };
}

/** Bytes of an operand per unit; 0 if every unit uses all of it. */
function unitBytes({ elementBytes }: Group, { width, exponentBytes }: Shape, kind: OperandKind | undefined): number {
  switch (kind) {
    case 'elements':
    case 'multiplier':
      return width * elementBytes;
    case 'permutation':
      return Uint32Array.BYTES_PER_ELEMENT;
    case 'exponents':
      return exponentBytes;
    default:
      return 0;
  }
}

/** Counts the units that a request computes. */
export function countUnits(group: Group, request: AnyRequest): number {
  const kinds = findEntry(request.op).operands;
  for (const name in kinds) {
    const bytes = unitBytes(group, request, kinds[name]);
    const view = request.operands[name];
    if (bytes > 0 && view) return view.byteLength / bytes;
  }
  return 0;
}

/** Counts the results of a unit for each element of its slot: the number of shared exponents. */
export function countPowers(request: AnyRequest): number {
  const exponents = findOperand(request, 'sharedExponents');
  return exponents ? exponents.length / request.exponentBytes : 1;
}

/** Size of a request: elements multiplied, or powers raised. */
export const elementsOfRequest = (group: Group, request: AnyRequest): number =>
  countUnits(group, request) * request.width * countPowers(request);

/** Returns units [from, to) of a request. `out`: buffer of their results; default: their part of the request's. */
export function takePart<R extends AnyRequest>(
  group: Group,
  request: R,
  from: number,
  to: number,
  out?: Uint8Array,
): R {
  const part = withOperands(request, (view, kind) => {
    const bytes = unitBytes(group, request, kind);
    if (bytes === 0) return view;
    const each = bytes / view.BYTES_PER_ELEMENT;
    return view.subarray(from * each, to * each);
  });
  const resultBytes = request.width * countPowers(request) * group.elementBytes;
  return { ...part, out: out ?? request.out.subarray(from * resultBytes, to * resultBytes) };
}

export interface ExecuteOptions {
  readonly priority: Priority;
  readonly order?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Computes requests: inline (reference.ts) or in worker threads (pool/executor.ts). */
export interface Executor {
  readonly threads: number;
  readonly path: string;
  /** Writes the result to the request's `out`. Buffers of the request may be read until the promise settles. */
  execute(request: Request, options: ExecuteOptions): Promise<void>;
  /** Descriptions of how it is worse than when it opened; empty if it is not. */
  degraded?(): readonly string[];
  /** Called when the storage of a handle is wiped: frees everything kept for it elsewhere. */
  forget?(storage: ArrayBufferLike): void;
  /** Stops accepting work, lets running chunks end, frees everything. Called once. */
  close(): Promise<void>;
}
