// Checks of callers' arguments: types, options and bounds, before anything is allocated or computed. Types are checked at run
// time because callers write JavaScript, too, and because native code indexes by some of these values. An error names the
// argument.
import { types } from 'node:util';
import { MixError } from './errors.js';

/** Describes a wrong value for an error: its type, never its contents. */
export function kindName(value: unknown): string {
  if (value === null) return 'null';
  if (ArrayBuffer.isView(value))
    return isDetached(value) ? `a detached ${value.constructor.name}` : value.constructor.name;
  if (Array.isArray(value)) return 'array';
  return typeof value === 'number' ? String(value) : typeof value;
}

/** @throws MixError ARGUMENT_INVALID */
export function refuse(argument: string, expected: string, value: unknown): never {
  throw new MixError('ARGUMENT_INVALID', { argument, expected, got: kindName(value) });
}

/** A view of a transferred buffer has no bytes, and every use of the buffer throws. */
function isDetached(view: ArrayBufferView): boolean {
  if (view.byteLength > 0 || view.buffer.byteLength > 0) return false;
  try {
    return new Uint8Array(view.buffer).length > 0;
  } catch {
    // The error is the answer.
    return true;
  }
}

/** Accepts only a Uint8Array: no string, no array, no other typed array. @throws MixError ARGUMENT_INVALID */
export function checkBytes(value: unknown, argument: string): asserts value is Uint8Array {
  if (!types.isUint8Array(value) || isDetached(value)) refuse(argument, 'a Uint8Array', value);
}

/** @throws MixError ARGUMENT_INVALID */
export function checkIndices(value: unknown, argument: string): asserts value is Uint32Array {
  if (!types.isUint32Array(value) || isDetached(value)) refuse(argument, 'a Uint32Array', value);
}

/** @throws MixError ARGUMENT_INVALID */
export function checkWhole(value: unknown, argument: string, least: number, most: number): asserts value is number {
  if (typeof value !== 'number' || !Number.isInteger(value) || value < least || value > most) {
    refuse(argument, `a whole number from ${least} to ${most}`, value);
  }
}

/** @throws MixError ARGUMENT_INVALID */
export function checkText(value: unknown, argument: string): asserts value is string {
  if (typeof value !== 'string') refuse(argument, 'a string', value);
}

/** An object of options or settings. @throws MixError ARGUMENT_INVALID */
export function checkObject(value: unknown, argument: string): asserts value is object {
  if (typeof value !== 'object' || value === null || Array.isArray(value) || ArrayBuffer.isView(value)) {
    refuse(argument, 'an object', value);
  }
}

/** An object that has these methods: a port that a caller supplies. @throws MixError ARGUMENT_INVALID */
export function checkMethods(value: unknown, argument: string, methods: readonly string[]): asserts value is object {
  const has = (name: string) => typeof (value as Record<string, unknown>)[name] === 'function';
  if (typeof value !== 'object' || value === null || !methods.every(has)) {
    refuse(argument, `an object with ${methods.join(', ')}`, value);
  }
}

/** Undefined or an AbortSignal. @throws MixError ARGUMENT_INVALID */
export function checkSignal(value: unknown, argument: string): asserts value is AbortSignal | undefined {
  if (value !== undefined && !(value instanceof AbortSignal)) refuse(argument, 'an AbortSignal', value);
}
