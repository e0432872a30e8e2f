// Every function of the native library on both paths against BigInt: at least 10^5 products and 10^3 powers, random and
// structured; every count around the eight lanes; every odd modulus; every table; and invalid calls.
import { afterAll, expect, it } from 'vitest';
import { type Rng, randomBelow, randomBytes } from '../../src/base/rng.js';
import { native } from '../../src/engine/kernels/native/library.js';
import { operations } from '../../src/engine/operations.js';
import { multiply } from '../../src/math/arithmetic.js';
import { bytesToBigint } from '../../src/math/batch.js';
import { type Group, namedGroup } from '../../src/math/group.js';
import { describeWith } from '../support/requires.js';
import { SeededRng } from '../support/seededRng.js';
import {
  at,
  flat,
  groupOver,
  nativePaths,
  operationsOf,
  randomUpTo,
  rawLibrary,
  shared,
  structured,
} from './support.js';

const paths = nativePaths();
const missing = paths.length > 0 ? undefined : 'the native library is not built';
const CHUNK = 1000;

const exponentOf = (rng: Rng, bytes: number) => bytesToBigint(randomBytes(rng, bytes));
const elements = (rng: Rng, group: Group, count: number) =>
  Array.from({ length: count }, () => randomUpTo(rng, group.q));

/** Operations on every path, freed at the end of the suite. */
const opened: { free(): void }[] = [];
afterAll(() => {
  for (const operations of opened) operations.free();
});
function onAllPaths(group: Group) {
  return paths.map((path) => {
    const operations = operationsOf(path, group);
    opened.push(operations);
    return { path, ...operations };
  });
}

/** An odd modulus of this many bits; `ends`: its lowest 64-bit word. */
function modulus(rng: Rng, bits: number, ends?: bigint): bigint {
  let p = (1n << BigInt(bits - 1)) | (bytesToBigint(randomBytes(rng, bits / 8)) >> 1n) | 1n;
  if (ends !== undefined) p = ((p >> 64n) << 64n) | ends;
  return p;
}

describeWith(missing, 'products of the native library', () => {
  it.each([
    { name: 'MODP-2048', random: 100_000 },
    { name: 'MODP-3072', random: 5000 },
    { name: 'MODP-4096', random: 5000 },
  ])('$random random ones in $name equal BigInt', ({ name, random }) => {
    const group = namedGroup(name);
    const rng = new SeededRng(`products ${name}`);
    const all = onAllPaths(group);
    for (let done = 0; done < random; done += CHUNK) {
      const [a, b] = [elements(rng, group, CHUNK), elements(rng, group, CHUNK)];
      const truth = operations.mul.reference(group, { a, b });
      for (const { path, mul, mulPrepared } of all) {
        // Compared as a whole first: a thousand values in a message are of no use.
        const result = (done / CHUNK) % 2 === 0 ? mul(a, b) : mulPrepared(a, b);
        const wrong = result.findIndex((value, i) => value !== truth[i]);
        expect({ path, wrong, value: result[wrong] }).toEqual({ path, wrong: -1, value: undefined });
      }
    }
  });

  it.each(['MODP-2048', 'MODP-3072', 'MODP-4096'])('structured ones in %s, in all pairs, equal BigInt', (name) => {
    const group = namedGroup(name);
    const values = structured(group);
    expect(values.length).toBeGreaterThan(100);
    const rng = new SeededRng(`structured ${name}`);
    const all = onAllPaths(group);
    const partners = [...values.slice(0, 10), values.at(-1)!, values.at(-4)!, randomUpTo(rng, group.q)];
    for (const partner of partners) {
      const b = values.map(() => partner);
      const truth = operations.mul.reference(group, { a: values, b });
      for (const { mul, mulPrepared } of all) {
        expect(mul(values, b)).toEqual(truth);
        expect(mulPrepared(values, b)).toEqual(truth);
      }
    }
    const squares = operations.mul.reference(group, { a: values, b: values });
    for (const { mul } of all) expect(mul(values, values)).toEqual(squares);
  });

  it.each(['TEST-512', 'MODP-4096'])('in chains of %s equal BigInt', (name) => {
    const group = namedGroup(name);
    const rng = new SeededRng(`chains ${name}`);
    for (const count of [1, 8, 17]) {
      const [a, b] = [elements(rng, group, count), elements(rng, group, count)];
      for (const { mulChain } of onAllPaths(group)) {
        let truth = a;
        for (let times = 1; times <= 5; times++) {
          truth = operations.mul.reference(group, { a: truth, b });
          expect(mulChain(a, b, times)).toEqual(truth);
        }
      }
    }
  });

  it('with a remainder of 1, or next to p/2, get the right sign', () => {
    const group = namedGroup('MODP-2048');
    const { p, q } = group;
    const rng = new SeededRng('remainders');
    const wanted = [1n, 2n, q - 1n, q, q + 1n, q + 2n, p - 2n, p - 1n];
    const a = wanted.map(() => randomUpTo(rng, q));
    // b = wanted / a, as an element of the group: its absolute value.
    const b = wanted.map((value, i) =>
      multiply(group, value, operations.invertBatch.reference(group, { a: [a[i]!] })[0]!),
    );
    const truth = wanted.map((value) => (value > q ? p - value : value));
    expect(operations.mul.reference(group, { a, b })).toEqual(truth);
    for (const { mul, mulPrepared } of onAllPaths(group)) {
      expect(mul(a, b)).toEqual(truth);
      expect(mulPrepared(a, b)).toEqual(truth);
    }
  });
});

