// How a message becomes elements. Every coded message fills its slot, starts from a random salt and carries a 128-bit hash
// over all its elements, so that outputs do not differ by length, equal payloads do not look equal, and a message that was
// multiplied by anything on its way is invalid for everybody who looks.
//
//   body   = kind (1) ‖ version (1) ‖ length (2, little-endian) ‖ payload ‖ zeros
//   code   = hash (16) ‖ salt (16) ‖ body ⊕ XOF(salt)
//   hash   = the first 16 bytes of H(group, width, everything after the hash)
//   element e = bytes e·(elementBytes − 1) … of the code, then the byte 1 on top: between 1 and q in every group
//
// The mask hides nothing, as the salt stands beside it. It leaves no element constant: the zeros of two short messages
// would otherwise be the same element, and whoever exchanged them on the way would go unseen.
import { digest, equalBytes, xof } from '../base/bytes.js';
import { MixError } from '../base/errors.js';
import { type Rng, randomBytes } from '../base/rng.js';
import { checkWidth } from '../math/batch.js';
import type { Group } from '../math/group.js';

const HASH_BYTES = 16;
const MESSAGE_SALT_BYTES = 16;
const KIND_AT = HASH_BYTES + MESSAGE_SALT_BYTES;
const LENGTH_AT = KIND_AT + 2;
const PAYLOAD_AT = LENGTH_AT + 2;
const VERSION = 1;
const KIND_MESSAGE = 1;
const KIND_DUMMY = 2;
/** The top byte of every element: not 0, and below the top byte of q, which is 0x7f. */
const TOP_BYTE = 1;

export type Decoded =
  | { readonly kind: 'message'; readonly payload: Uint8Array }
  | { readonly kind: 'dummy' }
  | { readonly kind: 'invalid' };

function codeBytes(group: Group, width: number): number {
  checkWidth(width);
  return width * (group.elementBytes - 1);
}

/**
 * The longest payload of a slot, in bytes: 475 for MODP-4096 at width 1.
 * @throws MixError WIDTH_INVALID; MESSAGE_TOO_LONG where a slot is too small for any message (tiny test groups)
 */
export function messageCapacity(group: Group, width: number): number {
  const capacity = codeBytes(group, width) - PAYLOAD_AT;
  if (capacity < 0) throw new MixError('MESSAGE_TOO_LONG', { group: group.name, width, capacity });
  return capacity;
}

function isZero(bytes: Uint8Array, from: number): boolean {
  let any = 0;
  for (let i = from; i < bytes.length; i++) any |= bytes[i]!;
  return any === 0;
}

function hashOf(group: Group, width: number, code: Uint8Array): Uint8Array {
  return digest('message-code', group.name, width, code.subarray(HASH_BYTES)).subarray(0, HASH_BYTES);
}

/** Puts the mask on the body of a code, or takes it off. */
function mask(code: Uint8Array): void {
  const stream = xof(code.length - KIND_AT, 'message-mask', code.subarray(HASH_BYTES, KIND_AT));
  for (let i = 0; i < stream.length; i++) code[KIND_AT + i]! ^= stream[i]!;
}

function encode(group: Group, width: number, kind: number, salt: Uint8Array, payload: Uint8Array): Uint8Array {
  const code = new Uint8Array(codeBytes(group, width));
  code.set(salt, HASH_BYTES);
  code[KIND_AT] = kind;
  code[KIND_AT + 1] = VERSION;
  code[LENGTH_AT] = payload.length & 0xff;
  code[LENGTH_AT + 1] = payload.length >> 8;
  code.set(payload, PAYLOAD_AT);
  mask(code);
  code.set(hashOf(group, width, code), 0);
  const body = group.elementBytes - 1;
  const elements = new Uint8Array(width * group.elementBytes);
  for (let e = 0; e < width; e++) {
    elements.set(code.subarray(e * body, (e + 1) * body), e * group.elementBytes);
    elements[(e + 1) * group.elementBytes - 1] = TOP_BYTE;
  }
  return elements;
}

/**
 * The elements that carry `payload`, with a salt from `rng`.
 * @returns width elements
 * @throws MixError WIDTH_INVALID, MESSAGE_TOO_LONG
 */
export function encodeMessage(group: Group, width: number, payload: Uint8Array, rng: Rng): Uint8Array {
  const capacity = messageCapacity(group, width);
  if (payload.length > capacity) throw new MixError('MESSAGE_TOO_LONG', { length: payload.length, capacity });
  return encode(group, width, KIND_MESSAGE, randomBytes(rng, MESSAGE_SALT_BYTES), payload);
}

/** What fills an empty slot: no secret, anybody computes the same elements from the round and the slot. */
export function encodeDummy(group: Group, width: number, roundDigest: Uint8Array, slot: number): Uint8Array {
  messageCapacity(group, width);
  const salt = digest('dummy-salt', roundDigest, slot).subarray(0, MESSAGE_SALT_BYTES);
  return encode(group, width, KIND_DUMMY, salt, new Uint8Array(0));
}

/**
 * What the elements of one slot carry. Anything that `encodeMessage` or `encodeDummy` would not have made is invalid.
 * @param elements width elements, not necessarily in range
 * @throws MixError WIDTH_INVALID, LENGTH_MISMATCH for a wrong number of bytes; nothing for wrong contents
 */
export function decodeMessage(group: Group, width: number, elements: Uint8Array): Decoded {
  const invalid: Decoded = { kind: 'invalid' };
  const capacity = messageCapacity(group, width);
  if (elements.length !== width * group.elementBytes) {
    const expected = width * group.elementBytes;
    throw new MixError('LENGTH_MISMATCH', { what: 'message', length: elements.length, expected });
  }
  const body = group.elementBytes - 1;
  const code = new Uint8Array(width * body);
  for (let e = 0; e < width; e++) {
    const start = e * group.elementBytes;
    if (elements[start + body] !== TOP_BYTE) return invalid;
    code.set(elements.subarray(start, start + body), e * body);
  }
  if (!equalBytes(hashOf(group, width, code), code.subarray(0, HASH_BYTES))) return invalid;
  mask(code);
  // A hash that fits proves only that somebody computed it: a sender can hash nonsense, too.
  const kind = code[KIND_AT];
  const length = code[LENGTH_AT]! | (code[LENGTH_AT + 1]! << 8);
  if (code[KIND_AT + 1] !== VERSION || length > capacity) return invalid;
  if (!isZero(code, PAYLOAD_AT + length)) return invalid;
  if (kind === KIND_DUMMY) return length === 0 ? { kind: 'dummy' } : invalid;
  if (kind !== KIND_MESSAGE) return invalid;
  return { kind: 'message', payload: code.slice(PAYLOAD_AT, PAYLOAD_AT + length) };
}
