// Calls the native library directly, like a C caller: raw functions with numbers for pointers, groups over any modulus, and
// structured numbers on which carries are likely to be wrong.
import { fileURLToPath } from 'node:url';
import koffi from 'koffi';
import type { Rng } from '../../src/base/rng.js';
import { randomBytes } from '../../src/base/rng.js';
import { type NativePath, native } from '../../src/engine/kernels/native/library.js';
import { toAddress } from '../../src/engine/kernels/openssl/library.js';
import { bigintToBytes, bytesToBigint } from '../../src/math/batch.js';
import type { Group } from '../../src/math/group.js';

const LIBRARY = fileURLToPath(new URL('../../build/native/libmillrace_cpu.so', import.meta.url));

/** Paths available on this machine; empty if the library is not built. */
export function nativePaths(): readonly NativePath[] {
  try {
    return native().devices as readonly NativePath[];
  } catch {
    return [];
  }
}

/** A group over any odd modulus. The name only satisfies the type. */
export const groupOver = (p: bigint): Group => {
  const bits = p.toString(2).length;
  return { name: 'TEST-64', bits, elementBytes: bits / 8, p, q: (p - 1n) / 2n, g: 2n };
};

export const shared = (bytes: Uint8Array | number): Uint8Array => {
  const out = new Uint8Array(new SharedArrayBuffer(typeof bytes === 'number' ? bytes : bytes.length));
  if (typeof bytes !== 'number') out.set(bytes);
  return out;
};

export const at = (bytes: Uint8Array): number => (bytes.length === 0 ? 0 : toAddress(bytes));

/** Numbers as flat little-endian memory of `length` bytes each. */
export function flat(values: readonly bigint[], length: number): Uint8Array {
  const out = shared(values.length * length);
  for (const [i, value] of values.entries()) out.set(bigintToBytes(value, length), i * length);
  return out;
}

export const numbers = (bytes: Uint8Array, length: number): bigint[] =>
  Array.from({ length: bytes.length / length }, (_, i) => bytesToBigint(bytes.subarray(i * length, (i + 1) * length)));

/** A number of [1, bound], close enough to uniform for tests. */
export function randomUpTo(rng: Rng, bound: bigint): bigint {
  const bytes = Math.ceil(bound.toString(16).length / 2) + 8;
  return 1n + (bytesToBigint(randomBytes(rng, bytes)) % bound);
}

/** Numbers of 1..q on which errors of carries, borrows and the choice of min(x, p − x) show first. */
export function structured({ p, q, bits }: Group): bigint[] {
  const values = [1n, 2n, 3n, q, q - 1n, q - 2n, q / 2n, q / 2n + 1n, q / 3n, p / 4n];
  for (const radix of [52, 64]) {
    for (let bit = radix; bit < bits; bit += radix * Math.ceil(bits / radix / 12)) {
      // One limb of ones, a run of ones up to here, the bits next to a limb's edge.
      values.push(1n << BigInt(bit), (1n << BigInt(bit)) - 1n, (1n << BigInt(bit)) + 1n);
      values.push(
        ((1n << BigInt(radix)) - 1n) << BigInt(bit - radix),
        q - (1n << BigInt(bit)),
        q ^ (1n << BigInt(bit - 1)),
      );
    }
  }
  const ones = (1n << BigInt(bits)) - 1n;
  // All limbs equal: alternating bits, top bits, lowest bits.
  for (const radix of [52n, 64n])
    values.push(ones / ((1n << radix) - 1n), (ones / ((1n << radix) - 1n)) << (radix - 1n));
  values.push(ones / 3n, ones / 5n, ones / 7n, ones >> 2n);
  return values.filter((value) => value >= 1n && value <= q);
}

type Raw = (...args: number[]) => number;

/** The library's functions for invalid calls: every argument is a number. */
export function rawLibrary() {
  const loaded = koffi.load(LIBRARY);
  const create = loaded.func('int32_t millrace_group_create(uint32_t, uint64_t, uint32_t, uint64_t)') as Raw;
  const deviceName = loaded.func('int32_t millrace_device_name(uint32_t, uint64_t, size_t)') as Raw;
  return { create, deviceName };
}

