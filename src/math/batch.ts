// Flat batches: element e of slot j stands at (j·width + e)·elementBytes, little-endian, in memory and on the wire, so that
// nothing is converted between the socket and a kernel. This file sizes, checks, reads and writes them.
import { setImmediate } from 'node:timers/promises';
import { checkBytes, kindName, MixError } from '../base/index.js';
import type { Group } from './group.js';

export const WIDTH_MAX = 16;
/** Sanity limit, checked before any allocation: a batch of 2^20 slots at 4096 bits would be 512 MiB. */
export const SLOTS_MAX = 1 << 20;
/** Byte offsets within a batch fit 32 bits, on a card, too: 8 times 2^20 slots of width 1 at 4096 bits. */
const BATCH_BYTES_MAX = 2 ** 32;

/** Decodes a little-endian integer. */
export function bytesToBigint(bytes: Uint8Array): bigint {
  if (bytes.length === 0) return 0n;
  return BigInt(`0x${Buffer.from(bytes).reverse().toString('hex')}`);
}

/** Encodes `value` in `length` bytes, little-endian. @throws MixError LENGTH_MISMATCH if it does not fit */
export function bigintToBytes(value: bigint, length: number): Uint8Array {
  const hex = value.toString(16).padStart(length * 2, '0');
  if (value < 0n || hex.length > length * 2) throw new MixError('LENGTH_MISMATCH', { what: 'integer', length });
  return new Uint8Array(Buffer.from(hex, 'hex').reverse());
}

/** Allocates a zeroed batch in shared memory: workers read and write it without a copy. */
export function allocateBatch(group: Group, slots: number, width = 1): Uint8Array {
  checkWidth(width);
  if (!Number.isInteger(slots) || slots < 0 || slots > SLOTS_MAX) {
    throw new MixError('SLOT_COUNT', { slots: typeof slots === 'number' ? slots : kindName(slots), max: SLOTS_MAX });
  }
  return allocateElements(group, slots * width);
}

/** Allocates zeroed elements in shared memory. @throws MixError BATCH_TOO_LARGE if they exceed a buffer, or the memory */
export function allocateElements(group: Group, count: number): Uint8Array {
  const bytes = count * group.elementBytes;
  if (bytes > BATCH_BYTES_MAX) throw new MixError('BATCH_TOO_LARGE', { bytes, bytesMax: BATCH_BYTES_MAX });
  try {
    return new Uint8Array(new SharedArrayBuffer(bytes));
  } catch (cause) {
    throw new MixError('BATCH_TOO_LARGE', { bytes, why: (cause as Error).message }, { cause });
  }
}

export function checkWidth(width: number): void {
  if (!Number.isInteger(width) || width < 1 || width > WIDTH_MAX) {
    throw new MixError('WIDTH_INVALID', { width: typeof width === 'number' ? width : kindName(width) });
  }
}

/** Returns a view of element number `index` of a batch. */
export function elementAt(group: Group, batch: Uint8Array, index: number): Uint8Array {
  return batch.subarray(index * group.elementBytes, (index + 1) * group.elementBytes);
}

export function readElement(group: Group, batch: Uint8Array, index: number): bigint {
  return bytesToBigint(elementAt(group, batch, index));
}

export function writeElement(group: Group, batch: Uint8Array, index: number, value: bigint): void {
  batch.set(bigintToBytes(value, group.elementBytes), index * group.elementBytes);
}

/** Writes elements to a flat batch in shared memory. */
export function toBatch(group: Group, values: readonly bigint[]): Uint8Array {
  const batch = allocateBatch(group, values.length);
  for (const [index, value] of values.entries()) writeElement(group, batch, index, value);
  return batch;
}

/** Reads the elements of a flat batch. */
export function toBigints(group: Group, batch: Uint8Array): bigint[] {
  const count = countElements(group, batch, 'batch');
  return Array.from({ length: count }, (_, index) => readElement(group, batch, index));
}

