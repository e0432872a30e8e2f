// The executor of engines that compute with an array library (gpujs, tfjs): composes the catalogue of a field's Montgomery
// products (field.ts), in this thread. Before each product the event loop gets a turn, so that a node keeps its connections;
// realtime work goes first between chunks. Digits of exponents choose rows: not constant-time.
import { MixError } from '../../base/index.js';
import { bigintToBytes, bytesToBigint } from '../../math/index.js';
import {
  type ComputeRequest,
  countPowers,
  type ExecuteOptions,
  type Executor,
  type Request,
  type RequestOf,
} from '../checked/request.js';
import { compose as composeOperation } from '../compose.js';
import { ChunkQueue, type QueueWatch } from '../pool/queue.js';
import { Composition } from './composition.js';
import type { BatchField } from './field.js';

/** Powers of one base from which on a table saves more products than it costs. */
const TABLE_POWERS_MIN = 8;

interface ComposedOptions<V> extends QueueWatch {
  readonly field: BatchField<V>;
  /** Limit of waiting or running operations per priority; one more is refused with ENGINE_BUSY. */
  readonly queueLimit: number;
}

type Chunk = () => Promise<void>;
type Step = (chunks: readonly Chunk[]) => Promise<void>;

/** A table of powers of one base: entry d of window t at row d·windows + t. */
interface Table<V> {
  readonly windows: number;
  readonly rows: V;
}

export class ComposedExecutor<V> implements Executor {
  readonly threads = 0;
  readonly path: string;
  readonly #field: BatchField<V>;
  readonly #queue: ChunkQueue<Chunk>;
  /** Tables of bases that have a handle, by the storage of the handle. */
  readonly #tables = new Map<ArrayBufferLike, Table<V>>();