describeWith(missing, 'powers of the native library', () => {
  it.each([
    { name: 'MODP-2048', count: 600 },
    { name: 'MODP-3072', count: 240 },
    { name: 'MODP-4096', count: 200 },
  ])('$count of 256 bits in $name equal BigInt', ({ name, count }) => {
    const group = namedGroup(name);
    const rng = new SeededRng(`powers ${name}`);
    const edges = [0n, 1n, 2n, 31n, 32n, (1n << 256n) - 1n, 1n << 255n, (1n << 255n) - 1n];
    const special = structured(group).slice(0, count / 4);
    const bases = [...special, ...elements(rng, group, count - special.length)];
    const exponents = bases.map((_, i) => (i % 9 === 0 ? edges[(i / 9) % edges.length]! : exponentOf(rng, 32)));
    const truth = operations.pow.reference(group, { bases, exponents });
    for (const { pow } of onAllPaths(group)) expect(pow(bases, exponents, 32)).toEqual(truth);
  });

  it.skipIf(paths.length < 2).each(['MODP-2048', 'MODP-3072', 'MODP-4096'])(
    '1000 more in %s agree between paths',
    (name) => {
      const group = namedGroup(name);
      const rng = new SeededRng(`agree ${name}`);
      const [bases, exponents] = [elements(rng, group, 1000), Array.from({ length: 1000 }, () => exponentOf(rng, 16))];
      const results = onAllPaths(group).map(({ pow }) => pow(bases, exponents, 16));
      for (const result of results) expect(result).toEqual(results[0]);
    },
  );

  it.each(['MODP-2048', 'MODP-4096'])('with full exponents in %s equal BigInt', (name) => {
    const group = namedGroup(name);
    const rng = new SeededRng(`full ${name}`);
    const [bases, bytes] = [elements(rng, group, 5), group.elementBytes];
    // The order, for which every power is 1, and its neighbours.
    const exponents = [group.q, group.q - 1n, group.q + 1n, (1n << BigInt(8 * bytes)) - 1n, exponentOf(rng, bytes)];
    const truth = operations.pow.reference(group, { bases, exponents });
    expect(truth[0]).toBe(1n);
    for (const { pow } of onAllPaths(group)) expect(pow(bases, exponents, bytes)).toEqual(truth);
  });

  it.each(['TEST-512', 'MODP-3072'])('to several exponents at once in %s, of every length', (name) => {
    const group = namedGroup(name);
    const rng = new SeededRng(`shared ${name}`);
    const bases = [1n, group.q, ...elements(rng, group, 7)];
    for (const bytes of [1, 2, 8, 32, 33]) {
      const most = (1n << BigInt(8 * bytes)) - 1n;
      // Zero and all ones: every digit equal; and the same exponent twice.
      const exponents = [exponentOf(rng, bytes), 0n, most, exponentOf(rng, bytes)];
      exponents.push(exponents[0]!);
      for (const width of [1, 2, 5]) {
        const truth = operations.powShared.reference(group, { bases, exponents: exponents.slice(0, width) });
        for (const { powShared } of onAllPaths(group)) {
          expect(powShared(bases, exponents.slice(0, width), bytes)).toEqual(truth);
        }
      }
    }
  });

  it('by tables: every digit size and exponent length', () => {
    const group = namedGroup('TEST-512');
    const rng = new SeededRng('tables');
    const all = onAllPaths(group);
    for (const bytes of [1, 8, 32, 33, group.elementBytes]) {
      const most = (1n << BigInt(8 * bytes)) - 1n;
      const exponents = [0n, 1n, most, most >> 1n, ...Array.from({ length: 7 }, () => exponentOf(rng, bytes))];
      const base = randomUpTo(rng, group.q);
      const truth = operations.powFixed.reference(group, { base, exponents });
      for (const digitBits of [1, 2, 3, 4, 5, 6, 7, 8]) {
        for (const { powFixed } of all) expect(powFixed(base, exponents, bytes, digitBits)).toEqual(truth);
      }
    }
  });

  it('by tables in MODP-4096', () => {
    const group = namedGroup('MODP-4096');
    const exponents = Array.from({ length: 20 }, (_, i) => exponentOf(new SeededRng(i), 32));
    const truth = operations.powFixed.reference(group, { base: 2n, exponents });
    for (const { powFixed } of onAllPaths(group)) {
      for (const digitBits of [4, 5, 8]) expect(powFixed(2n, exponents, 32, digitBits)).toEqual(truth);
    }
  });
});

