// The catalogue's operations as calls of the CUDA library: the function, and the part of the batch. A call is cut so that a card
// works on it for some tens of milliseconds at most: long enough to fill it, short enough for realtime to overtake.
import type { Group } from '../../math/index.js';
import { type ComputeRequest, countPowers, countUnits, takePart } from '../checked/request.js';
import { nativeCall } from '../kernels/native/abi.js';
import { type Address, toAddress } from '../kernels/openssl/library.js';
import { findEntry, raisesPowers } from '../operations.js';
import type { NativeCall } from '../pool/job.js';

/** Numbers per call: powers fill a card from some 8,000 on; products are limited by the bus. */
const POWERS_AT_A_TIME = 16_384;
const PRODUCTS_AT_A_TIME = 65_536;

/** Digits of a resident table: every power reads all 64 entries of a row, per product. Wider digits remain to be tried on a card. */
const TABLE_DIGIT_BITS = 6;

/** An operand in a card's memory, kept for a handle. */
export interface ResidentOperand {
  readonly address: Address;
  /** Length of the exponents that a table is for; 0 for prepared operands. */
  readonly exponentBytes: number;
  /** Index of the first element used. */
  readonly first: number;
}

const call = (name: string, ...args: number[]): NativeCall => ({ op: 'native', name, args });

/** Splits a count evenly into parts of at most `most`. */
function parts(count: number, most: number): readonly (readonly [from: number, to: number])[] {
  const pieces = Math.ceil(count / most);
  const at = (i: number) => Math.floor((count * i) / pieces);
  return Array.from({ length: pieces }, (_, i) => [at(i), at(i + 1)] as const);
}

/** Stores a prepared operand on the card; its address is written to the 8 bytes of `result`. */
export const makeResidentOperand = (group: Group, a: Uint8Array, result: Uint8Array): NativeCall =>
  call('millrace_keep_prepared', toAddress(a), a.length / group.elementBytes, toAddress(result));

/** Stores the table of a base on the card, for exponents of a length. */
export const makeResidentTable = (base: Uint8Array, exponentBytes: number, result: Uint8Array): NativeCall =>
  call('millrace_keep_table', toAddress(base), exponentBytes, TABLE_DIGIT_BITS, toAddress(result));

export const releaseResident = (address: Address): NativeCall => call('millrace_kept_release', address);

/**
 * Returns the calls of a request; each computes a part of its result. Buffers are in shared memory. `resident`: the operand on
 * the card, if there is one.
 */
export function deviceCalls(
  group: Group,
  request: ComputeRequest,
  resident: ResidentOperand | undefined,
): NativeCall[] {
  const { native, resident: onResident, folds } = findEntry(request.op);
  const computing = resident ? onResident : native;
  if (!computing) throw new Error(`a card does not compute ${request.op} this way`);
  const units = countUnits(group, request);
  const most = raisesPowers(request.op) && !resident ? POWERS_AT_A_TIME : PRODUCTS_AT_A_TIME;
  const unitsMost = Math.max(1, Math.floor(most / (request.width * countPowers(request))));
  const ranges = folds ? [[0, units] as const] : parts(units, unitsMost);
  return ranges.map(([from, to]) => {
    const part = folds ? request : takePart(group, request, from, to);
    return nativeCall(
      group,
      computing,
      part,
      resident && { resident: resident.address, first: resident.first + from * request.width },
    );
  });
}
