// The native kernel: hands chunks to the C library, which computes on the shared batches where they are. Constant-time in
// exponents and elements but for what kernels/api.h names: the reads of mulGather, and multiExp, which is for public values.
import { randomFillSync } from 'node:crypto';
import type { Group } from '../math/group.js';
import type { Kernel, Work, WorkOf } from './job.js';
import { type NativePath, native } from './nativeLibrary.js';
import { type Address, addressOf } from './opensslLibrary.js';

/** A table begins with how it is cut (digit bits, exponent bytes: 32-bit words), padded to a cache line. */
const HEADER_BYTES = 64;
/**
 * Digits of 5 bits cost 1.3 ms of filling and 26 µs a power at 4096 bits and 256-bit exponents, digits of 4 bits 0.95 ms and
 * 28 µs: below this many powers the smaller table is the faster one. Of 6 bits, reading the table costs what it saves.
 */
const WIDE_DIGITS_POWERS_MIN = 140;
/** A larger table would leave the caches that a core has to itself: then the narrower digits are the better ones, too. */
const TABLE_BYTES_MAX = 2 * 1024 * 1024;

/** Makes room for a table of one base, to be used `powers` times or, where that is not known, often. */
export function nativeTable(path: NativePath, group: Group, exponentBytes: number, powers = Infinity): Uint8Array {
  const { library, create } = native();
  const handle = create(path, group);
  try {
    const bytesOf = (bits: number) => Number(library.millrace_table_bytes(handle, exponentBytes, bits));
    const wide = powers >= WIDE_DIGITS_POWERS_MIN && bytesOf(5) <= TABLE_BYTES_MAX;
    const digitBits = wide ? 5 : 4;
    const table = new Uint8Array(new SharedArrayBuffer(HEADER_BYTES + bytesOf(digitBits)));
    new Uint32Array(table.buffer, 0, 2).set([digitBits, exponentBytes]);
    return table;
  } finally {
    library.millrace_group_destroy(handle);
  }
}

/** How a table is cut. */
function cutOf(table: Uint8Array): { readonly digitBits: number; readonly exponentBytes: number } {
  const [digitBits, exponentBytes] = new Uint32Array(table.buffer, table.byteOffset, 2);
  return { digitBits: digitBits!, exponentBytes: exponentBytes! };
}

/** True where a table is long enough for exponents of this length. */
export const nativeTableCovers = (table: Uint8Array, exponentBytes: number): boolean =>
  cutOf(table).exponentBytes >= exponentBytes;

export class NativeKernel implements Kernel {
  readonly #group: Group;
  readonly #handle: Address;
  readonly #binding = native();

  constructor(group: Group, path: NativePath) {
    this.#group = group;
    this.#handle = this.#binding.create(path, group);
  }

  run(work: Work): void {
    const status = this.#compute(work);
    if (status !== 0) throw new Error(`native ${work.op}: ${this.#binding.statusMessage(status)}`);
  }

  dispose(): void {
    this.#binding.library.millrace_group_destroy(this.#handle);
  }

  #compute(work: Work): number {
    const { library } = this.#binding;
    const g = this.#handle;
    const element = this.#group.elementBytes;
    const at = (batch: Uint8Array, index: number): Address => addressOf(batch) + index * element;
    switch (work.op) {
      case 'prepare':
        return library.millrace_prepare(g, at(work.out, work.from), at(work.a, work.from), work.to - work.from);
      case 'mul': {
        const { a, b, out, prepared, from, to } = work;
        return library.millrace_mul(g, at(out, from), at(a, from), at(b, from), prepared ? 1 : 0, to - from);
      }
      case 'mulGather': {
        const { a, source, b, prepared, width, out, from, to } = work;
        const indices = addressOf(new Uint8Array(source.buffer, source.byteOffset, source.byteLength));
        const flag = prepared ? 1 : 0;
        return library.millrace_mul_gather(g, at(out, 0), at(a, 0), indices, at(b, 0), flag, width, from, to);
      }
      case 'invertBatch':
        return this.#invert(work);
      case 'product': {
        const { a, width, out, from, to } = work;
        return library.millrace_product(g, at(out, 0), at(a, from * width), width, to - from);
      }
      case 'multiExp': {
        const { bases, exponents, exponentBytes, out, from, to } = work;
        const first = addressOf(exponents) + from * exponentBytes;
        return library.millrace_multi_exp(g, at(out, 0), at(bases, from), first, exponentBytes, to - from);
      }
      case 'window':
      case 'horner':
        throw new Error(`${work.op} is not how this kernel computes multi-exponentiations`);
      default:
        return this.#power(work);
    }
  }

  #power(work: WorkOf<'pow' | 'powShared' | 'powFixed' | 'table'>): number {
    const { library } = this.#binding;
    const g = this.#handle;
    const element = this.#group.elementBytes;
    if (work.op === 'table') {
      const { digitBits, exponentBytes } = cutOf(work.table);
      const rows = addressOf(work.table) + HEADER_BYTES;
      return library.millrace_table_fill(g, rows, addressOf(work.base), exponentBytes, digitBits);
    }
    const { exponents, exponentBytes, out, from, to } = work;
    const first = addressOf(exponents) + from * exponentBytes;
    const count = to - from;
    if (work.op === 'powShared') {
      const width = exponents.length / exponentBytes;
      const bases = addressOf(work.bases) + from * element;
      const target = addressOf(out) + from * width * element;
      return library.millrace_pow_shared(g, target, bases, addressOf(exponents), exponentBytes, width, count);
    }
    const target = addressOf(out) + from * element;
    if (work.op === 'pow') {
      return library.millrace_pow(g, target, addressOf(work.bases) + from * element, first, exponentBytes, count);
    }
    if (work.table) {
      const rows = addressOf(work.table) + HEADER_BYTES;
      return library.millrace_pow_fixed(g, target, rows, first, exponentBytes, cutOf(work.table).digitBits, count);
    }
    // One base for all: the base repeated is what the generic power takes.
    const bases = new Uint8Array(new SharedArrayBuffer(count * element));
    for (let i = 0; i < count; i++) bases.set(work.base, i * element);
    return library.millrace_pow(g, target, addressOf(bases), first, exponentBytes, count);
  }

  #invert({ a, out, from, to }: WorkOf<'invertBatch'>): number {
    const element = this.#group.elementBytes;
    // Hides the product that is inverted; private memory is refused by nothing here, but must have an address: shared.
    const blinding = new Uint8Array(new SharedArrayBuffer(element));
    const random = randomFillSync(new Uint8Array(element));
    random[element - 1]! &= 0x7f;
    if (random.every((byte) => byte === 0)) random[0] = 1;
    blinding.set(random);
    const offset = from * element;
    const [target, source] = [addressOf(out) + offset, addressOf(a) + offset];
    try {
      return this.#binding.library.millrace_invert(this.#handle, target, source, addressOf(blinding), to - from);
    } finally {
      random.fill(0);
      blinding.fill(0);
    }
  }
}
