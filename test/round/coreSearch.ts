// Searches a core file for secrets: for pieces of each, in every form in which a program stores numbers.
import { closeSync, openSync, readFileSync, readSync } from 'node:fs';

/** A note of a secret is no copy of it: it is XORed with this byte. */
export const DISGUISE = 0x5a;

export interface Noted {
  /** State of the secret when it was noted. */
  readonly phase: 'completed' | 'live' | 'aborted' | 'epoch' | 'sent' | 'moved';
  readonly what: string;
  /** Base64. */
  readonly disguised: string;
}

export interface Canary extends Pick<Noted, 'phase' | 'what'> {
  readonly form: string;
  readonly bytes: Buffer;
}

/** Bytes of each piece to search for. */
const PIECE_BYTES = 24;
/** Pieces searched for of one secret. */
const PIECES = 12;
/** Least number of different bytes in a piece; pieces with fewer are found by chance. */
const DISTINCT_MIN = 10;

function formsOf(piece: Buffer): [string, Buffer][] {
  const backward = Buffer.from(piece).reverse();
  return [
    ['bytes', piece],
    ['bytes, most significant first', backward],
    ['hex', Buffer.from(piece.toString('hex'))],
    ['hex, most significant first', Buffer.from(backward.toString('hex'))],
  ];
}

/**
 * Six numbers of a permutation, as typed arrays, arrays of small integers and arrays of doubles hold them. Pieces that begin with
 * zero are left out: memory is full of zeros.
 */
function permutationForms(source: Uint32Array, at: number): [string, Buffer][] {
  const part = source.subarray(at, at + 6);
  if (part[0] === 0) return [];
  const wide = [...part].map(BigInt);
  return [
    ['words', Buffer.from(part.slice().buffer)],
    ['64-bit words', Buffer.from(new BigUint64Array(wide).buffer)],
    ['small integers', Buffer.from(new BigUint64Array(wide.map((value) => value << 32n)).buffer).subarray(4)],
    ['doubles', Buffer.from(new Float64Array(part).buffer).subarray(6)],
  ];
}

/** The pieces to search for of a secret. */
export function canariesOf(noted: Noted): Canary[] {
  const { phase, what } = noted;
  const bytes = revealed(noted);
  const words = bytes.length % 4 === 0 ? new Uint32Array(new Uint8Array(bytes).buffer) : undefined;
  const isPermutation =
    words !== undefined &&
    words.length > 6 &&
    new Set(words).size === words.length &&
    words.every((w) => w < words.length);
  const forms: [string, Buffer][] = [];
  if (isPermutation) for (let at = 0; at + 6 <= words.length; at += 6) forms.push(...permutationForms(words, at));
  else {
    // Pieces start at element boundaries if there are many.
    const step = Math.max(32, 32 * Math.floor(bytes.length / PIECES / 32));
    for (let at = 0; at + PIECE_BYTES <= bytes.length; at += step) {
      const piece = Buffer.from(bytes.subarray(at, at + PIECE_BYTES));
      if (new Set(piece).size >= DISTINCT_MIN) forms.push(...formsOf(piece));
    }
  }
  return forms.map(([form, part]) => ({
    phase,
    what: isPermutation ? `permutation, ${what}` : what,
    form,
    bytes: part,
  }));
}

const key = (bytes: Uint8Array, at: number) => bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16);

function isAt(memory: Buffer, at: number, bytes: Buffer): boolean {
  // Most mismatches differ within a few bytes.
  for (let i = 3; i < bytes.length; i++) if (memory[at + i] !== bytes[i]) return false;
  return true;
}

/** The bytes of a secret. */
export const revealed = ({ disguised }: Noted): Buffer =>
  Buffer.from(Buffer.from(disguised, 'base64').map((byte) => byte ^ DISGUISE));

/** Returns the canaries found anywhere in `memory`, in one pass for any number of them. */
export function findAll(memory: Buffer, canaries: readonly Canary[]): Set<Canary> {
  const byStart = new Map<number, Canary[]>();
  const starts = new Uint8Array(1 << 24);
  for (const canary of canaries) {
    const start = key(canary.bytes, 0);
    starts[start] = 1;
    byStart.set(start, [...(byStart.get(start) ?? []), canary]);
  }
  const found = new Set<Canary>();
  let window = (memory[0]! << 8) | (memory[1]! << 16);
  for (let at = 0; at + 2 < memory.length; at++) {
    window = (window >>> 8) | (memory[at + 2]! << 16);
    if (starts[window] === 0) continue;
    for (const canary of byStart.get(window)!) {
      if (isAt(memory, at, canary.bytes)) found.add(canary);
    }
  }
  return found;
}

const PAGE_BYTES = 4096;
const PAGEMAP_ENTRY_BYTES = 8;

/**
 * Everything that a core file of a process would hold: its writable memory, heaps, stacks and shared buffers of every thread.
 * Read through /proc, only the pages in use: a real core file is 36 GiB, mostly holes, because of the address space that the
 * JavaScript engine reserves.
 */
export function memoryOf(pid: number): Buffer {
  const [memory, pagemap] = [openSync(`/proc/${pid}/mem`, 'r'), openSync(`/proc/${pid}/pagemap`, 'r')];
  try {
    return Buffer.concat(writableRanges(pid).flatMap(([from, to]) => pagesOf(memory, pagemap, from, to)));
  } finally {
    closeSync(memory);
    closeSync(pagemap);
  }
}

/** Writable mappings with at least one page in memory or swap. */
function writableRanges(pid: number): [from: number, to: number][] {
  const text = readFileSync(`/proc/${pid}/smaps`, 'utf8');
  const mappings = text.matchAll(/^([0-9a-f]+)-([0-9a-f]+) rw[\s\S]*?^Rss:\s+(\d+)[\s\S]*?^Swap:\s+(\d+)/gm);
  return [...mappings]
    .filter(([, , , resident, swapped]) => Number(resident) + Number(swapped) > 0)
    .map(([, from, to]) => [Number.parseInt(from!, 16), Number.parseInt(to!, 16)]);
}

/** Runs of pages in use; each is one buffer. */
function pagesOf(memory: number, pagemap: number, from: number, to: number): Buffer[] {
  const entries = Buffer.alloc(((to - from) / PAGE_BYTES) * PAGEMAP_ENTRY_BYTES);
  readSync(pagemap, entries, 0, entries.length, (from / PAGE_BYTES) * PAGEMAP_ENTRY_BYTES);
  const pages = entries.length / PAGEMAP_ENTRY_BYTES;
  // The two highest bits: in memory, swapped out.
  const isUsed = (page: number) => page < pages && entries[(page + 1) * PAGEMAP_ENTRY_BYTES - 1]! >= 0x40;
  const runs: Buffer[] = [];
  for (let page = 0; page < pages; page++) {
    if (!isUsed(page)) continue;
    let end = page + 1;
    while (isUsed(end)) end++;
    const run = Buffer.alloc((end - page) * PAGE_BYTES);
    const read = readSync(memory, run, 0, run.length, from + page * PAGE_BYTES);
    runs.push(run.subarray(0, read));
    page = end;
  }
  return runs;
}
