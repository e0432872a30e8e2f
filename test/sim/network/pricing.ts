// Costs of work in the simulation: measured prices, cut into chunks by the engine's own plan, so that realtime work waits as long
// for a core as on a real node. The same shape with all prices zero gives the floor: latency and bandwidth alone.
import type { CostFile, EngineWork, MainWork, TransportWork } from '../../../bench/network/costFile.js';
import { countWindows } from '../../../src/engine/kernels/fixedBase.js';
import { CHUNK_US, ChunkPlanner } from '../../../src/engine/pool/chunkPlanner.js';
import type { KernelName } from '../../../src/engine/pool/job.js';
import { groupOfBits } from '../../../src/math/group.js';

/** An operation of an engine, in chunks of equal length that may run at the same time. */
export interface Work {
  readonly chunks: number;
  readonly chunkUs: number;
  /** The engine queue's estimate of a chunk; Infinity if it has none. */
  readonly estimatedUs: number;
}

const KERNELS: readonly KernelName[] = ['ifma', 'portable', 'words', 'bignum', 'dh', 'bigint'];
/** Minimum of bases in one chunk of a multi-exponentiation. */
const MULTI_EXP_BASES_MIN = 64;
const WEIGHT_BYTES = 16;
/** Minimum of elements in one inversion (src/engine/operations.ts). */
const INVERSION_UNITS_MIN = 200;

/** The priced work: computing, hashing and signing; that plus gRPC and TLS; or nothing. */
type Counts = 'work' | 'work and transport' | 'nothing';

export class Pricing {
  readonly threads: number;
  readonly elementBytes: number;
  readonly overtakeUs: number;
  readonly reserveUs: number;
  readonly #costs: CostFile;
  readonly #planner: ChunkPlanner;
  readonly #exponentBytes: number;
  readonly #counts: Counts;

  constructor(costs: CostFile, counts: Counts = 'work') {
    const group = groupOfBits(costs.bits);
    this.#costs = costs;
    this.threads = costs.threads;
    this.elementBytes = group.elementBytes;
    this.#exponentBytes = costs.exponentBits / 8;
    const kernel = KERNELS.find((name) => name === costs.path) ?? 'portable';
    this.#planner = new ChunkPlanner(kernel, group, costs.threads);
    this.#counts = counts;
    this.overtakeUs = counts === 'nothing' ? 0 : costs.overtakeUs;
    this.reserveUs = counts === 'nothing' ? 0 : costs.reserveUs;
  }

  /** The same shape, with all prices zero. */
  free(): Pricing {
    return new Pricing(this.#costs, 'nothing');
  }

  withTransport(): Pricing {
    return new Pricing(this.#costs, 'work and transport');
  }

  engine(what: EngineWork, units: number): Work {
    const us = this.#us(this.#costs.engineWork[what], units);
    const products = this.#productsOf(what);
    // Tables are one chunk each; so are full-size powers, which the queue underestimates.
    if (products === undefined) return { chunks: 1, chunkUs: us, estimatedUs: what === 'table' ? Infinity : CHUNK_US };
    const chunks = this.#planner.ranges(units, products, what === 'invertBatch' ? INVERSION_UNITS_MIN : 1).length;
    return { chunks, chunkUs: us / chunks, estimatedUs: this.#planner.costUs(units, products) / chunks };
  }

  /** Weighing the shares of a batch, and then the two powers of the nonce, each one long chunk. */
  proof(slots: number, width: number): readonly [Work, Work] {
    const { callUs, unitUs } = this.#costs.engineWork.proof;
    const chunks = this.#planner.ranges(slots, 14 + 2 * WEIGHT_BYTES, MULTI_EXP_BASES_MIN).length * (width + 1);
    const weighUs = this.#us({ callUs: 0, unitUs: (unitUs * (width + 1)) / 2 }, slots);
    const nonceUs = this.#us({ callUs: callUs * width, unitUs: 0 }, 1);
    return [
      { chunks, chunkUs: weighUs / chunks, estimatedUs: Infinity },
      { chunks: 2 * width, chunkUs: nonceUs / (2 * width), estimatedUs: CHUNK_US },
    ];
  }

  /** Microseconds of the main thread. */
  main(what: MainWork, units = 1): number {
    return this.#us(this.#costs.mainWork[what], units);
  }

  /** Accepting or handing out slots of `elements` elements: measured with one element and with two. */
  slots(what: 'take' | 'give', slots: number, elements: number): number {
    const single = this.main(`${what}Single`, slots);
    return single + (elements - 1) * Math.max(0, this.main(`${what}Pair`, slots) - single);
  }

  /** Microseconds of the main thread for the bytes of a message or a batch, out or in; a batch has the price of a call once. */
  transport(what: TransportWork, bytes: number, isRest = false): number {
    if (this.#counts !== 'work and transport') return 0;
    const { callUs, unitUs } = this.#costs.transportWork[what];
    return this.#us({ callUs: isRest ? 0 : callUs, unitUs }, bytes / 1_024);
  }

  #us({ callUs, unitUs }: { readonly callUs: number; readonly unitUs: number }, units: number): number {
    return this.#counts === 'nothing' ? 0 : callUs + units * unitUs;
  }

  /** Montgomery products of a unit, as the engine counts them when it cuts an operation into chunks. */
  #productsOf(what: EngineWork): number | undefined {
    const products: Partial<Record<EngineWork, number>> = {
      mul: 1,
      mulPlain: 2,
      mulGather: 1,
      prepare: 1,
      powFixed: countWindows(this.#exponentBytes) + 1,
      powShared: this.#planner.power(this.#exponentBytes),
      invertBatch: 3,
    };
    return products[what];
  }
}
