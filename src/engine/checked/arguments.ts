// The checks of an engine's arguments, one by one, before any work: exponents, bases, permutations, options, and the buffer for
// the result. call.ts decides which of them an operation needs. Arguments that pass are safe for every kernel, native ones
// included.
import { checkBytes, checkIndices, checkObject, checkSignal, MixError, refuse } from '../../base/index.js';
import { checkElements, type Group } from '../../math/index.js';
import type { WorkOptions } from '../engine.js';
import type { View } from './request.js';

/** Exponents may have this length in every group, so that the test groups take the exponents of the production groups. */
const EXPONENT_BYTES_ANY_GROUP = 64;

/** Counts the exponents of a flat buffer. @throws MixError EXPONENT_RANGE, LENGTH_MISMATCH */
export function checkExponents(
  group: Group,
  exponents: Uint8Array,
  exponentBytes: number | undefined,
  expected?: number,
): number {
  const most = Math.max(2 * group.elementBytes, EXPONENT_BYTES_ANY_GROUP);
  if (typeof exponentBytes !== 'number') refuse('options.exponentBytes', 'a whole number', exponentBytes);
  if (!Number.isInteger(exponentBytes) || exponentBytes < 1 || exponentBytes > most) {
    throw new MixError('EXPONENT_RANGE', { exponentBytes, least: 1, most });
  }
  if (exponents.length % exponentBytes !== 0) {
    throw new MixError('LENGTH_MISMATCH', { what: 'exponents', length: exponents.length, exponentBytes });
  }
  const count = exponents.length / exponentBytes;
  if (expected !== undefined && count !== expected) {
    throw new MixError('LENGTH_MISMATCH', { what: 'exponents', exponents: count, expected });
  }
  return count;
}

/** Checks a base of powFixed. @throws MixError LENGTH_MISMATCH, ELEMENT_RANGE */
export function checkBase(group: Group, element: Uint8Array): void {
  checkElements(group, element, 'base', 1);
}

/**
 * Copies `source` into shared memory and checks that it names every slot exactly once. Native code indexes by it, so the copy is
 * checked: the caller's own memory could change after the check. The caller of this function wipes the copy.
 * @throws MixError ARGUMENT_INVALID, PERMUTATION_INVALID
 */
export function takePermutation(source: unknown, slots: number): Uint32Array {
  checkIndices(source, 'source');
  if (source.length !== slots) throw new MixError('PERMUTATION_INVALID', { length: source.length, slots });
  const taken = new Uint32Array(new SharedArrayBuffer(4 * slots));
  taken.set(source);
  try {
    checkPermutation(taken, slots);
    return taken;
  } catch (refusal) {
    taken.fill(0);
    throw refusal;
  }
}

function checkPermutation(source: Uint32Array, slots: number): void {
  const seen = new Uint8Array(slots);
  for (const index of source) {
    // The values are secret: the error does not name the wrong index.
    if (index >= slots || seen[index] === 1) throw new MixError('PERMUTATION_INVALID', { slots });
    seen[index] = 1;
  }
}

function overlaps(a: View, b: Uint8Array): boolean {
  if (a.buffer !== b.buffer || a.byteLength === 0 || b.byteLength === 0) return false;
  return a.byteOffset < b.byteOffset + b.byteLength && b.byteOffset < a.byteOffset + a.byteLength;
}

/** @throws MixError ARGUMENT_INVALID if an option has a wrong type: before it is used, or silently ignored */
export function checkOptions(options: WorkOptions): void {
  checkObject(options, 'options');
  const { priority, order, signal, out, inRange } = options;
  if (priority !== undefined && priority !== 'realtime' && priority !== 'precompute') {
    refuse('options.priority', "'realtime' or 'precompute'", priority);
  }
  if (order !== undefined && !Number.isFinite(order)) refuse('options.order', 'a number', order);
  checkSignal(signal, 'options.signal');
  if (inRange !== undefined && typeof inRange !== 'boolean') refuse('options.inRange', 'true or false', inRange);
  if (out !== undefined) checkBytes(out, 'options.out');
}

/** Checks the caller's result buffer. @throws MixError LENGTH_MISMATCH, BUFFER_OVERLAP */
export function checkOut(out: Uint8Array, length: number, inputs: readonly View[]): void {
  checkBytes(out, 'options.out');
  if (out.length !== length) {
    throw new MixError('LENGTH_MISMATCH', { what: 'out', length: out.length, expected: length });
  }
  if (inputs.some((input) => overlaps(input, out))) throw new MixError('BUFFER_OVERLAP', {});
}