/** Counts the elements of a flat buffer. @throws MixError LENGTH_MISMATCH if they are not whole, or not `expected` */
export function countElements(group: Group, batch: Uint8Array, what: string, expected?: number): number {
  const elements = batch.length / group.elementBytes;
  if (!Number.isInteger(elements)) {
    throw new MixError('LENGTH_MISMATCH', { what, length: batch.length, elementBytes: group.elementBytes });
  }
  if (expected !== undefined && elements !== expected) {
    throw new MixError('LENGTH_MISMATCH', { what, elements, expected });
  }
  return elements;
}

/**
 * Checks that a flat buffer holds exactly `expected` elements (if given), each in 1..q: the whole membership test. Reads the top
 * 32 bits of an element, and more, word by word, only if those do not decide: an honest element costs 8 ns, a hostile one that
 * agrees with a bound in all words but the last 0.3 µs at 4096 bits.
 * @throws MixError ARGUMENT_INVALID, LENGTH_MISMATCH, ELEMENT_RANGE
 */
export function checkElements(group: Group, batch: Uint8Array, what: string, expected?: number): number {
  checkBytes(batch, what);
  const count = countElements(group, batch, what, expected);
  scanElements(group, batch, what, 0, Number.POSITIVE_INFINITY);
  return count;
}

/**
 * Checks elements from `from` on until the end, or until `slowMax` were read word by word: only a hostile batch has such
 * elements.
 * @returns the index of the first element that is not checked yet
 * @throws MixError ELEMENT_RANGE
 */
export function scanElements(group: Group, batch: Uint8Array, what: string, from: number, slowMax: number): number {
  const count = batch.length / group.elementBytes;
  const view = new DataView(batch.buffer, batch.byteOffset, batch.byteLength);
  const limit = wordsOfQ(group);
  const topOfQ = limit[limit.length - 1]!;
  const topOffset = group.elementBytes - 4;
  let words: Uint32Array | undefined;
  for (let index = from, slow = 0; index < count; index++) {
    const top = view.getUint32(index * group.elementBytes + topOffset, true);
    if (top !== 0 && top < topOfQ) continue;
    if (slow++ >= slowMax) return index;
    words ??= alignedWords(batch);
    const at = index * limit.length;
    if (isZero(words, at, limit.length) || isAbove(words, at, limit)) {
      throw new MixError('ELEMENT_RANGE', { what, index, group: group.name });
    }
  }
  return count;
}

/** Returns the batch as words of 32 bits: the same memory if it is aligned, else a copy. */
function alignedWords(batch: Uint8Array): Uint32Array {
  const { buffer, byteOffset, byteLength } = batch.byteOffset % 4 === 0 ? batch : new Uint8Array(batch);
  return new Uint32Array(buffer, byteOffset, byteLength / 4);
}

/** Elements that are read word by word in one go: the worst of them take 2 ms at 4096 bits. */
export const CHECK_SLICE = 4096;

/** {@link checkElements} from an element on, in slices between which the event loop has its turn: for batches of strangers. */
export async function checkElementsInTurns(group: Group, batch: Uint8Array, what: string, from = 0): Promise<number> {
  const count = countElements(group, batch, what);
  for (let at = from; at < count; ) {
    at = scanElements(group, batch, what, at, CHECK_SLICE);
    if (at < count) await setImmediate();
  }
  return count;
}

const limits = new WeakMap<Group, Uint32Array>();

/** q in words of 32 bits, lowest first. */
function wordsOfQ(group: Group): Uint32Array {
  let words = limits.get(group);
  if (!words) {
    words = Uint32Array.from({ length: group.bits / 32 }, (_, i) => Number((group.q >> BigInt(32 * i)) & 0xffff_ffffn));
    limits.set(group, words);
  }
  return words;
}

function isZero(words: Uint32Array, at: number, count: number): boolean {
  for (let i = at; i < at + count; i++) if (words[i] !== 0) return false;
  return true;
}

/** True if the element at `at` is larger than `limit`: the highest word in which they differ decides. */
function isAbove(words: Uint32Array, at: number, limit: Uint32Array): boolean {
  for (let i = limit.length - 1; i >= 0; i--) if (words[at + i] !== limit[i]) return words[at + i]! > limit[i]!;
  return false;
}
