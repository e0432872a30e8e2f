// How a node and whoever schedules rounds talk, as a port: numbered, signed updates come down, reports go up. The demo's
// minimal scheduler stands behind it today; the scheduler service will, later. A scheduler has no authority of its own:
// what makes a round valid is the signature under its RoundInfo.
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

/** Why a round failed on a node, in terms that mean something outside its team. */
export interface FailureReport {
  readonly code: ErrorCode;
  /** Who is to blame, as the node that sends the report has seen or checked itself. */
  readonly culprit: NodeId | undefined;
  /** Hearsay: whom the reporter names, where it is another than the node that sends the report. */
  readonly accused?: NodeId | undefined;
  /** Whose word it is. */
  readonly reporter: NodeId;
  readonly detail: string;
  /** The reporter's under its round error, where it is another than the node that sends the report. */
  readonly signature?: Uint8Array | undefined;
  /** What convicts the culprit in anybody's eyes (protocol/evidence.ts), encoded. */
  readonly evidence?: Uint8Array | undefined;
}

/** What a node tells its scheduler. Nothing in it is about a slot, a sender or a single message. */
export type NodeReport =
  | {
      readonly kind: 'online';
      readonly bootId: BootId;
      readonly engine: string;
      readonly enginePath: string;
      /** Rounds that it can have open; releases before this one do not say. */
      readonly openRounds?: number | undefined;
      /** Why it takes no new rounds for now; empty where it does. */
      readonly paused?: string | undefined;
    }
  | {
      readonly kind: 'stage';
      readonly round: RoundId;
      readonly bootId: BootId;
      readonly stage: Stage;
      readonly failure: FailureReport | undefined;
      /** Of a completed round: outputs that are equal to another. */
      readonly copies?: number | undefined;
    }
  /** What it has seen last, as the scheduler has signed it: said before anything else on each new connection. */
  | { readonly kind: 'seen'; readonly last: SignedUpdate; readonly newest: SignedRoundInfo | undefined }
  /** Senders ask it for rounds that take messages. How many, and who, is nobody's business. */
  | { readonly kind: 'wanted' }
  /** Measured round trips to other members, milliseconds: what rings are ordered by. */
  | { readonly kind: 'roundTrips'; readonly roundTrips: readonly { readonly peer: NodeId; readonly ms: number }[] }
  | { readonly kind: 'progress'; readonly round: RoundId; readonly phase: PhaseName; readonly fraction: number };

export interface SchedulerPort {
  /**
   * Updates with numbers above `after`, in order, until the signal aborts. Rejects where the connection fails. `onOpen` is called
   * when the scheduler has answered, before there is any update.
   */
  updates(after: number, signal: AbortSignal, onOpen?: () => void): AsyncIterable<SignedUpdate>;
  /** Registers this node by a code, once. @throws MixError REGISTRATION_REFUSED, REGISTRATION_LIMIT, LINK_* */
  register(code: string): Promise<void>;
  report(report: NodeReport): Promise<void>;
}
