// The self-check: an engine computes every operation on random and extreme inputs, and each result is compared with the reference
// formula's before the engine is handed out. It finds a broken library or machine, not every bug: that is the compliance suite's
// task.
import { MixError, type Rng, randomBytes } from '../../base/index.js';
import { bytesToBigint, type Group, randomElements, toBatch, toBigints } from '../../math/index.js';
import type { Engine, FixedBase, Prepared } from '../engine.js';
import { readExponents } from '../kernels/reference.js';
import {
  findOperation,
  OPERATIONS,
  type OperandKind,
  type OperandValue,
  type Operation,
  type OperationName,
} from '../operations.js';

/** Elements of each check: the two extremes and random ones. Few, because the reference's powers are slow. */
const RANDOM_ELEMENTS = 4;
const ELEMENTS = RANDOM_ELEMENTS + 2;
const EXPONENT_BYTES = 32;
/** Short exponents keep the reference's part small: one operation with long ones, `pow`, is enough. */
const SHORT_EXPONENT_BYTES = 4;
/** Enough powers of one base for an engine with tables to use them. */
const FIXED_POWERS = 16;
const SHARED_EXPONENTS = 2;
/** Width and permutation of the slots, for operations that have slots. */
const WIDTH = 2;
const PERMUTATION: readonly number[] = [2, 0, 1];

/** An operand in the engine's form and in the formula's. */
interface Drawn {
  readonly given: Uint8Array | Uint32Array | Prepared | FixedBase | undefined;
  readonly value: OperandValue;
}

interface Inputs {
  readonly group: Group;
  readonly rng: Rng;
  readonly a: Uint8Array;
  readonly b: Uint8Array;
  readonly base: Uint8Array;
  readonly prepared: Prepared;
  readonly fixed: FixedBase;
}

/** @throws MixError ENGINE_SELFCHECK naming the first operation whose result differs from the reference */
export async function selfCheck(engine: Engine, rng: Rng): Promise<void> {
  const { group } = engine;
  const random = () => toBigints(group, randomElements(rng, group, RANDOM_ELEMENTS));
  const b = toBatch(group, [...random(), group.q, 1n]);
  const base = randomElements(rng, group, 1);
  const [prepared, fixed] = [await engine.prepare(b), await engine.fixedBase(base)];
  const inputs: Inputs = { group, rng, a: toBatch(group, [1n, group.q, ...random()]), b, base, prepared, fixed };
  try {
    for (const op of OPERATIONS) {
      for (const way of ways(findOperation(op))) await checkOperation(engine, op, inputs, way);
    }
  } finally {
    prepared.release();
    fixed.release();
  }
}

type Way = 'plain' | 'by a handle' | 'nothing';

/** Ways to call an operation: operands that may be handles are also given as bytes; a folding operation also gets no units. */
function ways({ operands, folds }: Operation): Way[] {
  const kinds = Object.values(operands);
  const takesHandle = kinds.includes('multiplier') || kinds.includes('base');
  return ['plain', ...(takesHandle ? (['by a handle'] as const) : []), ...(folds ? (['nothing'] as const) : [])];
}

async function checkOperation(engine: Engine, op: OperationName, inputs: Inputs, way: Way): Promise<void> {
  const { group } = engine;
  const { operands, reference, call } = findOperation(op);
  const exponentBytes = op === 'pow' ? EXPONENT_BYTES : SHORT_EXPONENT_BYTES;
  const kinds = Object.values(operands);
  const powers = kinds.includes('base') ? FIXED_POWERS : ELEMENTS;
  const drawn = Object.entries(operands).map(
    ([name, kind]) => [name, draw(inputs, kind, way, { powers, exponentBytes })] as const,
  );
  const given = Object.fromEntries(drawn.map(([name, operand]) => [name, operand.given]));
  const values = Object.fromEntries(drawn.map(([name, operand]) => [name, operand.value]));
  const width = kinds.includes('width') ? WIDTH : 1;
  const result = toBigints(group, await call(engine, given, { exponentBytes, width }));
  const truth = reference(group, values);
  if (result.length !== truth.length || result.some((value, index) => value !== truth[index])) {
    throw new MixError('ENGINE_SELFCHECK', { engine: engine.name, operation: op, group: group.name });
  }
}

interface Exponents {
  readonly powers: number;
  readonly exponentBytes: number;
}

function draw(inputs: Inputs, kind: OperandKind, way: Way, { powers, exponentBytes }: Exponents): Drawn {
  const { group, rng, a, b, base, prepared, fixed } = inputs;
  const elements = (batch: Uint8Array): Drawn => {
    const given = way === 'nothing' ? batch.subarray(0, 0) : batch;
    return { given, value: toBigints(group, given) };
  };
  const exponents = (count: number): Drawn => {
    const given = randomBytes(rng, way === 'nothing' ? 0 : count * exponentBytes);
    return { given, value: readExponents(given, exponentBytes) };
  };
  switch (kind) {
    case 'elements':
    case 'gathered':
      return elements(a);
    case 'multiplier':
      return way === 'by a handle' ? { given: prepared, value: toBigints(group, b) } : elements(b);
    case 'permutation':
      return { given: Uint32Array.from(PERMUTATION), value: PERMUTATION };
    case 'exponents':
      return exponents(powers);
    case 'sharedExponents':
      return exponents(SHARED_EXPONENTS);
    case 'base':
      return { given: way === 'by a handle' ? fixed : base, value: bytesToBigint(base) };
    case 'width':
      return { given: undefined, value: WIDTH };
  }
}
