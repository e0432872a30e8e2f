// The coding of a message into elements. Every coded message fills its slot, starts from a random salt and carries a 128-bit hash
// over all its elements, so that outputs do not differ by length, equal payloads look different, and anyone can see that a
// message that was multiplied by anything on its way is invalid.
//
//   body   = kind (1) ‖ version (1) ‖ length (2, little-endian) ‖ payload ‖ zeros
//   code   = hash (16) ‖ salt (16) ‖ body ⊕ XOF(salt)
//   hash   = the first 16 bytes of H(group, width, everything after the hash)
//   element e = bytes e·(elementBytes − 1) … of the code, then the byte 1 on top: between 1 and q in every group
//
// The mask hides nothing, because the salt stands beside it. It prevents constant elements: the zeros of two short messages would
// otherwise be the same element, and an exchange of them on the way would go unnoticed.
import {
  DIGEST_BYTES,
  digest,
  equalBytes,
  framed,
  MixError,
  type Rng,
  randomBytes,
  sha256Into,
  xofInto,
} from '../base/index.js';
import { checkWidth, type Group } from '../math/index.js';

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

type Decoded =
  | { readonly kind: 'message'; readonly payload: Uint8Array }
  /** `salt`: identifies the dummy. */
  | { readonly kind: 'dummy'; readonly salt: Uint8Array }
  | { readonly kind: 'invalid' };

function codeBytes(group: Group, width: number): number {
  checkWidth(width);
  return width * (group.elementBytes - 1);
}

/**
 * Returns the longest payload of a slot, in bytes: 475 for MODP-4096 at width 1.
 * @throws MixError WIDTH_INVALID; MESSAGE_TOO_LONG if a slot is too small for any message (tiny test groups)
 */
export function messageCapacity(group: Group, width: number): number {
  const capacity = codeBytes(group, width) - PAYLOAD_AT;
  if (capacity < 0) throw new MixError('MESSAGE_TOO_LONG', { group: group.name, width, capacity });
  return capacity;
}

/**
 * Buffers in which the codes of one group and width are made and read, one after the other: a node decodes a whole batch while
 * senders wait, and allocation would cost more than hashing. The input of the hash is framed once, and kept.
 */
class CodeRoom {
  /** hash ‖ salt ‖ body. */
  readonly code: Uint8Array;
  /** The hash part of the code. */
  readonly hash: Uint8Array;
  readonly #hashed: Uint8Array;
  readonly #hashFrame: Uint8Array;
  readonly #salt: Uint8Array;
  readonly #maskFrame: Uint8Array;
  readonly #stream: Buffer;
  readonly #words: Uint32Array;
  readonly #streamWords: Uint32Array;
  readonly #digest = Buffer.alloc(DIGEST_BYTES);
  readonly #digestHead = this.#digest.subarray(0, HASH_BYTES);

  constructor(group: Group, width: number) {
    const length = codeBytes(group, width);
    // Whole words; the last may reach beyond the code: those bytes stay zero.
    const buffer = new ArrayBuffer(Math.ceil(length / 4) * 4);
    this.code = new Uint8Array(buffer, 0, length);
    this.hash = this.code.subarray(0, HASH_BYTES);
    this.#hashed = this.code.subarray(HASH_BYTES);
    this.#hashFrame = framed('message-code', [group.name, width, this.#hashed]);
    this.#salt = this.code.subarray(HASH_BYTES, KIND_AT);
    this.#maskFrame = framed('message-mask', [this.#salt]);
    const stream = new ArrayBuffer(buffer.byteLength - KIND_AT);
    this.#stream = Buffer.from(stream, 0, length - KIND_AT);
    this.#words = new Uint32Array(buffer);
    this.#streamWords = new Uint32Array(stream);
  }

