// The pooled executor, shared by the engines `cpu`, `openssl` and `bigint`: brings a request's buffers into shared memory,
// cuts it into chunks (chunks.ts), and runs those through the queue (queue.ts) on the workers (workers.ts). Which arithmetic
// the workers do is the kernel's name and nothing else.
import { bytesToBigint, type Group } from '../../math/index.js';
import type { ExecuteOptions, Executor, Request, RequestOf } from '../checked/request.js';
import type { Priority } from '../engine.js';
import { tableBytes, windowsOf } from '../kernels/fixedBase.js';
import { multiExpWindowBits } from '../kernels/multiExp.js';
import { nativeCall, nativeTable, nativeTableCovers } from '../kernels/native/kernel.js';
import type { NativePath } from '../kernels/native/library.js';
import { CHUNK_US, Plan } from './chunks.js';
import type { KernelName, Work, WorkOf } from './job.js';
import { ChunkQueue, type QueueWatch } from './queue.js';
import { Shared } from './sharedBuffers.js';
import { TASKS_PER_WORKER, WorkerPool } from './workers.js';

/** A table is filled for a handle's first powers with such exponents, and grown for longer ones up to 1,024 bits. */
const TABLE_EXPONENT_BYTES = 32;
const TABLE_EXPONENT_BYTES_MAX = 128;
/** Filling a table costs as much as this many generic powers; the measure is in kernels/fixedBase.ts. */
const TABLE_POWERS_MIN = 16;
/** Bases of one multi-exponentiation window chunk. */
const MULTI_EXP_BASES_MAX = 2048;
/** Products that an inversion costs: a chunk of invertBatch has one. */
const INVERSION_PRODUCTS = 200;

export const QUEUE_LIMIT = 1024;

interface PooledOptions extends QueueWatch {
  readonly group: Group;
  readonly kernel: KernelName;
  readonly path: string;
  readonly threads: number;
  /** Operations of each priority that may wait or run; one more is refused with ENGINE_BUSY. */
  readonly queueLimit: number;
}

/** Runs chunks and waits for them. `chunkUs`: what each takes, about, where it may be handed over with others. */
type Step = (work: readonly Work[], chunkUs?: number) => Promise<void>;

/** An operation in chunks of the same size. */
interface Cut {
  readonly work: readonly Work[];
  readonly chunkUs: number;
}

export class PooledExecutor implements Executor {
  readonly threads: number;
  readonly path: string;
  readonly #group: Group;
  readonly #kernel: KernelName;
  /** Two for each core: one that realtime work finds free at once, and one for precomputation that stands back then. */
  readonly #pools: Readonly<Record<Priority, WorkerPool>>;
  readonly #queue: ChunkQueue<Work>;
  readonly #plan: Plan;
  #generator: Promise<Uint8Array | undefined> | undefined;

