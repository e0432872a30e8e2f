// What `millrace bench gpu` measures, in the order in which it matters, and what it leaves out when time runs short: a card is
// often lent for minutes, and the largest batches of the longest exponents take seconds a run.
import { OPERATIONS, type OperationName } from '../../engine/index.js';

/** Sizes of a batch, from what a small round has to what fills any card several times over. */
export const BATCHES: readonly number[] = [32, 256, 1024, 4096, 16_384, 65_536];
export const QUICK_BATCHES: readonly number[] = [32, 1024, 16_384];
/** The widest first: if time runs out, the others are left out. */
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
  /** 0 where there is no exponent. */
  readonly exponentBits: number;
}

export interface SkippedCase extends GpuCase {
  /** `card` with transfers, `resident` without, `cpu`. */
  readonly where: string;
  readonly why: string;
}

/** The operations at one width: with short exponents all of the catalogue, else those that have exponents. */
export function planCases(bits: number, exponentBits: number, batches: readonly number[]): GpuCase[] {
  const short = exponentBits === SHORT_BITS;
  return OPERATIONS.filter((op) => short || isPower(op)).flatMap((op) =>
    batches.map((batch) => ({ op, bits, batch, exponentBits: isPower(op) ? exponentBits : 0 })),
  );
}

/** Runs that a measurement takes at least, with its warm-up, and as long again to draw what it computes on. */
const RUNS_MIN = 3;

/** Time that is left, and what a case is going to take: as long as the last one of its kind, a number and a bit of exponent. */
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

  /** Notes what one run of a case took. `where`: what ran it. */
  took(where: string, one: GpuCase, ms: number): void {
    this.#msEach.set(caseKind(where, one), ms / caseSize(one));
  }

  /** What a run is expected to take; 0 where nothing of its kind has run. */
  expectedMs(where: string, one: GpuCase): number {
    return (this.#msEach.get(caseKind(where, one)) ?? 0) * caseSize(one);
  }

  /** Why a case is left out; undefined where there is time for it. */
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
