// The libraries behind kernels/api.h, reached through koffi: the CPU library, built from native/ where there is a compiler, and
// the CUDA library (cuda/library.ts). Pointers travel as plain numbers, as in openssl/library.ts.
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import koffi from 'koffi';
import { bigintToBytes, type Group } from '../../../math/index.js';
import type { Address } from '../openssl/library.js';
import { addressOf } from '../openssl/library.js';

/** Where scripts/native.mjs puts it, from src/engine and dist/engine alike. */
const LIBRARY = fileURLToPath(new URL('../../../../build/native/libmillrace_cpu.so', import.meta.url));
const ABI_VERSION = 2;

/** Paths of the CPU library: eight lanes on AVX-512 IFMA, or 64-bit words on any machine. */
export type NativePath = 'ifma' | 'portable';

/** The functions of kernels/api.h that engines call. Each returns a status, 0 where it worked. */
export interface NativeLibrary {
  millrace_prepare(group: Address, out: Address, a: Address, count: number): number;
  millrace_mul(group: Address, out: Address, a: Address, b: Address, prepared: number, count: number): number;
  millrace_mul_chain(group: Address, out: Address, a: Address, b: Address, times: number, count: number): number;
  millrace_mul_gather(
    group: Address,
    out: Address,
    a: Address,
    source: Address,
    b: Address,
    prepared: number,
    width: number,
    from: number,
    to: number,
  ): number;
  millrace_pow(group: Address, out: Address, bases: Address, exponents: Address, bytes: number, count: number): number;
  millrace_pow_shared(
    group: Address,
    out: Address,
    bases: Address,
    exponents: Address,
    bytes: number,
    width: number,
    count: number,
  ): number;
  millrace_table_bytes(group: Address, exponentBytes: number, digitBits: number): number;
  millrace_table_fill(group: Address, table: Address, base: Address, exponentBytes: number, digitBits: number): number;
  millrace_pow_fixed(
    group: Address,
    out: Address,
    table: Address,
    exponents: Address,
    bytes: number,
    digitBits: number,
    count: number,
  ): number;
  millrace_invert(group: Address, out: Address, a: Address, blinding: Address, count: number): number;
  millrace_product(group: Address, out: Address, a: Address, width: number, slots: number): number;
  millrace_multi_exp(
    group: Address,
    out: Address,
    bases: Address,
    exponents: Address,
    bytes: number,
    count: number,
  ): number;
  millrace_keep_prepared(group: Address, a: Address, count: number, kept: Address): number;
  millrace_keep_table(group: Address, base: Address, bytes: number, digitBits: number, kept: Address): number;
  millrace_kept_release(kept: Address): void;
  millrace_mul_kept(group: Address, out: Address, a: Address, kept: Address, first: number, count: number): number;
  millrace_mul_gather_kept(
    group: Address,
    out: Address,
    a: Address,
    source: Address,
    kept: Address,
    first: number,
    width: number,
    slots: number,
    from: number,
    to: number,
  ): number;
  millrace_pow_fixed_kept(group: Address, out: Address, kept: Address, exponents: Address, count: number): number;
  millrace_group_destroy(group: Address): void;
}

const PROTOTYPES: Record<keyof NativeLibrary, string> = {
  millrace_prepare: 'int32_t millrace_prepare(uint64_t, uint64_t, uint64_t, size_t)',
  millrace_mul: 'int32_t millrace_mul(uint64_t, uint64_t, uint64_t, uint64_t, int32_t, size_t)',
  millrace_mul_chain: 'int32_t millrace_mul_chain(uint64_t, uint64_t, uint64_t, uint64_t, size_t, size_t)',
  millrace_mul_gather:
    'int32_t millrace_mul_gather(uint64_t, uint64_t, uint64_t, uint64_t, uint64_t, int32_t, size_t, size_t, size_t)',
  millrace_pow: 'int32_t millrace_pow(uint64_t, uint64_t, uint64_t, uint64_t, size_t, size_t)',
  millrace_pow_shared: 'int32_t millrace_pow_shared(uint64_t, uint64_t, uint64_t, uint64_t, size_t, size_t, size_t)',
  millrace_table_bytes: 'size_t millrace_table_bytes(uint64_t, size_t, uint32_t)',
  millrace_table_fill: 'int32_t millrace_table_fill(uint64_t, uint64_t, uint64_t, size_t, uint32_t)',
  millrace_pow_fixed: 'int32_t millrace_pow_fixed(uint64_t, uint64_t, uint64_t, uint64_t, size_t, uint32_t, size_t)',
  millrace_invert: 'int32_t millrace_invert(uint64_t, uint64_t, uint64_t, uint64_t, size_t)',
  millrace_product: 'int32_t millrace_product(uint64_t, uint64_t, uint64_t, size_t, size_t)',
  millrace_multi_exp: 'int32_t millrace_multi_exp(uint64_t, uint64_t, uint64_t, uint64_t, size_t, size_t)',
  millrace_keep_prepared: 'int32_t millrace_keep_prepared(uint64_t, uint64_t, size_t, uint64_t)',
  millrace_keep_table: 'int32_t millrace_keep_table(uint64_t, uint64_t, size_t, uint32_t, uint64_t)',
  millrace_kept_release: 'void millrace_kept_release(uint64_t)',
  millrace_mul_kept: 'int32_t millrace_mul_kept(uint64_t, uint64_t, uint64_t, uint64_t, size_t, size_t)',
  millrace_mul_gather_kept:
    'int32_t millrace_mul_gather_kept(uint64_t, uint64_t, uint64_t, uint64_t, uint64_t, size_t, size_t, size_t, size_t, size_t)',
  millrace_pow_fixed_kept: 'int32_t millrace_pow_fixed_kept(uint64_t, uint64_t, uint64_t, uint64_t, size_t)',
  millrace_group_destroy: 'void millrace_group_destroy(uint64_t)',
};

