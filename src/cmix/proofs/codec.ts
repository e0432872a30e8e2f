// Types of proofs and key shares, and their fixed-length form on the wire: elements and scalars of elementBytes bytes each, one
// after the other, without lengths and tags, because the round's group and width determine their number. Decoders take hostile
// bytes and either give values in range or throw a MixError.
import { concat, MixError, type NodeId } from '../../base/index.js';
import { checkElements, checkWidth, elementAt, type Group, readElement } from '../../math/index.js';

/** The context that a share and its proofs are bound to. */
export interface ShareContext {
  readonly group: Group;
  /** H(RoundInfo), 32 bytes. */
  readonly roundDigest: Uint8Array;
  readonly node: NodeId;
  /** Elements of a message, and so of a key share. */
  readonly width: number;
  /** Bytes of a secret exponent. */
  readonly exponentBytes: number;
}

/** Schnorr's proof that the prover knows log_g of a statement. */
export interface KnowledgeProof {
  /** First message g^w: one element. */
  readonly commitment: Uint8Array;
  /** w + e·z mod q: a scalar below q, elementBytes bytes. */
  readonly response: Uint8Array;
}

/** One node's part of a round's team key. */
export interface KeyShare {
  /** Z_{i,e} = g^{z_{i,e}}: width elements. */
  readonly elements: Uint8Array;
  /** One proof per element. */
  readonly proofs: readonly KnowledgeProof[];
}

/** Chaum and Pedersen's proof that log_g Z_e = log_A B_e for every e, under one challenge. */
export interface DecryptionProof {
  /** First messages, 2 × width elements: g^{w_1}, A^{w_1}, g^{w_2}, A^{w_2}, … */
  readonly first: Uint8Array;
  /** Responses: width scalars below q, elementBytes bytes each. */
  readonly responses: Uint8Array;
}

/** Bytes of an encoded key share: for every e an element, a first message and a response. */
export function keyShareBytes(group: Group, width: number): number {
  checkWidth(width);
  return 3 * width * group.elementBytes;
}

/** Bytes of an encoded decryption proof. */
function decryptionProofBytes(group: Group, width: number): number {
  checkWidth(width);
  return 3 * width * group.elementBytes;
}

/** Checks `count` flat scalars: each below q. @throws MixError LENGTH_MISMATCH, EXPONENT_RANGE */
export function checkScalars(group: Group, scalars: Uint8Array, what: string, count: number): void {
  if (scalars.length !== count * group.elementBytes) {
    throw new MixError('LENGTH_MISMATCH', { what, length: scalars.length, expected: count * group.elementBytes });
  }
  for (let index = 0; index < count; index++) {
    if (readElement(group, scalars, index) >= group.q) throw new MixError('EXPONENT_RANGE', { what, index });
  }
}

function checkEncoded(bytes: unknown, what: string, expected: number): asserts bytes is Uint8Array {
  if (!(bytes instanceof Uint8Array)) throw new MixError('MESSAGE_MALFORMED', { what });
  if (bytes.length !== expected) throw new MixError('LENGTH_MISMATCH', { what, length: bytes.length, expected });
}

/** Elements, then (first message, response) of every proof. */
export function encodeKeyShare(share: KeyShare): Uint8Array {
  return concat([share.elements, ...share.proofs.flatMap((proof) => [proof.commitment, proof.response])]);
}

/**
 * Decodes a key share; its proofs are not verified yet.
 * @throws MixError MESSAGE_MALFORMED, LENGTH_MISMATCH, ELEMENT_RANGE, EXPONENT_RANGE
 */
export function decodeKeyShare(group: Group, width: number, bytes: Uint8Array): KeyShare {
  checkEncoded(bytes, 'key share', keyShareBytes(group, width));
  const own = Uint8Array.from(bytes);
  const elements = own.subarray(0, width * group.elementBytes);
  const proofs = Array.from({ length: width }, (_, e) => ({
    commitment: elementAt(group, own, width + 2 * e),
    response: elementAt(group, own, width + 2 * e + 1),
  }));
  checkElements(group, elements, 'key share', width);
  for (const { commitment, response } of proofs) {
    checkElements(group, commitment, 'first message', 1);
    checkScalars(group, response, 'response', 1);
  }
  return { elements, proofs };
}

/** First messages, then responses. */
export function encodeDecryptionProof(proof: DecryptionProof): Uint8Array {
  return concat([proof.first, proof.responses]);
}

/**
 * Decodes a decryption proof; it is not verified yet.
 * @throws MixError MESSAGE_MALFORMED, LENGTH_MISMATCH, ELEMENT_RANGE, EXPONENT_RANGE
 */
export function decodeDecryptionProof(group: Group, width: number, bytes: Uint8Array): DecryptionProof {
  checkEncoded(bytes, 'decryption proof', decryptionProofBytes(group, width));
  const own = Uint8Array.from(bytes);
  const split = 2 * width * group.elementBytes;
  const proof = { first: own.subarray(0, split), responses: own.subarray(split) };
  checkElements(group, proof.first, 'first message', 2 * width);
  checkScalars(group, proof.responses, 'response', width);
  return proof;
}
