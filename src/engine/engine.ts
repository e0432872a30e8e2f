// The interface of an engine: batched arithmetic in Z⁺p. Engines differ in where they compute, not in results: every operation
// takes and gives flat little-endian batches (math/batch.ts) in canonical form, and one compliance suite
// (test/engine.compliance.ts) compares each engine with the bigint reference, bit for bit.
import type { Group } from '../math/index.js';

/** Engines that `openEngine` knows by name; `auto` is the first that works, so never one behind `reference`. */
export const ENGINE_NAMES = ['cuda', 'cpu', 'openssl', 'bigint', 'reference', 'gpujs', 'tfjs'] as const;
export type EngineName = (typeof ENGINE_NAMES)[number];

/** Realtime work overtakes precomputation wherever both wait. */
export type Priority = 'realtime' | 'precompute';

export interface WorkOptions {
  /** Default: precompute. */
  readonly priority?: Priority;
  /** Order among operations of one priority: smaller goes first, equal ones by arrival. Default: 0. */
  readonly order?: number;
  /** Checked between chunks: rejects with ABORTED, never kills a worker. */
  readonly signal?: AbortSignal;
  /** Buffer for the result, of exactly its length; default: a new buffer in shared memory. Must not overlap an input. */
  readonly out?: Uint8Array;
  /**
   * The elements of all operands are known to be in 1..q: they were checked as they came in, or an engine has made them. They are not
   * looked at again (8 ns an element); an element that is out of range makes the result wrong. Lengths are checked as ever.
   */
  readonly inRange?: boolean;
}

/** An operand in the engine's own form (Montgomery, on a device, …): multiplying by it costs one product. */
export interface Prepared {
  /** Number of elements. */
  readonly count: number;
  /** Returns a view of elements from (included) to to (excluded); shares the storage. */
  slice(from: number, to: number): Prepared;
  /** Wipes and frees the storage, for every slice, too. Idempotent. Later use: HANDLE_RELEASED. */
  release(): void;
}

/** A base with its table of powers, for powFixed. */
export interface FixedBase {
  /** The base: one element. */
  readonly element: Uint8Array;
  /** Frees the table. Idempotent. */
  release(): void;
}

/**
 * Batched arithmetic in one group. All methods check lengths and ranges (1..q) of everything before any work and reject with
 * LENGTH_MISMATCH, ELEMENT_RANGE, EXPONENT_RANGE, WIDTH_INVALID, PERMUTATION_INVALID, HANDLE_RELEASED, HANDLE_FOREIGN,
 * BUFFER_OVERLAP; later with ABORTED, ENGINE_BUSY, ENGINE_CLOSED, ENGINE_WORKER. Inputs must not change until the promise
 * settles. Exponents are flat little-endian integers of `exponentBytes` each, any length from 1 to 2·elementBytes (64 bytes in
 * any group).
 */
export interface Engine {
  readonly name: EngineName;
  readonly group: Group;
  /** Worker threads; 0 if it computes inline. */
  readonly threads: number;
  /** Name of the arithmetic code, for a log line: `BN_mod_exp_mont_consttime`, `bigint`, … */
  readonly path: string;

  /** Allocates a zeroed batch in shared memory, slots × width elements. */
  allocate(slots: number, width?: number): Uint8Array;
  /** Converts an operand once, for many products. */
  prepare(elements: Uint8Array, options?: WorkOptions): Promise<Prepared>;
  /** Builds the table of a base for powFixed. `element`: one element. */
  fixedBase(element: Uint8Array, options?: WorkOptions): Promise<FixedBase>;

  /** out[i] = a[i] ∘ b[i]. a, b: n elements → n. */
  mul(a: Uint8Array, b: Uint8Array | Prepared, options?: WorkOptions): Promise<Uint8Array>;
  /**
   * out[k] = a[source[k]] ∘ b[k], by slots of `width` elements (default 1). `source`: a permutation of the slots.
   * a, b: slots × width elements → slots × width.
   */
  mulGather(
    a: Uint8Array,
    source: Uint32Array,
    b: Uint8Array | Prepared,
    options?: WorkOptions & { readonly width?: number },
  ): Promise<Uint8Array>;
  /** out[i] = base^exponents[i]. n exponents → n elements. Constant-time in the exponents if the engine says so. */
  powFixed(
    base: FixedBase | Uint8Array,
    exponents: Uint8Array,
    options: WorkOptions & { readonly exponentBytes: number },
  ): Promise<Uint8Array>;
  /**
   * Every base to each of w shared exponents: out[i·w + e] = bases[i]^exponents[e].
   * n bases, w = exponents.length / exponentBytes exponents → n × w elements.
   */
  powShared(
    bases: Uint8Array,
    exponents: Uint8Array,
    options: WorkOptions & { readonly exponentBytes: number },
  ): Promise<Uint8Array>;
  /** out[i] = bases[i]^exponents[i]. n bases, n exponents → n. */
  pow(
    bases: Uint8Array,
    exponents: Uint8Array,
    options: WorkOptions & { readonly exponentBytes: number },
  ): Promise<Uint8Array>;
  /** out[i] = a[i]⁻¹. n → n. */
  invertBatch(a: Uint8Array, options?: WorkOptions): Promise<Uint8Array>;
  /** out[e] = ∏ over slots of a[slot·width + e]; 1 for no slots. slots × width → width (default 1). */
  product(a: Uint8Array, options?: WorkOptions & { readonly width?: number }): Promise<Uint8Array>;
  /** ∏ bases[i]^exponents[i]: one element; 1 for none. For public exponents only: not constant-time. */
  multiExp(
    bases: Uint8Array,
    exponents: Uint8Array,
    options: WorkOptions & { readonly exponentBytes: number },
  ): Promise<Uint8Array>;

  /** Stops accepting work, lets running chunks end, wipes and frees everything. Idempotent. */
  close(): Promise<void>;
}
