// The cutting of operations into chunks. A chunk should take a few milliseconds: long enough that its hand-over (some 50 µs) does
// not count, short enough that realtime work soon overtakes and an abort soon takes effect. Costs need only be right within a
// factor of two; they are in Montgomery products, whose time grows with the square of the bit length.
import type { Group } from '../../math/index.js';
import { type ComputeRequest, countPowers } from '../checked/request.js';
import { countWindows } from '../kernels/fixedBase.js';
import { findEntry } from '../operations.js';
import type { KernelName } from './job.js';

/** One product at 4096 bits, in µs, on a machine of some years ago. */
const PRODUCT_US: Record<KernelName, number> = {
  ifma: 0.5,
  portable: 8,
  words: 4,
  bignum: 5,
  dh: 16,
  bigint: 16,
};
/** Products of the generic power per bit of the exponent, about. */
const POWER_PRODUCTS_PER_BIT: Record<KernelName, number> = {
  ifma: 0.9,
  portable: 1.3,
  words: 1,
  bignum: 0.8,
  dh: 0.25,
  bigint: 1.3,
};
/** Elements that a kernel computes at once: a range that is not a multiple leaves lanes idle. */
const LANES: Record<KernelName, number> = { ifma: 8, portable: 1, words: 1, bignum: 1, dh: 1, bigint: 1 };
/** Cost of a call from JavaScript besides the arithmetic, µs; it dominates in the small groups. */
const CALL_US = 0.5;

/** Most time of a chunk, unless one unit takes longer. */
export const CHUNK_US = 4000;
/** Below this, splitting a chunk over more workers costs more than it gains. */
const CHUNK_US_MIN = 300;

type Range = readonly [from: number, to: number];

/** Cost model of one kernel and group. */
export class ChunkPlanner {
  readonly #productUs: number;
  readonly #powerPerBit: number;
  readonly #threads: number;
  readonly #lanes: number;

  constructor(kernel: KernelName, group: Group, threads: number) {
    this.#productUs = PRODUCT_US[kernel] * (group.bits / 4096) ** 2 + (LANES[kernel] > 1 ? 0 : CALL_US);
    this.#powerPerBit = POWER_PRODUCTS_PER_BIT[kernel];
    this.#threads = threads;
    this.#lanes = LANES[kernel];
  }

  /** Cost of a generic power with such an exponent, in products. */
  power(exponentBytes: number): number {
    return 2 + exponentBytes * 8 * this.#powerPerBit;
  }

  /** Cost of a unit of a request, in products. */
  unit(request: ComputeRequest): number {
    const { op, width, exponentBytes, prepared, table } = request;
    return findEntry(op).products({
      width,
      exponentBytes,
      prepared,
      powers: countPowers(request),
      powerProducts: this.power(exponentBytes),
      windows: table && countWindows(exponentBytes),
    });
  }

  /** Estimated time of `units` of `products` each, µs. */
  costUs(units: number, products: number): number {
    return this.#productUs * products * units;
  }

  /** Cuts [0, units) of `products` each into even chunks, over all threads if it is worth it. */
  ranges(units: number, products: number, unitsMin = 1): Range[] {
    if (units === 0) return [];
    const totalUs = this.costUs(units, products);
    const byTime = Math.ceil(totalUs / CHUNK_US);
    const byThreads = Math.min(this.#threads, Math.floor(totalUs / CHUNK_US_MIN));
    // No range is smaller than the lanes: a group of lanes takes as long with one in use as with all.
    const most = Math.max(1, Math.floor(units / Math.max(unitsMin, this.#lanes)));
    const wanted = Math.max(1, byTime, byThreads);
    // A multiple of the threads: with one chunk left over, all but one thread would wait for it.
    const count = Math.min(most, wanted < this.#threads ? wanted : Math.ceil(wanted / this.#threads) * this.#threads);
    // Boundaries at whole groups of lanes, if there are enough units to leave no range empty.
    const grain = units >= 2 * count * this.#lanes ? this.#lanes : 1;
    const boundary = (i: number) => (i === count ? units : Math.floor((units * i) / count / grain) * grain);
    return Array.from({ length: count }, (_, i) => [boundary(i), boundary(i + 1)]);
  }
}