describeWith(missing, 'batches of every size', () => {
  it.each([namedGroup('TEST-512'), namedGroup('MODP-2048')])('from 0 to 20, in $name, of every operation', (group) => {
    const rng = new SeededRng(`counts ${group.name}`);
    const all = onAllPaths(group);
    const blinding = randomUpTo(rng, group.q);
    for (let count = 0; count <= 20; count++) {
      const [a, b] = [elements(rng, group, count), elements(rng, group, count)];
      const exponents = a.map(() => exponentOf(rng, 3));
      const products = operations.mul.reference(group, { a, b });
      const powers = operations.pow.reference(group, { bases: a, exponents });
      const pair = [exponentOf(rng, 3), 0n];
      const sharedPowers = operations.powShared.reference(group, { bases: a, exponents: pair });
      const fixed = operations.powFixed.reference(group, { base: 2n, exponents });
      const inverses = operations.invertBatch.reference(group, { a });
      const product = operations.product.reference(group, { a, width: 1 });
      const folded = operations.multiExp.reference(group, { bases: a, exponents });
      for (const library of all) {
        expect(library.mul(a, b)).toEqual(products);
        expect(library.mulPrepared(a, b)).toEqual(products);
        expect(library.pow(a, exponents, 3)).toEqual(powers);
        expect(library.powShared(a, pair, 3)).toEqual(sharedPowers);
        expect(library.powFixed(2n, exponents, 3, 5)).toEqual(fixed);
        expect(library.invert(a, blinding)).toEqual(inverses);
        expect(library.product(a, 1)).toEqual(product);
        expect(library.multiExp(a, exponents, 3)).toEqual(folded);
      }
    }
  });

  it('gathers any range of slots, and touches no other', () => {
    const group = namedGroup('TEST-512');
    const rng = new SeededRng('gather');
    const untouched = bytesToBigint(new Uint8Array(group.elementBytes).fill(0xa5));
    for (const width of [1, 2, 3]) {
      const slots = 19;
      const [a, b] = [elements(rng, group, slots * width), elements(rng, group, slots * width)];
      // Not a permutation: the source may name the same slot twice.
      const source = Uint32Array.from({ length: slots }, () => randomBelow(rng, slots));
      const truth = operations.mulGather.reference(group, { a, source, b, width });
      for (const { mulGather } of onAllPaths(group)) {
        for (const [from, to] of [
          [0, slots],
          [0, 0],
          [7, 7],
          [3, 4],
          [1, 9],
          [5, 18],
          [18, 19],
        ] as const) {
          const expected = truth.map((value, i) => (i >= from * width && i < to * width ? value : untouched));
          expect(mulGather(a, source, b, width, from, to)).toEqual(expected);
        }
      }
    }
  });

  it('folds slots of any width', () => {
    const group = namedGroup('TEST-512');
    const rng = new SeededRng('fold');
    for (const width of [1, 2, 3, 16]) {
      for (const slots of [0, 1, 7, 8, 9, 65]) {
        const a = elements(rng, group, slots * width);
        const truth = operations.product.reference(group, { a, width });
        for (const { product } of onAllPaths(group)) expect(product(a, width)).toEqual(truth);
      }
    }
  });

  it('folds powers with exponents of zero, and repeated bases', () => {
    const group = namedGroup('TEST-512');
    const rng = new SeededRng('multi-exponentiation');
    const all = onAllPaths(group);
    for (const count of [1, 2, 9, 63, 64, 65, 130]) {
      const base = randomUpTo(rng, group.q);
      const bases = Array.from({ length: count }, (_, i) => (i % 3 === 0 ? base : randomUpTo(rng, group.q)));
      const exponents = bases.map((_, i) => (i % 4 === 1 ? 0n : exponentOf(rng, 17)));
      const zeros = bases.map(() => 0n);
      const truth = operations.multiExp.reference(group, { bases, exponents });
      for (const { multiExp } of all) {
        expect(multiExp(bases, exponents, 17)).toEqual(truth);
        expect(multiExp(bases, zeros, 17)).toEqual([1n]);
      }
    }
  });

  it('inverts extremes, with any blinding', () => {
    const group = namedGroup('MODP-2048');
    const a = structured(group).slice(0, 30);
    const truth = operations.invertBatch.reference(group, { a });
    for (const { invert } of onAllPaths(group)) {
      for (const blinding of [1n, 2n, group.q]) expect(invert(a, blinding)).toEqual(truth);
    }
  });
});

