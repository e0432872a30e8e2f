// The options of `millrace bench`, checked before anything is opened or measured: a wrong one is refused with its name.
import { MixError } from '../base/index.js';
import { ENGINE_NAMES, type EngineName, OPERATIONS, type OperationName } from '../engine/index.js';
import { type Group, groupOfBits } from '../math/index.js';
import { BATCHES, QUICK_BATCHES, WIDTHS } from './gpu/plan.js';

/** As the command line gives them: text. */
export interface RawBenchOptions {
  readonly engine?: string;
  readonly op?: string;
  readonly bits: string;
  readonly exponentBits: string;
  readonly batch: string;
  readonly threads: string;
  readonly repeat: string;
}

/** How large the operands are and how often an operation is measured. */
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

const BITS = ['2048', '3072', '4096'];
const BATCH_MAX = 65_536;
const THREADS_MAX = 1024;
const REPEAT_MAX = 10_000;
const EXPONENT_BITS_MIN = 64;

function whole(name: string, text: string, least: number, most: number): number {
  const value = Number(text);
  if (!/^\d{1,9}$/.test(text) || value < least || value > most) {
    throw new MixError('INPUT_INVALID', { option: `--${name}`, got: text, expected: `${least} to ${most}` });
  }
  return value;
}

function oneOf<T extends string>(name: string, text: string, known: readonly T[]): T {
  const found = known.find((value) => value === text);
  if (found === undefined) {
    throw new MixError('INPUT_INVALID', { option: `--${name}`, got: text, expected: known.join(', ') });
  }
  return found;
}

/** @throws MixError INPUT_INVALID naming the option */
export function parseBenchOptions(raw: RawBenchOptions): BenchOptions {
  const group = groupOfBits(Number(oneOf('bits', raw.bits, BITS)));
  const exponentBits = whole('exponent-bits', raw.exponentBits, EXPONENT_BITS_MIN, 2 * group.bits);
  if (exponentBits % 8 !== 0) {
    throw new MixError('INPUT_INVALID', { option: '--exponent-bits', got: raw.exponentBits, expected: 'whole bytes' });
  }
  return {
    group,
    exponentBits,
    batch: whole('batch', raw.batch, 1, BATCH_MAX),
    threads: whole('threads', raw.threads, 1, THREADS_MAX),
    repeat: whole('repeat', raw.repeat, 1, REPEAT_MAX),
    engine: oneOf('engine', raw.engine ?? 'auto', ['auto', ...ENGINE_NAMES] as const),
    operations: raw.op === undefined ? OPERATIONS : [oneOf('op', raw.op, OPERATIONS)],
  };
}

/** Of `millrace bench gpu`, as text. */
export interface RawGpuOptions {
  readonly minutes: string;
  readonly quick: boolean;
  readonly widths?: string;
  readonly batches?: string;
  readonly slots: string;
  readonly threads?: string;
}

interface GpuShape {
  readonly minutes: number;
  readonly quick: boolean;
  readonly widths: readonly number[];
  readonly batches: readonly number[];
  readonly slots: number;
  /** Undefined: one a core. */
  readonly threads?: number;
}

const MINUTES_MAX = 600;

/** @throws MixError INPUT_INVALID naming the option */
export function parseGpuOptions(raw: RawGpuOptions): GpuShape {
  const minutes = Number(raw.minutes);
  if (!/^\d{1,3}(\.\d{1,3})?$/.test(raw.minutes) || minutes <= 0 || minutes > MINUTES_MAX) {
    const expected = `more than 0, at most ${MINUTES_MAX}`;
    throw new MixError('INPUT_INVALID', { option: '--minutes', got: raw.minutes, expected });
  }
  const list = (text: string) => text.split(',');
  const standard = raw.quick ? QUICK_BATCHES : BATCHES;
  return {
    minutes,
    quick: raw.quick,
    widths: raw.widths === undefined ? WIDTHS : list(raw.widths).map((text) => Number(oneOf('widths', text, BITS))),
    batches:
      raw.batches === undefined ? standard : list(raw.batches).map((text) => whole('batches', text, 1, BATCH_MAX)),
    slots: whole('slots', raw.slots, 1, BATCH_MAX),
    ...(raw.threads !== undefined && { threads: whole('threads', raw.threads, 1, THREADS_MAX) }),
  };
}