  constructor({ field, queueLimit, onDepth, onBusy }: ComposedOptions<V>) {
    this.path = field.path;
    this.#field = field;
    this.#queue = new ChunkQueue<Chunk>({
      inFlightMax: 1,
      workers: 1,
      togetherUs: 0,
      operationsMax: queueLimit,
      run: async (chunks) => {
        for (const chunk of chunks) await chunk();
        return [];
      },
      onDepth,
      onBusy,
    });
  }

  execute(request: Request, options: ExecuteOptions): Promise<void> {
    return this.#queue.operation(options, (step) => this.#steps(request, step, options.signal));
  }

  forget(storage: ArrayBufferLike): void {
    const table = this.#tables.get(storage);
    if (!table) return;
    this.#tables.delete(storage);
    this.#field.free(table.rows);
  }

  async close(): Promise<void> {
    await this.#queue.close();
    for (const storage of [...this.#tables.keys()]) this.forget(storage);
    this.#field.close();
  }

  async #steps(request: Request, step: Step, signal: AbortSignal | undefined): Promise<void> {
    if (request.op === 'table') return;
    const compose = new Composition(this.#field, signal);
    const { out } = request;
    switch (request.op) {
      case 'prepare': {
        const { elements } = request.operands;
        return step(this.#products(elements, (from, to) => compose.enter(elements, out, from, to)));
      }
      case 'mul': {
        const work = { ...request.operands, prepared: request.prepared, out };
        return step(this.#products(work.a, (from, to) => compose.mul(work, from, to)));
      }
      case 'mulGather':
        return this.#mulGather(request, compose, step);
      case 'invertBatch': {
        const { a } = request.operands;
        return step(this.#products(a, (from, to) => compose.invert(a, out, from, to)));
      }
      case 'product':
        return this.#product(request.operands.a, request.width, out, compose, step);
      case 'powFixed':
        return this.#powFixed(request, compose, step);
      case 'powShared':
        return this.#powShared(request, compose, step);
      case 'pow': {
        const work = { ...request.operands, exponentBytes: request.exponentBytes, out };
        return step(this.#powers(out, (from, to) => compose.pow(work, from, to)));
      }
      default:
        return this.#composed(request, step, signal);
    }
  }

  /** Composes an operation that the field has no code for. */
  async #composed(request: ComputeRequest, step: Step, signal: AbortSignal | undefined): Promise<void> {
    const memory: Uint8Array[] = [];
    const scratch = (bytes: number): Uint8Array => {
      memory.push(new Uint8Array(bytes));
      return memory.at(-1)!;
    };
    try {
      await composeOperation(request, { run: (part) => this.#steps(part, step, signal), scratch });
    } finally {
      for (const bytes of memory) bytes.fill(0);
    }
  }

  #count(batch: Uint8Array): number {
    return batch.length / this.#field.group.elementBytes;
  }

  #products(batch: Uint8Array, work: (from: number, to: number) => Promise<void>): Chunk[] {
    return inChunks(this.#count(batch), this.#field.rows.products, work);
  }

  #powers(batch: Uint8Array, work: (from: number, to: number) => Promise<void>): Chunk[] {
    return inChunks(this.#count(batch), this.#field.rows.powers, work);
  }

  async #mulGather(request: RequestOf<'mulGather'>, compose: Composition<V>, step: Step): Promise<void> {
    const { operands, width, prepared, out } = request;
    const { source, b } = operands;
    const slotBytes = width * this.#field.group.elementBytes;
    const a = new Uint8Array(operands.a.length);
    try {
      for (const [slot, from] of source.entries()) {
        a.set(operands.a.subarray(from * slotBytes, (from + 1) * slotBytes), slot * slotBytes);
      }
      await step(this.#products(a, (from, to) => compose.mul({ a, b, prepared, out }, from, to)));
    } finally {
      a.fill(0);
    }
  }

  /** Folds each chunk to one slot, and those again until one is left. */
  async #product(a: Uint8Array, width: number, out: Uint8Array, compose: Composition<V>, step: Step): Promise<void> {
    const { group, rows } = this.#field;
    const slots = this.#count(a) / width;
    if (slots === 0) return setOnes(out, group.elementBytes);
    const slotBytes = width * group.elementBytes;
    const most = Math.max(2, Math.floor(rows.products / width));
    const parts = Math.ceil(slots / most);
    const target = parts === 1 ? out : new Uint8Array(parts * slotBytes);
    const chunks = inChunks(slots, most, (from, to) => {
      const at = Math.floor(from / most) * slotBytes;
      return compose.fold(a.subarray(from * slotBytes, to * slotBytes), width, target.subarray(at, at + slotBytes));
    });
    await step(chunks);
    if (parts > 1) await this.#product(target, width, out, compose, step);
  }

  async #powShared(request: RequestOf<'powShared'>, compose: Composition<V>, step: Step): Promise<void> {
    const { operands, exponentBytes, out } = request;
    const count = this.#count(operands.bases);
    const bases = repeatEach(operands.bases, this.#field.group.elementBytes, countPowers(request));
    const exponents = repeatEach(operands.exponents, operands.exponents.length, count);
    try {
      const work = { bases, exponents, exponentBytes, out };
      await step(this.#powers(out, (from, to) => compose.pow(work, from, to)));
    } finally {
      exponents.fill(0);
    }
  }

  async #powFixed(request: RequestOf<'powFixed'>, compose: Composition<V>, step: Step): Promise<void> {
    const { operands, slot, exponentBytes, out } = request;
    const { base, exponents } = operands;
    const count = exponents.length / exponentBytes;
    const kept = slot && this.#tables.get(base.buffer);
    if (count < TABLE_POWERS_MIN && !kept) {
      const bases = repeatEach(base, base.length, count);
      const work = { bases, exponents, exponentBytes, out };
      return step(this.#powers(out, (from, to) => compose.pow(work, from, to)));
    }
    const windows = 2 * exponentBytes;
    let table = kept && kept.windows >= windows ? kept : undefined;
    if (!table) {
      await step([
        async () => {
          table = { windows, rows: await compose.table(base, windows) };
        },
      ]);
    }
    const { windows: windowsOfTable, rows } = table!;
    try {
      const work = { exponents, exponentBytes, out, table: rows, windows: windowsOfTable };
      await step(this.#powers(out, (from, to) => compose.powByTable(work, from, to)));
    } finally {
      this.#keep(request, table!);
    }
  }

  /** Keeps a base's first table as long as its handle lives. */
  #keep({ operands, slot }: RequestOf<'powFixed'>, table: Table<V>): void {
    const storage = operands.base.buffer;
    const before = this.#tables.get(storage);
    if (before === table) return;
    // Another call on the same handle may be using the present table, so a longer one does not replace it.
    if (slot && !before) this.#tables.set(storage, table);
    else this.#field.free(table.rows);
  }
}

function inChunks(count: number, most: number, work: (from: number, to: number) => Promise<void>): Chunk[] {
  return Array.from({ length: Math.ceil(count / most) }, (_, index) => {
    return () => work(index * most, Math.min(count, (index + 1) * most));
  });
}

/** Repeats every piece of `bytes`, `times` in a row. */
function repeatEach(bytes: Uint8Array, pieceBytes: number, times: number): Uint8Array {
  const out = new Uint8Array(bytes.length * times);
  for (let index = 0; index * pieceBytes < out.length; index++) {
    const piece = Math.floor(index / times) * pieceBytes;
    out.set(bytes.subarray(piece, piece + pieceBytes), index * pieceBytes);
  }
  return out;
}

function setOnes(out: Uint8Array, elementBytes: number): void {
  out.fill(0);
  for (let at = 0; at < out.length; at += elementBytes) out[at] = 1;
}

/**
 * Compares one product of extremes with BigInt: finds a field that does not compute exactly here (a driver's fast division, a
 * lower precision) before it becomes an engine. @throws MixError ENGINE_SELFCHECK
 */
export async function checkField<V>(field: BatchField<V>, engine: 'gpujs' | 'tfjs'): Promise<void> {
  const { group, rSquared } = field;
  const { elementBytes, q } = group;
  const [a, out] = [bigintToBytes(q, elementBytes), new Uint8Array(elementBytes)];
  const [left, factor] = [await field.read(a), await field.read(bigintToBytes(rSquared, elementBytes))];
  const inside = await field.multiply(left, factor);
  const product = await field.multiply(inside, left);
  await field.write(product, out);
  for (const values of [left, factor, inside, product]) field.free(values);
  const square = (q * q) % group.p;
  if (bytesToBigint(out) !== (square > q ? group.p - square : square)) {
    throw new MixError('ENGINE_SELFCHECK', { engine, operation: 'mul', group: group.name });
  }
}
