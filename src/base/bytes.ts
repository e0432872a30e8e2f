// Byte helpers: hex, comparison, concatenation, and the domain-separated hash of all protocol digests. A digest is SHA-256 over
// the domain and the parts, each preceded by its length, so that no two different lists of parts have the same input.
import { createHash, hash as oneHash, timingSafeEqual } from 'node:crypto';

/** Bytes of a digest made by {@link digest}. */
export const DIGEST_BYTES = 32;

/** A part of a digest: bytes unchanged, text as UTF-8, numbers as unsigned 64-bit little-endian integers. */
export type DigestPart = Uint8Array | string | number | bigint;

const PREFIX = 'millrace/v1/';

export function toHex(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('hex');
}

/** Decodes hex; undefined if the text is not hex of whole bytes. */
export function fromHex(hex: string): Uint8Array | undefined {
  if (hex.length % 2 !== 0 || !/^[0-9a-f]*$/i.test(hex)) return undefined;
  return new Uint8Array(Buffer.from(hex, 'hex'));
}

export function utf8(text: string): Uint8Array {
  return new Uint8Array(Buffer.from(text, 'utf8'));
}

export function concat(parts: readonly Uint8Array[]): Uint8Array {
  const out = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let offset = 0;
  for (const part of parts) {
    out.set(part, offset);
    offset += part.length;
  }
  return out;
}

/** Compares in time that depends on the lengths only. */
export function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && timingSafeEqual(a, b);
}

/** Encodes an unsigned 64-bit little-endian integer. */
export function uint64(value: number | bigint): Uint8Array {
  const out = new Uint8Array(8);
  putUint64(value, out, 0);
  return out;
}

function putUint64(value: number | bigint, out: Uint8Array, at: number): void {
  if (typeof value === 'bigint' || value < 0 || !Number.isSafeInteger(value)) {
    new DataView(out.buffer, out.byteOffset, out.byteLength).setBigUint64(at, BigInt(value), true);
    return;
  }
  // Without BigInt, which would be half the cost of a digest: every hashed length passes here.
  const high = Math.floor(value / 2 ** 32);
  for (let i = 0; i < 4; i++) {
    out[at + i] = value >>> (8 * i);
    out[at + 4 + i] = high >>> (8 * i);
  }
}

function partLength(part: DigestPart): number {
  if (part instanceof Uint8Array) return part.length;
  return typeof part === 'string' ? Buffer.byteLength(part, 'utf8') : 8;
}

/** Writes a part after its length; returns the index after it. */
function putPart(part: DigestPart, out: Uint8Array, at: number): number {
  const length = partLength(part);
  const from = at + 8;
  putUint64(length, out, at);
  if (part instanceof Uint8Array) out.set(part, from);
  else if (typeof part !== 'string') putUint64(part, out, from);
  else if (length !== part.length) out.set(Buffer.from(part, 'utf8'), from);
  // As many bytes as characters, so ASCII: short, like nearly all hashed text.
  else for (let i = 0; i < length; i++) out[from + i] = part.charCodeAt(i);
  return from + length;
}

/** Bytes of {@link framed}. */
export function framedLength(domain: string, parts: readonly DigestPart[]): number {
  let length = 8 + partLength(PREFIX + domain);
  for (const part of parts) length += 8 + partLength(part);
  return length;
}

/** Writes {@link framed} into a buffer that has room for it; returns the index after it. */
export function frameInto(out: Uint8Array, from: number, domain: string, parts: readonly DigestPart[]): number {
  let at = putPart(PREFIX + domain, out, from);
  for (const part of parts) at = putPart(part, out, at);
  return at;
}

/** Returns the unambiguous encoding of `parts` under `domain`: the input of digest, XOF and MACs. */
export function framed(domain: string, parts: readonly DigestPart[]): Uint8Array {
  const out = new Uint8Array(framedLength(domain, parts));
  frameInto(out, 0, domain, parts);
  return out;
}

/** Longest input that is copied and hashed in one call: a short copy costs less than the calls that it saves. */
const ONE_CALL_BYTES = 4_096;
/** Buffer for short frames, all zeros between calls: allocating one costs as much as hashing it. */
const frames = new Uint8Array(ONE_CALL_BYTES);

/** Calls `use` with the frame of these parts, and wipes it. */
function withFrame<T>(domain: string, parts: readonly DigestPart[], use: (frame: Uint8Array) => T): T {
  const length = framedLength(domain, parts);
  const room = length <= ONE_CALL_BYTES ? frames : new Uint8Array(length);
  const frame = room.subarray(0, length);
  try {
    frameInto(room, 0, domain, parts);
    return use(frame);
  } finally {
    frame.fill(0);
  }
}

/**
 * Writes SHA-256 of `bytes` into `out` at `at`: for digests that stand side by side; allocating each would cost more than
 * computing it. It passes through a string, which node:crypto returns at half the cost of bytes: for public digests only.
 */
export function sha256Into(bytes: Uint8Array, out: Buffer, at: number): void {
  out.write(oneHash('sha256', bytes, 'binary'), at, DIGEST_BYTES, 'binary');
}

/**
 * Writes SHA-256 of `head` and `bytes`, concatenated, as {@link sha256Into} does, and copies neither. For slots: at 512 bytes it
 * takes as long as copying both into one buffer and hashing that, 0.9 µs; for longer ones it takes less, for 256 bytes more.
 */
export function sha256PairInto(head: Uint8Array, bytes: Uint8Array, out: Buffer, at: number): void {
  const hash = createHash('sha256').update(head).update(bytes);
  out.write(hash.digest('binary'), at, DIGEST_BYTES, 'binary');
}

/** Buffer for a short digest before it is copied. */
const made = Buffer.alloc(DIGEST_BYTES);

/** SHA-256 of `bytes`, 32 bytes in a buffer of their own; passes through a string as {@link sha256Into} does: for public digests only. */
export function sha256(bytes: Uint8Array): Uint8Array {
  sha256Into(bytes, made, 0);
  return new Uint8Array(made);
}

/**
 * SHA-256 over the domain and the parts, 32 bytes; for public digests only, secrets are derived by other means. Long input is
 * hashed piece by piece: a batch is not copied.
 */
export function digest(domain: string, ...parts: readonly DigestPart[]): Uint8Array {
  let bytes = 0;
  for (const part of parts) if (part instanceof Uint8Array) bytes += part.length;
  if (bytes <= ONE_CALL_BYTES) return withFrame(domain, parts, sha256);
  const hash = createHash('sha256');
  for (const part of [PREFIX + domain, ...parts]) {
    hash.update(uint64(partLength(part)));
    hash.update(part instanceof Uint8Array || typeof part === 'string' ? part : uint64(part));
  }
  return new Uint8Array(hash.digest());
}

/** SHAKE256 over the domain and the parts, `length` bytes. The input may be secret: its frame is wiped. */
export function xof(length: number, domain: string, ...parts: readonly DigestPart[]): Uint8Array {
  return withFrame(domain, parts, (frame) => {
    const out = createHash('shake256', { outputLength: length }).update(frame).digest();
    return new Uint8Array(out.buffer, out.byteOffset, length);
  });
}

/** Fills `out` with SHAKE256 of `bytes`; passes through a string as {@link sha256Into} does: for public bytes only. */
export function xofInto(bytes: Uint8Array, out: Buffer): void {
  const hash = createHash('shake256', { outputLength: out.length });
  out.write(hash.update(bytes).digest('binary'), 0, out.length, 'binary');
}
