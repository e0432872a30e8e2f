// Counts the copies, allocations and checks of this thread. Every function of JavaScript and Node.js that copies bytes is
// wrapped, and notes the copied bytes and the calling file; every one that allocates is wrapped as well, and its result is
// inspected at the end. Bytes are recognized by their contents: a batch is random, so memory that contains one of its elements
// contains a copy. Copies within the C++ of Node.js and OpenSSL are not counted.
import { MessagePort } from 'node:worker_threads';

/** A range of bytes, and the file that asked for it. */
interface Note {
  readonly by: string;
  readonly bytes: Uint8Array;
}

type Call = (this: unknown, ...args: readonly unknown[]) => unknown;
type Constructor = new (...args: readonly unknown[]) => object;
/** Returns the bytes that a wrapped call copied. */
type Copied = (self: unknown, args: readonly unknown[], result: unknown) => unknown;

const Typed = Object.getPrototypeOf(Uint8Array) as Constructor;
const { slice } = Typed.prototype as { slice: (this: Uint8Array, from?: number, to?: number) => Uint8Array };
/** The unwrapped constructors. */
const [Bytes, Shared] = [Uint8Array, SharedArrayBuffer];

function viewBytes(value: unknown): Uint8Array | undefined {
  if (ArrayBuffer.isView(value)) return new Bytes(value.buffer, value.byteOffset, value.byteLength);
  return value instanceof ArrayBuffer || value instanceof Shared ? new Bytes(value as ArrayBuffer) : undefined;
}

/** Returns the file below src or in a package that called the wrapped function. */
function findCaller(): string {
  const lines = new Error().stack?.split('\n') ?? [];
  for (const line of lines) {
    const [, packed] = /\/node_modules\/((?:@[^/]+\/)?[^/]+\/[^:)]*)/.exec(line) ?? [];
    if (packed) return packed.replace('/build/src/', '/');
    const [, own] = /\/src\/([^:)?]*)/.exec(line) ?? [];
    if (own) return own;
  }
  return 'a test';
}

/** Private memory in a message to another thread: it is copied. */
function findPrivate(value: unknown, depth = 5): unknown[] {
  const bytes = viewBytes(value);
  if (bytes) return bytes.buffer instanceof Shared ? [] : [bytes];
  if (depth === 0 || typeof value !== 'object' || value === null) return [];
  return Object.values(value).flatMap((inner) => findPrivate(inner, depth - 1));
}

const given: Copied = (_, [source]) => source;
const itself: Copied = (self) => self;
const made: Copied = (_self, _args, result) => result;
/** Bytes made of other bytes or of a text; a view of a buffer copies nothing. */
const madeOf: Copied = (_, [source], result) =>
  source instanceof ArrayBuffer || source instanceof Shared ? undefined : result;
const range =
  (from: number, to: number): Copied =>
  (self, args) =>
    (self as Uint8Array).subarray(args[from] as number | undefined, args[to] as number | undefined);

export class CopyMeter {
  readonly #leastBytes: number;
  readonly #allocatedBytes: number;
  readonly #copied: Note[] = [];
  readonly #allocated: Note[] = [];
  /** Single words that were read, as range checks do. */
  readonly #words: unknown[] = [];
  readonly #restore: (() => void)[] = [];

  /** Copies of at least `leastBytes` and allocations of at least `allocatedBytes` are noted. */
  constructor(leastBytes: number, allocatedBytes: number) {
    this.#leastBytes = leastBytes;
    this.#allocatedBytes = allocatedBytes;
  }

  start(): void {
    const buffers = Buffer.prototype as unknown as object;
    this.#copies(Buffer, 'concat', made);
    this.#copies(Buffer, 'from', madeOf);
    this.#copies(Buffer, 'copyBytesFrom', made);
    this.#copies(buffers, 'copy', range(2, 3));
    this.#copies(buffers, 'toString', range(1, 2));
    this.#copies(buffers, 'write', itself);
    this.#copies(Typed, 'from', made);
    this.#copies(Typed.prototype, 'set', given);
    this.#copies(Typed.prototype, 'slice', made);
    this.#copies(Typed.prototype, 'copyWithin', itself);
    for (const { prototype } of [ArrayBuffer, SharedArrayBuffer]) this.#copies(prototype, 'slice', made);
    this.#copies(globalThis, 'structuredClone', (_, [value]) => findPrivate(value));
    this.#copies(MessagePort.prototype, 'postMessage', (_, [value]) => findPrivate(value));
    this.#wrap(DataView.prototype, 'getUint32', (_self, _args, word) => this.#words.push(word));
    for (const name of ['alloc', 'allocUnsafe', 'allocUnsafeSlow']) this.#allocates(Buffer, name);
    for (const name of ['ArrayBuffer', 'SharedArrayBuffer', 'Uint8Array', 'Uint16Array', 'Uint32Array', 'DataView'])
      this.#constructs(name);
  }

