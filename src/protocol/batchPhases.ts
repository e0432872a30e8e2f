// Batches that flow between team members: their phases, the elements of a slot in each phase, and senders and receivers. Positions count
// from 0: position 0 is node 1 of the protocol. The permute rings run back, so that the node that reveals never holds the complete batch
// unpermuted (docs/protocol.md, "the order is the security").
import { concat, DIGEST_BYTES, MixError } from '../base/index.js';
import {
  type DecryptionProof,
  decodeDecryptionProof,
  encodeDecryptionProof,
  NONCE_BYTES,
  SIGNATURE_BYTES,
} from '../cmix/index.js';
import type { Group } from '../math/index.js';

export const BATCH_PHASES = [
  'precompDecrypt',
  'precompPermute',
  'reveal',
  'realtimeDecrypt',
  'realtimePermute',
  'mixed',
  'opening',
] as const;
export type BatchPhase = (typeof BATCH_PHASES)[number];

/** Elements of a slot: ciphertexts have one more than messages. */
export function phaseElements(phase: BatchPhase, width: number): number {
  return phase === 'precompDecrypt' || phase === 'precompPermute' || phase === 'reveal' ? width + 1 : width;
}

/** True if `from` sends this phase to `to`, in a team of `size`; a phase may have several senders. */
export function sendsPhase(phase: BatchPhase, from: number, to: number, size: number): boolean {
  if (from === to || from < 0 || from >= size) return false;
  switch (phase) {
    case 'precompDecrypt':
    case 'realtimeDecrypt':
      return from === to - 1;
    case 'precompPermute':
    case 'realtimePermute':
      return from === to + 1;
    case 'reveal':
    case 'mixed':
      return from === 0;
    case 'opening':
      return true;
  }
}

/** Positions that `from` sends this phase to. */
export function listReceivers(phase: BatchPhase, from: number, size: number): number[] {
  return Array.from({ length: size }, (_, to) => to).filter((to) => sendsPhase(phase, from, to, size));
}

export const isRealtime = (phase: BatchPhase): boolean =>
  phase !== 'precompDecrypt' && phase !== 'precompPermute' && phase !== 'reveal';

/** Content of the trailer of an `opening` batch, besides the root. D_i itself is the batch. */
export interface OpeningExtra {
  /** Nonce of the commitment. */
  readonly nonce: Uint8Array;
  /** H(x′) that made this node open. */
  readonly mixDigest: Uint8Array;
  /** Node 1's signature of its `mixCommit` message with this digest. */
  readonly mixSignature: Uint8Array;
  readonly proof: DecryptionProof;
}

export function encodeOpening(extra: OpeningExtra): Uint8Array {
  return concat([extra.nonce, extra.mixDigest, extra.mixSignature, encodeDecryptionProof(extra.proof)]);
}

/** @throws MixError MESSAGE_MALFORMED, and what decodeDecryptionProof throws */
export function decodeOpening(group: Group, width: number, bytes: Uint8Array): OpeningExtra {
  const fixed = NONCE_BYTES + DIGEST_BYTES + SIGNATURE_BYTES;
  if (bytes.length < fixed) throw new MixError('MESSAGE_MALFORMED', { what: 'opening', length: bytes.length });
  return {
    nonce: bytes.slice(0, NONCE_BYTES),
    mixDigest: bytes.slice(NONCE_BYTES, NONCE_BYTES + DIGEST_BYTES),
    mixSignature: bytes.slice(NONCE_BYTES + DIGEST_BYTES, fixed),
    proof: decodeDecryptionProof(group, width, bytes.subarray(fixed)),
  };
}
