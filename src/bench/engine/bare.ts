// The bare product, on this thread, for comparison with the engine. Two measures: `kernel`, Montgomery products of lanes that
// stay in place, one after the other, without reads and writes between them; and `call`, one call of the native library after the
// other over a batch that stays in the second-level cache, which adds reading and writing elements in their 64-bit form, into and
// out of eight lanes of 52-bit digits, and the canonical form of each result. Apart because `millrace bench
// compare` measures it as one contestant of several.
import { systemRng } from '../../base/index.js';
import { type Address, type NativeLibrary, type NativePath, native, toAddress } from '../../engine/index.js';
import { allocateBatch, type Group, randomElements } from '../../math/index.js';

/** Elements per call. */
const ELEMENTS = 64;
/** Elements of a chain: two groups of lanes, which leave room in the first-level cache. */
const CHAINED = 16;

export type BareMeasure = 'kernel' | 'call';

export class BareProduct {
  /** Counts are a multiple of this. */
  readonly grain = ELEMENTS;
  readonly #library: NativeLibrary;
  readonly #handle: Address;
  readonly #a: Uint8Array;
  readonly #b: Uint8Array;
  readonly #out: Uint8Array;

  constructor(group: Group, path: NativePath) {
    const { library, create, devices } = native();
    this.#library = library;
    this.#handle = create(devices.indexOf(path), group);
    this.#a = randomElements(systemRng, group, ELEMENTS);
    const plain = randomElements(systemRng, group, ELEMENTS);
    this.#b = allocateBatch(group, ELEMENTS);
    this.#out = allocateBatch(group, ELEMENTS);
    library.millrace_prepare(this.#handle, toAddress(this.#b), toAddress(plain), ELEMENTS);
  }

  /** Measures `count` products: microseconds per product. */
  sample(measure: BareMeasure, count: number): number {
    const [out, a, b] = [toAddress(this.#out), toAddress(this.#a), toAddress(this.#b)];
    const calls = Math.max(1, Math.floor(count / ELEMENTS));
    const start = process.hrtime.bigint();
    if (measure === 'kernel') {
      this.#library.millrace_mul_chain(this.#handle, out, a, b, (calls * ELEMENTS) / CHAINED, CHAINED);
    } else {
      for (let i = 0; i < calls; i++) this.#library.millrace_mul(this.#handle, out, a, b, 1, ELEMENTS);
    }
    return Number(process.hrtime.bigint() - start) / 1000 / (calls * ELEMENTS);
  }

  close(): void {
    this.#library.millrace_group_destroy(this.#handle);
  }
}
