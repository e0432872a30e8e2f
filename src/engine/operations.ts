// The engine's operations, each in one entry of one table. Everything an engine does with an operation besides the arithmetic
// follows from its entry: the checks of its operands (checked/call.ts), how a call is shared with worker threads and cut into
// chunks (pool/), the arguments of its C function (kernels/native/abi.ts), its computation on a card (cuda/), and the truth for
// the self-check, the spot check and the compliance suite. A new operation is an entry here and a method of Engine; an executor
// that has no code of its own for it composes it of others (compose.ts).
import { type Group, invert, multiply, power } from '../math/index.js';
import type { Engine, FixedBase, Prepared, WorkOptions } from './engine.js';

/**
 * Kind of an operand. An operation computes unit by unit. A unit is a slot of `width` elements, or one element if the operation
 * has no width.
 */
export type OperandKind =
  /** One slot per unit. */
  | 'elements'
  /** One slot per unit, plain or prepared. */
  | 'multiplier'
  /** Slots; each unit reads the one that the permutation names. */
  | 'gathered'
  /** One slot index per unit, each once. */
  | 'permutation'
  /** One exponent per unit. */
  | 'exponents'
  /** Exponents that every unit takes all of: it has as many results. */
  | 'sharedExponents'
  /** The one base of all units. */
  | 'base'
  /** Number of elements of a slot, an option of the call. */
  | 'width';

type Operands = Readonly<Record<string, OperandKind>>;
type Elements = readonly bigint[];

/** An operand by its kind: as the caller gives it (Given), and as the reference formula takes it (Values). */
interface Given extends Record<OperandKind, unknown> {
  readonly elements: Uint8Array;
  readonly multiplier: Uint8Array | Prepared;
  readonly gathered: Uint8Array;
  readonly permutation: Uint32Array;
  readonly exponents: Uint8Array;
  readonly sharedExponents: Uint8Array;
  readonly base: Uint8Array | FixedBase;
}
interface Values extends Record<OperandKind, unknown> {
  readonly elements: Elements;
  readonly multiplier: Elements;
  readonly gathered: Elements;
  readonly permutation: ArrayLike<number>;
  readonly exponents: Elements;
  readonly sharedExponents: Elements;
  readonly base: bigint;
  readonly width: number;
}
type NameOf<K extends Operands> = { [N in keyof K]: K[N] extends 'width' ? never : N }[keyof K];
type GivenOperands<K extends Operands> = { readonly [N in NameOf<K>]: Given[K[N]] };
type OperandViews<K extends Operands> = {
  readonly [N in NameOf<K>]: K[N] extends 'permutation' ? Uint32Array : Uint8Array;
};
export type OperandValue = Values[OperandKind];
type OperandValues<K extends Operands> = { readonly [N in keyof K]: Values[K[N]] };

/** Everything that the cost of a unit depends on. */
interface UnitShape {
  readonly width: number;
  readonly exponentBytes: number;
  /** The multiplier is prepared. */
  readonly prepared: boolean;
  /** Number of shared exponents; 1 if there are none. */
  readonly powers: number;
  /** Cost of a power of `exponentBytes` without a table, in products; depends on the kernel. */
  readonly powerProducts: number;
  /** Windows of the base's table, one product each; undefined without a table. */
  readonly windows: number | undefined;
}

/** A function of kernels/api.h: its name, and its arguments after the group in the words of kernels/native/abi.ts. */
export type NativeFunction = readonly [name: `millrace_${string}`, ...args: readonly string[]];

/** Options of any operation. */
type OperationOptions = WorkOptions & { readonly exponentBytes: number; readonly width?: number };

/** A computation in chunks: an operation, or a step internal to engines. */
export interface Entry<K extends Operands = Operands, N extends NativeFunction = NativeFunction> {
  /** By name, in the order of their checks. A permutation is copied last, after the result's buffer. */
  readonly operands: K;
  /** The units' results are multiplied into one. Default: each unit has its own. */
  readonly folds?: boolean;
  /** Fewest units that are worth a chunk of their own. Default: 1. */
  readonly unitsMin?: number;
  /** Function that computes a chunk, in the CPU library and in the CUDA library. Without one, both compose the operation. */
  readonly native?: N;
  /** Function that computes a chunk on a card that holds the multiplier, or the table of the base. */
  readonly resident?: N;
  /** Cost of a unit, in products. */
  products(unit: UnitShape): number;
  /** The definition: every engine gives these results, bit for bit. */
  reference(group: Group, values: OperandValues<K>): bigint[];
}

export interface Operation<K extends Operands = Operands, N extends NativeFunction = NativeFunction>
  extends Entry<K, N> {
  /** Calls the method of {@link Engine}. */
  call(engine: Engine, given: GivenOperands<K>, options: OperationOptions): Promise<Uint8Array>;
}

/** Identity functions that infer the types of an entry. */
const entry = <const K extends Operands, const N extends NativeFunction = never>(one: Entry<K, N>) => one;
const define = <const K extends Operands, const N extends NativeFunction = never>(one: Operation<K, N>) => one;

