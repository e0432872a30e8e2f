// The library for devices with their own memory, on host lanes instead of a card: every function of kernels/api.h against BigInt,
// in batches of one part, many parts, and parts cut smaller for lack of memory; operands and tables that stay on the device;
// invalid calls; and the library for cards, if it is built.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { operations } from '../../src/engine/operations.js';
import { power } from '../../src/math/arithmetic.js';
import { bytesToBigint } from '../../src/math/batch.js';
import { type Group, groupOfBits, namedGroup } from '../../src/math/group.js';
import { describeWith } from '../support/requires.js';
import { SeededRng } from '../support/seededRng.js';
import {
  at,
  declaredIn,
  flat,
  INVALID_ARGUMENT,
  type Library,
  loadLibrary,
  NOT_INVERTIBLE,
  OUT_OF_MEMORY,
  operationsOn,
  root,
  Status,
  shared,
  UNSUPPORTED,
} from './librarySupport.js';

interface Scripts {
  findCompiler(): string | undefined;
  buildCudaHost(root: string, compiler: string): Promise<string>;
  LIBRARY: string;
}
const script = async (name: string) =>
  (await import(new URL(`../../scripts/${name}.mjs`, import.meta.url).href)) as Scripts;
const { findCompiler } = await script('native');
const { buildCudaHost, LIBRARY } = await script('cuda');
const compiler = findCompiler();
const BUILD_MS = 300_000;

const rng = new SeededRng('library');
function random(bytes: number): bigint {
  const out = new Uint8Array(bytes);
  rng.fill(out);
  return bytesToBigint(out);
}
/** Elements of a group, including the edges. */
const elements = ({ q, elementBytes }: Group, count: number): bigint[] =>
  Array.from({ length: count }, (_, i) => [1n, q, q - 1n][i - 1] ?? 1n + (random(elementBytes + 8) % q));
const exponentsOf = (length: number, count: number): bigint[] =>
  Array.from({ length: count }, (_, i) => [0n, (1n << BigInt(8 * length)) - 1n, 1n][i - 1] ?? random(length));
const upTo = (count: number): number[] => Array.from({ length: count }, (_, i) => i);
const reversed = (count: number): number[] => upTo(count).reverse();
const statusOf = (compute: () => unknown): number => {
  try {
    compute();
    return 0;
  } catch (error) {
    if (error instanceof Status) return error.status;
    throw error;
  }
};

