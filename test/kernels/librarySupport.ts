// Calls the library of kernels/api.h like a C caller, for tests: every function that the header declares, arguments and addresses
// as numbers, and operations on BigInt with guards around every result.
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import koffi from 'koffi';
import { toAddress } from '../../src/engine/kernels/openssl/library.js';
import { bigintToBytes, bytesToBigint } from '../../src/math/batch.js';
import type { Group } from '../../src/math/group.js';

export const root = fileURLToPath(new URL('../..', import.meta.url));
export const OK = 0;
export const INVALID_ARGUMENT = 1;
export const UNSUPPORTED = 2;
export const OUT_OF_MEMORY = 3;
export const NOT_INVERTIBLE = 4;
export const DEVICE = 5;

type Call = (...args: (number | bigint)[]) => number;

/** Names and koffi prototypes of what a header declares; pointers are numbers. */
export function declaredIn(header: string): Map<string, string> {
  const text = readFileSync(`${root}/${header}`, 'utf8').replaceAll(/\/\*[\s\S]*?\*\//g, '');
  const found = new Map<string, string>();
  for (const [, result = '', name = '', list = ''] of text.matchAll(
    /^([a-z][\w ]*[ *]+)(millrace_\w+)\(([^)]*)\);/gm,
  )) {
    const types = list.split(',').map((argument) => {
      const type = argument.replaceAll('const', '').trim();
      return type.includes('*') ? 'uint64_t' : (type.split(' ')[0] ?? '');
    });
    const kind = result.includes('*') ? 'const char *' : result.trim();
    found.set(name, `${kind} ${name}(${types.join(', ').replace(/^void$/, '')})`);
  }
  return found;
}

export const shared = (length: number): Uint8Array => new Uint8Array(new SharedArrayBuffer(length));
export const at = (bytes: Uint8Array): number => (bytes.length === 0 ? 0 : toAddress(bytes));

export function flat(values: readonly bigint[], length: number): Uint8Array {
  const out = shared(values.length * length);
  for (const [i, value] of values.entries()) out.set(bigintToBytes(value, length), i * length);
  return out;
}

export const indices = (values: readonly number[]): Uint8Array => {
  const out = shared(values.length * 4);
  new Uint32Array(out.buffer).set(values);
  return out;
};

/** Every function of the headers, as the library at `path` exports them. */
export function loadLibrary(path: string, headers: readonly string[] = ['kernels/api.h']) {
  const loaded = koffi.load(path);
  const declared = headers.flatMap((header) => [...declaredIn(header)]);
  const functions = new Map(declared.map(([name, prototype]) => [name, loaded.func(prototype) as unknown as Call]));
  const call = (name: string, ...args: (number | bigint)[]): number => {
    const found = functions.get(`millrace_${name}`);
    if (!found) throw new Error(`no function ${name}`);
    return Number(found(...args));
  };
  /** Text that a function writes to its last two arguments. */
  const text = (name: string, ...args: number[]): string => {
    const out = shared(512);
    const status = call(name, ...args, at(out), out.length);
    if (status !== OK) throw new Error(`${name}: status ${status}`);
    return Buffer.from(out.subarray(0, out.indexOf(0))).toString('utf8');
  };
  /** The handle that a function writes to its last argument, with its status. */
  const handle = (name: string, ...args: number[]): { status: number; address: number } => {
    const out = shared(8);
    const status = call(name, ...args, at(out));
    return { status, address: Number(new DataView(out.buffer).getBigUint64(0, true)) };
  };
  return { names: [...functions.keys()], call, text, handle };
}

export type Library = ReturnType<typeof loadLibrary>;

/** The status and text of a refused call. */
export class Status extends Error {
  readonly status: number;
  readonly reason: string;
  constructor(status: number, reason: string) {
    super(`status ${status}: ${reason}`);
    this.status = status;
    this.reason = reason;
  }
}

