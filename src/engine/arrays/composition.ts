// The catalogue's operations on one chunk, composed of a field's Montgomery products. Elements outside are plain; a prepared
// operand carries one factor R, so that a product with it costs one step. Before every product the event loop gets a turn and the
// signal is checked.
import { setImmediate as turn } from 'node:timers/promises';
import { MixError } from '../../base/index.js';
import { bigintToBytes, bytesToBigint, invert } from '../../math/index.js';
import type { BatchField } from './field.js';

/** Exponents are cut into windows of 4 bits, two per byte. */
const ENTRIES = 16;

interface ProductWork {
  readonly a: Uint8Array;
  readonly b: Uint8Array;
  readonly prepared: boolean;
  readonly out: Uint8Array;
}

interface PowerWork {
  readonly bases: Uint8Array;
  readonly exponents: Uint8Array;
  readonly exponentBytes: number;
  readonly out: Uint8Array;
}

interface TableWork<V> {
  readonly table: V;
  readonly windows: number;
  readonly exponents: Uint8Array;
  readonly exponentBytes: number;
  readonly out: Uint8Array;
}

export class Composition<V> {
  readonly #field: BatchField<V>;
  readonly #signal: AbortSignal | undefined;

  constructor(field: BatchField<V>, signal: AbortSignal | undefined) {
    this.#field = field;
    this.#signal = signal;
  }

