// The commitment of a node to its decryption shares: com_i = H(round, i, H(C), D_i, σ_i, nonce), published before any share
// opens. It makes tagging useless: no node can choose its shares, or the mixed batch, after it has seen another's (Galteland,
// Mjølsnes, Olimid: "Attacks on cMix"). The nonce hides D_i, which could otherwise be guessed and tested. Apart from
// proofs.ts because it needs no group arithmetic.
import { digest, equalBytes, MixError, type NodeId } from '../../base/index.js';
import type { DecryptionProof } from './codec.js';

export const NONCE_BYTES = 32;

/** Everything that a share commitment covers; it opens the commitment. */
export interface CommitmentOpening {
  readonly roundDigest: Uint8Array;
  readonly node: NodeId;
  /** H(C), the digest of the mixed ciphertexts that the shares belong to. */
  readonly cipherDigest: Uint8Array;
  /** D_i: slots × width elements. */
  readonly shares: Uint8Array;
  readonly proof: DecryptionProof;
  /** 32 random bytes, used once. */
  readonly nonce: Uint8Array;
}

function hash(opening: CommitmentOpening): Uint8Array {
  const { roundDigest, node, cipherDigest, shares, proof, nonce } = opening;
  return digest('share-commitment', roundDigest, node, cipherDigest, shares, proof.first, proof.responses, nonce);
}

/** com_i, 32 bytes. @throws MixError LENGTH_MISMATCH for a nonce that is not 32 bytes */
export function shareCommitment(opening: CommitmentOpening): Uint8Array {
  if (opening.nonce.length !== NONCE_BYTES) {
    throw new MixError('LENGTH_MISMATCH', { what: 'nonce', length: opening.nonce.length, expected: NONCE_BYTES });
  }
  return hash(opening);
}

/** True if `commitment` was made of `opening`. */
export function openCommitment(commitment: Uint8Array, opening: CommitmentOpening): boolean {
  return opening.nonce.length === NONCE_BYTES && equalBytes(commitment, hash(opening));
}
