// One card: the worker thread that makes its blocking calls, the queue in front of it with realtime first, and the operands in
// its memory that belong to handles of callers. A card that fails once is out of service: its requests are computed elsewhere.
import { asMixError, MixError } from '../../base/index.js';
import type { Group } from '../../math/index.js';
import { type ComputeRequest, type ExecuteOptions, findOperand, type View } from '../checked/request.js';
import type { Address } from '../kernels/openssl/library.js';
import type { DeviceAddress, NativeCall } from '../pool/job.js';
import { ChunkQueue, type QueueWatch } from '../pool/queue.js';
import { TASKS_PER_WORKER, WorkerPool } from '../pool/workers.js';
import { deviceCalls, makeResidentOperand, makeResidentTable, type ResidentOperand, releaseResident } from './calls.js';

/** Unlimited in effect: the executor itself limits operations. */
const OPERATIONS_MAX = 2 ** 31;

/** Addresses on a card that belong to one buffer: of an operand, or of tables of a base by the length of their exponents. */
type Resident = Map<number, Address>;

/** `exponentBytes` of a prepared operand, which has none. */
const OPERAND = 0;

/** Errors that say nothing about the card. */
const CALLERS_OWN = ['ABORTED', 'ENGINE_CLOSED', 'ENGINE_BUSY'];

/** Text in the library's error for a call that the card had no memory for: the card is full, not broken. */
const FULL = 'out of memory';

export class Device {
  readonly name: string;
  readonly #group: Group;
  readonly #pool = new WorkerPool(1);
  readonly #queue: ChunkQueue<NativeCall>;
  readonly #resident = new Map<ArrayBufferLike, Resident>();
  readonly #leftOver: NativeCall[] = [];
  readonly #address: DeviceAddress;
  readonly #onSick: (device: Device, reason: string) => void;
  #sick: string | undefined;
  #running = 0;

