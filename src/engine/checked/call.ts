// One call of an engine's method: checks its operands by their kinds, in the order of the operation's entry (operations.ts), and
// makes the request of them. The checks of an operation are defined by its entry and nowhere else.
import { checkBytes, MixError } from '../../base/index.js';
import {
  allocateElements,
  CHECK_SLICE,
  checkElementsInTurns,
  checkWidth,
  countElements,
  type Group,
  scanElements,
} from '../../math/index.js';
import type { EngineName, WorkOptions } from '../engine.js';
import { type EntryName, findEntry, type OperandKind } from '../operations.js';
import { checkBase, checkExponents, checkOut, takePermutation } from './arguments.js';
import { FixedBaseHandle, type HandleStorage, PreparedHandle } from './handles.js';
import type { Request, TableSlot, View } from './request.js';

/** Options of any operation; each reads its own. */
export type CallOptions = WorkOptions & { readonly exponentBytes?: number; readonly width?: number };

/** The engine whose handles are accepted. */
interface Owner {
  readonly name: EngineName;
  readonly group: Group;
}

export class CheckedCall {
  readonly #op: EntryName;
  readonly #owner: Owner;
  readonly #options: CallOptions;
  readonly #exponentBytes: number | undefined;
  readonly #inRange: boolean;
  readonly #operands: Record<string, View> = {};
  readonly #rest: (() => Promise<unknown>)[] = [];
  #width = 1;
  #powers = 1;
  #prepared = false;
  #slot: TableSlot | undefined;
  #storage: HandleStorage | undefined;
  /** Set by the first operand that has a part for each unit. */
  #units: number | undefined;
  /** A permutation that is not copied yet. */
  #permutation: { readonly name: string; readonly given: unknown } | undefined;
  #taken: Uint32Array | undefined;

  /** @throws MixError LENGTH_MISMATCH, ELEMENT_RANGE, EXPONENT_RANGE, WIDTH_INVALID, HANDLE_FOREIGN, HANDLE_RELEASED, ARGUMENT_INVALID */
  constructor(owner: Owner, op: EntryName, given: object, options: CallOptions) {
    this.#op = op;
    this.#owner = owner;
    this.#options = options;
    // Read once, so that the checked value is the value used.
    this.#exponentBytes = options.exponentBytes;
    this.#inRange = options.inRange === true;
    const kinds = findEntry(op).operands;
    for (const name in kinds) this.#check(name, kinds[name], Reflect.get(given, name));
  }

  /** Storage of the handle that the call uses. */
  get storage(): HandleStorage | undefined {
    return this.#storage;
  }

  /** Elements multiplied, or powers raised, for the meters. */
  get elements(): number {
    return this.#slots() * this.#width * this.#powers;
  }