  /** Computes the hash of the present code: a view, valid until the next call. */
  computeHash(): Uint8Array {
    this.#hashFrame.set(this.#hashed, this.#hashFrame.length - this.#hashed.length);
    sha256Into(this.#hashFrame, this.#digest, 0);
    return this.#digestHead;
  }

  /** Applies the mask to the body, or removes it. */
  mask(): void {
    this.#maskFrame.set(this.#salt, this.#maskFrame.length - MESSAGE_SALT_BYTES);
    xofInto(this.#maskFrame, this.#stream);
    const [words, stream] = [this.#words, this.#streamWords];
    const first = KIND_AT / 4;
    for (let i = 0; i < stream.length; i++) words[first + i]! ^= stream[i]!;
  }

  /** True if the code is zero from byte `from` on. */
  isZeroFrom(from: number): boolean {
    const [code, words] = [this.code, this.#words];
    const firstWord = Math.ceil(from / 4);
    let any = 0;
    for (let at = from; at < Math.min(firstWord * 4, code.length); at++) any |= code[at]!;
    for (let i = firstWord; i < words.length; i++) any |= words[i]!;
    return any === 0;
  }

  /**
   * Wipes all traces of a coded message here. Its hash and its mask were strings on the way, in the process of a sender, which
   * has the text anyway.
   */
  wipe(): void {
    this.#words.fill(0);
    this.#hashFrame.fill(0, this.#hashFrame.length - this.#hashed.length);
    this.#maskFrame.fill(0, this.#maskFrame.length - MESSAGE_SALT_BYTES);
    this.#streamWords.fill(0);
    this.#digest.fill(0);
  }
}

const rooms = new Map<string, CodeRoom>();

function findRoom(group: Group, width: number): CodeRoom {
  const key = `${group.name}/${width}`;
  let room = rooms.get(key);
  if (!room) {
    room = new CodeRoom(group, width);
    rooms.set(key, room);
  }
  return room;
}

function encode(group: Group, width: number, kind: number, salt: Uint8Array, payload: Uint8Array): Uint8Array {
  const room = findRoom(group, width);
  const { code } = room;
  code.fill(0);
  code.set(salt, HASH_BYTES);
  code[KIND_AT] = kind;
  code[KIND_AT + 1] = VERSION;
  code[LENGTH_AT] = payload.length & 0xff;
  code[LENGTH_AT + 1] = payload.length >> 8;
  code.set(payload, PAYLOAD_AT);
  room.mask();
  room.hash.set(room.computeHash());
  const body = group.elementBytes - 1;
  const elements = new Uint8Array(width * group.elementBytes);
  for (let e = 0; e < width; e++) {
    elements.set(code.subarray(e * body, (e + 1) * body), e * group.elementBytes);
    elements[(e + 1) * group.elementBytes - 1] = TOP_BYTE;
  }
  room.wipe();
  return elements;
}

/**
 * Encodes `payload` into elements, with a salt from `rng`.
 * @returns width elements
 * @throws MixError WIDTH_INVALID, MESSAGE_TOO_LONG
 */
export function encodeMessage(group: Group, width: number, payload: Uint8Array, rng: Rng): Uint8Array {
  const capacity = messageCapacity(group, width);
  if (payload.length > capacity) throw new MixError('MESSAGE_TOO_LONG', { length: payload.length, capacity });
  return encode(group, width, KIND_MESSAGE, randomBytes(rng, MESSAGE_SALT_BYTES), payload);
}

/** Returns the salt of the dummy in an empty slot of a settled table: it distinguishes that dummy from all others. */
export function dummySalt(tableDigest: Uint8Array, slot: number): Uint8Array {
  return digest('dummy-salt', tableDigest, slot).subarray(0, MESSAGE_SALT_BYTES);
}

/**
 * Makes the elements of an empty slot: no secret, every node computes the same ones from the settled table's digest and the slot.
 * No sender can make one ahead of the table, which covers H(M) of all messages: so each comes out exactly once, or a node has not
 * permuted.
 */
export function encodeDummy(group: Group, width: number, tableDigest: Uint8Array, slot: number): Uint8Array {
  messageCapacity(group, width);
  return encode(group, width, KIND_DUMMY, dummySalt(tableDigest, slot), new Uint8Array(0));
}

/**
 * Decodes the elements of one slot. Anything that `encodeMessage` or `encodeDummy` would not have made is invalid.
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
  const room = findRoom(group, width);
  const { code } = room;
  for (let e = 0; e < width; e++) {
    const start = e * group.elementBytes;
    if (elements[start + body] !== TOP_BYTE) return invalid;
    code.set(elements.subarray(start, start + body), e * body);
  }
  if (!equalBytes(room.computeHash(), room.hash)) return invalid;
  room.mask();
  // A matching hash proves only that it was computed: a sender can hash nonsense, too.
  const kind = code[KIND_AT];
  const length = code[LENGTH_AT]! | (code[LENGTH_AT + 1]! << 8);
  if (code[KIND_AT + 1] !== VERSION || length > capacity) return invalid;
  if (!room.isZeroFrom(PAYLOAD_AT + length)) return invalid;
  if (kind === KIND_DUMMY) return length === 0 ? { kind: 'dummy', salt: code.slice(HASH_BYTES, KIND_AT) } : invalid;
  if (kind !== KIND_MESSAGE) return invalid;
  return { kind: 'message', payload: code.slice(PAYLOAD_AT, PAYLOAD_AT + length) };
}

/**
 * Returns the identity of a coded message: the hash in it, hex; different even for messages of equal text. For elements that
 * decode: nobody can find other ones with the same hash.
 * @param elements width elements
 */
export function codeId(group: Group, elements: Uint8Array): string {
  const body = group.elementBytes - 1;
  const hash = Buffer.alloc(HASH_BYTES);
  // In a toy group an element is shorter than the hash.
  for (let i = 0; i < HASH_BYTES; i++) hash[i] = elements[Math.floor(i / body) * group.elementBytes + (i % body)]!;
  return hash.toString('hex');
}
