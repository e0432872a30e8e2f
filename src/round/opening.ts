// What travels in the trailer of an `opening` batch besides D_i itself: the commitment's nonce, the mix commitment that the
// opener saw (with node 1's signature, so that two different ones convict it), and the decryption proof σ_i.
import { concat } from '../base/bytes.js';
import { MixError } from '../base/errors.js';
import { NONCE_BYTES } from '../cmix/commitment.js';
import { type DecryptionProof, decodeDecryptionProof, encodeDecryptionProof } from '../cmix/proofs.js';
import type { Group } from '../math/group.js';

const DIGEST = 32;
const SIGNATURE = 64;

export interface OpeningExtra {
  readonly nonce: Uint8Array;
  /** H(x′) that made this node open. */
  readonly mixDigest: Uint8Array;
  /** Node 1's signature under it. */
  readonly mixSignature: Uint8Array;
  readonly proof: DecryptionProof;
}

export function encodeOpening(extra: OpeningExtra): Uint8Array {
  return concat([extra.nonce, extra.mixDigest, extra.mixSignature, encodeDecryptionProof(extra.proof)]);
}

/** @throws MixError MESSAGE_MALFORMED, and what decodeDecryptionProof throws */
export function decodeOpening(group: Group, width: number, bytes: Uint8Array): OpeningExtra {
  const fixed = NONCE_BYTES + DIGEST + SIGNATURE;
  if (bytes.length < fixed) throw new MixError('MESSAGE_MALFORMED', { what: 'opening', length: bytes.length });
  return {
    nonce: bytes.slice(0, NONCE_BYTES),
    mixDigest: bytes.slice(NONCE_BYTES, NONCE_BYTES + DIGEST),
    mixSignature: bytes.slice(NONCE_BYTES + DIGEST, fixed),
    proof: decodeDecryptionProof(group, width, bytes.subarray(fixed)),
  };
}
