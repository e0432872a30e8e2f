// The residue number system of the tfjs engine: its moduli, and every constant of a Montgomery product in it. A number is its
// remainders modulo 2k primes below 2^14, half of them base A with product M, half base B with product M'. R is M.
//
// All remainders are below 2^14 and are cut into two digits of 7 bits before a product, so that float32, which is exact for
// integers up to 2^24, holds every sum; 7 bits are exact in TF32, too. The bounds for k ≤ 303 are in `BOUNDS`.
import { MixError } from '../../base/index.js';
import { bigintToBytes, type Group } from '../../math/index.js';

const DIGIT_BITS = 7;
export const DIGIT = 1 << DIGIT_BITS;
const MODULUS_MAX = 1 << 14;
const MODULUS_MIN = 1 << 13;

/** Largest values of the float32 sums, by kind of sum; `k` remainders, elements of `elementBytes`. */
export const BOUNDS = {
  /** The middle of a base extension: a remainder shifted, and x₁·C₀ + x₀·C₁, each Σ over k of two digits. */
  middle: (k: number) => MODULUS_MAX * DIGIT + 2 * k * (DIGIT - 1) ** 2,
  /** The last sum of an extension: a remainder shifted, Σ x₀·C₀, and β ≤ k times a remainder. */
  extension: (k: number) => MODULUS_MAX * DIGIT + k * (DIGIT - 1) ** 2 + k * MODULUS_MAX + MODULUS_MAX,
  /** Bytes of an element times digits, on input: the largest of all at 4096 bits. */
  input: (elementBytes: number) => elementBytes * 255 * (DIGIT - 1),
  /** Digits times bytes of M'/m, on output. */
  output: (k: number) => k * (DIGIT - 1) * 255,
  /** A product of two remainders by digits: a remainder shifted and a digit times a remainder. */
  product: () => MODULUS_MAX * DIGIT + (DIGIT - 1) * MODULUS_MAX,
} as const;

/** One base: its moduli, their product M, and M/m for each m. */
interface Base {
  readonly moduli: readonly number[];
  readonly product: bigint;
  readonly cofactors: readonly bigint[];
}

/** Matrices and rows of remainders, as flat arrays. */
export interface Constants {
  readonly a: Base;
  readonly b: Base;
  /** In base A: −p⁻¹·(M/m)⁻¹ mod m; turns a product into the multiple of p to add, as weights of M/m. */
  readonly quotient: readonly number[];
  /** From base A to base B: (M/m)·p·M⁻¹ mod m', equal to p/m. */
  readonly toB: readonly number[];
  /** In base B: M⁻¹ mod m'. */
  readonly inverseM: readonly number[];
  /** In base B: (M'/m')⁻¹ mod m'. */
  readonly weight: readonly number[];
  /** From base B to base A: M'/m' mod m. */
  readonly toA: readonly number[];
  /** In base A: −M' mod m. */
  readonly minusProduct: readonly number[];
  /** From bytes of an element to base A and to base B: 256^i mod m. */
  readonly bytesToA: readonly number[];
  readonly bytesToB: readonly number[];
  /** From base B to bytes: the bytes of M'/m'. */
  readonly toBytes: readonly number[];
  readonly outputBytes: number;
  readonly rSquared: bigint;
}

const remainder = (value: bigint, modulus: number): number => {
  const m = BigInt(modulus);
  return Number(((value % m) + m) % m);
};

/** x⁻¹ mod a prime, by Fermat; products stay below 2^28. */
function inverse(value: number, modulus: number): number {
  let [result, base] = [1, value % modulus];
  for (let exponent = modulus - 2; exponent > 0; exponent >>= 1) {
    if (exponent & 1) result = (result * base) % modulus;
    base = (base * base) % modulus;
  }
  return result;
}

function primesBelow(limit: number, least: number): number[] {
  const composite = new Uint8Array(limit);
  for (let i = 2; i * i < limit; i++) {
    if (composite[i]) continue;
    for (let j = i * i; j < limit; j += i) composite[j] = 1;
  }
  const primes: number[] = [];
  for (let i = limit - 1; i > least; i--) if (!composite[i]) primes.push(i);
  return primes;
}

/** Takes the largest remaining primes until their product is large enough. */
function takeBase(primes: number[], least: (count: number) => bigint): Base {
  const moduli: number[] = [];
  let product = 1n;
  while (product < least(moduli.length)) {
    const prime = primes.shift();
    if (prime === undefined) throw new MixError('INTERNAL', { what: 'too few moduli for the group' });
    moduli.push(prime);
    product *= BigInt(prime);
  }
  return { moduli, product, cofactors: moduli.map((m) => product / BigInt(m)) };
}

/**
 * Bounds: numbers stay below c·p with c = k + 1. The multiple q of p to add comes to base B as q + αM with α < k, uncorrected, so
 * that a result is below c²p²/M + k·p ≤ c·p for M ≥ c²·p; and it comes back to base A exactly, since with M' > 4·c·p the sum of
 * fractions differs from the integer β by less than a quarter.
 */
export function makeConstants(group: Group): Constants {
  const { p, elementBytes } = group;
  const primes = primesBelow(MODULUS_MAX, MODULUS_MIN);
  const a = takeBase(primes, (count) => BigInt(count + 2) ** 2n * p);
  const c = BigInt(a.moduli.length + 1);
  const b = takeBase(primes, () => 4n * c * p + 1n);
  const outputBytes = Math.ceil(b.product.toString(16).length / 2);
  // Modulo a prime the cofactor M/m is M·m⁻¹: no long division for each entry of a matrix.
  const pInB = b.moduli.map((m) => remainder(p, m));
  const productInA = a.moduli.map((m) => remainder(b.product, m));
  return {
    a,
    b,
    quotient: a.moduli.map((m, i) => {
      return ((m - 1) * inverse((remainder(p, m) * remainder(a.cofactors[i]!, m)) % m, m)) % m;
    }),
    toB: a.moduli.flatMap((from) => b.moduli.map((m, j) => (pInB[j]! * inverse(from, m)) % m)),
    inverseM: b.moduli.map((m) => inverse(remainder(a.product, m), m)),
    weight: b.moduli.map((m, j) => inverse(remainder(b.cofactors[j]!, m), m)),
    toA: b.moduli.flatMap((from) => a.moduli.map((m, i) => (productInA[i]! * inverse(from, m)) % m)),
    minusProduct: a.moduli.map((m, i) => (m - productInA[i]!) % m),
    bytesToA: powersOf256(elementBytes, a.moduli),
    bytesToB: powersOf256(elementBytes, b.moduli),
    toBytes: b.cofactors.flatMap((cofactor) => [...bigintToBytes(cofactor, outputBytes)]),
    outputBytes,
    rSquared: (a.product * a.product) % p,
  };
}

/** Row i: 256^i modulo each. */
function powersOf256(count: number, moduli: readonly number[]): number[] {
  const rows = [moduli.map(() => 1)];
  while (rows.length < count) rows.push(rows.at(-1)!.map((power, i) => (256 * power) % moduli[i]!));
  return rows.flat();
}
