// Upper limits of a card, from the one rate that bounds it: wide multiply-adds (32 × 32 bits added to 64) per second, measured in
// the same run. A multiplication of n limbs needs 2n² of them, half for the product and half for the reduction; a squaring needs
// only half of the product's half. Other costs of the kernels show as the distance to the limit.
import type { OperationName } from '../../engine/index.js';
import type { Target } from '../compare/targets.js';
import { significant } from '../stats.js';
import { isPower, SHORT_BITS } from './plan.js';

/** Parameters of the kernels: kernels/pow.h, powFixed.h (digits: src/engine/cuda/calls.ts), invert.h and product.h. */
const WINDOW_BITS = 4;
const DIGIT_BITS = 6;
const FAN = 8;

interface WorkCount {
  readonly multiplications: number;
  readonly squarings: number;
}

/** Counts the products for one result of an operation; for product and multiExp, for one input element. */
export function countWork(op: OperationName, exponentBits: number): WorkCount {
  const rows = Math.ceil(exponentBits / WINDOW_BITS);
  const entries = 2 ** WINDOW_BITS - 1;
  switch (op) {
    case 'mul':
    case 'mulGather':
      return { multiplications: 1, squarings: 0 };
    case 'pow':
    case 'powShared':
      // The table, one product per row except the first, and the conversion from Montgomery form.
      return { multiplications: entries + rows, squarings: WINDOW_BITS * (rows - 1) };
    case 'powFixed':
      return { multiplications: Math.ceil(exponentBits / DIGIT_BITS), squarings: 0 };
    case 'invertBatch':
      // Three per element, and the same for the tree above.
      return { multiplications: (3 * FAN) / (FAN - 1), squarings: 0 };
    case 'product':
      return { multiplications: 2 + 1 / (FAN - 1), squarings: 0 };
    case 'multiExp':
      // Eight bases share their squarings.
      return { multiplications: entries + rows + 1 / (FAN - 1), squarings: (WINDOW_BITS * rows) / FAN };
  }
}

/** Wide multiply-adds of one multiplication. */
const madsOfMultiplication = (bits: number): number => 2 * (bits / 32) ** 2;
/** Wide multiply-adds of one squaring, at least. */
const madsOfSquaring = (bits: number): number => 1.5 * (bits / 32) ** 2 + bits / 64;

/** Returns the most results per second at this rate of wide multiply-adds. */
export function operationLimit(madsPerSecond: number, op: OperationName, bits: number, exponentBits: number): number {
  const { multiplications, squarings } = countWork(op, exponentBits);
  const mads = multiplications * madsOfMultiplication(bits) + squarings * madsOfSquaring(bits);
  return madsPerSecond / mads;
}

export interface Limits {
  readonly bits: number;
  readonly multiplicationsPerSecond: number;
  readonly squaringsPerSecond: number;
  /** Powers with 256-bit exponents, of many bases and of a fixed one. */
  readonly powersPerSecond: number;
  readonly fixedBasePowersPerSecond: number;
}

export function cardLimits(madsPerSecond: number, bits: number): Limits {
  return {
    bits,
    multiplicationsPerSecond: significant(madsPerSecond / madsOfMultiplication(bits)),
    squaringsPerSecond: significant(madsPerSecond / madsOfSquaring(bits)),
    powersPerSecond: significant(operationLimit(madsPerSecond, 'pow', bits, SHORT_BITS)),
    fixedBasePowersPerSecond: significant(operationLimit(madsPerSecond, 'powFixed', bits, SHORT_BITS)),
  };
}

/** A published figure that was not measured here. */
export interface Documented {
  readonly what: string;
  readonly perSecond: number;
  readonly source: string;
}

/** Powers per second of CGBN on an H200, 4096 bits, 256-bit exponents. */
const CGBN_PER_SECOND = 420_000;

export const DOCUMENTED: readonly Documented[] = [
  {
    what: 'CGBN on an H200, pow, 4096 bits, 256-bit exponents',
    perSecond: CGBN_PER_SECOND,
    source: 'NOT MEASURED HERE: inferred from the rates that CGBN publishes for older cards, ±40%; not constant-time',
  },
  {
    what: 'the xx network on CGBN, pow, 4096 bits, 512-bit exponents, card not named',
    perSecond: 65_801,
    source: 'NOT MEASURED HERE: a report in its repository',
  },
];

/** Best rates of a run at 4096 bits and 256-bit exponents, results per second. */
interface BestRates {
  /** On data that is on the card already. */
  readonly resident: (op: OperationName) => number | undefined;
  /** From host memory to host memory. */
  readonly withTransfers: (op: OperationName) => number | undefined;
}

/** Targets of an H200; another card is compared with the same ones. */
export function gpuTargets(card: string, best: BestRates): (Target & { readonly setForThisCard: boolean })[] {
  const setForThisCard = /\bH200\b/.test(card);
  const found: (Target & { readonly setForThisCard: boolean })[] = [];
  const note = (what: string, perSecond: number | undefined, atLeast: number) => {
    if (perSecond === undefined) return;
    found.push({ what, atLeast, measured: significant(perSecond), met: perSecond >= atLeast, setForThisCard });
  };
  const powers = 'million powers/s, 4096 bits, 256-bit exponents';
  for (const [where, rate] of [
    ['on the card', best.resident],
    ['with transfers', best.withTransfers],
  ] as const) {
    const millions = (op: OperationName) => {
      const perSecond = rate(op);
      return perSecond === undefined ? undefined : perSecond / 1e6;
    };
    note(`pow ${where}, ${powers}`, millions('pow'), 0.7);
    note(`powFixed ${where}, ${powers}`, millions('powFixed'), 5.5);
    const pow = rate('pow');
    const toCgbn = pow === undefined ? undefined : pow / CGBN_PER_SECOND;
    note(`pow ${where} to CGBN's documented figure (not measured here)`, toCgbn, 1.7);
  }
  return found;
}

/** Returns the unit of a limit: results of an operation, or its input elements. */
export const unitName = (op: OperationName): string =>
  op === 'product' || op === 'multiExp' ? 'elements' : isPower(op) ? 'powers' : 'results';