  /** out = a·R, the form of a prepared operand. */
  enter(a: Uint8Array, out: Uint8Array, from: number, to: number): Promise<void> {
    return this.#scope(async (use) => {
      await this.#field.write(await this.#load(this.#part(a, from, to), use), this.#part(out, from, to));
    });
  }

  mul({ a, b, prepared, out }: ProductWork, from: number, to: number): Promise<void> {
    return this.#scope(async (use) => {
      const left = use(await this.#field.read(this.#part(a, from, to)));
      const operand = this.#part(b, from, to);
      const right = prepared ? use(await this.#field.read(operand)) : await this.#load(operand, use);
      await this.#field.write(use(await this.#multiply(left, right)), this.#part(out, from, to));
    });
  }

  /** Folds slots into one by halves. Takes ⌈log₂⌉ steps, each of half the rows of the one before. */
  fold(a: Uint8Array, width: number, out: Uint8Array): Promise<void> {
    return this.#scope(async (use) => {
      const one = await this.#constant(1n, 1, use);
      let values: V = await this.#load(a, use);
      let slots = a.length / this.#field.group.elementBytes / width;
      while (slots > 1) {
        const half = Math.ceil(slots / 2);
        const rows = slots * width;
        // An odd slot is multiplied by one, the row after the last.
        const padded = use(await this.#field.concat([values, one]));
        const left = use(
          await this.#field.gather(
            padded,
            indices(half * width, (i) => i),
          ),
        );
        const right = use(
          await this.#field.gather(
            padded,
            indices(half * width, (i) => Math.min(half * width + i, rows)),
          ),
        );
        values = use(await this.#multiply(left, right));
        slots = half;
      }
      await this.#store(values, out, use);
    });
  }

  /** Inverts all with one inversion by BigInt: products up a tree, and their inverses down again. */
  invert(a: Uint8Array, out: Uint8Array, from: number, to: number): Promise<void> {
    return this.#scope(async (use) => {
      const { group } = this.#field;
      const one = await this.#constant(1n, 1, use);
      const levels: { readonly padded: V; readonly count: number }[] = [];
      let values: V = await this.#load(this.#part(a, from, to), use);
      let count = to - from;
      while (count > 1) {
        const padded = use(await this.#field.concat([values, one]));
        levels.push({ padded, count });
        const pairs = Math.ceil(count / 2);
        const rows = count;
        const left = use(
          await this.#field.gather(
            padded,
            indices(pairs, (i) => 2 * i),
          ),
        );
        const right = use(
          await this.#field.gather(
            padded,
            indices(pairs, (i) => Math.min(2 * i + 1, rows)),
          ),
        );
        values = use(await this.#multiply(left, right));
        count = pairs;
      }
      const root = new Uint8Array(group.elementBytes);
      await this.#store(values, root, use);
      let inverse: V = await this.#load(bigintToBytes(invert(group, bytesToBigint(root)), group.elementBytes), use);
      for (const { padded, count: rows } of levels.reverse()) {
        const parents = use(
          await this.#field.gather(
            inverse,
            indices(rows, (i) => i >> 1),
          ),
        );
        const siblings = use(
          await this.#field.gather(
            padded,
            indices(rows, (i) => Math.min(i ^ 1, rows)),
          ),
        );
        inverse = use(await this.#multiply(parents, siblings));
      }
      await this.#store(inverse, this.#part(out, from, to), use);
    });
  }

  pow({ bases, exponents, exponentBytes, out }: PowerWork, from: number, to: number): Promise<void> {
    return this.#scope(async (use) => {
      const count = to - from;
      const own = exponents.subarray(from * exponentBytes, to * exponentBytes);
      const table = use(await this.#entries(await this.#load(this.#part(bases, from, to), use), count, use));
      const chosen = (window: number) =>
        this.#field.gather(
          table,
          indices(count, (i) => takeDigit(own, i, exponentBytes, window) * count + i),
        );
      let values: V = await chosen(2 * exponentBytes - 1);
      for (let window = 2 * exponentBytes - 2; window >= 0; window--) {
        for (let square = 0; square < 4; square++) values = await this.#consume(values, values);
        values = await this.#consume(values, await chosen(window));
      }
      await this.#store(use(values), this.#part(out, from, to), use);
    });
  }

  /** Makes the table of a base: row d·windows + t is base^(d·16^t), in Montgomery form. The caller frees it. */
  table(base: Uint8Array, windows: number): Promise<V> {
    return this.#scope(async (use) => {
      let power: V = await this.#load(base, use);
      const powers: V[] = [power];
      for (let window = 1; window < windows; window++) {
        for (let square = 0; square < 4; square++) power = use(await this.#multiply(power, power));
        powers.push(power);
      }
      return this.#entries(use(await this.#field.concat(powers)), windows, use);
    });
  }

  powByTable(work: TableWork<V>, from: number, to: number): Promise<void> {
    const { table, windows, exponents, exponentBytes, out } = work;
    return this.#scope(async (use) => {
      const own = exponents.subarray(from * exponentBytes, to * exponentBytes);
      const chosen = (t: number) =>
        this.#field.gather(
          table,
          indices(to - from, (i) => takeDigit(own, i, exponentBytes, t) * windows + t),
        );
      let values: V = await chosen(0);
      for (let t = 1; t < 2 * exponentBytes; t++) {
        values = await this.#consume(values, await chosen(t));
      }
      await this.#store(use(values), this.#part(out, from, to), use);
    });
  }

  /** Computes powers 0 to 15 of every row; the rows of one exponent stand together. */
  async #entries(base: V, count: number, use: Use<V>): Promise<V> {
    const entries: V[] = [await this.#constant(1n, count, use), base];
    while (entries.length < ENTRIES) entries.push(use(await this.#multiply(entries.at(-1)!, base)));
    return this.#field.concat(entries);
  }

  /** Returns a·b and frees both; they may be the same. */
  async #consume(a: V, b: V): Promise<V> {
    try {
      return await this.#multiply(a, b);
    } finally {
      this.#field.free(a);
      if (b !== a) this.#field.free(b);
    }
  }

  async #multiply(a: V, b: V): Promise<V> {
    await turn();
    if (this.#signal?.aborted) throw new MixError('ABORTED');
    return this.#field.multiply(a, b);
  }

  /** Returns `value` in Montgomery form, in `count` rows. */
  async #constant(value: bigint, count: number, use: Use<V>): Promise<V> {
    const { group } = this.#field;
    const row = await this.#load(bigintToBytes(value, group.elementBytes), use);
    return use(await this.#field.gather(row, new Uint32Array(count)));
  }

  async #load(elements: Uint8Array, use: Use<V>): Promise<V> {
    const { group, rSquared } = this.#field;
    const plain = use(await this.#field.read(elements));
    const factor = use(await this.#field.read(bigintToBytes(rSquared, group.elementBytes)));
    const rows = new Uint32Array(elements.length / group.elementBytes);
    return use(await this.#multiply(plain, use(await this.#field.gather(factor, rows))));
  }

  /** Writes values out of Montgomery form. */
  async #store(values: V, out: Uint8Array, use: Use<V>): Promise<void> {
    const { group } = this.#field;
    const one = use(await this.#field.read(bigintToBytes(1n, group.elementBytes)));
    const rows = new Uint32Array(out.length / group.elementBytes);
    await this.#field.write(use(await this.#multiply(values, use(await this.#field.gather(one, rows)))), out);
  }

  #part(batch: Uint8Array, from: number, to: number): Uint8Array {
    const { elementBytes } = this.#field.group;
    return batch.subarray(from * elementBytes, to * elementBytes);
  }

  /** Frees at its end all values that went through `use`. */
  async #scope<T>(work: (use: Use<V>) => Promise<T>): Promise<T> {
    const used: V[] = [];
    const use: Use<V> = (values) => {
      used.push(values);
      return values;
    };
    try {
      return await work(use);
    } finally {
      for (const values of used) this.#field.free(values);
    }
  }
}

type Use<V> = (values: V) => V;

const indices = (count: number, at: (index: number) => number): Uint32Array =>
  Uint32Array.from({ length: count }, (_, index) => at(index));

/** Digit `window` of exponent i, the lowest first. */
function takeDigit(exponents: Uint8Array, i: number, exponentBytes: number, window: number): number {
  const byte = exponents[i * exponentBytes + (window >> 1)]!;
  return window & 1 ? byte >> 4 : byte & 15;
}
