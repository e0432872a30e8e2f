// The engine's operations, each in one entry of one table. Whatever an engine does with an operation besides the arithmetic follows
// from its entry: which checks its operands pass (checked/call.ts), how a call is shared with worker threads and cut into chunks
// (pool/), which arguments its C function gets (kernels/native/abi.ts), what runs on a card (cuda/), and what the self-check, the
// spot check and the compliance suite compare results with. A new operation is an entry here and a method of Engine; an
// executor that has no code of its own for it computes it from others (compose.ts).
import { type Group, invert, multiply, power } from '../math/index.js';
import type { Engine, FixedBase, Prepared, WorkOptions } from './engine.js';

/**
 * What an operand is. An operation computes unit by unit. A unit is a slot of `width` elements, one element where the operation
 * has no width.
 */
export type OperandKind =
  /** A slot a unit. */
  | 'elements'
  /** A slot a unit, plain or prepared. */
  | 'multiplier'
  /** Slots of which each unit reads one, the one that the permutation names. */
  | 'gathered'
  /** An index of a slot a unit, each once. */
  | 'permutation'
  /** An exponent a unit. */
  | 'exponents'
  /** Exponents of which each unit takes all: it has as many results. */
  | 'sharedExponents'
  /** The one base of all units. */
  | 'base'
  /** Elements of a slot, an option of the call. */
  | 'width';

type Operands = Readonly<Record<string, OperandKind>>;
type Elements = readonly bigint[];

/** An operand by its kind: as a caller gives it, as a checked request holds it, and as the reference formula takes it. */
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
  /** Shared exponents; 1 where there are none. */
  readonly powers: number;
  /** Cost of a power of `exponentBytes` without a table, in products. It depends on the kernel. */
  readonly powerProducts: number;
  /** Windows of the base's table, one product each; undefined where it has none. */
  readonly windows: number | undefined;
}

/** A function of kernels/api.h: its name, and its arguments after the group in the words of kernels/native/abi.ts. */
export type NativeFunction = readonly [name: `millrace_${string}`, ...args: readonly string[]];

/** Options of any operation. */
type OperationOptions = WorkOptions & { readonly exponentBytes: number; readonly width?: number };

/** A computation in chunks: an operation, or a step that only engines ask for. */
export interface Entry<K extends Operands = Operands, N extends NativeFunction = NativeFunction> {
  /** By name, in the order in which they are checked. A permutation is taken last, after the result's buffer. */
  readonly operands: K;
  /** The units' results are multiplied into one. Default: each unit has its own. */
  readonly folds?: boolean;
  /** The fewest units that are worth a chunk of their own. Default: 1. */
  readonly unitsMin?: number;
  /** What computes a chunk, in the CPU's library and in the CUDA library. Where there is none, both compose it. */
  readonly native?: N;
  /** What computes a chunk on a card that keeps the multiplier, or the table of the base. */
  readonly resident?: N;
  /** The cost of a unit, in products. */
  products(unit: UnitShape): number;
  /** The definition: every engine gives these results, bit for bit. */
  reference(group: Group, values: OperandValues<K>): bigint[];
}

export interface Operation<K extends Operands = Operands, N extends NativeFunction = NativeFunction>
  extends Entry<K, N> {
  /** Calls the method of {@link Engine}. */
  call(engine: Engine, given: GivenOperands<K>, options: OperationOptions): Promise<Uint8Array>;
}

/** These only infer the types of an entry. */
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
    // 14 products for the table of a base, and one a digit of 4 bits; the squarings are shared.
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

  /** Elements into the executor's own form: what {@link Engine.prepare} asks for. The reference has no other form. */
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
/** Operands as a checked request holds them: what the engine does to them is told by their kind. */
export type ViewsOf<O extends EntryName> = OperandViews<EntryOf<O>['operands']>;

export const ENTRIES: readonly Entry[] = Object.values(entries);
export const findEntry = (op: EntryName): Entry => entries[op];
export const findOperation = (op: OperationName): Operation => operations[op];

/** Raises powers, so that a unit takes some hundred products. */
export const raisesPowers = (op: EntryName): boolean =>
  Object.values(findEntry(op).operands).some((kind) => kind === 'exponents' || kind === 'sharedExponents');