  /** Returns the buffer for the result: the caller's, or a new one. @throws MixError LENGTH_MISMATCH, BUFFER_OVERLAP, BATCH_TOO_LARGE */
  result(): Uint8Array {
    const { group } = this.#owner;
    const { out } = this.#options;
    const count = findEntry(this.#op).folds ? this.#width : this.elements;
    if (!out) return allocateElements(group, count);
    const inputs: unknown[] = [...Object.values(this.#operands), this.#permutation?.given];
    checkOut(out, count * group.elementBytes, inputs.filter(isView));
    return out;
  }

  /** Returns the request for the executor. @throws MixError ARGUMENT_INVALID, PERMUTATION_INVALID */
  request(out: Uint8Array): Request {
    if (this.#permutation) {
      this.#taken = takePermutation(this.#permutation.given, this.#slots());
      this.#operands[this.#permutation.name] = this.#taken;
    }
    // The operands are those that the entry names, each checked by its kind.
    return {
      op: this.#op,
      operands: this.#operands,
      width: this.#width,
      exponentBytes: this.#exponentBytes ?? 0,
      prepared: this.#prepared,
      slot: this.#slot,
      table: undefined,
      out,
    } as Request;
  }

  /**
   * Checks the elements that a hostile batch left unchecked, slice by slice, while handles are held. Undefined for an honest
   * batch, which goes on at once.
   */
  checkRest(): Promise<unknown> | undefined {
    return this.#rest.length > 0 ? Promise.all(this.#rest.map((check) => check())) : undefined;
  }

  /** Wipes the copied permutation. */
  wipe(): void {
    this.#taken?.fill(0);
  }

  #slots(): number {
    return this.#units ?? 1;
  }

  #check(name: string, kind: OperandKind | undefined, given: unknown): void {
    switch (kind) {
      case 'width':
        this.#checkWidth();
        break;
      case 'elements':
      case 'gathered':
        this.#checkElements(name, given);
        break;
      case 'multiplier':
        this.#checkMultiplier(name, given);
        break;
      case 'base':
        this.#checkBase(name, given);
        break;
      case 'exponents':
        this.#units = this.#checkExponents(name, given, this.#units);
        break;
      case 'sharedExponents':
        this.#powers = this.#checkExponents(name, given);
        checkWidth(this.#powers);
        break;
      case 'permutation':
        this.#permutation = { name, given };
        break;
    }
  }

  #checkExponents(name: string, given: unknown, expected?: number): number {
    checkBytes(given, name);
    this.#operands[name] = given;
    return checkExponents(this.#owner.group, given, this.#exponentBytes, expected);
  }

  #checkWidth(): void {
    const { width = 1 } = this.#options;
    checkWidth(width);
    this.#width = width;
    if (this.#units !== undefined) this.#countSlots(this.#units);
  }

  #checkElements(name: string, given: unknown): void {
    checkBytes(given, name);
    const expected = this.#units === undefined ? undefined : this.#units * this.#width;
    const count = this.#scan(name, given, expected);
    this.#operands[name] = given;
    if (this.#units === undefined) this.#countSlots(count);
  }

  /** Takes counted elements as whole slots. @throws MixError LENGTH_MISMATCH */
  #countSlots(elements: number): void {
    const slots = elements / this.#width;
    if (!Number.isInteger(slots)) {
      const [[what, { byteLength: length }] = ['', { byteLength: 0 }]] = Object.entries(this.#operands);
      throw new MixError('LENGTH_MISMATCH', { what, length, width: this.#width });
    }
    this.#units = slots;
  }

  #checkMultiplier(name: string, given: unknown): void {
    const expected = this.#slots() * this.#width;
    if (ArrayBuffer.isView(given)) {
      checkBytes(given, name);
      this.#scan(name, given, expected);
      this.#operands[name] = given;
      return;
    }
    const { name: engine } = this.#owner;
    if (!(given instanceof PreparedHandle) || given.owner !== this.#owner) {
      throw new MixError('HANDLE_FOREIGN', { argument: name, engine });
    }
    given.storage.check();
    const { count } = given;
    if (count !== expected) throw new MixError('LENGTH_MISMATCH', { what: name, elements: count, expected });
    this.#operands[name] = given.data;
    this.#prepared = true;
    this.#storage = given.storage;
  }

  #checkBase(name: string, given: unknown): void {
    const { group, name: engine } = this.#owner;
    if (ArrayBuffer.isView(given)) {
      checkBytes(given, name);
      checkBase(group, given);
      this.#operands[name] = given;
      return;
    }
    if (!(given instanceof FixedBaseHandle) || given.owner !== this.#owner) {
      throw new MixError('HANDLE_FOREIGN', { argument: name, engine });
    }
    given.check();
    this.#operands[name] = given.element;
    this.#slot = given.slot;
    this.#storage = given;
  }

  /**
   * Counts elements and checks them. A hostile batch could hold the main thread: {@link CheckedCall.checkRest} checks what is
   * above CHECK_SLICE (math/batch.ts).
   */
  #scan(what: string, batch: Uint8Array, expected: number | undefined): number {
    const { group } = this.#owner;
    const count = countElements(group, batch, what, expected);
    if (this.#inRange) return count;
    const from = scanElements(group, batch, what, 0, CHECK_SLICE);
    if (from < count) this.#rest.push(() => checkElementsInTurns(group, batch, what, from));
    return count;
  }
}

const isView = (value: unknown): value is View => value instanceof Uint8Array || value instanceof Uint32Array;