  constructor(
    group: Group,
    name: string,
    address: DeviceAddress,
    onSick: (device: Device, reason: string) => void,
    onBusy?: QueueWatch['onBusy'],
  ) {
    this.name = name;
    this.#group = group;
    this.#address = address;
    this.#onSick = onSick;
    const pool = this.#pool;
    this.#queue = new ChunkQueue<NativeCall>({
      inFlightMax: TASKS_PER_WORKER,
      workers: 1,
      togetherUs: 0,
      operationsMax: OPERATIONS_MAX,
      run: (works) => pool.run({ kind: 'work', kernel: address, group: group.name, works }),
      onBusy,
    });
  }

  /** Reason why it is out of service; undefined if it is in service. */
  get sick(): string | undefined {
    return this.#sick;
  }

  /** Operations under way, to choose between cards. */
  get load(): number {
    return this.#running;
  }

  /** Takes the card out of service for good. */
  retire(reason: string): void {
    if (this.#sick !== undefined) return;
    this.#sick = reason;
    this.#onSick(this, reason);
  }

  /** Returns the resident operand (exponentBytes 0) or table of a view. */
  residentFor(view: View, exponentBytes = OPERAND): ResidentOperand | undefined {
    const address = this.#resident.get(view.buffer)?.get(exponentBytes);
    if (address === undefined) return undefined;
    const first = exponentBytes === OPERAND ? view.byteOffset / this.#group.elementBytes : 0;
    return { address, exponentBytes, first };
  }

  /** Stores elements as a prepared operand, under the storage of their handle. @throws MixError if the card fails */
  makeResidentOperand(storage: Uint8Array, elements: Uint8Array, options: ExecuteOptions): Promise<void> {
    return this.#keep(storage, OPERAND, (result) => makeResidentOperand(this.#group, elements, result), options);
  }

  /** Stores a table of a base, unless there is one. */
  async makeResidentTable(base: Uint8Array, exponentBytes: number, options: ExecuteOptions): Promise<void> {
    if (this.residentFor(base, exponentBytes)) return;
    await this.#keep(base, exponentBytes, (result) => makeResidentTable(base, exponentBytes, result), options);
  }

  /** Frees everything resident under a storage. No operation uses it any more. */
  forget(storage: ArrayBufferLike): void {
    const resident = this.#resident.get(storage);
    if (!resident) return;
    this.#resident.delete(storage);
    this.#release([...resident.values()]);
  }

  /** Computes a request into its `out`. @throws MixError: the caller's error, or the card's failure */
  compute(request: ComputeRequest, options: ExecuteOptions): Promise<void> {
    return this.#run(deviceCalls(this.#group, request, this.#residentOperand(request)), options);
  }

  #residentOperand(request: ComputeRequest): ResidentOperand | undefined {
    if (request.op === 'powFixed') return this.residentFor(request.operands.base, request.exponentBytes);
    return this.residentMultiplier(request);
  }

  /** Returns the resident part of a request's prepared multiplier. */
  residentMultiplier(request: ComputeRequest): ResidentOperand | undefined {
    const multiplier = request.prepared ? findOperand(request, 'multiplier') : undefined;
    return multiplier && this.residentFor(multiplier);
  }

  async close(): Promise<void> {
    await this.#queue.close();
    // Refused operations settle by the next turn and have then added to #leftOver.
    await new Promise((resolve) => setImmediate(resolve));
    const calls = [...this.#resident.values()].flatMap((resident) => [...resident.values()]).map(releaseResident);
    this.#resident.clear();
    const works = [...calls, ...this.#leftOver.splice(0)];
    // A dead worker has nothing left to free.
    await this.#pool.run({ kind: 'work', kernel: this.#address, group: this.#group.name, works }).catch(() => {});
    await this.#pool.close();
  }

  #release(addresses: readonly Address[]): void {
    // While it closes, the queue drops and refuses calls: close() frees those at its end. One call per operation, so that a
    // refused call has certainly not run.
    for (const call of addresses.map(releaseResident)) {
      this.#queue
        .operation({ priority: 'precompute' }, (step) => step([call]))
        .catch((thrown: unknown) => {
          if (asMixError(thrown).code === 'ENGINE_CLOSED') this.#leftOver.push(call);
        });
    }
  }

  async #keep(
    storage: Uint8Array,
    exponentBytes: number,
    call: (result: Uint8Array) => NativeCall,
    options: ExecuteOptions,
  ): Promise<void> {
    const result = new Uint8Array(new SharedArrayBuffer(8));
    const written = (): Address => Number(new DataView(result.buffer).getBigUint64(0, true));
    try {
      await this.#run([call(result)], options);
    } catch (thrown) {
      // Aborted while the card was computing: the resident result has no owner. The call has ended, or never begun.
      if (written() !== 0) this.#release([written()]);
      throw thrown;
    }
    const address = written();
    const resident = this.#resident.get(storage.buffer) ?? new Map<number, Address>();
    // Two calls may have found nothing and made the same table: one is enough.
    if (resident.has(exponentBytes)) {
      this.#release([address]);
      return;
    }
    resident.set(exponentBytes, address);
    this.#resident.set(storage.buffer, resident);
  }

  async #run(calls: readonly NativeCall[], options: ExecuteOptions): Promise<void> {
    if (this.#sick !== undefined) throw new MixError('ENGINE_WORKER', { message: this.#sick });
    this.#running++;
    try {
      await this.#queue.operation(options, (step) => step(calls));
    } catch (thrown) {
      const error = asMixError(thrown);
      if (isDeviceFailure(error) && !error.message.includes(FULL)) this.retire(error.message);
      throw error;
    } finally {
      this.#running--;
    }
  }
}

/** True if a card failed, and not the caller's wish: the work may go elsewhere. */
export const isDeviceFailure = (error: MixError): boolean => !CALLERS_OWN.includes(error.code);