  stop(): void {
    for (const restore of this.#restore.splice(0).reverse()) restore();
  }

  /** Number of times that each file has copied the elements of a batch: 1 if it has copied each of them once. */
  copies(batch: Uint8Array, elementBytes: number): Record<string, number> {
    return countIn(this.#copied, batch, elementBytes);
  }

  /** Number of range checks of a batch's elements: reads of the top word of an element, in the memory of the batch or of a copy. */
  checks(batch: Uint8Array, elementBytes: number): number {
    const tops = new Map<number, number>();
    const view = new DataView(batch.buffer, batch.byteOffset, batch.byteLength);
    for (let at = elementBytes - 4; at < batch.length; at += elementBytes) tops.set(view.getUint32(at, true), 0);
    for (const word of this.#words as number[]) {
      const times = tops.get(word);
      if (times !== undefined) tops.set(word, times + 1);
    }
    return [...tops.values()].reduce((sum, times) => sum + times, 0) / (batch.length / elementBytes);
  }

  /** Number of times that each file's allocations hold the elements of a batch now. */
  allocations(batch: Uint8Array, elementBytes: number): Record<string, number> {
    return countIn(this.#allocated, batch, elementBytes);
  }

  #copies(owner: object, name: string, copied: Copied): void {
    this.#wrap(owner, name, (self, args, result) => {
      const found = copied(self, args, result);
      for (const piece of Array.isArray(found) ? found : [found]) this.#noteCopy(piece);
    });
  }

  #allocates(owner: object, name: string): void {
    this.#wrap(owner, name, (_self, _args, result) => this.#noteAllocation(result));
  }

  #wrap(
    owner: object,
    name: string,
    note: (self: unknown, args: readonly unknown[], result: unknown) => unknown,
  ): void {
    const own = Object.getOwnPropertyDescriptor(owner, name);
    const real = Reflect.get(owner, name) as Call;
    const wrapped: Call = function (this: unknown, ...args) {
      const result = Reflect.apply(real, this, args);
      note(this, args, result);
      return result;
    };
    Object.defineProperty(owner, name, { value: wrapped, configurable: true, writable: true });
    this.#restore.push(() => {
      if (own) Object.defineProperty(owner, name, own);
      else Reflect.deleteProperty(owner, name);
    });
  }

  /** A constructor copies if its argument is bytes, and allocates if it is a length. */
  #constructs(name: string): void {
    const real = Reflect.get(globalThis, name) as Constructor;
    const wrapped: Constructor = new Proxy(real, {
      construct: (target, args: unknown[], newTarget) => {
        const result = Reflect.construct(target, args, newTarget === wrapped ? target : newTarget) as object;
        const [first] = args;
        if (typeof first === 'number') this.#noteAllocation(result);
        else if (!(first instanceof ArrayBuffer || first instanceof Shared)) this.#noteCopy(result);
        return result;
      },
    });
    Reflect.set(globalThis, name, wrapped);
    this.#restore.push(() => Reflect.set(globalThis, name, real));
  }

  #noteCopy(piece: unknown): void {
    const bytes = viewBytes(piece);
    if (bytes && bytes.length >= this.#leastBytes) this.#copied.push({ by: findCaller(), bytes: slice.call(bytes) });
  }

  #noteAllocation(result: unknown): void {
    const bytes = viewBytes(result);
    if (bytes && bytes.length >= this.#allocatedBytes) this.#allocated.push({ by: findCaller(), bytes });
  }
}

function countIn(notes: readonly Note[], batch: Uint8Array, elementBytes: number): Record<string, number> {
  const elements = new Map<number, Uint8Array>();
  const firstWord = (bytes: Uint8Array, at: number) =>
    new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength).getUint32(at, true);
  for (let at = 0; at < batch.length; at += elementBytes) {
    elements.set(firstWord(batch, at), batch.subarray(at, at + elementBytes));
  }
  const counts: Record<string, number> = {};
  for (const { by, bytes } of notes) {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    for (let at = 0; at + elementBytes <= bytes.length; ) {
      const element = elements.get(view.getUint32(at, true));
      const isThere = element && Buffer.compare(element, bytes.subarray(at, at + elementBytes)) === 0;
      if (isThere) counts[by] = (counts[by] ?? 0) + 1;
      at += isThere ? elementBytes : 1;
    }
  }
  return Object.fromEntries(Object.entries(counts).map(([by, count]) => [by, (count * elementBytes) / batch.length]));
}
