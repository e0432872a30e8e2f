// The catalogue of operations, each defined once as a pure function on BigInt. The reference engine runs these functions
// inline, the bigint workers run them chunk by chunk, and every other engine is compared with them: in its self-check
// before it is handed out, and in the compliance suite. Whoever changes a meaning changes it here.
import { type Group, invert, multiply, power } from '../math/index.js';

type Elements = readonly bigint[];

export const catalogue = {
  /** out[i] = a[i] ∘ b[i] */
  mul: (group: Group, a: Elements, b: Elements): bigint[] => a.map((element, i) => multiply(group, element, b[i]!)),

  /** out[k] = a[source[k]] ∘ b[k], by slots of `width` elements */
  mulGather: (group: Group, a: Elements, source: ArrayLike<number>, b: Elements, width: number): bigint[] =>
    b.map((element, i) => multiply(group, a[source[Math.floor(i / width)]! * width + (i % width)]!, element)),

  /** out[i] = base^exponents[i] */
  powFixed: (group: Group, base: bigint, exponents: Elements): bigint[] =>
    exponents.map((exponent) => power(group, base, exponent)),

  /** out[i·w + e] = bases[i]^exponents[e], w exponents */
  powShared: (group: Group, bases: Elements, exponents: Elements): bigint[] =>
    bases.flatMap((base) => exponents.map((exponent) => power(group, base, exponent))),

  /** out[i] = bases[i]^exponents[i] */
  pow: (group: Group, bases: Elements, exponents: Elements): bigint[] =>
    bases.map((base, i) => power(group, base, exponents[i]!)),

  /** out[i] = a[i]⁻¹ */
  invertBatch: (group: Group, a: Elements): bigint[] => a.map((element) => invert(group, element)),

  /** out[e] = ∏ over slots of a[slot·width + e] */
  product: (group: Group, a: Elements, width: number): bigint[] => {
    const out = new Array<bigint>(width).fill(1n);
    for (const [i, element] of a.entries()) out[i % width] = multiply(group, out[i % width]!, element);
    return out;
  },

  /** ∏ bases[i]^exponents[i] */
  multiExp: (group: Group, bases: Elements, exponents: Elements): bigint =>
    bases.reduce((product, base, i) => multiply(group, product, power(group, base, exponents[i]!)), 1n),
} as const;