export const operations = {
  mul: define({
    operands: { a: 'elements', b: 'multiplier' },
    native: ['millrace_mul', 'out', 'a', 'b', 'prepared', 'units'],
    resident: ['millrace_mul_kept', 'out', 'a', 'resident', 'first', 'units'],
    products: ({ prepared }) => (prepared ? 1 : 2),
    reference: (group, { a, b }) => a.map((element, i) => multiply(group, element, b[i]!)),
    call: (engine, { a, b }, options) => engine.mul(a, b, options),
  }),

  mulGather: define({
    operands: { width: 'width', a: 'gathered', b: 'multiplier', source: 'permutation' },
    native: ['millrace_mul_gather', 'out', 'a', 'source', 'b', 'prepared', 'width', 'from', 'to'],
    resident: ['millrace_mul_gather_kept', 'out', 'a', 'source', 'resident', 'first', 'width', 'slots', 'from', 'to'],
    products: ({ prepared, width }) => (prepared ? width : 2 * width),
    reference: (group, { a, source, b, width }) =>
      b.map((element, i) => multiply(group, a[source[Math.floor(i / width)]! * width + (i % width)]!, element)),
    call: (engine, { a, source, b }, options) => engine.mulGather(a, source, b, options),
  }),

  powFixed: define({
    operands: { base: 'base', exponents: 'exponents' },
    native: ['millrace_pow_fixed', 'out', 'table', 'exponents', 'exponentBytes', 'digitBits', 'units'],
    resident: ['millrace_pow_fixed_kept', 'out', 'resident', 'exponents', 'units'],
    products: ({ windows, powerProducts }) => (windows === undefined ? powerProducts : windows + 1),
    reference: (group, { base, exponents }) => exponents.map((exponent) => power(group, base, exponent)),
    call: (engine, { base, exponents }, options) => engine.powFixed(base, exponents, options),
  }),

  powShared: define({
    operands: { exponents: 'sharedExponents', bases: 'elements' },
    native: ['millrace_pow_shared', 'out', 'bases', 'exponents', 'exponentBytes', 'powers', 'units'],
    products: ({ powers, powerProducts }) => powers * powerProducts,
    reference: (group, { bases, exponents }) =>
      bases.flatMap((base) => exponents.map((exponent) => power(group, base, exponent))),
    call: (engine, { bases, exponents }, options) => engine.powShared(bases, exponents, options),
  }),

  pow: define({
    operands: { bases: 'elements', exponents: 'exponents' },
    native: ['millrace_pow', 'out', 'bases', 'exponents', 'exponentBytes', 'units'],
    products: ({ powerProducts }) => powerProducts,
    reference: (group, { bases, exponents }) => bases.map((base, i) => power(group, base, exponents[i]!)),
    call: (engine, { bases, exponents }, options) => engine.pow(bases, exponents, options),
  }),

  invertBatch: define({
    operands: { a: 'elements' },
    // A chunk has one inversion, which costs some 200 products.
    unitsMin: 200,
    native: ['millrace_invert', 'out', 'a', 'blinding', 'units'],
    products: () => 3,
    reference: (group, { a }) => a.map((element) => invert(group, element)),
    call: (engine, { a }, options) => engine.invertBatch(a, options),
  }),

  product: define({
    operands: { a: 'elements', width: 'width' },
    folds: true,
    unitsMin: 16,
    native: ['millrace_product', 'out', 'a', 'width', 'units'],
    products: ({ width }) => width,
    reference: (group, { a, width }) => {
      const out = new Array<bigint>(width).fill(1n);
      for (const [i, element] of a.entries()) out[i % width] = multiply(group, out[i % width]!, element);
      return out;
    },
    call: (engine, { a }, options) => engine.product(a, options),
  }),

  multiExp: define({
    operands: { bases: 'elements', exponents: 'exponents' },
    folds: true,
    unitsMin: 64,
    native: ['millrace_multi_exp', 'out', 'bases', 'exponents', 'exponentBytes', 'units'],
    // 14 products for the table of a base, and one per digit of 4 bits; the squarings are shared.
    products: ({ exponentBytes }) => 14 + 2 * exponentBytes,
    reference: (group, { bases, exponents }) => [
      bases.reduce((product, base, i) => multiply(group, product, power(group, base, exponents[i]!)), 1n),
    ],
    call: (engine, { bases, exponents }, options) => engine.multiExp(bases, exponents, options),
  }),
};

export type OperationName = keyof typeof operations;
export const OPERATIONS: readonly OperationName[] = Object.keys(operations) as OperationName[];

const entries = {
  ...operations,

  /** Converts elements into the executor's own form, for {@link Engine.prepare}. The reference has no other form. */
  prepare: entry({
    operands: { elements: 'elements' },
    native: ['millrace_prepare', 'out', 'elements', 'units'],
    products: () => 1,
    reference: (_group, { elements }) => [...elements],
  }),
};

export type EntryName = keyof typeof entries;
export type EntryOf<O extends EntryName> = (typeof entries)[O];
/** Operands as a caller gives them. */
export type GivenOf<O extends EntryName> = GivenOperands<EntryOf<O>['operands']>;
/** Operands as a checked request holds them; their kind determines their treatment. */
export type ViewsOf<O extends EntryName> = OperandViews<EntryOf<O>['operands']>;

export const ENTRIES: readonly Entry[] = Object.values(entries);
export const findEntry = (op: EntryName): Entry => entries[op];
export const findOperation = (op: OperationName): Operation => operations[op];

/** True if the operation raises powers, so that a unit takes some hundred products. */
export const raisesPowers = (op: EntryName): boolean =>
  Object.values(findEntry(op).operands).some((kind) => kind === 'exponents' || kind === 'sharedExponents');
