// Codec of team messages and batch frames. Decoders trust nothing: a field that is missing, of the wrong length or not one of its values
// is MESSAGE_MALFORMED, before anything is allocated for it.

import { concat, fromHex, isErrorCode, isNodeId, isRoundId, type SenderId, toHex } from '../../base/index.js';
import { MAC_BYTES, REJECTION_REASONS, SALT_BYTES, SIGNATURE_BYTES, type SlotRejection } from '../../cmix/index.js';
import { SLOTS_MAX } from '../../math/index.js';
import {
  BATCH_PHASES,
  type BatchHeader,
  type BatchPhase,
  type BatchTrailer,
  CLAIMS_MAX,
  type Claim,
  type ClaimRejection,
  EVIDENCE_BYTES_MAX,
  type SignedTeamMessage,
  type TeamMessage,
} from '../../protocol/index.js';
import { asBytes, fixed, malformed, require_, services } from '../../transport/index.js';
import type { BatchFrame } from '../../transport/proto/generated/millrace/v1/BatchFrame.js';
import type { BatchHeader__Output } from '../../transport/proto/generated/millrace/v1/BatchHeader.js';
import type { BatchTrailer__Output } from '../../transport/proto/generated/millrace/v1/BatchTrailer.js';
import type { TeamEnvelope, TeamEnvelope__Output } from '../../transport/proto/generated/millrace/v1/TeamEnvelope.js';

const EMPTY = new Uint8Array(0);
const DIGEST = 32;
const DETAIL_MAX = 500;
/** Most bytes of `heard`, a round error: its detail, a code, two names, a signature. */
const HEARD_BYTES_MAX = 4_096;
const REJECTION_BYTES = 5;
const SENDER = 32;
const CLAIM_BYTES = SENDER + SALT_BYTES + DIGEST + MAC_BYTES;
/** Most rejections: a batch has no more slots. */
const REJECTIONS_MAX = SLOTS_MAX;

export function encodeEnvelope(signed: SignedTeamMessage): TeamEnvelope {
  const { round, from, signature, message } = signed;
  const head = { round, from, signature };
  switch (message.kind) {
    case 'keyShare':
      return { ...head, keyShare: { share: message.share } };
    case 'commitment':
    case 'tableProposal':
      return { ...head, [message.kind]: message };
    case 'tableVerdict':
      return { ...head, tableVerdict: { ...message, rejections: encodeRejections(message.rejections) } };
    case 'roundError':
      return {
        ...head,
        roundError: {
          ...message,
          culprit: message.culprit ?? '',
          evidence: message.evidence ?? EMPTY,
          heard: message.heard ?? EMPTY,
        },
      };
    default:
      return { ...head, [message.kind]: { digest: message.digest } };
  }
}

/** @throws MixError MESSAGE_MALFORMED */
export function decodeEnvelope(wire: TeamEnvelope__Output): SignedTeamMessage {
  require_(isRoundId(wire.round), 'round');
  require_(isNodeId(wire.from), 'from');
  const signature = fixed(wire.signature, SIGNATURE_BYTES, 'signature');
  return { round: wire.round, from: wire.from, signature, message: decodeMessage(wire) };
}

function decodeMessage(wire: TeamEnvelope__Output): TeamMessage {
  const kind = wire.message;
  switch (kind) {
    case 'keyShare':
      return { kind, share: asBytes(wire.keyShare!.share) };
    case 'sharesDigest':
    case 'tableSignature':
    case 'mixCommit':
    case 'outputSignature':
      return { kind, digest: fixed(wire[kind]!.digest, DIGEST, kind) };
    case 'commitment': {
      const { cipherDigest, revealSignature, commitment } = wire.commitment!;
      return {
        kind,
        cipherDigest: fixed(cipherDigest, DIGEST, 'cipherDigest'),
        revealSignature: fixed(revealSignature, SIGNATURE_BYTES, 'revealSignature'),
        commitment: fixed(commitment, DIGEST, 'commitment'),
      };
    }
    case 'tableProposal': {
      const { digest, table } = wire.tableProposal!;
      return { kind, digest: fixed(digest, DIGEST, kind), table: asBytes(table) };
    }
    case 'tableVerdict':
      return decodeVerdict(wire);
    case 'roundError': {
      const { code, culprit, detail, evidence, heard } = wire.roundError!;
      require_(isErrorCode(code), 'code');
      require_(culprit === '' || isNodeId(culprit), 'culprit');
      require_(detail.length <= DETAIL_MAX, 'detail');
      require_(evidence.length <= EVIDENCE_BYTES_MAX, 'evidence');
      require_(heard.length <= HEARD_BYTES_MAX, 'heard');
      const shown = {
        ...(evidence.length > 0 ? { evidence: asBytes(evidence) } : {}),
        ...(heard.length > 0 ? { heard: asBytes(heard) } : {}),
      };
      return { kind, code, culprit: culprit === '' ? undefined : culprit, detail, ...shown };
    }
    default:
      throw malformed('message kind');
  }
}

function decodeVerdict(wire: TeamEnvelope__Output): TeamMessage {
  const { proposalDigest, proposalSignature, rejections } = wire.tableVerdict!;
  return {
    kind: 'tableVerdict',
    proposalDigest: fixed(proposalDigest, DIGEST, 'proposalDigest'),
    proposalSignature: fixed(proposalSignature, SIGNATURE_BYTES, 'proposalSignature'),
    rejections: decodeRejections(rejections),
  };
}

