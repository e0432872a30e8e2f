// The front of every engine: checks a call (arguments.ts), allocates its result, holds the handles, counts, and passes one
// request to the executor. Engines differ in their executor only, so they cannot differ in what they refuse.
import { asMixError, checkBytes, keepingAlive, MixError } from '../../base/index.js';
import {
  allocateBatch,
  allocateElements,
  CHECK_SLICE,
  checkElementsInTurns,
  checkWidth,
  countElements,
  type Group,
  scanElements,
} from '../../math/index.js';
import type { Engine, EngineName, FixedBase, Prepared, WorkOptions } from '../engine.js';
import { type EngineMeters, NO_METERS } from '../meters.js';
import { checkBase, checkExponents, checkOptions, checkOut, checkSlots, takePermutation } from './arguments.js';
import { FixedBaseHandle, type HandleStorage, PreparedHandle, PreparedStorage } from './handles.js';
import type { Executor, FixedOperand, Operand, Request } from './request.js';

type ExponentOptions = WorkOptions & { readonly exponentBytes: number };
type WidthOptions = WorkOptions & { readonly width?: number };

/** A checked operand and the storage that must stay alive while it is used. */
interface Held<T> {
  readonly value: T;
  readonly storage?: HandleStorage;
}

export class CheckedEngine implements Engine {
  readonly name: EngineName;
  readonly group: Group;
  readonly #executor: Executor;
  readonly #meters: EngineMeters;
  readonly #live = new Set<HandleStorage>();
  readonly #dropped = (storage: HandleStorage): void => void this.#live.delete(storage);
  readonly #forget = (storage: ArrayBufferLike): void => this.#executor.forget?.(storage);
  /** Of batches that were not checked to their end: from which element on, and by what name. */
  readonly #unchecked = new WeakMap<Uint8Array, { readonly what: string; readonly from: number }>();
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

  /** In which ways it is worse than it was when it opened. */
  get degraded(): readonly string[] {
    return this.#executor.degraded?.() ?? [];
  }

  allocate(slots: number, width = 1): Uint8Array {
    return allocateBatch(this.group, slots, width);
  }

  async prepare(elements: Uint8Array, options: WorkOptions = {}): Promise<Prepared> {
    this.#begin(options);
    const count = this.#count(elements, 'elements');
    const form = this.allocate(count);
    try {
      await this.#execute({ op: 'prepare', a: elements, out: form }, count, options);
    } catch (error) {
      form.fill(0);
      this.#forget(form.buffer);
      throw error;
    }
    const storage = this.#keep(new PreparedStorage(form, this.#dropped, this.#forget));
    return new PreparedHandle(this, storage, this.group.elementBytes, 0, count);
  }

  async fixedBase(element: Uint8Array, options: WorkOptions = {}): Promise<FixedBase> {
    this.#begin(options);
    checkBase(this.group, element);
    const base = this.allocate(1);
    base.set(element);
    const handle = new FixedBaseHandle(this, base, this.#dropped, this.#forget);
    await this.#execute({ op: 'table', base: { element: base, slot: handle.slot } }, 1, options);
    return this.#keep(handle);
  }

  async mul(a: Uint8Array, b: Uint8Array | Prepared, options: WorkOptions = {}): Promise<Uint8Array> {
    this.#begin(options);
    const count = this.#count(a, 'a');
    const operand = this.#operand(b, count);
    const out = this.#out(count, options, [a, operand.value.data]);
    return this.#execute({ op: 'mul', a, b: operand.value, out }, count, options, operand.storage);
  }

  async mulGather(
    a: Uint8Array,
    source: Uint32Array,
    b: Uint8Array | Prepared,
    options: WidthOptions = {},
  ): Promise<Uint8Array> {
    this.#begin(options);
    const { width = 1 } = options;
    checkWidth(width);
    const count = this.#count(a, 'a');
    const slots = checkSlots(this.group, a, width);
    const operand = this.#operand(b, count);
    const out = this.#out(count, options, [a, operand.value.data, source]);
    const taken = takePermutation(source, slots);
    try {
      const request: Request = { op: 'mulGather', a, source: taken, b: operand.value, width, out };
      return await this.#execute(request, count, options, operand.storage);
    } finally {
      taken.fill(0);
    }
  }

  async powFixed(base: FixedBase | Uint8Array, exponents: Uint8Array, options: ExponentOptions): Promise<Uint8Array> {
    this.#begin(options);
    const { exponentBytes } = options;
    const held = this.#fixed(base);
    const count = checkExponents(this.group, exponents, exponentBytes);
    const out = this.#out(count, options, [held.value.element, exponents]);
    const request: Request = { op: 'powFixed', base: held.value, exponents, exponentBytes, out };
    return this.#execute(request, count, options, held.storage);
  }

  async powShared(bases: Uint8Array, exponents: Uint8Array, options: ExponentOptions): Promise<Uint8Array> {
    this.#begin(options);
    const { exponentBytes } = options;
    const width = checkExponents(this.group, exponents, exponentBytes);
    checkWidth(width);
    const count = this.#count(bases, 'bases') * width;
    const out = this.#out(count, options, [bases, exponents]);
    return this.#execute({ op: 'powShared', bases, exponents, exponentBytes, out }, count, options);
  }

  async pow(bases: Uint8Array, exponents: Uint8Array, options: ExponentOptions): Promise<Uint8Array> {
    this.#begin(options);
    const { exponentBytes } = options;
    const count = this.#count(bases, 'bases');
    checkExponents(this.group, exponents, exponentBytes, count);
    const out = this.#out(count, options, [bases, exponents]);
    return this.#execute({ op: 'pow', bases, exponents, exponentBytes, out }, count, options);
  }

  async invertBatch(a: Uint8Array, options: WorkOptions = {}): Promise<Uint8Array> {
    this.#begin(options);
    const count = this.#count(a, 'a');
    return this.#execute({ op: 'invertBatch', a, out: this.#out(count, options, [a]) }, count, options);
  }

  async product(a: Uint8Array, options: WidthOptions = {}): Promise<Uint8Array> {
    this.#begin(options);
    const { width = 1 } = options;
    const count = this.#count(a, 'a');
    checkSlots(this.group, a, width);
    const out = this.#out(width, options, [a]);
    return this.#execute({ op: 'product', a, width, out }, count, options);
  }

  async multiExp(bases: Uint8Array, exponents: Uint8Array, options: ExponentOptions): Promise<Uint8Array> {
    this.#begin(options);
    const { exponentBytes } = options;
    const count = this.#count(bases, 'bases');
    checkExponents(this.group, exponents, exponentBytes, count);
    const out = this.#out(1, options, [bases, exponents]);
    return this.#execute({ op: 'multiExp', bases, exponents, exponentBytes, out }, count, options);
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

  /** Registers a new handle; one that came too late, after close(), is released at once. */
  #keep<S extends HandleStorage>(storage: S): S {
    if (this.#closing) {
      storage.release();
      throw new MixError('ENGINE_CLOSED', { engine: this.name });
    }
    this.#live.add(storage);
    return storage;
  }

  /** Counts elements and checks them; what a hostile batch would hold the main thread for, later: see {@link CheckedEngine.#checkRest}. */
  #count(batch: Uint8Array, what: string, expected?: number): number {
    checkBytes(batch, what);
    const count = countElements(this.group, batch, what);
    if (expected !== undefined && count !== expected) {
      throw new MixError('LENGTH_MISMATCH', { what, elements: count, expected });
    }
    const from = scanElements(this.group, batch, what, 0, CHECK_SLICE);
    if (from < count) this.#unchecked.set(batch, { what, from });
    return count;
  }

