// Fields of decoded messages, as handlers take them: a field that is missing, of the wrong length or not one of its values is
// MESSAGE_MALFORMED.
import { MixError } from '../base/index.js';

export function malformed(what: string): MixError {
  return new MixError('MESSAGE_MALFORMED', { what });
}

/** Throws MESSAGE_MALFORMED unless `holds`. */
export function require_(holds: boolean, what: string): asserts holds {
  if (!holds) throw malformed(what);
}

/** A view that owns nothing of the decoder's buffers beyond its own bytes. */
export const asBytes = (buffer: Buffer | Uint8Array): Uint8Array =>
  new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.byteLength);

export function fixed(buffer: Buffer | Uint8Array, length: number, what: string): Uint8Array {
  require_(buffer.length === length, what);
  return asBytes(buffer);
}