export interface NativeBinding {
  readonly library: NativeLibrary;
  /** Names of the library's devices: its paths on a CPU, cards. */
  readonly devices: readonly string[];
  statusMessage(status: number): string;
  /** Why there is no device, or what the last call of this thread that failed on one met; empty where there is nothing. */
  deviceError(): string;
  /** Calls a function by its name; `args` are those after the group. */
  call(name: GroupFunction, group: Address, args: readonly number[]): number;
  create(device: number, group: Group): Address;
}

/** Functions whose first argument is a group. */
type GroupFunction = Exclude<keyof NativeLibrary, 'millrace_group_destroy' | 'millrace_kept_release'>;

const bound = new Map<string, NativeBinding>();

/** Loads the CPU library. @throws Error that says what is missing and what to do about it */
export function native(): NativeBinding {
  return bindLibrary(LIBRARY, 'the native library is not built: install a C++ compiler (g++) and run `npm run build`');
}

/** Loads a library behind kernels/api.h, once. @throws Error `missing` where the file is not there */
export function bindLibrary(file: string, missing: string): NativeBinding {
  const known = bound.get(file);
  if (known) return known;
  if (!existsSync(file)) throw new Error(missing);
  const loaded = koffi.load(file);
  const abi = loaded.func('uint32_t millrace_abi_version()')() as number;
  if (abi !== ABI_VERSION) throw new Error(`${file} has ABI ${abi}, not ${ABI_VERSION}: build it again`);
  const library = Object.fromEntries(
    Object.entries(PROTOTYPES).map(([name, prototype]) => [name, loaded.func(prototype)]),
  ) as unknown as NativeLibrary;
  const statusMessage = loaded.func('const char *millrace_status_message(int32_t)') as (status: number) => string;
  const createGroup = loaded.func('int32_t millrace_group_create(uint32_t, uint64_t, uint32_t, uint64_t)') as (
    device: number,
    modulus: Address,
    bits: number,
    result: Address,
  ) => number;
  const binding: NativeBinding = {
    library,
    devices: devicesOf(loaded),
    statusMessage,
    deviceError: textOf(loaded.func('int32_t millrace_device_error(uint64_t, size_t)'), 512),
    call: (name, group, args) => (library[name] as (...all: number[]) => number)(group, ...args),
    create(device, group) {
      const modulus = new Uint8Array(new SharedArrayBuffer(group.elementBytes + 8));
      modulus.set(bigintToBytes(group.p, group.elementBytes), 8);
      const at = addressOf(modulus);
      const status = createGroup(device, at + 8, group.bits, at);
      if (status !== 0) throw new Error(`millrace_group_create: ${statusMessage(status)}`);
      return Number(new DataView(modulus.buffer).getBigUint64(0, true));
    },
  };
  bound.set(file, binding);
  return binding;
}

/** A function that writes text to where it is told, as one that gives it. */
function textOf(write: (at: Address, length: number) => number, length: number): () => string {
  return () => {
    const text = new Uint8Array(new SharedArrayBuffer(length));
    write(addressOf(text), text.length);
    return Buffer.from(text.subarray(0, text.indexOf(0))).toString('utf8');
  };
}

function devicesOf(loaded: ReturnType<typeof koffi.load>): string[] {
  const count = loaded.func('uint32_t millrace_device_count()')() as number;
  const nameOf = loaded.func('int32_t millrace_device_name(uint32_t, uint64_t, size_t)');
  return Array.from({ length: count }, (_, device) => textOf((at, length) => nameOf(device, at, length), 256)());
}
