// Handles of callers: prepared operands and fixed bases. Their storage is wiped when it is released and no operation uses it any
// more, so a release in the middle of an operation never turns its operand into zeros.
import { MixError } from '../../base/index.js';
import type { FixedBase, Prepared } from '../engine.js';
import type { TableSlot } from './request.js';

/** Storage behind handles, with a count of the operations that use it. */
export abstract class HandleStorage {
  readonly #onReleased: (storage: HandleStorage) => void;
  #uses = 0;
  #released = false;

  constructor(onReleased: (storage: HandleStorage) => void) {
    this.#onReleased = onReleased;
  }

  /** Marks the start of an operation on it. @throws MixError HANDLE_RELEASED */
  begin(): void {
    this.check();
    this.#uses++;
  }

  end(): void {
    this.#uses--;
    if (this.#released && this.#uses === 0) this.wipe();
  }

  check(): void {
    if (this.#released) throw new MixError('HANDLE_RELEASED');
  }

  release(): void {
    if (this.#released) return;
    this.#released = true;
    this.#onReleased(this);
    if (this.#uses === 0) this.wipe();
  }

  protected abstract wipe(): void;
}

export class PreparedStorage extends HandleStorage {
  readonly data: Uint8Array;
  readonly #forget: (storage: ArrayBufferLike) => void;

  constructor(
    data: Uint8Array,
    onReleased: (storage: HandleStorage) => void,
    forget: (storage: ArrayBufferLike) => void,
  ) {
    super(onReleased);
    this.data = data;
    this.#forget = forget;
  }

  protected override wipe(): void {
    this.data.fill(0);
    this.#forget(this.data.buffer);
  }
}

/** A view of a prepared operand. `owner`: the engine that the storage's form belongs to. */
export class PreparedHandle implements Prepared {
  readonly count: number;
  readonly owner: object;
  readonly storage: PreparedStorage;
  readonly #from: number;
  readonly #elementBytes: number;

  constructor(owner: object, storage: PreparedStorage, elementBytes: number, from: number, count: number) {
    this.owner = owner;
    this.storage = storage;
    this.count = count;
    this.#from = from;
    this.#elementBytes = elementBytes;
  }

  get data(): Uint8Array {
    return this.storage.data.subarray(this.#from * this.#elementBytes, (this.#from + this.count) * this.#elementBytes);
  }

  slice(from: number, to: number): Prepared {
    this.storage.check();
    if (!Number.isInteger(from) || !Number.isInteger(to) || from < 0 || to < from || to > this.count) {
      throw new MixError('LENGTH_MISMATCH', { what: 'slice', from, to, count: this.count });
    }
    return new PreparedHandle(this.owner, this.storage, this.#elementBytes, this.#from + from, to - from);
  }

  release(): void {
    this.storage.release();
  }
}

/** A base and, if the executor made one, its table of powers. Both are public: nothing is wiped. */
export class FixedBaseHandle extends HandleStorage implements FixedBase {
  readonly owner: object;
  readonly element: Uint8Array;
  readonly slot: TableSlot = { table: undefined };
  readonly #forget: (storage: ArrayBufferLike) => void;

  constructor(
    owner: object,
    element: Uint8Array,
    onReleased: (storage: HandleStorage) => void,
    forget: (storage: ArrayBufferLike) => void,
  ) {
    super(onReleased);
    this.owner = owner;
    this.element = element;
    this.#forget = forget;
  }

  protected override wipe(): void {
    this.slot.table = undefined;
    this.#forget(this.element.buffer);
  }
}
