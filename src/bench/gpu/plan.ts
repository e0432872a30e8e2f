// The plan of `millrace bench gpu`: its cases in order of importance, and those it skips if time runs short. A card is often lent
// for minutes, and the largest batches with the longest exponents take seconds per run.
import { OPERATIONS, type OperationName } from '../../engine/index.js';

/** Batch sizes, from a small round to several times the capacity of any card. */
export const BATCHES: readonly number[] = [32, 256, 1024, 4096, 16_384, 65_536];
export const QUICK_BATCHES: readonly number[] = [32, 1024, 16_384];
/** The widest first: if time runs out, the others are skipped. */
export const WIDTHS: readonly number[] = [4096, 3072, 2048];
/** Length of the exponents of a round. */
export const SHORT_BITS = 256;
const POWERS: readonly OperationName[] = ['pow', 'powShared', 'powFixed', 'multiExp'];

export const isPower = (op: OperationName): boolean => POWERS.includes(op);

/** One operation at one size. */
export interface GpuCase {
  readonly op: OperationName;
  readonly bits: number;
  readonly batch: number;
  /** 0 if there is no exponent. */
  readonly exponentBits: number;
}

export interface SkippedCase extends GpuCase {
  /** `card` with transfers, `resident` without, `cpu`. */
  readonly where: string;
  readonly why: string;
}

/** Returns the cases of one width: all operations with short exponents, else those that have exponents. */
export function planCases(bits: number, exponentBits: number, batches: readonly number[]): GpuCase[] {
  const short = exponentBits === SHORT_BITS;
  return OPERATIONS.filter((op) => short || isPower(op)).flatMap((op) =>
    batches.map((batch) => ({ op, bits, batch, exponentBits: isPower(op) ? exponentBits : 0 })),
  );
}

/** Fewest runs of a measurement, with its warm-up and the time of a run for drawing its inputs. */
const RUNS_MIN = 3;

/** The time left, and the expected time of a case: by the last one of its kind, per number and bit of exponent. */
export class Budget {
  readonly #endMs: number;
  readonly #now: () => number;
  readonly #msEach = new Map<string, number>();

  constructor(endMs: number, now: () => number) {
    this.#endMs = endMs;
    this.#now = now;
  }

  get leftMs(): number {
    return Math.max(0, this.#endMs - this.#now());
  }

  /** Records the time of one run of a case. `where`: card or cpu. */
  took(where: string, one: GpuCase, ms: number): void {
    this.#msEach.set(caseKind(where, one), ms / caseSize(one));
  }

  /** Expected time of a run; 0 if nothing of its kind has run. */
  expectedMs(where: string, one: GpuCase): number {
    return (this.#msEach.get(caseKind(where, one)) ?? 0) * caseSize(one);
  }

  /** Returns the reason to skip a case; undefined if there is time for it. */
  why(where: string, one: GpuCase): string | undefined {
    const { leftMs } = this;
    const expectedMs = this.expectedMs(where, one);
    if (leftMs > 0 && RUNS_MIN * expectedMs <= leftMs) return undefined;
    const seconds = (ms: number) => (ms / 1000).toFixed(1);
    return `a run may take ${seconds(expectedMs)} s, ${seconds(leftMs)} s are left`;
  }
}

const caseKind = (where: string, { op, bits }: GpuCase): string => `${where} ${op} ${bits}`;
const caseSize = ({ batch, exponentBits }: GpuCase): number => batch * Math.max(1, exponentBits);
