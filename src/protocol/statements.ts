// Statement: a message or the end of a batch with its member's signature, in a form that outlives the round and its network. Anyone who
// knows the RoundInfo and the identity keys can make its checks: a member that receives a message does, and so does anyone who is shown
// it as evidence (protocol/evidence.ts).
import { concat, type ErrorCode, isErrorCode, isNodeId, MixError, type NodeId, toHex, utf8 } from '../base/index.js';
import {
  decodeKeyShare,
  REJECTION_REASONS,
  type ShareContext,
  SIGNATURE_BYTES,
  type SlotRejection,
  verifyKeyShare,
  verifySignature,
} from '../cmix/index.js';
import type { Engine } from '../engine/index.js';
import { BATCH_PHASES, type BatchPhase, decodeOpening, type OpeningExtra } from './batchPhases.js';
import type { RoundFacts } from './roundInfo.js';
import { type BatchTrailer, isSaidBy, messageDigest, type TeamMessage, trailerDigest } from './teamMessages.js';

/** Public facts of the round that the checks use. */
export type PublicFacts = Pick<RoundFacts, 'info' | 'digest' | 'group' | 'members'>;

interface MessageStatement {
  readonly kind: 'message';
  readonly from: NodeId;
  /** Holds only the digest of a slot table, because only that is signed. */
  readonly message: TeamMessage;
  readonly signature: Uint8Array;
}

interface BatchStatement extends BatchTrailer {
  readonly kind: 'batch';
  readonly from: NodeId;
  readonly phase: BatchPhase;
}

export type Statement = MessageStatement | BatchStatement;

const EMPTY = new Uint8Array(0);

/** True for local faults, for which nothing that a peer sent is to blame. */
export const isLocal = (code: ErrorCode): boolean =>
  code === 'INTERNAL' ||
  code === 'ABORTED' ||
  code === 'BUFFER_OVERLAP' ||
  code.startsWith('ENGINE_') ||
  code.startsWith('HANDLE_');

/** Makes a statement of a member's message; leaves out fields that are not signed. */
export function messageStatement(from: NodeId, message: TeamMessage, signature: Uint8Array): MessageStatement {
  return { kind: 'message', from, message: signedPart(message), signature };
}

function signedPart(message: TeamMessage): TeamMessage {
  if (message.kind === 'tableProposal') return { ...message, table: EMPTY };
  if (message.kind !== 'roundError') return message;
  const { kind, code, culprit, detail } = message;
  return { kind, code, culprit, detail };
}

/** Node 1's signature under the C that it revealed, as a commitment carries it. */
export function revealStatement({ info }: PublicFacts, cipherDigest: Uint8Array, signature: Uint8Array): Statement {
  return { kind: 'batch', from: info.team[0]!, phase: 'reveal', root: cipherDigest, extra: EMPTY, signature };
}

/** Node 1's signature under the table that it proposed, as a verdict carries it. */
export function proposalStatement({ info }: PublicFacts, proposal: Uint8Array, signature: Uint8Array): Statement {
  return messageStatement(info.team[0]!, { kind: 'tableProposal', digest: proposal, table: EMPTY }, signature);
}

/** True if the member that a statement names has signed it in this round. */
export function isStatement(facts: PublicFacts, statement: Statement): boolean {
  const { from, signature } = statement;
  const member = facts.members.find(({ node }) => node === from);
  if (!member) return false;
  const { publicKey } = member;
  if (statement.kind === 'message') return isSaidBy(publicKey, facts.digest, from, statement.message, signature);
  const { phase, root, extra } = statement;
  return verifySignature(publicKey, trailerDigest(facts.digest, from, phase, root, extra), signature);
}

/**
 * Reads the subject of a statement and its content. Two statements of one member about one subject that differ convict the member. H(x′)
 * and the mixed batch that belongs to it have one subject.
 */
export function readClaim(
  facts: PublicFacts,
  statement: Statement,
): { readonly subject: string; readonly says: string } {
  if (statement.kind === 'batch') {
    const { phase, root, extra } = statement;
    return { subject: `batch/${phase}`, says: toHex(phase === 'mixed' ? root : concat([root, extra])) };
  }
  const { message, from } = statement;
  if (message.kind === 'mixCommit') return { subject: 'batch/mixed', says: toHex(message.digest) };
  return { subject: `message/${message.kind}`, says: toHex(messageDigest(facts.digest, from, message)) };
}

export function shareContext({ info, group, digest }: PublicFacts, node: NodeId): ShareContext {
  return { group, roundDigest: digest, node, width: info.width, exponentBytes: info.exponentBytes };
}