describeWith(missing, 'moduli of every form', () => {
  const rng = new SeededRng('moduli');
  const ONES = (1n << 64n) - 1n;
  // Around the edges of the kernels' sizes, and far from them.
  const sizes = [64, 128, 192, 512, 960, 1024, 1088, 2048, 2112, 3072, 3136, 4096, 4160, 6144, 8192];
  const forms: readonly (readonly [string, (bits: number) => bigint])[] = [
    ['any', (bits) => modulus(rng, bits)],
    ['ending in 1', (bits) => modulus(rng, bits, bits > 64 ? 1n : ONES - 2n)],
    ['ending in ones', (bits) => modulus(rng, bits, bits > 64 ? ONES : ONES - 4n)],
    ['a power of two and one', (bits) => (1n << BigInt(bits - 1)) + 1n],
    ['a power of two less three', (bits) => (1n << BigInt(bits)) - 3n],
    ['all ones', (bits) => (1n << BigInt(bits)) - 1n],
  ];

  it.each(forms)('%s: products and powers at every size', (_, form) => {
    for (const bits of sizes) {
      const group = groupOver(form(bits));
      const a = [1n, 2n, group.q, group.q - 1n, ...elements(rng, group, 6)];
      const b = [group.q, group.q, group.q, 3n, ...elements(rng, group, 6)];
      const exponents = a.map(() => exponentOf(rng, 4));
      const [products, powers] = [
        operations.mul.reference(group, { a, b }),
        operations.pow.reference(group, { bases: a, exponents }),
      ];
      for (const { path, mul, pow, powFixed, product } of onAllPaths(group)) {
        expect({ bits, path, out: mul(a, b) }).toEqual({ bits, path, out: products });
        expect({ bits, path, out: pow(a, exponents, 4) }).toEqual({ bits, path, out: powers });
        const fixed = operations.powFixed.reference(group, { base: a[5]!, exponents });
        expect({ bits, path, out: powFixed(a[5]!, exponents, 4, 4) }).toEqual({ bits, path, out: fixed });
        expect({ bits, path, out: product(a, 1) }).toEqual({
          bits,
          path,
          out: operations.product.reference(group, { a, width: 1 }),
        });
      }
    }
  });

  it('reports elements without an inverse in a modulus that is not prime', () => {
    const group = groupOver((1n << 512n) - 31n);
    expect(group.p % 15n).toBe(0n);
    for (const { invert } of onAllPaths(group)) {
      expect(() => invert([2n, 3n, 4n], 7n)).toThrow('no inverse');
      expect(multiply(group, invert([2n], 7n)[0]!, 2n)).toBe(1n);
    }
  });
});

