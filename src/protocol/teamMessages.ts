// Messages between team members, besides batches. Each message is signed by its speaker over H(RoundInfo), speaker, kind and content, so
// that two different ones prove equivocation to anybody.
import { type DigestPart, digest, type ErrorCode, type NodeId, type RoundId } from '../base/index.js';
import { type SigningKey, type SlotRejection, verifySignature } from '../cmix/index.js';
import type { BatchPhase } from './batchPhases.js';

export type TeamMessage =
  /** Z_i with its proofs, encoded (cmix/teamKey). */
  | { readonly kind: 'keyShare'; readonly share: Uint8Array }
  /** H of the list of all shares: all must agree before Generate. */
  | { readonly kind: 'sharesDigest'; readonly digest: Uint8Array }
  /** com_i over the revealed C; carries node 1's signature under that C, which is evidence if node 1 has signed two. */
  | {
      readonly kind: 'commitment';
      readonly cipherDigest: Uint8Array;
      readonly revealSignature: Uint8Array;
      readonly commitment: Uint8Array;
    }
  /** Node 1's slot table, encoded (cmix/slotTable), and its digest, which is what is signed. */
  | { readonly kind: 'tableProposal'; readonly digest: Uint8Array; readonly table: Uint8Array }
  /** Slots that this node rejects, with reasons; carries node 1's signature under the proposal as evidence. */
  | {
      readonly kind: 'tableVerdict';
      readonly proposalDigest: Uint8Array;
      readonly proposalSignature: Uint8Array;
      readonly rejections: readonly SlotRejection[];
    }
  /** Agreement on the table that all verdicts together leave. */
  | { readonly kind: 'tableSignature'; readonly digest: Uint8Array }
  /** H(x′): node 1 commits to the mixed batch. */
  | { readonly kind: 'mixCommit'; readonly digest: Uint8Array }
  /** H(out): outputs count with all N of these. */
  | { readonly kind: 'outputSignature'; readonly digest: Uint8Array }
  /** The round has failed for this node; names the culprit if the node knows it. */
  | {
      readonly kind: 'roundError';
      readonly code: ErrorCode;
      readonly culprit: NodeId | undefined;
      readonly detail: string;
      /** Evidence that convicts the culprit (protocol/evidence.ts), if there is any. Not signed over, because it stands by itself. */
      readonly evidence?: Uint8Array | undefined;
      /**
       * The round error of another member, with its signature (protocol/statements.ts), if the speaker has ended the round for it. Not
       * signed over.
       */
      readonly heard?: Uint8Array | undefined;
    };

export type TeamMessageKind = TeamMessage['kind'];

export interface SignedTeamMessage {
  readonly round: RoundId;
  readonly from: NodeId;
  readonly message: TeamMessage;
  readonly signature: Uint8Array;
}

function contentParts(message: TeamMessage): readonly DigestPart[] {
  switch (message.kind) {
    case 'keyShare':
      return [message.share];
    case 'sharesDigest':
    case 'tableProposal':
    case 'tableSignature':
    case 'mixCommit':
    case 'outputSignature':
      return [message.digest];
    case 'commitment':
      return [message.cipherDigest, message.revealSignature, message.commitment];
    case 'tableVerdict': {
      const rejected = message.rejections.flatMap(({ slot, reason }) => [slot, reason]);
      return [message.proposalDigest, message.proposalSignature, message.rejections.length, ...rejected];
    }
    case 'roundError':
      return [message.code, message.culprit ?? '', message.detail];
  }
}

/** The digest that a speaker signs; also tells two messages of one kind apart. */
export function messageDigest(round: Uint8Array, from: NodeId, message: TeamMessage): Uint8Array {
  return digest('team-message', round, from, message.kind, ...contentParts(message));
}

/** True if `signature` is the signature of `publicKey`'s owner under this message of this round. */
export function isSaidBy(
  publicKey: Uint8Array,
  round: Uint8Array,
  from: NodeId,
  message: TeamMessage,
  signature: Uint8Array,
): boolean {
  return verifySignature(publicKey, messageDigest(round, from, message), signature);
}

/** End of a batch: the Merkle root over its slots, data of its phase, and a signature over both. */
export interface BatchTrailer {
  readonly root: Uint8Array;
  /** `opening`: nonce, mix commitment and proof (protocol/batchPhases.ts); otherwise empty. */
  readonly extra: Uint8Array;
  readonly signature: Uint8Array;
}

/** The digest under the signature of a trailer. The receiver is not in it: a revealed C is the same for all. */
export function trailerDigest(
  round: Uint8Array,
  from: NodeId,
  phase: BatchPhase,
  root: Uint8Array,
  extra: Uint8Array,
): Uint8Array {
  return digest('batch-root', round, from, phase, root, extra);
}

export function signTrailer(
  key: SigningKey,
  round: Uint8Array,
  phase: BatchPhase,
  root: Uint8Array,
  extra: Uint8Array = new Uint8Array(0),
): BatchTrailer {
  return { root, extra, signature: key.sign(trailerDigest(round, key.nodeId, phase, root, extra)) };
}
