// Byte helpers: hex, comparison, concatenation, and the domain-separated hash that every digest of the protocol is made
// with. A digest is SHA-256 over the domain and the parts, each preceded by its length, so that no two different
// lists of parts can hash alike.
import { createHash, hash as oneHash, timingSafeEqual } from 'node:crypto';

/** Bytes of a digest made by {@link digest}. */
export const DIGEST_BYTES = 32;

/** What a digest takes: bytes as they are, text as UTF-8, numbers as unsigned 64-bit little-endian integers. */
export type DigestPart = Uint8Array | string | number | bigint;

const PREFIX = 'millrace/v1/';

export function toHex(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('hex');
}

/** Bytes of a hex text; undefined where it is not hex of whole bytes. */
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

/** Equality in time that depends on the lengths only. */
export function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && timingSafeEqual(a, b);
}

/** An unsigned 64-bit little-endian integer. */
export function uint64(value: number | bigint): Uint8Array {
  const out = new Uint8Array(8);
  if (typeof value === 'bigint' || value < 0 || !Number.isSafeInteger(value)) {
    new DataView(out.buffer).setBigUint64(0, BigInt(value), true);
  } else {
    // What is hashed comes through here: BigInt would be half the cost of a digest.
    for (let left = value, at = 0; left > 0; left = Math.floor(left / 256)) out[at++] = left % 256;
  }
  return out;
}

function partBytes(part: DigestPart): Uint8Array {
  if (part instanceof Uint8Array) return part;
  return typeof part === 'string' ? Buffer.from(part, 'utf8') : uint64(part);
}

/** The bytes that stand for `parts` under `domain`, unambiguously: what digest, XOF and MACs are computed over. */
export function framed(domain: string, parts: readonly DigestPart[]): Uint8Array {
  const pieces = [partBytes(PREFIX + domain)];
  let length = 8 + pieces[0]!.length;
  for (const part of parts) {
    const piece = partBytes(part);
    pieces.push(piece);
    length += 8 + piece.length;
  }
  const out = new Uint8Array(length);
  let offset = 0;
  for (const piece of pieces) {
    // Each with its length before it, as uint64 writes it: no piece is as long as 4 GiB.
    for (let left = piece.length, at = offset; left > 0; left >>>= 8) out[at++] = left & 0xff;
    out.set(piece, offset + 8);
    offset += 8 + piece.length;
  }
  return out;
}

/**
 * Writes SHA-256 of `bytes` into `out` at `at`: for digests that stand side by side, of which each would cost more to allocate than
 * to compute. It passes through a string, as node:crypto gives that at half the price of bytes: for public digests only.
 */
export function sha256Into(bytes: Uint8Array, out: Buffer, at: number): void {
  out.write(oneHash('sha256', bytes, 'binary'), at, DIGEST_BYTES, 'binary');
}

/** Where a short digest is made, before it gets bytes of its own. */
const made = Buffer.alloc(DIGEST_BYTES);

/** What is hashed in one call: a short copy is cheaper than the calls that it saves, a long one is not. */
const ONE_CALL_BYTES = 4_096;

/**
 * SHA-256 over the domain and the parts, 32 bytes, for everybody to see: a secret is derived by other means. Fed piece by piece where
 * it is long: a batch is not copied to be hashed.
 */
export function digest(domain: string, ...parts: readonly DigestPart[]): Uint8Array {
  let bytes = 0;
  for (const part of parts) if (part instanceof Uint8Array) bytes += part.length;
  if (bytes <= ONE_CALL_BYTES) {
    sha256Into(framed(domain, parts), made, 0);
    return new Uint8Array(made);
  }
  const hash = createHash('sha256');
  for (const part of [PREFIX + domain, ...parts]) {
    const piece = partBytes(part);
    hash.update(uint64(piece.length)).update(piece);
  }
  return new Uint8Array(hash.digest());
}

/** SHAKE256 over the domain and the parts, `length` bytes. May be over a secret: what it made on the way is wiped. */
export function xof(length: number, domain: string, ...parts: readonly DigestPart[]): Uint8Array {
  const frame = framed(domain, parts);
  const out = createHash('shake256', { outputLength: length }).update(frame).digest();
  frame.fill(0);
  return new Uint8Array(out.buffer, out.byteOffset, length);
}

/** Fills `out` with SHAKE256 of `bytes`, as {@link sha256Into} does: by way of a string, for public bytes only. */
export function xofInto(bytes: Uint8Array, out: Buffer): void {
  const hash = createHash('shake256', { outputLength: out.length });
  out.write(hash.update(bytes).digest('binary'), 0, out.length, 'binary');
}