/**
 * Makes the checks of a signed message that need only public facts.
 * @throws MixError KEY_SHARE_*, ELEMENT_RANGE, LENGTH_MISMATCH, SIGNATURE_INVALID, SLOT_COUNT, …: the speaker is to blame; errors of the
 * engine
 */
export async function checkMessage(
  facts: PublicFacts,
  engine: Engine,
  from: NodeId,
  message: TeamMessage,
): Promise<void> {
  const { info, group } = facts;
  switch (message.kind) {
    case 'keyShare': {
      const share = decodeKeyShare(group, info.width, message.share);
      await verifyKeyShare(engine, share, shareContext(facts, from));
      return;
    }
    case 'commitment':
      if (!isStatement(facts, revealStatement(facts, message.cipherDigest, message.revealSignature)))
        throw new MixError('SIGNATURE_INVALID', { what: 'reveal' });
      return;
    case 'tableVerdict':
      // Only the digest is signed, so the signature can be checked without the table itself.
      if (!isStatement(facts, proposalStatement(facts, message.proposalDigest, message.proposalSignature)))
        throw new MixError('SIGNATURE_INVALID', { what: 'proposal' });
      if (message.rejections.some(({ slot }) => !Number.isInteger(slot) || slot < 0 || slot >= info.slots))
        throw new MixError('SLOT_COUNT', { slots: info.slots });
      return;
    default:
      return;
  }
}

/**
 * Decodes and checks the content of a batch's trailer besides its root; undefined if its phase carries none.
 * @throws MixError MESSAGE_MALFORMED, LENGTH_MISMATCH, ELEMENT_RANGE, EXPONENT_RANGE, SIGNATURE_INVALID: its signer is to blame
 */
export function checkTrailer(facts: PublicFacts, phase: BatchPhase, extra: Uint8Array): OpeningExtra | undefined {
  if (phase !== 'opening') {
    if (extra.length > 0) throw new MixError('MESSAGE_MALFORMED', { what: 'trailer', phase });
    return undefined;
  }
  const { info, group } = facts;
  const opening = decodeOpening(group, info.width, extra);
  const mixCommit: TeamMessage = { kind: 'mixCommit', digest: opening.mixDigest };
  if (!isStatement(facts, messageStatement(info.team[0]!, mixCommit, opening.mixSignature)))
    throw new MixError('SIGNATURE_INVALID', { what: 'mix commitment' });
  return opening;
}

// The canonical encoding: fields one after the other, each preceded by its length as 32 bits, little-endian. A list has no count: it ends
// with the field that holds it.

/** Kinds of team messages about their sender's own work: two of one kind that differ are an equivocation. */
export const STATEMENT_KINDS = [
  'keyShare',
  'sharesDigest',
  'commitment',
  'tableProposal',
  'tableVerdict',
  'tableSignature',
  'mixCommit',
  'outputSignature',
] as const;
const MESSAGE_KINDS = [...STATEMENT_KINDS, 'roundError'] as const;
const REJECTION_BYTES = 5;
const DIGEST_BYTES = 32;
const NODE_BYTES = 32;
const DETAIL_BYTES_MAX = 2_000;

function field(bytes: Uint8Array): Uint8Array {
  const out = new Uint8Array(4 + bytes.length);
  new DataView(out.buffer).setUint32(0, bytes.length, true);
  out.set(bytes, 4);
  return out;
}

/** Encodes fields, each preceded by its length. */
export const encodeFields = (fields: readonly Uint8Array[]): Uint8Array => concat(fields.map(field));

/** @throws MixError MESSAGE_MALFORMED if `bytes` are not exactly `count` fields (-1: any number) */
export function decodeFields(bytes: Uint8Array, count: number, what: string): Uint8Array[] {
  const fields: Uint8Array[] = [];
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let at = 0; at < bytes.length; ) {
    const from = at + 4;
    const length = from <= bytes.length ? view.getUint32(at, true) : bytes.length;
    if (length > bytes.length - from || fields.length === count) throw new MixError('MESSAGE_MALFORMED', { what });
    fields.push(bytes.subarray(from, from + length));
    at = from + length;
  }
  if (count >= 0 && fields.length !== count) throw new MixError('MESSAGE_MALFORMED', { what, fields: fields.length });
  return fields;
}

function encodeRejections(rejections: readonly SlotRejection[]): Uint8Array {
  const view = new DataView(new ArrayBuffer(rejections.length * REJECTION_BYTES));
  for (const [index, { slot, reason }] of rejections.entries()) {
    view.setUint32(index * REJECTION_BYTES, slot, true);
    view.setUint8(index * REJECTION_BYTES + 4, REJECTION_REASONS.indexOf(reason));
  }
  return new Uint8Array(view.buffer);
}

