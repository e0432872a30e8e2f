// Flat batches: element e of slot j stands at (j·width + e)·elementBytes, little-endian, in memory and on the wire, so
// that nothing is converted between the socket and a kernel. This file sizes, checks, reads and writes them.
import { MixError } from '../base/errors.js';
import type { Group } from './group.js';

export const WIDTH_MAX = 16;
/** A batch of 2^20 slots at 4096 bits would be 512 MiB: a bound for sanity, checked before any allocation. */
export const SLOTS_MAX = 1 << 20;

/** The integer that `bytes` encode, little-endian. */
export function bytesToBigint(bytes: Uint8Array): bigint {
  if (bytes.length === 0) return 0n;
  return BigInt(`0x${Buffer.from(bytes).reverse().toString('hex')}`);
}

/** `value` in `length` bytes, little-endian. @throws MixError LENGTH_MISMATCH where it does not fit. */
export function bigintToBytes(value: bigint, length: number): Uint8Array {
  const hex = value.toString(16).padStart(length * 2, '0');
  if (value < 0n || hex.length > length * 2) throw new MixError('LENGTH_MISMATCH', { what: 'integer', length });
  return new Uint8Array(Buffer.from(hex, 'hex').reverse());
}

/** A zeroed batch in shared memory: workers read and write it without a copy. */
export function allocateBatch(group: Group, slots: number, width = 1): Uint8Array {
  checkWidth(width);
  if (!Number.isInteger(slots) || slots < 0 || slots > SLOTS_MAX)
    throw new MixError('SLOT_COUNT', { slots, max: SLOTS_MAX });
  return new Uint8Array(new SharedArrayBuffer(slots * width * group.elementBytes));
}

export function checkWidth(width: number): void {
  if (!Number.isInteger(width) || width < 1 || width > WIDTH_MAX) throw new MixError('WIDTH_INVALID', { width });
}

/** The view of element number `index` of a batch. */
export function elementOf(group: Group, batch: Uint8Array, index: number): Uint8Array {
  return batch.subarray(index * group.elementBytes, (index + 1) * group.elementBytes);
}

export function readElement(group: Group, batch: Uint8Array, index: number): bigint {
  return bytesToBigint(elementOf(group, batch, index));
}

export function writeElement(group: Group, batch: Uint8Array, index: number, value: bigint): void {
  batch.set(bigintToBytes(value, group.elementBytes), index * group.elementBytes);
}

/** Elements as a flat batch in shared memory. */
export function batchOf(group: Group, values: readonly bigint[]): Uint8Array {
  const batch = allocateBatch(group, values.length);
  for (const [index, value] of values.entries()) writeElement(group, batch, index, value);
  return batch;
}

/** The elements of a flat batch. */
export function elementsOf(group: Group, batch: Uint8Array): bigint[] {
  const count = countElements(group, batch, 'batch');
  return Array.from({ length: count }, (_, index) => readElement(group, batch, index));
}

/** How many elements a flat buffer holds. @throws MixError LENGTH_MISMATCH where they are not whole. */
export function countElements(group: Group, batch: Uint8Array, what: string): number {
  if (batch.length % group.elementBytes !== 0) {
    throw new MixError('LENGTH_MISMATCH', { what, length: batch.length, elementBytes: group.elementBytes });
  }
  return batch.length / group.elementBytes;
}

/**
 * Checks that a flat buffer holds exactly `expected` elements (where given), each in 1..q: the whole membership test.
 * Looks at the top 32 bits of an element, and further only where those leave it open.
 * @throws MixError LENGTH_MISMATCH, ELEMENT_RANGE
 */
export function checkElements(group: Group, batch: Uint8Array, what: string, expected?: number): number {
  const count = countElements(group, batch, what);
  if (expected !== undefined && count !== expected) {
    throw new MixError('LENGTH_MISMATCH', { what, elements: count, expected });
  }
  const view = new DataView(batch.buffer, batch.byteOffset, batch.byteLength);
  const topOfQ = Number(group.q >> BigInt(group.bits - 32));
  const topOffset = group.elementBytes - 4;
  for (let index = 0; index < count; index++) {
    const top = view.getUint32(index * group.elementBytes + topOffset, true);
    if (top !== 0 && top < topOfQ) continue;
    const value = readElement(group, batch, index);
    if (value < 1n || value > group.q) throw new MixError('ELEMENT_RANGE', { what, index, group: group.name });
  }
  return count;
}