  constructor({ group, kernel, path, threads, queueLimit, onDepth, onBusy }: PooledOptions) {
    this.threads = threads;
    this.path = path;
    this.#group = group;
    this.#kernel = kernel;
    this.#plan = new Plan(kernel, group, threads);
    const pools = { realtime: new WorkerPool(threads), precompute: new WorkerPool(threads, { standsBack: true }) };
    this.#pools = pools;
    this.#queue = new ChunkQueue<Work>({
      inFlightMax: TASKS_PER_WORKER * threads,
      apart: true,
      workers: threads,
      // An abort is seen, and where threads cannot stand back, realtime work has its turn, after one chunk of full size.
      togetherUs: CHUNK_US,
      operationsMax: queueLimit,
      run: (works, level) => runOn(pools[level], kernel, group, works),
      onDepth,
      onBusy,
    });
  }

  execute(request: Request, options: ExecuteOptions): Promise<void> {
    return this.#queue.operation(options, async (submit) => {
      const shared = new Shared();
      try {
        await this.#steps(request, shared, submit);
        shared.finish();
      } finally {
        shared.wipe();
      }
    });
  }

  async close(): Promise<void> {
    await this.#queue.close();
    await Promise.all(Object.values(this.#pools).map((pool) => pool.close()));
  }

  #steps(request: Request, shared: Shared, step: Step): Promise<void> {
    switch (request.op) {
      case 'table':
        return this.#ensureTable(request.base, TABLE_EXPONENT_BYTES, shared, step).then(() => {});
      case 'powFixed':
        return this.#powFixed(request, shared, step);
      case 'multiExp':
        return this.#multiExp(request, shared, step);
      case 'product':
        return this.#product(request, shared, step);
      default:
        return runCut(step, this.#chunks(request, shared));
    }
  }

  /** The operations that are one list of independent chunks. */
  #chunks(request: Exclude<Request, { op: 'table' | 'powFixed' | 'multiExp' | 'product' }>, shared: Shared): Cut {
    const { elementBytes } = this.#group;
    const count = (batch: Uint8Array) => batch.length / elementBytes;
    const out = shared.output(request.out);
    switch (request.op) {
      case 'prepare': {
        const a = shared.input(request.a);
        return this.#cut(count(a), 1, (from, to) => ({ op: 'prepare', a, out, from, to }));
      }
      case 'mul': {
        const [a, b, { prepared }] = [shared.input(request.a), shared.input(request.b.data), request.b];
        return this.#cut(count(a), prepared ? 1 : 2, (from, to) => ({ op: 'mul', a, b, prepared, out, from, to }));
      }
      case 'mulGather': {
        const [a, b, { width }] = [shared.input(request.a), shared.input(request.b.data), request];
        const source = shared.indices(request.source);
        const rest = { op: 'mulGather', a, source, b, prepared: request.b.prepared, width, out } as const;
        return this.#cut(source.length, rest.prepared ? width : 2 * width, (from, to) => ({ ...rest, from, to }));
      }
      case 'invertBatch': {
        const a = shared.input(request.a);
        return this.#cut(count(a), 3, (from, to) => ({ op: 'invertBatch', a, out, from, to }), INVERSION_PRODUCTS);
      }
      default: {
        const { op, exponentBytes } = request;
        const [bases, exponents] = [shared.input(request.bases), shared.input(request.exponents)];
        const powers = op === 'powShared' ? exponents.length / exponentBytes : 1;
        const cost = powers * this.#plan.power(exponentBytes);
        return this.#cut(count(bases), cost, (from, to) => ({ op, bases, exponents, exponentBytes, out, from, to }));
      }
    }
  }

  #cut(units: number, products: number, work: (from: number, to: number) => Work, unitsMin = 1): Cut {
    const ranges = this.#plan.ranges(units, products, unitsMin);
    const chunkUs = this.#plan.costUs(units, products) / ranges.length;
    return { work: ranges.map(([from, to]) => work(from, to)), chunkUs };
  }

  async #powFixed(request: RequestOf<'powFixed'>, shared: Shared, step: Step): Promise<void> {
    const { exponentBytes } = request;
    const exponents = shared.input(request.exponents);
    const count = exponents.length / exponentBytes;
    if (count === 0) return;
    const base = shared.input(request.base.element);
    const windows = windowsOf(exponentBytes);
    const out = shared.output(request.out);
    const table = await this.#tableFor(request, count, shared, step);
    const cost = table ? windows + 1 : this.#plan.power(exponentBytes);
    const rest = { op: 'powFixed', base, table, exponents, exponentBytes, out } as const;
    await runCut(
      step,
      this.#cut(count, cost, (from, to) => ({ ...rest, from, to })),
    );
  }

  /** A table where there is one that is long enough, or where it pays to fill one. */
  #tableFor({ base, exponentBytes }: RequestOf<'powFixed'>, count: number, shared: Shared, step: Step) {
    const filled = base.slot?.table;
    if (filled && this.#covers(filled, exponentBytes)) return filled;
    if (exponentBytes > TABLE_EXPONENT_BYTES_MAX) return this.#generatorTable(base, exponentBytes, shared, step);
    if (count < TABLE_POWERS_MIN) return undefined;
    return this.#ensureTable(base, exponentBytes, shared, step, count);
  }

  /**
   * Exponents as long as an element are the nonces and responses of proofs, and their base is the generator: its table is made once
   * and kept. Such powers come one at a time, each one chunk, on one core; with the table it is a third as long.
   */
  #generatorTable(
    base: RequestOf<'table'>['base'],
    exponentBytes: number,
    shared: Shared,
    step: Step,
  ): Promise<Uint8Array | undefined> | undefined {
    const { g, elementBytes } = this.#group;
    if (!isNative(this.#kernel) || exponentBytes > elementBytes || bytesToBigint(base.element) !== g) return undefined;
    this.#generator ??= this.#ensureTable({ element: base.element }, elementBytes, shared, step).catch(() => {
      // Whoever began it has given up; the next one begins again, and who waited does without.
      this.#generator = undefined;
      return undefined;
    });
    return this.#generator;
  }

  async #ensureTable(
    base: RequestOf<'table'>['base'],
    exponentBytes: number,
    shared: Shared,
    step: Step,
    powers?: number,
  ): Promise<Uint8Array | undefined> {
    if (!hasTables(this.#kernel)) return undefined;
    const windows = windowsOf(exponentBytes);
    const table = this.#newTable(exponentBytes, powers);
    const element = shared.input(base.element);
    // Each range starts from the end of the one before it: one after the other.
    const ranges = isNative(this.#kernel) ? [[0, windows] as const] : this.#plan.ranges(windows, 33, 8);
    for (const [from, to] of ranges) {
      await step([{ op: 'table', base: element, table, from, to }]);
    }
    if (base.slot) base.slot.table = table;
    return table;
  }

  async #product({ a, width, out }: RequestOf<'product'>, shared: Shared, step: Step): Promise<void> {
    const { elementBytes } = this.#group;
    const slots = a.length / elementBytes / width;
    if (slots === 0) return setOnes(out, elementBytes);
    const target = shared.output(out);
    const ranges = this.#plan.ranges(slots, width, 16);
    const source = shared.input(a);
    if (ranges.length === 1) return step([{ op: 'product', a: source, width, out: target, from: 0, to: slots }]);
    const parts = shared.scratch(ranges.length * width * elementBytes);
    const partBytes = width * elementBytes;
    const part = (index: number) => parts.subarray(index * partBytes, (index + 1) * partBytes);
    await step(ranges.map(([from, to], i) => ({ op: 'product', a: source, width, out: part(i), from, to })));
    await step([{ op: 'product', a: parts, width, out: target, from: 0, to: ranges.length }]);
  }

  /** Room for a table; native libraries have a form of their own, and cut it by how often it will be used. */
  #newTable(exponentBytes: number, powers: number | undefined): Uint8Array {
    if (isNative(this.#kernel)) return nativeTable(this.#kernel, this.#group, exponentBytes, powers);
    return new Uint8Array(new SharedArrayBuffer(tableBytes(this.#group.elementBytes, windowsOf(exponentBytes))));
  }

  #covers(table: Uint8Array, exponentBytes: number): boolean {
    if (isNative(this.#kernel)) return nativeTableCovers(table, exponentBytes);
    return table.length >= tableBytes(this.#group.elementBytes, windowsOf(exponentBytes));
  }

  /** Each range by itself, on plain bases; then the product of all. */
  async #multiExpNative(
    work: Omit<WorkOf<'multiExp'>, 'op' | 'from' | 'to'>,
    shared: Shared,
    step: Step,
  ): Promise<void> {
    const { elementBytes } = this.#group;
    const { bases, exponents, exponentBytes, out } = work;
    const count = bases.length / elementBytes;
    // 14 products for the table of a base and one per digit; the squarings are shared.
    const ranges = this.#plan.ranges(count, 14 + exponentBytes * 2, 64);
    const parts = shared.scratch(ranges.length * elementBytes);
    const part = (index: number) => parts.subarray(index * elementBytes, (index + 1) * elementBytes);
    await step(
      ranges.map(([from, to], i) => ({ op: 'multiExp', bases, exponents, exponentBytes, out: part(i), from, to })),
    );
    await step([{ op: 'product', a: parts, width: 1, out, from: 0, to: ranges.length }]);
  }

  async #multiExp(request: RequestOf<'multiExp'>, shared: Shared, step: Step): Promise<void> {
    const { elementBytes } = this.#group;
    const { exponentBytes } = request;
    const count = request.bases.length / elementBytes;
    if (count === 0) return setOnes(request.out, elementBytes);
    const plain = shared.input(request.bases);
    const exponents = shared.input(request.exponents);
    const out = shared.output(request.out);
    if (isNative(this.#kernel))
      return this.#multiExpNative({ bases: plain, exponents, exponentBytes, out }, shared, step);
    const bases = shared.scratch(plain.length);
    await runCut(
      step,
      this.#cut(count, 1, (from, to) => ({ op: 'prepare', a: plain, out: bases, from, to })),
    );
    const ranges = Math.ceil(count / MULTI_EXP_BASES_MAX);
    const windowBits = multiExpWindowBits(Math.ceil(count / ranges), exponentBytes * 8);
    const windows = Math.ceil((exponentBytes * 8) / windowBits);
    const parts = shared.scratch(windows * ranges * elementBytes);
    const work: Work[] = [];
    for (let index = 0; index < windows * ranges; index++) {
      const [lowBit, range] = [Math.floor(index / ranges) * windowBits, index % ranges];
      const from = Math.floor((count * range) / ranges);
      const to = Math.floor((count * (range + 1)) / ranges);
      const part = parts.subarray(index * elementBytes, (index + 1) * elementBytes);
      work.push({ op: 'window', bases, exponents, exponentBytes, lowBit, windowBits, out: part, from, to });
    }
    await step(work);
    await step([{ op: 'horner', parts, ranges, windowBits, out }]);
  }
}

/** Hands chunks to a worker. What native calls point at stays alive here until they have ended. */
async function runOn(pool: WorkerPool, kernel: KernelName, group: Group, works: readonly Work[]) {
  if (!isNative(kernel)) return pool.run({ kind: 'work', kernel, group: group.name, works });
  const kept = works.map((work) => nativeCall(group, work));
  const failures = await pool.run({ kind: 'work', kernel, group: group.name, works: kept.map(({ call }) => call) });
  kept.length = 0;
  return failures;
}

const runCut = (step: Step, { work, chunkUs }: Cut): Promise<void> => step(work, chunkUs);
const isNative = (kernel: KernelName): kernel is NativePath => kernel === 'ifma' || kernel === 'portable';
const hasTables = (kernel: KernelName): boolean => kernel === 'words' || kernel === 'bignum' || isNative(kernel);

function setOnes(out: Uint8Array, elementBytes: number): void {
  out.fill(0);
  for (let offset = 0; offset < out.length; offset += elementBytes) out[offset] = 1;
}
