// The options of `millrace bench`, checked together before anything is opened or measured: the error names the wrong one.
import { MixError } from '../base/index.js';
import { type EngineName, OPERATIONS, type OperationName } from '../engine/index.js';
import { type Group, groupOfBits } from '../math/index.js';
import { BATCHES, QUICK_BATCHES, WIDTHS } from './gpu/plan.js';

/** Options of the command line: each by itself is within its bounds. */
export interface RawBenchOptions {
  readonly engine?: EngineName | 'auto';
  readonly op?: OperationName;
  readonly bits: number;
  readonly exponentBits: number;
  readonly batch: number;
  readonly threads: number;
  readonly repeat: number;
}

/** Size of the operands and number of measurements. */
export interface BenchShape {
  readonly group: Group;
  readonly exponentBits: number;
  /** Elements of a batch. */
  readonly batch: number;
  /** Worker threads of an engine. */
  readonly threads: number;
  /** Measurements of an operation, after the warm-up. */
  readonly repeat: number;
}

export interface BenchOptions extends BenchShape {
  readonly engine: EngineName | 'auto';
  readonly operations: readonly OperationName[];
}

const EXPONENT_BITS_MIN = 64;

/** @throws MixError INPUT_INVALID naming the option */
export function benchOptions({ engine = 'auto', op, bits, exponentBits, ...counts }: RawBenchOptions): BenchOptions {
  const group = groupOfBits(bits);
  if (exponentBits % 8 !== 0 || exponentBits < EXPONENT_BITS_MIN || exponentBits > 2 * bits) {
    const expected = `whole bytes, ${EXPONENT_BITS_MIN} to ${2 * bits} bits`;
    throw new MixError('INPUT_INVALID', { option: '--exponent-bits', got: exponentBits, expected });
  }
  return { group, exponentBits, ...counts, engine, operations: op === undefined ? OPERATIONS : [op] };
}

/** Options of `millrace bench gpu`. */
export interface RawGpuOptions {
  readonly minutes: number;
  readonly quick: boolean;
  readonly widths?: readonly number[];
  readonly batches?: readonly number[];
  readonly slots: number;
  /** Default: one per core. */
  readonly threads?: number;
}

type GpuShape = RawGpuOptions & Required<Pick<RawGpuOptions, 'widths' | 'batches'>>;

/** Fills in widths and batches. */
export const gpuShape = (raw: RawGpuOptions): GpuShape => ({
  ...raw,
  widths: raw.widths ?? WIDTHS,
  batches: raw.batches ?? (raw.quick ? QUICK_BATCHES : BATCHES),
});
