// The pooled executor, shared by the engines `cpu`, `openssl` and `bigint`: copies a request's buffers into shared memory if
// needed, cuts the request into chunks (chunks.ts), and runs those through the queue (queue.ts) on the workers (workers.ts). The
// kernel's name alone selects the arithmetic of the workers.
import { bytesToBigint, type Group } from '../../math/index.js';
import {
  type ComputeRequest,
  countUnits,
  type ExecuteOptions,
  type Executor,
  makeRequest,
  type Request,
  type RequestOf,
  type TableSlot,
  takePart,
} from '../checked/request.js';
import { compose } from '../compose.js';
import type { Priority } from '../engine.js';
import { countWindows, tableBytes } from '../kernels/fixedBase.js';
import { multiExpWindowBits } from '../kernels/multiExp.js';
import { makeCall, nativeTable, nativeTableCovers } from '../kernels/native/kernel.js';
import type { NativePath } from '../kernels/native/library.js';
import { OPENSSL_COMPUTES } from '../kernels/openssl/kernel.js';
import { type EntryName, findEntry } from '../operations.js';
import { CHUNK_US, ChunkPlanner } from './chunkPlanner.js';
import type { KernelName, Work } from './job.js';
import { ChunkQueue, type QueueWatch } from './queue.js';
import { SharedBuffers } from './sharedBuffers.js';
import { TASKS_PER_WORKER, WorkerPool } from './workers.js';

/** Exponent length for which a handle's table is made ahead of use; it is remade for longer ones up to 1,024 bits. */
const TABLE_EXPONENT_BYTES = 32;
const TABLE_EXPONENT_BYTES_MAX = 128;
/** Powers of one base from which on a table is filled; kernels/fixedBase.ts has the costs. */
const TABLE_POWERS_MIN = 16;
/** Bases of one multi-exponentiation window chunk. */
const MULTI_EXP_BASES_MAX = 2048;

export const QUEUE_LIMIT = 1024;

interface PooledOptions extends QueueWatch {
  readonly group: Group;
  readonly kernel: KernelName;
  readonly path: string;
  readonly threads: number;
  /** Limit of waiting or running operations per priority; one more is refused with ENGINE_BUSY. */
  readonly queueLimit: number;
}

/** Runs chunks and waits for them. `chunkUs`: estimated time of each, if it may be handed over with others. */
type Step = (work: readonly Work[], chunkUs?: number) => Promise<void>;

export class PooledExecutor implements Executor {
  readonly threads: number;
  readonly path: string;
  readonly #group: Group;
  readonly #kernel: KernelName;
  /** Two threads per core: one that realtime work finds free at once, and one for precomputation, which then yields. */
  readonly #pools: Readonly<Record<Priority, WorkerPool>>;
  readonly #queue: ChunkQueue<Work>;
  readonly #planner: ChunkPlanner;
  #generator: Promise<Uint8Array | undefined> | undefined;

