// Powers of a fixed base by a table: window t of the exponent (5 bits) selects base^(digit·2^(5t)), and the selected entries are
// multiplied; there are no squarings. Constant-time in the exponent: every entry of a window is read, and every digit costs one
// product, zero included.
//
// At 4096 bits and 256-bit exponents that is 51 products against about 256 squarings and 80 products of the generic power. The
// table of 52 windows takes 832 KiB and some 1,600 products to fill: worth it from about 10 powers on.
import { secretBytes } from '../../base/index.js';
import type { WorkOf } from '../pool/job.js';
import { toAddress } from './openssl/library.js';
import { type MontgomeryField, scratch } from './openssl/montgomery.js';

const WINDOW_BITS = 5;
const ENTRIES = 1 << WINDOW_BITS;

/** Counts the windows of a table for exponents of this length. */
export const countWindows = (exponentBytes: number): number => Math.ceil((exponentBytes * 8) / WINDOW_BITS);

/** Bytes of a table. */
export const tableBytes = (elementBytes: number, windows: number): number => windows * ENTRIES * elementBytes;

/*
 * Layout, that of OpenSSL's bn_gather5: within a window, 64-bit word i of entry k stands at i·32 + k. Window 0 holds plain
 * values and the others Montgomery form, so that the product of one entry of each is plain, with no conversion.
 */

/** Writes a flat entry to its places; the table is public, so the access order is no secret. */
function scatter(table: BigUint64Array, window: number, entry: number, element: BigUint64Array): void {
  const start = window * ENTRIES * element.length + entry;
  for (let i = 0; i < element.length; i++) table[start + i * ENTRIES] = element[i]!;
}

function gatherPublic(table: BigUint64Array, window: number, entry: number, element: BigUint64Array): void {
  const start = window * ENTRIES * element.length + entry;
  for (let i = 0; i < element.length; i++) element[i] = table[start + i * ENTRIES]!;
}

/** Fills windows [from, to) of a table. */
export function fillTable(field: MontgomeryField, { base, table, from, to }: WorkOf<'table'>): void {
  const { at, bytes, words, multiply } = field;
  const memory = scratch(ENTRIES * bytes);
  const place = (entry: number) => memory.address + entry * bytes;
  const view = (entry: number) => new BigUint64Array(memory.bytes.buffer, entry * bytes, words);
  const entries = Array.from({ length: ENTRIES }, (_, entry) => view(entry));
  const target = new BigUint64Array(table.buffer, table.byteOffset, table.length / 8);
  multiply(place(0), at.rSquared, at.one);
  if (from === 0) {
    multiply(place(1), toAddress(base), at.rSquared);
  } else {
    // The base of this window is the square of the last one's entry 16. Ranges begin at 0 or from ≥ 2, so that entry is in
    // Montgomery form.
    gatherPublic(target, from - 1, ENTRIES / 2, entries[1]!);
    multiply(place(1), place(1), place(1));
  }
  for (let window = from; window < to; window++) {
    // OpenSSL squares if both operands are the same, a third cheaper.
    for (let entry = 2; entry < ENTRIES; entry += 2) {
      multiply(place(entry), place(entry / 2), place(entry / 2));
      multiply(place(entry + 1), place(entry), place(1));
    }
    multiply(at.temporary, place(ENTRIES / 2), place(ENTRIES / 2));
    for (let entry = 0; entry < ENTRIES; entry++) {
      if (window === 0) {
        multiply(at.result, place(entry), at.one);
        memory.bytes.set(field.bytesAt('result'), entry * bytes);
      }
      scatter(target, window, entry, entries[entry]!);
    }
    memory.bytes.set(field.bytesAt('temporary'), bytes);
    if (window === 0) multiply(place(0), at.rSquared, at.one);
  }
}

/** Writes the digits of an exponent, lowest first, without a branch on its bits. */
function writeDigits(exponent: Uint8Array, digits: Uint8Array): void {
  for (let t = 0; t < digits.length; t++) {
    const bit = t * WINDOW_BITS;
    const low = exponent[bit >> 3]!;
    const high = (bit >> 3) + 1 < exponent.length ? exponent[(bit >> 3) + 1]! : 0;
    digits[t] = ((low | (high << 8)) >> (bit & 7)) & (ENTRIES - 1);
  }
}

/** Reads one entry by masks over all of them: replaces bn_gather5 on machines that do not export it. */
function maskedGather(window: Int32Array, words: number, digit: number, out: Int32Array, masks: Int32Array): void {
  for (let k = 0; k < ENTRIES; k++) masks[k] = ((k ^ digit) - 1) >> 31;
  for (let i = 0; i < words; i++) {
    let low = 0;
    let high = 0;
    const start = i * 2 * ENTRIES;
    for (let k = 0; k < ENTRIES; k++) {
      const mask = masks[k]!;
      low |= window[start + 2 * k]! & mask;
      high |= window[start + 2 * k + 1]! & mask;
    }
    out[2 * i] = low;
    out[2 * i + 1] = high;
  }
}

type Select = (window: number, digit: number) => void;

/** Returns the function that copies an entry to the arena's `temporary`. */
function selector(field: MontgomeryField, table: Uint8Array): Select {
  const { at, gather, words, bytes } = field;
  const windowBytes = ENTRIES * bytes;
  if (gather) {
    const start = toAddress(table);
    return (window, digit) => gather.bn_gather5(at.temporary, words, start + window * windowBytes, digit);
  }
  const scratchBytes = field.bytesAt('temporary');
  const out = new Int32Array(scratchBytes.buffer, scratchBytes.byteOffset, 2 * words);
  const masks = new Int32Array(ENTRIES);
  const all = new Int32Array(table.buffer, table.byteOffset, table.length / 4);
  const perWindow = windowBytes / 4;
  return (window, digit) => {
    maskedGather(all.subarray(window * perWindow, (window + 1) * perWindow), words, digit, out, masks);
  };
}

/** Computes the `count` elements of out = base^exponents, by the base's table. */
export function powerByTable(
  field: MontgomeryField,
  table: Uint8Array,
  exponents: Uint8Array,
  exponentBytes: number,
  count: number,
  out: Int32Array,
): void {
  const { at, multiply } = field;
  const digits = secretBytes(countWindows(exponentBytes));
  const select = selector(field, table);
  for (let i = 0; i < count; i++) {
    writeDigits(exponents.subarray(i * exponentBytes, (i + 1) * exponentBytes), digits);
    select(0, digits[0]!);
    field.bytesAt('result').set(field.bytesAt('temporary'));
    for (let t = 1; t < digits.length; t++) {
      select(t, digits[t]!);
      multiply(at.result, at.result, at.temporary);
    }
    field.canonical(out, i);
  }
  digits.fill(0);
}