/** The operations of one path on one group, on numbers. */
export function operationsOf(path: NativePath, group: Group) {
  const { library, create, devices, statusMessage } = native();
  const g = create(devices.indexOf(path), group);
  const { elementBytes } = group;
  const check = (status: number) => {
    if (status !== 0) throw new Error(statusMessage(status));
  };
  const result = (count: number, compute: (out: number) => number): bigint[] => {
    // A guard on both sides detects writes outside of the result.
    const out = shared((count + 2) * elementBytes).fill(0xa5);
    check(compute(at(out) + elementBytes));
    const [before, after] = [out.subarray(0, elementBytes), out.subarray((count + 1) * elementBytes)];
    if (![...before, ...after].every((byte) => byte === 0xa5)) throw new Error('written outside of the result');
    return numbers(out.subarray(elementBytes, (count + 1) * elementBytes), elementBytes);
  };
  const put = (values: readonly bigint[]) => at(keep(flat(values, elementBytes)));
  // Keeps memory alive: addresses do not.
  const kept: Uint8Array[] = [];
  const keep = (bytes: Uint8Array) => {
    kept.push(bytes);
    return bytes;
  };
  return {
    group,
    handle: g,
    mul: (a: readonly bigint[], b: readonly bigint[]) =>
      result(a.length, (out) => library.millrace_mul(g, out, put(a), put(b), 0, a.length)),
    mulPrepared(a: readonly bigint[], b: readonly bigint[]) {
      const operand = keep(shared(b.length * elementBytes));
      check(library.millrace_prepare(g, at(operand), put(b), b.length));
      return result(a.length, (out) => library.millrace_mul(g, out, put(a), at(operand), 1, a.length));
    },
    mulChain(a: readonly bigint[], b: readonly bigint[], times: number) {
      const operand = keep(shared(b.length * elementBytes));
      check(library.millrace_prepare(g, at(operand), put(b), b.length));
      return result(a.length, (out) => library.millrace_mul_chain(g, out, put(a), at(operand), times, a.length));
    },
    /** Slots `from` to `to`; the others are not changed, all 0xa5. */
    mulGather(
      a: readonly bigint[],
      source: Uint32Array,
      b: readonly bigint[],
      width: number,
      from: number,
      to: number,
    ) {
      const indices = keep(shared(new Uint8Array(source.buffer)));
      const [x, y] = [put(a), put(b)];
      return result(b.length, (out) => library.millrace_mul_gather(g, out, x, at(indices), y, 0, width, from, to));
    },
    pow: (bases: readonly bigint[], exponents: readonly bigint[], bytes: number) =>
      result(bases.length, (out) =>
        library.millrace_pow(g, out, put(bases), at(keep(flat(exponents, bytes))), bytes, bases.length),
      ),
    powShared: (bases: readonly bigint[], exponents: readonly bigint[], bytes: number) =>
      result(bases.length * exponents.length, (out) => {
        const flatExponents = at(keep(flat(exponents, bytes)));
        return library.millrace_pow_shared(g, out, put(bases), flatExponents, bytes, exponents.length, bases.length);
      }),
    powFixed(base: bigint, exponents: readonly bigint[], bytes: number, digitBits: number) {
      const table = keep(shared(Number(library.millrace_table_bytes(g, bytes, digitBits)) + 64).fill(0x5a));
      check(library.millrace_table_fill(g, at(table), put([base]), bytes, digitBits));
      if (!table.subarray(-64).every((byte) => byte === 0x5a)) throw new Error('written beyond the table');
      return result(exponents.length, (out) => {
        const flatExponents = at(keep(flat(exponents, bytes)));
        return library.millrace_pow_fixed(g, out, at(table), flatExponents, bytes, digitBits, exponents.length);
      });
    },
    invert: (a: readonly bigint[], blinding: bigint) =>
      result(a.length, (out) => library.millrace_invert(g, out, put(a), put([blinding]), a.length)),
    product: (a: readonly bigint[], width: number) =>
      result(width, (out) => library.millrace_product(g, out, put(a), width, a.length / width)),
    multiExp: (bases: readonly bigint[], exponents: readonly bigint[], bytes: number) =>
      result(1, (out) =>
        library.millrace_multi_exp(g, out, put(bases), at(keep(flat(exponents, bytes))), bytes, bases.length),
      ),
    free() {
      library.millrace_group_destroy(g);
      kept.length = 0;
    },
  };
}

export type Operations = ReturnType<typeof operationsOf>;