function encodeRejections(rejections: readonly SlotRejection[]): Uint8Array {
  const out = new DataView(new ArrayBuffer(rejections.length * REJECTION_BYTES));
  for (const [index, { slot, reason }] of rejections.entries()) {
    out.setUint32(index * REJECTION_BYTES, slot, true);
    out.setUint8(index * REJECTION_BYTES + 4, REJECTION_REASONS.indexOf(reason));
  }
  return new Uint8Array(out.buffer);
}

function decodeRejections(bytes: Uint8Array): SlotRejection[] {
  const count = bytes.length / REJECTION_BYTES;
  require_(Number.isInteger(count) && count <= REJECTIONS_MAX, 'rejections');
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return Array.from({ length: count }, (_, index) => {
    const reason = REJECTION_REASONS[view.getUint8(index * REJECTION_BYTES + 4)];
    require_(reason !== undefined, 'rejection reason');
    return { slot: view.getUint32(index * REJECTION_BYTES, true), reason };
  });
}

export function encodeClaims(claims: readonly Claim[]): Uint8Array {
  return concat(claims.flatMap(({ sender, salt, payloadDigest, mac }) => [fromHex(sender)!, salt, payloadDigest, mac]));
}

/** @throws MixError MESSAGE_MALFORMED, before anything is allocated for them */
export function decodeClaims(bytes: Uint8Array): Claim[] {
  const count = bytes.length / CLAIM_BYTES;
  require_(Number.isInteger(count) && count <= CLAIMS_MAX, 'claims');
  return Array.from({ length: count }, (_, index) => {
    let at = index * CLAIM_BYTES;
    const take = (length: number) => {
      at += length;
      return bytes.slice(at - length, at);
    };
    const sender = toHex(take(SENDER)) as SenderId;
    return { sender, salt: take(SALT_BYTES), payloadDigest: take(DIGEST), mac: take(MAC_BYTES) };
  });
}

export const encodeClaimRejections = (rejections: readonly ClaimRejection[]): Uint8Array =>
  encodeRejections(rejections.map(({ index, reason }) => ({ slot: index, reason })));

/** Decodes a member's rejections of `count` claims. @throws MixError MESSAGE_MALFORMED */
export function decodeClaimRejections(bytes: Uint8Array, count: number): ClaimRejection[] {
  require_(bytes.length <= count * REJECTION_BYTES, 'rejections');
  return decodeRejections(bytes).map(({ slot: index, reason }) => {
    require_(index < count, 'rejected claim');
    return { index, reason };
  });
}

/** @throws MixError MESSAGE_MALFORMED */
export function decodeHeader(wire: BatchHeader__Output): BatchHeader {
  const { round, phase, slots, elements, chunkSlots } = wire;
  require_(isRoundId(round), 'round');
  require_((BATCH_PHASES as readonly string[]).includes(phase), 'phase');
  return { round, phase: phase as BatchPhase, slots, elements, chunkSlots };
}

/** @throws MixError MESSAGE_MALFORMED */
export function decodeTrailer(wire: BatchTrailer__Output): BatchTrailer {
  return {
    root: fixed(wire.root, DIGEST, 'root'),
    extra: asBytes(wire.extra),
    signature: fixed(wire.signature, SIGNATURE_BYTES, 'signature'),
  };
}

/** Tags of millrace.proto: `chunk` of a BatchFrame, `index` and `content` of a BatchChunk. */
const TAG = { chunk: 0x12, index: 0x08, content: 0x12 };

function varint(value: number): number[] {
  const out: number[] = [];
  let rest = value >>> 0;
  for (; rest > 0x7f; rest >>>= 7) out.push((rest & 0x7f) | 0x80);
  return [...out, rest];
}

/**
 * The frame of a chunk, written once: grpc-js copies a serialized message behind its own five bytes, and this class writes the frame
 * right there. Of a message, grpc-js uses only its length and `copy`, as long as the channel does not compress (compression-filter.js,
 * IdentityHandler). The contents are read at that moment, and again if grpc-js repeats a call: they never change (BatchSource).
 */
class ChunkFrame {
  readonly length: number;
  readonly #head: Uint8Array;
  readonly #content: Uint8Array;

  constructor(index: number, content: Uint8Array) {
    const inner = [TAG.index, ...varint(index), TAG.content, ...varint(content.length)];
    this.#head = Uint8Array.from([TAG.chunk, ...varint(inner.length + content.length), ...inner]);
    this.#content = content;
    this.length = this.#head.length + content.length;
  }

  copy(target: Uint8Array, at: number): number {
    target.set(this.#head, at);
    target.set(this.#content, at + this.#head.length);
    return this.length;
  }
}

/** Serializes a frame for grpc-js, to the same bytes as the serializer of the service. */
export function serializeFrame(frame: BatchFrame): Buffer {
  const { index, content } = frame.chunk ?? {};
  if (index === undefined || !(content instanceof Uint8Array)) {
    return services.Team.service.Transfer.requestSerialize(frame);
  }
  // Not a Buffer, but it has all of a Buffer that grpc-js uses.
  return new ChunkFrame(index, content) as Pick<Buffer, 'length'> as Buffer;
}