  /** Elements that are left to check, slice by slice, while their handles are held. None of an honest batch: it goes on at once. */
  #checkRest(request: Request): Promise<unknown> | undefined {
    const operands = [
      'a' in request && request.a,
      'bases' in request && request.bases,
      'b' in request && request.b.data,
    ];
    const rest = operands.flatMap((batch) => {
      const left = batch ? this.#unchecked.get(batch) : undefined;
      return batch && left ? [checkElementsInTurns(this.group, batch, left.what, left.from)] : [];
    });
    return rest.length > 0 ? Promise.all(rest) : undefined;
  }

  #operand(b: Uint8Array | Prepared, expected: number): Held<Operand> {
    if (ArrayBuffer.isView(b)) {
      this.#count(b, 'b', expected);
      return { value: { data: b, prepared: false } };
    }
    if (!(b instanceof PreparedHandle) || b.owner !== this)
      throw new MixError('HANDLE_FOREIGN', { argument: 'b', engine: this.name });
    b.storage.check();
    if (b.count !== expected) throw new MixError('LENGTH_MISMATCH', { what: 'b', elements: b.count, expected });
    return { value: { data: b.data, prepared: true }, storage: b.storage };
  }

  #fixed(base: FixedBase | Uint8Array): Held<FixedOperand> {
    if (ArrayBuffer.isView(base)) {
      checkBase(this.group, base);
      return { value: { element: base } };
    }
    if (!(base instanceof FixedBaseHandle) || base.owner !== this) {
      throw new MixError('HANDLE_FOREIGN', { argument: 'base', engine: this.name });
    }
    base.check();
    return { value: { element: base.element, slot: base.slot }, storage: base };
  }

  #out(count: number, options: WorkOptions, inputs: readonly (Uint8Array | Uint32Array)[]): Uint8Array {
    if (!options.out) return allocateElements(this.group, count);
    checkOut(options.out, count * this.group.elementBytes, inputs);
    return options.out;
  }

  async #execute<R extends Request>(
    request: R,
    elements: number,
    options: WorkOptions,
    storage?: HandleStorage,
  ): Promise<R extends { out: Uint8Array } ? Uint8Array : undefined> {
    type Result = R extends { out: Uint8Array } ? Uint8Array : undefined;
    storage?.begin();
    try {
      const checking = this.#checkRest(request);
      if (checking) await checking;
    } catch (refusal) {
      storage?.end();
      throw refusal;
    }
    try {
      const { priority = 'precompute', order, signal } = options;
      await keepingAlive(() => this.#executor.execute(request, { priority, order, signal }));
      this.#meters.done(request.op, elements);
      return ('out' in request ? request.out : undefined) as Result;
    } catch (thrown) {
      const error = asMixError(thrown);
      this.#meters.failed(request.op, error.code);
      throw error;
    } finally {
      storage?.end();
    }
  }
}