/** The operations on a group of one device, on numbers. */
export function operationsOn({ call, text, handle }: Library, device: number, group: Group) {
  const bytes = group.elementBytes;
  const check = (status: number) => {
    if (status !== OK) throw new Status(status, text('device_error'));
  };
  const made = (result: { status: number; address: number }) => {
    check(result.status);
    return result.address;
  };
  // Keeps memory alive: addresses do not.
  const alive: Uint8Array[] = [];
  const hold = (memory: Uint8Array): number => {
    alive.push(memory);
    return at(memory);
  };
  const put = (values: readonly bigint[]) => hold(flat(values, bytes));
  const g = made(handle('group_create', device, put([group.p]), group.bits));
  /** The result that `compute` writes to memory with a guard on both sides. */
  const result = (count: number, compute: (out: number) => number): bigint[] => {
    const out = shared((count + 2) * bytes).fill(0xa5);
    try {
      check(compute(at(out) + bytes));
    } finally {
      alive.length = 0;
    }
    const [before, after] = [out.subarray(0, bytes), out.subarray((count + 1) * bytes)];
    if (![...before, ...after].every((byte) => byte === 0xa5)) throw new Error('written outside of the result');
    return Array.from({ length: count }, (_, i) => bytesToBigint(out.subarray((i + 1) * bytes, (i + 2) * bytes)));
  };
  type Batch = readonly bigint[];
  return {
    handle: g,
    prepare: (a: Batch) => result(a.length, (out) => call('prepare', g, out, put(a), a.length)),
    mul: (a: Batch, b: Batch, prepared = 0) =>
      result(a.length, (out) => call('mul', g, out, put(a), put(b), prepared, a.length)),
    mulChain: (a: Batch, b: Batch, times: number) =>
      result(a.length, (out) => call('mul_chain', g, out, put(a), put(b), times, a.length)),
    /** Slots outside of `from` to `to` are not changed. */
    mulGather: (
      a: Batch,
      source: readonly number[],
      b: Batch,
      prepared: number,
      width: number,
      from: number,
      to: number,
    ) =>
      result(b.length, (out) =>
        call('mul_gather', g, out, put(a), hold(indices(source)), put(b), prepared, width, from, to),
      ),
    pow: (bases: Batch, exponents: Batch, length: number) =>
      result(bases.length, (out) =>
        call('pow', g, out, put(bases), hold(flat(exponents, length)), length, bases.length),
      ),
    powShared: (bases: Batch, exponents: Batch, length: number) =>
      result(bases.length * exponents.length, (out) =>
        call('pow_shared', g, out, put(bases), hold(flat(exponents, length)), length, exponents.length, bases.length),
      ),
    invert: (a: Batch, blinding: bigint) =>
      result(a.length, (out) => call('invert', g, out, put(a), put([blinding]), a.length)),
    product: (a: Batch, width: number) =>
      result(width, (out) => call('product', g, out, put(a), width, a.length / width)),
    multiExp: (bases: Batch, exponents: Batch, length: number) =>
      result(1, (out) => call('multi_exp', g, out, put(bases), hold(flat(exponents, length)), length, bases.length)),
    makeResidentOperand: (a: Batch) => made(handle('keep_prepared', g, put(a), a.length)),
    makeResidentTable: (base: bigint, length: number, digitBits: number) =>
      made(handle('keep_table', g, put([base]), length, digitBits)),
    release: (resident: number) => call('kept_release', resident),
    mulResident: (a: Batch, resident: number, first: number) =>
      result(a.length, (out) => call('mul_kept', g, out, put(a), resident, first, a.length)),
    mulGatherResident: (
      a: Batch,
      source: readonly number[],
      resident: number,
      first: number,
      width: number,
      from: number,
      to: number,
    ) =>
      result(a.length, (out) =>
        call('mul_gather_kept', g, out, put(a), hold(indices(source)), resident, first, width, source.length, from, to),
      ),
    powFixedResident: (resident: number, exponents: Batch, length: number) =>
      result(exponents.length, (out) =>
        call('pow_fixed_kept', g, out, resident, hold(flat(exponents, length)), exponents.length),
      ),
    destroy: () => call('group_destroy', g),
  };
}