describeWith(compiler ? undefined : 'no C++ compiler', 'the device library on host lanes', () => {
  let library: Library;
  const group = namedGroup('MODP-2048');
  let on: ReturnType<typeof operationsOn>;
  beforeAll(async () => {
    const path = await buildCudaHost(root, compiler ?? '');
    library = loadLibrary(path, ['kernels/api.h', 'kernels/library/hostFaults.h']);
    on = operationsOn(library, 0, group);
  }, BUILD_MS);
  afterAll(() => {
    on?.destroy();
    // Everything allocated is wiped and freed with the last group.
    if (library) expect(['liveBytes', 'unwiped'].map((what) => countOf(what))).toEqual([0, 0]);
  });
  const countOf = (what: string): number => {
    const name = Buffer.from(`${what}\0`);
    const memory = shared(name.length);
    memory.set(name);
    return library.call('host_count', at(memory));
  };

  // A device of four warps: 32 lanes an instance below 8 numbers, 16 below 16, then 8, and parts of 16 numbers.
  it.each([0, 1, 7, 8, 15, 16, 17, 33, 70])('multiplies %d elements', (count) => {
    const [a, b] = [elements(group, count), elements(group, count)];
    const truth = operations.mul.reference(group, { a, b });
    expect(on.mul(a, b)).toEqual(truth);
    const prepared = on.prepare(b);
    expect(on.mul(a, prepared, 1)).toEqual(truth);
    expect(on.mulChain(a, prepared, 3)).toEqual(
      a.map((x, i) => operations.mul.reference(group, { a: [x], b: [power(group, b[i]!, 3n)] })[0]),
    );
  });

  it.each([
    { slots: 9, width: 1, from: 2, to: 7 },
    { slots: 13, width: 3, from: 0, to: 13 },
    { slots: 50, width: 2, from: 11, to: 50 },
    { slots: 5, width: 2, from: 3, to: 3 },
  ])('gathers slots $from to $to of $slots, $width wide', ({ slots, width, from, to }) => {
    const [a, b] = [elements(group, slots * width), elements(group, slots * width)];
    const source = reversed(slots);
    const untouched = bytesToBigint(new Uint8Array(group.elementBytes).fill(0xa5));
    const truth = operations.mulGather
      .reference(group, { a, source, b, width })
      .map((value, i) => (i >= from * width && i < to * width ? value : untouched));
    expect(on.mulGather(a, source, b, 0, width, from, to)).toEqual(truth);
    expect(on.mulGather(a, source, on.prepare(b), 1, width, from, to)).toEqual(truth);
    // The resident operand begins five elements before this batch.
    const resident = on.makeResidentOperand([...elements(group, 5), ...b]);
    expect(on.mulGatherResident(a, source, resident, 5, width, from, to)).toEqual(truth);
    expect(on.mulResident(a, resident, 5)).toEqual(operations.mul.reference(group, { a, b }));
    on.release(resident);
  });

  it.each([
    { count: 0, length: 1 },
    { count: 1, length: 33 },
    { count: 21, length: 3 },
    { count: 40, length: 1 },
  ])('raises $count bases to exponents of $length bytes, each to its own, all to shared ones', ({ count, length }) => {
    const [bases, exponents] = [elements(group, count), exponentsOf(length, count)];
    expect(on.pow(bases, exponents, length)).toEqual(operations.pow.reference(group, { bases, exponents }));
    for (const width of [1, 3]) {
      const some = exponentsOf(length, width);
      expect(on.powShared(bases, some, length)).toEqual(
        operations.powShared.reference(group, { bases, exponents: some }),
      );
    }
    expect(on.multiExp(bases, exponents, length)).toEqual(operations.multiExp.reference(group, { bases, exponents }));
  });

  it.each([
    { length: 1, digitBits: 8 },
    { length: 5, digitBits: 3 },
    { length: 2, digitBits: 1 },
  ])('keeps a table for exponents of $length bytes in digits of $digitBits bits', ({ length, digitBits }) => {
    const base = random(200);
    const resident = on.makeResidentTable(base, length, digitBits);
    for (const count of [0, 1, 19, 37]) {
      const exponents = exponentsOf(length, count);
      expect(on.powFixedResident(resident, exponents, length)).toEqual(
        operations.powFixed.reference(group, { base, exponents }),
      );
    }
    on.release(resident);
  });

  it.each([0, 1, 8, 9, 100])('inverts %d elements', (count) => {
    const a = elements(group, count);
    expect(on.invert(a, random(250))).toEqual(operations.invertBatch.reference(group, { a }));
  });

  it('reports an element without an inverse, and continues', () => {
    const a = elements(group, 20);
    expect(statusOf(() => on.invert(a.with(7, 0n), 5n))).toBe(NOT_INVERTIBLE);
    expect(on.invert(a, 5n)).toEqual(operations.invertBatch.reference(group, { a }));
  });

  it.each([
    { slots: 0, width: 3 },
    { slots: 1, width: 2 },
    { slots: 31, width: 1 },
    { slots: 300, width: 2 },
    { slots: 3, width: 70 },
  ])('multiplies $slots slots of $width elements together', ({ slots, width }) => {
    const a = elements(group, slots * width);
    expect(on.product(a, width)).toEqual(operations.product.reference(group, { a, width }));
  });

  it('splits work that exceeds the memory, for every operation, and fails only when nothing fits', () => {
    on.destroy();
    expect(countOf('liveBytes')).toBe(0);
    on = operationsOn(library, 0, group);
    const count = 260;
    const [a, b, exponents] = [elements(group, count), elements(group, count), exponentsOf(1, count)];
    // Memory comes in 64 KiB. Tables of 16 powers fill that for 16 bases, but inputs and results need room as well: parts of
    // eight.
    library.call('host_memory', 65536 + countOf('liveBytes'));
    const launches = countOf('launches');
    expect(on.pow(a.slice(0, 40), exponents.slice(0, 40), 1)).toEqual(
      operations.pow.reference(group, { bases: a.slice(0, 40), exponents: exponents.slice(0, 40) }),
    );
    expect(countOf('launches') - launches).toBe(40 / 8);
    expect(statusOf(() => on.multiExp(a, exponents, 1))).toBe(OUT_OF_MEMORY);
    expect(library.text('device_error')).toMatch(/a part of \d+ bytes/);
    library.call('host_memory', 4 * 65536);
    expect(on.mul(a, b)).toEqual(operations.mul.reference(group, { a, b }));
    expect(on.invert(a, random(250))).toEqual(operations.invertBatch.reference(group, { a }));
    expect(on.product(a, 2)).toEqual(operations.product.reference(group, { a, width: 2 }));
    expect(on.multiExp(a, exponents, 1)).toEqual(operations.multiExp.reference(group, { bases: a, exponents }));
    expect(statusOf(() => on.makeResidentOperand(elements(group, 2000)))).toBe(OUT_OF_MEMORY);
    expect(library.text('device_error')).toContain('device memory');
    library.call('host_memory', 2 ** 30);
    on.release(on.makeResidentOperand(a));
    expect(on.mul(a, b)).toEqual(operations.mul.reference(group, { a, b }));
  });

  it('wipes exponents and the tables of powers when their part is done, elements with the last group', () => {
    const holds = (value: bigint, length = group.elementBytes) => {
      const bytes = flat([value], length);
      return library.call('host_holds', at(bytes), length) === 1;
    };
    const { p, bits } = group;
    const count = 40;
    const bases = elements(group, count);
    const exponents = Array.from({ length: count }, () => random(16));
    on.powShared(bases, exponents.slice(0, 2), 16);
    on.pow(bases, exponents, 16);
    expect(exponents.filter((exponent) => holds(exponent, 16))).toEqual([]);
    // Entry 1 of a base's table, in Montgomery form (that of 1 is a constant of the group); and a base itself, to show that the
    // search finds what is there.
    const secret = bases.filter((base) => base !== 1n);
    const tabled = secret.map((base) => (base << BigInt(bits)) % p);
    expect(tabled.filter((value) => holds(value) || holds(p - value))).toEqual([]);
    expect(holds(bases[count - 1]!)).toBe(true);
    on.destroy();
    expect(holds(bases[count - 1]!)).toBe(false);
    on = operationsOn(library, 0, group);
  });

  it('allocates nothing for a batch size that it has seen before', () => {
    const [a, b] = [elements(group, 60), elements(group, 60)];
    on.mul(a, b);
    const before = [countOf('allocations'), countOf('streams')];
    for (let turn = 0; turn < 5; turn++) on.mul(a, b);
    expect([countOf('allocations'), countOf('streams')]).toEqual(before);
  });

  it.each([3072, 4096])('computes the same at %d bits', (bits) => {
    const wide = groupOfBits(bits);
    const there = operationsOn(library, 1, wide);
    const [a, b, exponents] = [elements(wide, 9), elements(wide, 9), exponentsOf(1, 9)];
    expect(there.mul(a, b)).toEqual(operations.mul.reference(wide, { a, b }));
    expect(there.pow(a, exponents, 1)).toEqual(operations.pow.reference(wide, { bases: a, exponents }));
    expect(there.powShared(a, exponents.slice(0, 2), 1)).toEqual(
      operations.powShared.reference(wide, { bases: a, exponents: exponents.slice(0, 2) }),
    );
    expect(there.invert(a, 3n)).toEqual(operations.invertBatch.reference(wide, { a }));
    expect(there.product(a, 3)).toEqual(operations.product.reference(wide, { a, width: 3 }));
    expect(there.multiExp(a, exponents, 1)).toEqual(operations.multiExp.reference(wide, { bases: a, exponents }));
    const [table, resident] = [there.makeResidentTable(a[0]!, 1, 4), there.makeResidentOperand(b)];
    expect(there.powFixedResident(table, exponents, 1)).toEqual(
      operations.powFixed.reference(wide, { base: a[0]!, exponents }),
    );
    expect(there.mulResident(a.slice(3), resident, 3)).toEqual(
      operations.mul.reference(wide, { a: a.slice(3), b: b.slice(3) }),
    );
    there.destroy();
    for (const handle of [table, resident]) there.release(handle);
  });

  it('computes in any odd modulus of those widths, and in no other width', () => {
    const p = (1n << 2048n) - 2n ** 1000n - 27n;
    const odd: Group = { ...group, p, q: (p - 1n) / 2n };
    const there = operationsOn(library, 0, odd);
    const [a, b, exponents] = [elements(odd, 20), elements(odd, 20), exponentsOf(2, 20)];
    expect(there.mul(a, b)).toEqual(operations.mul.reference(odd, { a, b }));
    expect(there.pow(a, exponents, 2)).toEqual(operations.pow.reference(odd, { bases: a, exponents }));
    there.destroy();
    for (const bits of [64, 1024, 4160, 8192]) {
      const modulus = shared(bits / 8).fill(0xff);
      expect(library.handle('group_create', 0, at(modulus), bits)).toEqual({ status: UNSUPPORTED, address: 0 });
      expect(library.text('device_error')).toContain(`not for ${bits}`);
    }
  });

  it('names and describes its devices', () => {
    expect(library.names.length).toBe(
      declaredIn('kernels/api.h').size + declaredIn('kernels/library/hostFaults.h').size,
    );
    expect(library.call('abi_version')).toBe(2);
    expect(library.call('device_count')).toBe(2);
    expect(library.text('device_name', 1)).toBe('host lanes 1');
    const facts = JSON.parse(library.text('device_facts', 0));
    expect(facts).toMatchObject({ name: 'host lanes 0', multiprocessors: 1, computeCapability: '9.0' });
    const [name, byte] = [shared(4).fill(0x7f), shared(1)];
    expect(library.call('device_name', 0, at(name), 3)).toBe(0);
    expect([...name]).toEqual([...Buffer.from('ho\0'), 0x7f]);
    expect(library.call('device_facts', 0, at(byte), 1)).toBe(INVALID_ARGUMENT);
    expect(library.call('device_name', 2, at(name), 3)).toBe(INVALID_ARGUMENT);
  });

  it('refuses invalid arguments before anything is allocated', () => {
    const other = operationsOn(library, 0, group);
    const [prepared, table] = [on.makeResidentOperand([2n, 3n, 4n]), on.makeResidentTable(2n, 4, 4)];
    const x = at(shared(4096).fill(1));
    const sources = at(new Uint8Array(new Uint32Array(new SharedArrayBuffer(12)).fill(3).buffer));
    const [g, huge] = [on.handle, 2n ** 63n];
    const before = countOf('allocations');
    const refused: [string, ...(number | bigint)[]][] = [
      ['prepare', 0, x, x, 1],
      ['prepare', g, 0, x, 1],
      ['prepare', g, x, x, huge],
      ['mul', g, x, x, 0, 0, 1],
      ['mul', g, x, x, x, 0, 2n ** 56n],
      ['mul_chain', g, x, x, x, 0, 1],
      ['mul_gather', g, x, x, 0, x, 0, 1, 0, 1],
      ['mul_gather', g, x, x, x, x, 0, 0, 0, 1],
      ['mul_gather', g, x, x, x, x, 0, 1, 2, 1],
      ['mul_gather', g, x, x, x, x, 0, 2n ** 32n, 0, 2n ** 32n],
      ['pow', g, x, x, x, 0, 1],
      ['pow', g, x, x, x, 2049, 1],
      ['pow', g, x, 0, x, 1, 1],
      ['pow_shared', g, x, x, x, 1, huge, 1],
      ['pow_shared', g, x, x, x, 1, 2n ** 40n, 2n ** 40n],
      ['invert', g, x, x, 0, 1],
      ['product', g, x, x, 2n ** 40n, 2n ** 40n],
      ['product', g, 0, x, 1, 1],
      ['multi_exp', g, 0, x, x, 1, 1],
      ['keep_prepared', g, x, 1, 0],
      ['keep_prepared', g, x, huge, x],
      ['keep_table', g, x, 0, 4, x],
      ['keep_table', g, x, 4, 9, x],
      ['mul_kept', g, x, x, 0, 0, 1],
      ['mul_kept', g, x, x, table, 0, 1],
      ['mul_kept', g, x, x, prepared, 1, 3],
      ['mul_kept', g, x, x, prepared, 2n ** 63n, 1],
      ['mul_kept', other.handle, x, x, prepared, 0, 1],
      ['mul_gather_kept', g, x, x, sources, prepared, 0, 1, 3, 0, 3],
      ['mul_gather_kept', g, x, x, sources, prepared, 0, 1, 4, 0, 5],
      ['mul_gather_kept', g, x, x, sources, prepared, 0, 2, 4, 0, 2],
      ['pow_fixed_kept', g, x, prepared, x, 1],
      ['pow_fixed_kept', g, 0, table, x, 1],
      ['device_error', 0, 5],
    ];
    for (const [name, ...args] of refused) {
      expect([name, args, library.call(name, ...args)]).toEqual([name, args, INVALID_ARGUMENT]);
    }
    expect(library.call('table_fill', g, x, x, 1, 1)).toBe(UNSUPPORTED);
    expect(library.call('pow_fixed', g, x, x, x, 1, 1, 1)).toBe(UNSUPPORTED);
    expect(library.call('table_bytes', g, 4, 4)).toBe(8 * 16 * 256);
    expect(library.call('table_bytes', g, 4, 9)).toBe(0);
    expect(countOf('allocations')).toBe(before);
    for (const handle of [prepared, table]) on.release(handle);
    other.destroy();
  });
});

const cuda = `${root}/${LIBRARY}`;
const absent = existsSync(cuda) ? undefined : 'npm run build:cuda has not been run';
describeWith(
  absent,
  'the library for cards',
  () => {
    it('loads on any machine, and reports why it has no device', () => {
      // In a process of its own: a driver would stay loaded in this one.
      const program = `const { loadLibrary } = await import('./test/kernels/librarySupport.ts');
      const { call, text, names, handle } = loadLibrary(${JSON.stringify(cuda)});
      const count = call('device_count');
      const made = handle('group_create', count, 0, 64).status;
      console.log(JSON.stringify({ count, functions: names.length, made, why: text('device_error'),
        name: count > 0 ? text('device_name', 0) : '' }));`;
      const { status, stdout, stderr } = spawnSync(
        process.execPath,
        ['--import', 'tsx', '--input-type=module', '-e', program],
        { cwd: root, encoding: 'utf8' },
      );
      expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
      const said = JSON.parse(stdout);
      expect(said).toMatchObject({ functions: declaredIn('kernels/api.h').size, made: INVALID_ARGUMENT });
      if (said.count === 0) expect(said.why).toMatch(/cudaError|no device/);
      else expect(said.name).not.toBe('');
    });
  },
  true,
);
