// Checks of decoded fields, for handlers: a field that is missing, of the wrong length or not one of its values is MESSAGE_MALFORMED.
// Apart because handshakes and comms/ both use them.
import { MixError } from '../base/index.js';

export function malformed(what: string): MixError {
  return new MixError('MESSAGE_MALFORMED', { what });
}

/** Throws MESSAGE_MALFORMED unless `holds`. */
export function require_(holds: boolean, what: string): asserts holds {
  if (!holds) throw malformed(what);
}

/** A view of the message that a field came in: for fields that are not kept, or are most of their message. */
export const asBytes = (buffer: Buffer | Uint8Array): Uint8Array =>
  new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.byteLength);

/** A field of a fixed length, copied: a digest that is kept must not keep its message, or 8 KiB of Node.js's pool, in memory. */
export function fixed(buffer: Buffer | Uint8Array, length: number, what: string): Uint8Array {
  require_(buffer.length === length, what);
  return asBytes(buffer).slice();
}
