// The libraries behind kernels/api.h, reached through koffi: the CPU library, built from native/ if there is a compiler, and the
// CUDA library (cuda/library.ts). Pointers are passed as plain numbers, as in openssl/library.ts.
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import koffi from 'koffi';
import { bigintToBytes, type Group } from '../../../math/index.js';
import { ENTRIES, type EntryName, type EntryOf } from '../../operations.js';
import { type Address, toAddress } from '../openssl/library.js';
import { writePrototype } from './abi.js';

/** Output of scripts/native.mjs; the relative path is right from src/engine and dist/engine alike. */
const LIBRARY = fileURLToPath(new URL('../../../../build/native/libmillrace_cpu.so', import.meta.url));
const ABI_VERSION = 2;

/** Paths of the CPU library: eight lanes on AVX-512 IFMA, or 64-bit words on any machine. */
export type NativePath = 'ifma' | 'portable';

/** Functions that belong to no operation: their arguments after the group, in the words of abi.ts. */
const OTHERS = [
  ['millrace_mul_chain', 'out', 'a', 'b', 'times', 'units'],
  ['millrace_table_fill', 'table', 'base', 'exponentBytes', 'digitBits'],
  ['millrace_keep_prepared', 'a', 'units', 'resident'],
  ['millrace_keep_table', 'base', 'exponentBytes', 'digitBits', 'resident'],
] as const;
/** The only one that returns a size. */
const TABLE_BYTES = ['millrace_table_bytes', 'exponentBytes', 'digitBits'] as const;

/** Functions whose first argument is a group. */
type GroupFunction = (typeof OTHERS)[number] | typeof TABLE_BYTES | FunctionOf<EntryName>;
type FunctionOf<O extends EntryName> = O extends EntryName
  ? NonNullable<EntryOf<O>['native']> | (EntryOf<O> extends { resident?: infer F } ? NonNullable<F> : never)
  : never;
type ArgumentsOf<F> = F extends readonly [string, ...infer Words] ? { [I in keyof Words]: number } : never;

/** The functions of kernels/api.h that engines call. Each returns a status, 0 for success, or a size. */
export type NativeLibrary = {
  [N in GroupFunction[0]]: (
    group: Address,
    ...args: ArgumentsOf<Extract<GroupFunction, readonly [N, ...(readonly string[])]>>
  ) => number;
} & {
  millrace_kept_release(resident: Address): void;
  millrace_group_destroy(group: Address): void;
};

/** Prototypes by name. */
function prototypes(): Record<string, string> {
  const ofOperations = ENTRIES.flatMap(({ native, resident }) => [native, resident]).filter((one) => one !== undefined);
  return {
    ...Object.fromEntries([...OTHERS, ...ofOperations].map((one) => [one[0], writePrototype(one)])),
    millrace_table_bytes: writePrototype(TABLE_BYTES, 'size_t'),
    millrace_kept_release: 'void millrace_kept_release(uint64_t)',
    millrace_group_destroy: 'void millrace_group_destroy(uint64_t)',
  };
}

export interface NativeBinding {
  readonly library: NativeLibrary;
  /** Names of the library's devices: CPU paths, or cards. */
  readonly devices: readonly string[];
  statusMessage(status: number): string;
  /** Reason why there is no device, or the last failure on one in this thread; empty if there is none. */
  deviceError(): string;
  /** Calls a function by name; `args`: those after the group. */
  call(name: string, group: Address, args: readonly number[]): number;
  create(device: number, group: Group): Address;
}

const bound = new Map<string, NativeBinding>();

/** Loads the CPU library. @throws Error that says what is missing and how to fix it */
export function native(): NativeBinding {
  return bindLibrary(LIBRARY, 'the native library is not built: install a C++ compiler (g++) and run `npm run build`');
}

/** Loads a library behind kernels/api.h, once. @throws Error `missing` if the file does not exist */
export function bindLibrary(file: string, missing: string): NativeBinding {
  const known = bound.get(file);
  if (known) return known;
  if (!existsSync(file)) throw new Error(missing);
  const loaded = koffi.load(file);
  const abi = loaded.func('uint32_t millrace_abi_version()')() as number;
  if (abi !== ABI_VERSION) throw new Error(`${file} has ABI ${abi}, not ${ABI_VERSION}: build it again`);
  const functions: Record<string, (...args: number[]) => number> = Object.fromEntries(
    Object.entries(prototypes()).map(([name, prototype]) => [name, loaded.func(prototype)]),
  );
  const statusMessage = loaded.func('const char *millrace_status_message(int32_t)') as (status: number) => string;
  const createGroup = loaded.func('int32_t millrace_group_create(uint32_t, uint64_t, uint32_t, uint64_t)') as (
    device: number,
    modulus: Address,
    bits: number,
    result: Address,
  ) => number;
  const binding: NativeBinding = {
    library: functions as unknown as NativeLibrary,
    devices: listDevices(loaded),
    statusMessage,
    deviceError: readText(loaded.func('int32_t millrace_device_error(uint64_t, size_t)'), 512),
    call(name, group, args) {
      const called = functions[name];
      if (!called) throw new Error(`kernels/api.h has no ${name}`);
      return called(group, ...args);
    },
    create(device, group) {
      const modulus = new Uint8Array(new SharedArrayBuffer(group.elementBytes + 8));
      modulus.set(bigintToBytes(group.p, group.elementBytes), 8);
      const at = toAddress(modulus);
      const status = createGroup(device, at + 8, group.bits, at);
      if (status !== 0) throw new Error(`millrace_group_create: ${statusMessage(status)}`);
      return Number(new DataView(modulus.buffer).getBigUint64(0, true));
    },
  };
  bound.set(file, binding);
  return binding;
}

/** Turns a C function that writes text to a buffer into one that returns it. */
function readText(write: (at: Address, length: number) => number, length: number): () => string {
  return () => {
    const text = new Uint8Array(new SharedArrayBuffer(length));
    write(toAddress(text), text.length);
    return Buffer.from(text.subarray(0, text.indexOf(0))).toString('utf8');
  };
}

function listDevices(loaded: ReturnType<typeof koffi.load>): string[] {
  const count = loaded.func('uint32_t millrace_device_count()')() as number;
  const readName = loaded.func('int32_t millrace_device_name(uint32_t, uint64_t, size_t)');
  return Array.from({ length: count }, (_, device) => readText((at, length) => readName(device, at, length), 256)());
}