function decodeRejections(bytes: Uint8Array): SlotRejection[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.length % REJECTION_BYTES !== 0) throw new MixError('MESSAGE_MALFORMED', { what: 'rejections' });
  return Array.from({ length: bytes.length / REJECTION_BYTES }, (_, index) => {
    const reason = REJECTION_REASONS[view.getUint8(index * REJECTION_BYTES + 4)];
    if (!reason) throw new MixError('MESSAGE_MALFORMED', { what: 'rejection' });
    return { slot: view.getUint32(index * REJECTION_BYTES, true), reason };
  });
}

function encodeContent(message: TeamMessage): Uint8Array[] {
  switch (message.kind) {
    case 'keyShare':
      return [message.share];
    case 'commitment':
      return [message.cipherDigest, message.revealSignature, message.commitment];
    case 'tableVerdict':
      return [message.proposalDigest, message.proposalSignature, encodeRejections(message.rejections)];
    case 'roundError':
      return [utf8(message.code), utf8(message.culprit ?? ''), utf8(message.detail)];
    default:
      return [message.digest];
  }
}

function fixed(bytes: Uint8Array, length: number, what: string): Uint8Array {
  if (bytes.length !== length) throw new MixError('MESSAGE_MALFORMED', { what, length: bytes.length });
  return bytes;
}

const decodeText = (bytes: Uint8Array): string => Buffer.from(bytes).toString('utf8');

function decodeContent(kind: TeamMessage['kind'], content: Uint8Array): TeamMessage {
  const fields = (count: number) => decodeFields(content, count, kind);
  switch (kind) {
    case 'keyShare':
      return { kind, share: fields(1)[0]! };
    case 'commitment': {
      const [cipherDigest, revealSignature, commitment] = fields(3);
      return {
        kind,
        cipherDigest: fixed(cipherDigest!, DIGEST_BYTES, kind),
        revealSignature: fixed(revealSignature!, SIGNATURE_BYTES, kind),
        commitment: fixed(commitment!, DIGEST_BYTES, kind),
      };
    }
    case 'tableVerdict': {
      const [proposalDigest, proposalSignature, rejections] = fields(3);
      return {
        kind,
        proposalDigest: fixed(proposalDigest!, DIGEST_BYTES, kind),
        proposalSignature: fixed(proposalSignature!, SIGNATURE_BYTES, kind),
        rejections: decodeRejections(rejections!),
      };
    }
    case 'roundError': {
      const [code, culprit, detail] = fields(3).map(decodeText) as [string, string, string];
      if (!isErrorCode(code) || (culprit !== '' && !isNodeId(culprit)) || detail.length > DETAIL_BYTES_MAX)
        throw new MixError('MESSAGE_MALFORMED', { what: kind });
      return { kind, code, culprit: culprit === '' ? undefined : culprit, detail };
    }
    case 'tableProposal':
      return { kind, digest: fixed(fields(1)[0]!, DIGEST_BYTES, kind), table: EMPTY };
    default:
      return { kind, digest: fixed(fields(1)[0]!, DIGEST_BYTES, kind) };
  }
}

export function encodeStatement(statement: Statement): Uint8Array {
  const { from, signature } = statement;
  const isMessage = statement.kind === 'message';
  const name = isMessage ? statement.message.kind : statement.phase;
  const content = isMessage ? encodeContent(statement.message) : [statement.root, statement.extra];
  return encodeFields([utf8(statement.kind), utf8(from), utf8(name), encodeFields(content), signature]);
}

/** @throws MixError MESSAGE_MALFORMED */
export function decodeStatement(bytes: Uint8Array): Statement {
  const [kindBytes, fromBytes, nameBytes, content, signature] = decodeFields(bytes, 5, 'statement');
  const [kind, from, name] = [kindBytes!, fromBytes!, nameBytes!].map(decodeText);
  if (fromBytes!.length !== NODE_BYTES || !isNodeId(from)) throw new MixError('MESSAGE_MALFORMED', { what: 'from' });
  fixed(signature!, SIGNATURE_BYTES, 'signature');
  const messageKind = MESSAGE_KINDS.find((one) => one === name);
  if (kind === 'message' && messageKind)
    return { kind, from, message: decodeContent(messageKind, content!), signature: signature! };
  const phase = BATCH_PHASES.find((one) => one === name);
  if (kind !== 'batch' || !phase) throw new MixError('MESSAGE_MALFORMED', { what: 'statement kind' });
  const [root, extra] = decodeFields(content!, 2, phase);
  return { kind, from, phase, root: fixed(root!, DIGEST_BYTES, phase), extra: extra!, signature: signature! };
}
