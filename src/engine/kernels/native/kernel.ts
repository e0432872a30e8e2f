// The native kernel: passes chunks to the C library, which computes in place on the shared batches. A chunk becomes a call, a
// function's name and numbers, on the main thread: numbers reach a worker in a third of the time of views of shared memory.
// Constant-time in exponents and elements except as kernels/api.h says: the reads of mulGather, and multiExp, which is for public
// values.
import { randomFillSync } from 'node:crypto';
import type { Group } from '../../../math/index.js';
import { makeRequest } from '../../checked/request.js';
import { type EntryName, findEntry, type NativeFunction } from '../../operations.js';
import type { Kernel, NativeCall, Work, WorkOf } from '../../pool/job.js';
import { type Address, toAddress } from '../openssl/library.js';
import { nativeCall } from './abi.js';
import { type NativeBinding, type NativePath, native } from './library.js';

/** A table begins with its layout (digit bits, exponent bytes: 32-bit words), padded to a cache line. */
const HEADER_BYTES = 64;
/**
 * Digits of 5 bits cost 1.3 ms of filling and 26 µs a power at 4096 bits and 256-bit exponents, digits of 4 bits 0.95 ms and 28
 * µs: below this many powers the smaller table is faster. With 6 bits, reading the table costs as much as it saves.
 */
const WIDE_DIGITS_POWERS_MIN = 140;
/** A larger table would exceed the caches of a single core: then narrower digits are faster, too. */
const TABLE_BYTES_MAX = 2 * 1024 * 1024;

/** Allocates a table of one base, for `powers` uses; if not given, for many. */
export function nativeTable(path: NativePath, group: Group, exponentBytes: number, powers = Infinity): Uint8Array {
  const { library, create, devices } = native();
  const handle = create(devices.indexOf(path), group);
  try {
    const tableBytes = (bits: number) => Number(library.millrace_table_bytes(handle, exponentBytes, bits));
    const wide = powers >= WIDE_DIGITS_POWERS_MIN && tableBytes(5) <= TABLE_BYTES_MAX;
    const digitBits = wide ? 5 : 4;
    const table = new Uint8Array(new SharedArrayBuffer(HEADER_BYTES + tableBytes(digitBits)));
    new Uint32Array(table.buffer, 0, 2).set([digitBits, exponentBytes]);
    return table;
  } finally {
    library.millrace_group_destroy(handle);
  }
}

/** Reads the layout of a table. */
function readLayout(table: Uint8Array): { readonly digitBits: number; readonly exponentBytes: number } {
  const [digitBits, exponentBytes] = new Uint32Array(table.buffer, table.byteOffset, 2);
  return { digitBits: digitBits!, exponentBytes: exponentBytes! };
}

/** True if a table is long enough for exponents of this length. */
export const nativeTableCovers = (table: Uint8Array, exponentBytes: number): boolean =>
  readLayout(table).exponentBytes >= exponentBytes;

/** A call, and the buffers that must stay alive until it has ended: addresses keep nothing alive. */
interface PinnedCall {
  readonly call: NativeCall;
  readonly keep: readonly unknown[];
}

/** Makes the call that computes a chunk. */
export function makeCall(group: Group, work: Work): PinnedCall {
  switch (work.op) {
    case 'table': {
      const { digitBits, exponentBytes } = readLayout(work.table);
      const args = [toAddress(work.table) + HEADER_BYTES, toAddress(work.base), exponentBytes, digitBits];
      return { call: { op: 'native', name: 'millrace_table_fill', args }, keep: [work] };
    }
    case 'powFixed': {
      if (!work.table) return repeatedBase(group, work);
      const { digitBits } = readLayout(work.table);
      const table = { table: toAddress(work.table) + HEADER_BYTES, digitBits };
      return { call: nativeCall(group, findFunction('powFixed'), work, table), keep: [work] };
    }
    case 'window':
    case 'horner':
      throw new Error(`${work.op} is not how this kernel computes`);
    default:
      return { call: nativeCall(group, findFunction(work.op), work), keep: [work] };
  }
}

function findFunction(op: EntryName): NativeFunction {
  const { native: computing } = findEntry(op);
  if (!computing) throw new Error(`the native library has no ${op}`);
  return computing;
}

/** Without a table: repeats the base, and calls the generic power. */
function repeatedBase(group: Group, work: WorkOf<'powFixed'>): PinnedCall {
  const { operands, out, exponentBytes } = work;
  const bases = new Uint8Array(new SharedArrayBuffer(out.length));
  for (let offset = 0; offset < bases.length; offset += group.elementBytes) bases.set(operands.base, offset);
  const power = makeRequest('pow', { bases, exponents: operands.exponents }, out, { exponentBytes });
  return { call: nativeCall(group, findFunction('pow'), power), keep: [work, bases] };
}

export class NativeKernel implements Kernel {
  readonly #group: Group;
  readonly #handle: Address;
  readonly #binding: NativeBinding;

  constructor(group: Group, binding: NativeBinding, device: number) {
    this.#group = group;
    this.#binding = binding;
    this.#handle = binding.create(device, group);
  }

  run(work: Work | NativeCall): void {
    if (work.op !== 'native') throw new Error(`${work.op}: this kernel computes native calls only`);
    const { name, args } = work;
    const { library, call, statusMessage, deviceError } = this.#binding;
    if (name === 'millrace_kept_release') {
      library.millrace_kept_release(args[0]!);
      return;
    }
    const status = name === 'millrace_invert' ? this.#invert(args) : call(name, this.#handle, args);
    if (status !== 0) throw new Error([`${name}: ${statusMessage(status)}`, deviceError()].filter(Boolean).join(': '));
  }

  dispose(): void {
    this.#binding.library.millrace_group_destroy(this.#handle);
  }

  /** Hides the product to be inverted by a fresh random element that no other thread sees. */
  #invert([out, a, , count]: readonly number[]): number {
    const element = this.#group.elementBytes;
    // In shared memory, because only that has an address.
    const blinding = new Uint8Array(new SharedArrayBuffer(element));
    const random = randomFillSync(new Uint8Array(element));
    random[element - 1]! &= 0x7f;
    if (random.every((byte) => byte === 0)) random[0] = 1;
    blinding.set(random);
    try {
      return this.#binding.library.millrace_invert(this.#handle, out!, a!, toAddress(blinding), count!);
    } finally {
      random.fill(0);
      blinding.fill(0);
    }
  }
}