describeWith(missing, 'invalid calls', () => {
  const INVALID = 1;

  it.each(paths)('return a status, and nothing crashes (%s)', (path) => {
    const { library } = native();
    const group = namedGroup('TEST-512');
    const operations = operationsOf(path, group);
    opened.push(operations);
    const { handle } = operations;
    const x = at(flat([3n, 5n], 64));
    for (const g of [0, handle]) {
      const out = g === 0 ? x : 0;
      expect(library.millrace_prepare(g, out, x, 1)).toBe(INVALID);
      expect(library.millrace_mul(g, out, x, x, 0, 1)).toBe(INVALID);
      expect(library.millrace_mul_chain(g, out, x, x, 1, 1)).toBe(INVALID);
      expect(library.millrace_mul_gather(g, out, x, x, x, 0, 1, 0, 1)).toBe(INVALID);
      expect(library.millrace_pow(g, out, x, x, 4, 1)).toBe(INVALID);
      expect(library.millrace_pow_shared(g, out, x, x, 4, 1, 1)).toBe(INVALID);
      expect(library.millrace_table_fill(g, out, x, 4, 4)).toBe(INVALID);
      expect(library.millrace_pow_fixed(g, out, x, x, 4, 4, 1)).toBe(INVALID);
      expect(library.millrace_invert(g, out, x, x, 1)).toBe(INVALID);
      expect(library.millrace_product(g, out, x, 1, 1)).toBe(INVALID);
      expect(library.millrace_multi_exp(g, out, x, x, 4, 1)).toBe(INVALID);
    }
    expect(library.millrace_mul(handle, x, x, 0, 0, 1)).toBe(INVALID);
    expect(library.millrace_mul_chain(handle, x, x, x, 0, 1)).toBe(INVALID);
    expect(library.millrace_pow(handle, x, x, x, 0, 1)).toBe(INVALID);
    expect(library.millrace_pow_shared(handle, x, x, x, 0, 1, 1)).toBe(INVALID);
    expect(library.millrace_pow_shared(handle, 0, 0, 0, 4, 0, 5)).toBe(0);
    expect(library.millrace_multi_exp(handle, x, x, x, 0, 1)).toBe(INVALID);
    expect(library.millrace_mul_gather(handle, x, x, x, x, 0, 0, 0, 1)).toBe(INVALID);
    expect(library.millrace_mul_gather(handle, x, x, x, x, 0, 1, 2, 1)).toBe(INVALID);
    for (const digitBits of [0, 9, 64]) {
      expect(Number(library.millrace_table_bytes(handle, 32, digitBits))).toBe(0);
      expect(library.millrace_table_fill(handle, x, x, 32, digitBits)).toBe(INVALID);
      expect(library.millrace_pow_fixed(handle, x, x, x, 32, digitBits, 1)).toBe(INVALID);
    }
    expect(Number(library.millrace_table_bytes(handle, 0, 4))).toBe(0);
    expect(Number(library.millrace_table_bytes(0, 32, 4))).toBe(0);
    // An empty batch needs no memory.
    expect(library.millrace_mul(handle, 0, 0, 0, 0, 0)).toBe(0);
  });

  it('create no group of an invalid modulus', () => {
    const { create, deviceName } = rawLibrary();
    const good = flat([namedGroup('TEST-512').p], 64);
    const even = flat([namedGroup('TEST-512').p - 1n], 64);
    const short = flat([1n], 64);
    const result = shared(8);
    for (const device of paths.keys()) {
      expect(create(device, 0, 512, at(result))).toBe(INVALID);
      expect(create(device, at(good), 512, 0)).toBe(INVALID);
      expect(create(device, at(even), 512, at(result))).toBe(INVALID);
      expect(create(device, at(short), 512, at(result))).toBe(INVALID);
      for (const bits of [0, 8, 63, 100, 511, 8256]) expect(create(device, at(good), bits, at(result))).toBe(INVALID);
    }
    expect(create(7, at(good), 512, at(result))).toBe(INVALID);
    expect(result).toEqual(shared(8));
    expect(deviceName(7, at(result), 8)).toBe(INVALID);
    expect(deviceName(0, 0, 8)).toBe(INVALID);
    native().library.millrace_group_destroy(0);
  });
});
