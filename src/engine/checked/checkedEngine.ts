// The front of every engine: checks a call (call.ts), holds the handles, counts, and passes one request to the executor. Engines
// differ in their executor only, so all refuse the same calls.
import { asMixError, keepingAlive, MixError } from '../../base/index.js';
import { allocateBatch, type Group } from '../../math/index.js';
import type { Engine, EngineName, FixedBase, Prepared, WorkOptions } from '../engine.js';
import { type EngineMeters, NO_METERS } from '../meters.js';
import type { GivenOf, OperationName } from '../operations.js';
import { checkBase, checkOptions } from './arguments.js';
import { type CallOptions, CheckedCall } from './call.js';
import { FixedBaseHandle, type HandleStorage, PreparedHandle, PreparedStorage } from './handles.js';
import type { Executor, Request } from './request.js';

export class CheckedEngine implements Engine {
  readonly name: EngineName;
  readonly group: Group;
  readonly #executor: Executor;
  readonly #meters: EngineMeters;
  readonly #live = new Set<HandleStorage>();
  readonly #dropped = (storage: HandleStorage): void => void this.#live.delete(storage);
  readonly #forget = (storage: ArrayBufferLike): void => this.#executor.forget?.(storage);
  #closing: Promise<void> | undefined;

  constructor(name: EngineName, group: Group, executor: Executor, meters: EngineMeters = NO_METERS) {
    this.name = name;
    this.group = group;
    this.#executor = executor;
    this.#meters = meters;
  }

  get threads(): number {
    return this.#executor.threads;
  }

  get path(): string {
    return this.#executor.path;
  }

  /** Descriptions of how the engine is worse than when it opened. */
  get degraded(): readonly string[] {
    return this.#executor.degraded?.() ?? [];
  }

  allocate(slots: number, width = 1): Uint8Array {
    return allocateBatch(this.group, slots, width);
  }

  async prepare(elements: Uint8Array, options: WorkOptions = {}): Promise<Prepared> {
    this.#begin(options);
    const call = new CheckedCall(this, 'prepare', { elements }, options);
    const form = this.allocate(call.elements);
    try {
      await this.#execute(call, call.request(form), options);
    } catch (error) {
      form.fill(0);
      this.#forget(form.buffer);
      throw error;
    }
    const storage = this.#keep(new PreparedStorage(form, this.#dropped, this.#forget));
    return new PreparedHandle(this, storage, this.group.elementBytes, 0, call.elements);
  }

  async fixedBase(element: Uint8Array, options: WorkOptions = {}): Promise<FixedBase> {
    this.#begin(options);
    checkBase(this.group, element);
    const base = this.allocate(1);
    base.set(element);
    const handle = new FixedBaseHandle(this, base, this.#dropped, this.#forget);
    await this.#compute({ op: 'table', base, slot: handle.slot }, 1, options);
    return this.#keep(handle);
  }

  mul(a: Uint8Array, b: Uint8Array | Prepared, options: WorkOptions = {}) {
    return this.#operate('mul', { a, b }, options);
  }

  mulGather(a: Uint8Array, source: Uint32Array, b: Uint8Array | Prepared, options: CallOptions = {}) {
    return this.#operate('mulGather', { a, source, b }, options);
  }

  powFixed(base: FixedBase | Uint8Array, exponents: Uint8Array, options: CallOptions) {
    return this.#operate('powFixed', { base, exponents }, options);
  }

  powShared(bases: Uint8Array, exponents: Uint8Array, options: CallOptions) {
    return this.#operate('powShared', { bases, exponents }, options);
  }

  pow(bases: Uint8Array, exponents: Uint8Array, options: CallOptions) {
    return this.#operate('pow', { bases, exponents }, options);
  }

  invertBatch(a: Uint8Array, options: WorkOptions = {}) {
    return this.#operate('invertBatch', { a }, options);
  }

  product(a: Uint8Array, options: CallOptions = {}) {
    return this.#operate('product', { a }, options);
  }

  multiExp(bases: Uint8Array, exponents: Uint8Array, options: CallOptions) {
    return this.#operate('multiExp', { bases, exponents }, options);
  }

  close(): Promise<void> {
    this.#closing ??= keepingAlive(async () => {
      await this.#executor.close();
      for (const storage of [...this.#live]) storage.release();
      this.#meters.closed();
    });
    return this.#closing;
  }

  #begin(options: WorkOptions): void {
    checkOptions(options);
    if (this.#closing) throw new MixError('ENGINE_CLOSED', { engine: this.name });
    if (options.signal?.aborted) throw new MixError('ABORTED');
  }

  /** Registers a new handle; releases it at once if it comes after close(). */
  #keep<S extends HandleStorage>(storage: S): S {
    if (this.#closing) {
      storage.release();
      throw new MixError('ENGINE_CLOSED', { engine: this.name });
    }
    this.#live.add(storage);
    return storage;
  }

  async #operate<O extends OperationName>(op: O, given: GivenOf<O>, options: CallOptions): Promise<Uint8Array> {
    this.#begin(options);
    const call = new CheckedCall(this, op, given, options);
    const out = call.result();
    try {
      await this.#execute(call, call.request(out), options);
      return out;
    } finally {
      call.wipe();
    }
  }

  /** Keeps the handle's storage alive and checks the remaining elements before the computation. */
  async #execute(call: CheckedCall, request: Request, options: WorkOptions): Promise<void> {
    const { storage, elements } = call;
    storage?.begin();
    try {
      const checking = call.checkRest();
      if (checking) await checking;
      await this.#compute(request, elements, options);
    } finally {
      storage?.end();
    }
  }

  async #compute(request: Request, elements: number, options: WorkOptions): Promise<void> {
    try {
      const { priority = 'precompute', order, signal } = options;
      await keepingAlive(() => this.#executor.execute(request, { priority, order, signal }));
      this.#meters.done(request.op, elements);
    } catch (thrown) {
      const error = asMixError(thrown);
      this.#meters.failed(request.op, error.code);
      throw error;
    }
  }
}
