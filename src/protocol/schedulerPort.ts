// The port between a node and its scheduler: numbered, signed updates come down, reports go up. comms/scheduler implements it over gRPC.
// A scheduler has no authority of its own: the signature under its RoundInfo makes a round valid.
import { type BootId, digest, type ErrorCode, type NodeId, type RoundId } from '../base/index.js';
import { type SigningKey, verifySignature } from '../cmix/index.js';
import { roundDigest, type SignedRoundInfo } from './roundInfo.js';
import type { PhaseName, Stage } from './stages.js';

export type RoundUpdate =
  /** A new round: precompute it. */
  | { readonly kind: 'open'; readonly round: SignedRoundInfo }
  /** A round in STANDBY may take messages. */
  | { readonly kind: 'assign'; readonly round: RoundId }
  /** A round is given up. */
  | { readonly kind: 'fail'; readonly round: RoundId; readonly reason: string };

/** Updates are numbered from 1 without gaps, so that a node sees one that was lost or replayed. */
export interface SignedUpdate {
  readonly number: number;
  readonly update: RoundUpdate;
  readonly signature: Uint8Array;
}

function updateDigest(network: string, number: number, update: RoundUpdate): Uint8Array {
  const detail =
    update.kind === 'open'
      ? [roundDigest(update.round.info), update.round.signature]
      : [update.round, update.kind === 'fail' ? update.reason : ''];
  return digest('scheduler-update', network, number, update.kind, ...detail);
}

export function signUpdate(key: SigningKey, network: string, number: number, update: RoundUpdate): SignedUpdate {
  return { number, update, signature: key.sign(updateDigest(network, number, update)) };
}

export function isSignedUpdate(publicKey: Uint8Array, network: string, signed: SignedUpdate): boolean {
  return verifySignature(publicKey, updateDigest(network, signed.number, signed.update), signed.signature);
}

/** Cause of a round's failure on a node, in terms that mean something outside its team. */
export interface FailureReport {
  readonly code: ErrorCode;
  /** The node to blame, as the node that sends the report has seen or checked itself. */
  readonly culprit: NodeId | undefined;
  /** Hearsay: the node that `reporter` names, if the reporter is another than the node that sends the report. */
  readonly accused?: NodeId | undefined;
  /** The node whose word this is. */
  readonly reporter: NodeId;
  readonly detail: string;
  /** Signature of `reporter` under its round error, if it is another than the node that sends the report. */
  readonly signature?: Uint8Array | undefined;
  /** Encoded evidence that convicts the culprit; verifiable by anyone (protocol/evidence.ts). */
  readonly evidence?: Uint8Array | undefined;
}

/** Report of a node to its scheduler. Nothing in it is about a slot, a sender or a single message. */
export type NodeReport =
  | {
      readonly kind: 'online';
      readonly bootId: BootId;
      readonly engine: string;
      readonly enginePath: string;
      /** Most rounds that the node can have open; undefined from older releases. */
      readonly openRounds?: number | undefined;
      /** Reason for taking no new rounds for now; empty if the node takes them. */
      readonly paused?: string | undefined;
    }
  | {
      readonly kind: 'stage';
      readonly round: RoundId;
      readonly bootId: BootId;
      readonly stage: Stage;
      readonly failure: FailureReport | undefined;
      /** Of a completed round: number of outputs that equal another output. */
      readonly copies?: number | undefined;
    }
  /** The last update that the node has seen, as the scheduler has signed it: the first report on each new connection. */
  | { readonly kind: 'seen'; readonly last: SignedUpdate; readonly newest: SignedRoundInfo | undefined }
  /** Senders ask the node for rounds that take messages. Their number and identities stay private. */
  | { readonly kind: 'wanted' }
  /** Measured round trips to other members, ms; the scheduler orders rings by them. */
  | { readonly kind: 'roundTrips'; readonly roundTrips: readonly { readonly peer: NodeId; readonly ms: number }[] }
  | { readonly kind: 'progress'; readonly round: RoundId; readonly phase: PhaseName; readonly fraction: number };

export interface SchedulerPort {
  /**
   * Updates with numbers above `after`, in order, until the signal aborts. Rejects if the connection fails. `onOpen` is called when the
   * scheduler has answered, before there is any update.
   */
  updates(after: number, signal: AbortSignal, onOpen?: () => void): AsyncIterable<SignedUpdate>;
  /** Registers this node by a code, once. @throws MixError REGISTRATION_REFUSED, REGISTRATION_LIMIT, LINK_* */
  register(code: string): Promise<void>;
  report(report: NodeReport): Promise<void>;
}