  constructor({ group, kernel, path, threads, queueLimit, onDepth, onBusy }: PooledOptions) {
    this.threads = threads;
    this.path = path;
    this.#group = group;
    this.#kernel = kernel;
    this.#planner = new ChunkPlanner(kernel, group, threads);
    const pools = {
      realtime: new WorkerPool(threads),
      precompute: new WorkerPool(threads, { yieldsToRealtime: true }),
    };
    this.#pools = pools;
    this.#queue = new ChunkQueue<Work>({
      inFlightMax: TASKS_PER_WORKER * threads,
      apart: true,
      workers: threads,
      // An abort takes effect after one chunk of full size; so does realtime work if threads cannot yield.
      togetherUs: CHUNK_US,
      operationsMax: queueLimit,
      run: (works, level) => runOn(pools[level], kernel, group, works),
      onDepth,
      onBusy,
    });
  }

  execute(request: Request, options: ExecuteOptions): Promise<void> {
    return this.#queue.operation(options, async (submit) => {
      const buffers = new SharedBuffers();
      try {
        if (request.op === 'table') await this.#ensureTable(request, TABLE_EXPONENT_BYTES, buffers, submit);
        else await this.#compute(buffers.request(request), buffers, submit);
        buffers.finish();
      } finally {
        buffers.wipe();
      }
    });
  }

  async close(): Promise<void> {
    await this.#queue.close();
    await Promise.all(Object.values(this.#pools).map((pool) => pool.close()));
  }

  /** Computes a request on shared buffers. */
  async #compute(request: ComputeRequest, buffers: SharedBuffers, step: Step): Promise<void> {
    if (!computes(this.#kernel, request.op)) {
      const run = (part: ComputeRequest) => this.#compute(part, buffers, step);
      return compose(request, { run, scratch: (bytes) => buffers.scratch(bytes) });
    }
    if (request.op === 'powFixed') {
      const table = await this.#tableFor(request, buffers, step);
      return this.#inChunks({ ...request, slot: undefined, table }, step);
    }
    if (request.op === 'multiExp' && !isNative(this.#kernel)) return this.#multiExpByWindows(request, buffers, step);
    if (findEntry(request.op).folds) return this.#folded(request, buffers, step);
    return this.#inChunks(request, step);
  }

  /** Computes units that have each a result of their own. */
  #inChunks(request: ComputeRequest, step: Step): Promise<void> {
    const group = this.#group;
    const units = countUnits(group, request);
    const products = this.#planner.unit(request);
    const ranges = this.#planner.ranges(units, products, findEntry(request.op).unitsMin);
    const chunks = ranges.map(([from, to]) => takePart(group, request, from, to));
    return step(chunks, this.#planner.costUs(units, products) / ranges.length);
  }

  /** Computes units whose results are multiplied: each chunk by itself, and then the chunks' results. */
  async #folded(request: ComputeRequest, buffers: SharedBuffers, step: Step): Promise<void> {
    const group = this.#group;
    const { out, width } = request;
    const units = countUnits(group, request);
    if (units === 0) return setOnes(out, group.elementBytes);
    const ranges = this.#planner.ranges(units, this.#planner.unit(request), findEntry(request.op).unitsMin);
    if (ranges.length === 1) return step([request]);
    const a = buffers.scratch(ranges.length * out.length);
    const place = (index: number) => a.subarray(index * out.length, (index + 1) * out.length);
    await step(ranges.map(([from, to], index) => takePart(group, request, from, to, place(index))));
    await step([makeRequest('product', { a }, out, { width })]);
  }

  /** Returns a table if there is one that is long enough, or if it pays to fill one. */
  #tableFor(request: RequestOf<'powFixed'>, buffers: SharedBuffers, step: Step) {
    const { operands, slot, exponentBytes } = request;
    const { base } = operands;
    const powers = operands.exponents.length / exponentBytes;
    if (powers === 0) return undefined;
    const filled = slot?.table;
    if (filled && this.#covers(filled, exponentBytes)) return filled;
    if (exponentBytes > TABLE_EXPONENT_BYTES_MAX) return this.#generatorTable(base, exponentBytes, buffers, step);
    if (powers < TABLE_POWERS_MIN) return undefined;
    return this.#ensureTable({ base, slot }, exponentBytes, buffers, step, powers);
  }

  /**
   * The generator's table, made once and kept. Exponents as long as an element are the nonces and responses of proofs, whose base
   * is the generator. Such powers come one at a time, each one chunk, on one core; with the table each takes a third of the time.
   */
  #generatorTable(
    base: Uint8Array,
    exponentBytes: number,
    buffers: SharedBuffers,
    step: Step,
  ): Promise<Uint8Array | undefined> | undefined {
    const { g, elementBytes } = this.#group;
    if (!isNative(this.#kernel) || exponentBytes > elementBytes || bytesToBigint(base) !== g) return undefined;
    this.#generator ??= this.#ensureTable({ base }, elementBytes, buffers, step).catch(() => {
      // The call that began the table has given up. The next one begins again; calls that waited do without.
      this.#generator = undefined;
      return undefined;
    });
    return this.#generator;
  }

  async #ensureTable(
    { base, slot }: { readonly base: Uint8Array; readonly slot?: TableSlot | undefined },
    exponentBytes: number,
    buffers: SharedBuffers,
    step: Step,
    powers?: number,
  ): Promise<Uint8Array | undefined> {
    if (!hasTables(this.#kernel)) return undefined;
    const windows = countWindows(exponentBytes);
    const table = this.#newTable(exponentBytes, powers);
    const element = buffers.input(base);
    // Each range starts from the end of the one before it, so they run one after the other.
    const ranges = isNative(this.#kernel) ? [[0, windows] as const] : this.#planner.ranges(windows, 33, 8);
    for (const [from, to] of ranges) {
      await step([{ op: 'table', base: element, table, from, to }]);
    }
    if (slot) slot.table = table;
    return table;
  }

  /** Allocates a table; native libraries have a form of their own, and its digits depend on the number of uses. */
  #newTable(exponentBytes: number, powers: number | undefined): Uint8Array {
    if (isNative(this.#kernel)) return nativeTable(this.#kernel, this.#group, exponentBytes, powers);
    return new Uint8Array(new SharedArrayBuffer(tableBytes(this.#group.elementBytes, countWindows(exponentBytes))));
  }

  #covers(table: Uint8Array, exponentBytes: number): boolean {
    if (isNative(this.#kernel)) return nativeTableCovers(table, exponentBytes);
    return table.length >= tableBytes(this.#group.elementBytes, countWindows(exponentBytes));
  }

  /** One chunk per window of the exponents and range of bases; one more combines them (kernels/multiExp.ts). */
  async #multiExpByWindows(request: RequestOf<'multiExp'>, buffers: SharedBuffers, step: Step): Promise<void> {
    const { elementBytes } = this.#group;
    const { operands, exponentBytes, out } = request;
    const { bases: elements, exponents } = operands;
    const count = countUnits(this.#group, request);
    if (count === 0) return setOnes(out, elementBytes);
    const bases = buffers.scratch(elements.length);
    await this.#inChunks(makeRequest('prepare', { elements }, bases), step);
    const ranges = Math.ceil(count / MULTI_EXP_BASES_MAX);
    const windowBits = multiExpWindowBits(Math.ceil(count / ranges), exponentBytes * 8);
    const windows = Math.ceil((exponentBytes * 8) / windowBits);
    const parts = buffers.scratch(windows * ranges * elementBytes);
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

/** Hands chunks to a worker. Buffers that native calls point at stay alive here until they have ended. */
async function runOn(pool: WorkerPool, kernel: KernelName, group: Group, works: readonly Work[]) {
  if (!isNative(kernel)) return pool.run({ kind: 'work', kernel, group: group.name, works });
  const kept = works.map((work) => makeCall(group, work));
  const failures = await pool.run({ kind: 'work', kernel, group: group.name, works: kept.map(({ call }) => call) });
  kept.length = 0;
  return failures;
}

const isNative = (kernel: KernelName): kernel is NativePath => kernel === 'ifma' || kernel === 'portable';
const isOpenssl = (kernel: KernelName): boolean => kernel === 'words' || kernel === 'bignum';

/** True if a kernel has code for an operation. BigInt has the formula of each. */
function computes(kernel: KernelName, op: EntryName): boolean {
  if (isNative(kernel)) return findEntry(op).native !== undefined;
  return !isOpenssl(kernel) || OPENSSL_COMPUTES.includes(op);
}
const hasTables = (kernel: KernelName): boolean => isOpenssl(kernel) || isNative(kernel);

function setOnes(out: Uint8Array, elementBytes: number): void {
  out.fill(0);
  for (let offset = 0; offset < out.length; offset += elementBytes) out[offset] = 1;
}
