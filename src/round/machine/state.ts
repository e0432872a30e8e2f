// Types of the round's state machine: stages, the state of a round, events and effects. The rules are in reducer.ts; run/round.ts
// carries the effects out.

import type { ErrorCode, NodeId } from '../../base/index.js';
import type { RejectionReason, SlotRejection, SlotTable } from '../../cmix/index.js';
import type {
  BatchPhase,
  BatchTrailer,
  OpeningExtra,
  Stage,
  Statement,
  TeamMessage,
  TeamMessageKind,
} from '../../protocol/index.js';

/**
 * The progress of this node, in the only possible order. A message that presupposes a step which this node has not taken cannot
 * be honest: that distinguishes a wrong phase from a message that overtook another.
 */
export const PROGRESS = [
  'opened',
  'keyShare',
  'sharesDigest',
  'precompDecrypt',
  'precompPermute',
  'commitment',
  'tableVerdict',
  'tableSignature',
  'realtimeDecrypt',
  'realtimePermute',
  'opening',
  'outputSignature',
] as const;
export type Progress = (typeof PROGRESS)[number];

/** A computation of this node; its end comes back as the event `worked`. */
export type Task =
  | 'keyShare' // pick z, prove it
  | 'teamKey' // combine the shares, digest their list
  | 'generate' // r, s, y, y′, π and both encryptions
  | 'precompPermute'
  | 'shares' // D_i, σ_i, com_i, c⁻¹
  | 'judgeTable'
  | 'settleTable' // apply the verdicts, record the round
  | 'slotKeys' // derive k∘r
  | 'realtimePermute'
  | 'outputs';

/** The wait of a node for its next step after `progress`, in a stage that has phases. */
export interface PhaseWait {
  readonly stage: Stage;
  readonly progress: Progress;
}

/** Half of a phase's time went by between two steps of this node: the step before, and the member that it waited for. */
export interface HoldUp {
  readonly after: Progress;
  /** A position, or NOBODY: this node itself was at work. */
  readonly by: number;
}

export type ProposalMessage = TeamMessage & { readonly kind: 'tableProposal' };
/** Every other message: complete by itself. */
export type PlainMessage = Exclude<TeamMessage, ProposalMessage>;

/** The proposal of node 1: the slot table, decoded; on node 1 itself also M of each slot as submitted, null for empty ones. */
export interface Proposal {
  readonly table: SlotTable;
  readonly payloads: readonly (Uint8Array | null)[];
}

/** A member's message that this node has checked. */
export interface Said<K extends TeamMessageKind = TeamMessageKind> {
  readonly message: TeamMessage & { readonly kind: K };
  readonly signature: Uint8Array;
  /** Value by which messages of a kind are compared between members: hex of a digest, or 'said'. */
  readonly says: string;
}

/** The trailer of a batch that is in. */
export interface BatchEnd {
  readonly root: string;
  readonly trailer: BatchTrailer;
  /** Trailer of an opening; undefined for this node's own. */
  readonly opening: OpeningExtra | undefined;
}

/** A member's rejection of a slot. */
interface TeamRejection {
  /** Position of the member in the team. */
  readonly position: number;
  readonly reason: RejectionReason;
}

export type RoundEvent =
  | { readonly type: 'open' }
  /** A verified message, the first of its kind from this position; this node's own messages, too. */
  | {
      readonly type: 'said';
      readonly from: number;
      readonly message: PlainMessage;
      readonly signature: Uint8Array;
      /** Of a round error: the position that its evidence convicts, checked by this node. */
      readonly proven?: number | undefined;
    }
  /** A slot table that node 1 proposes, likewise. */
  | {
      readonly type: 'proposed';
      readonly from: number;
      readonly message: ProposalMessage;
      readonly signature: Uint8Array;
      readonly proposal: Proposal;
    }
  /** A whole batch is in and matches its signed root. */
  | {
      readonly type: 'batchIn';
      readonly phase: BatchPhase;
      readonly from: number;
      readonly trailer: BatchTrailer;
      readonly opening?: OpeningExtra | undefined;
    }
  /** The last chunk of this node's part of a decrypt ring is computed. */
  | { readonly type: 'ringDone'; readonly phase: 'precompDecrypt' | 'realtimeDecrypt' }
  /** `digest`: hex, of the task's result; its meaning depends on the task. */
  | {
      readonly type: 'worked';
      readonly task: Task;
      readonly say?: PlainMessage | undefined;
      readonly digest?: string | undefined;
    }
  /** The scheduler lets the round take messages. */
  | { readonly type: 'assign' }
  /** Position 0 only: the batch is closed. */
  | { readonly type: 'tableReady'; readonly message: ProposalMessage; readonly proposal: Proposal }
  | { readonly type: 'deadline'; readonly stage: Stage }
  /** Half of this stage's time is over. */
  | { readonly type: 'late'; readonly stage: Stage }
  /** The node has taken no step for the time of a phase. Ignored if that wait is over. */
  | { readonly type: 'phaseDeadline'; readonly wait: PhaseWait }
  /** Half of the time of a phase is over. */
  | { readonly type: 'phaseLate'; readonly wait: PhaseWait }
  /** The wait for claims is over: determine the culprit of a missed deadline. */
  | { readonly type: 'claimsDue' }
  /** An error; `culprit` is a position, if known. `shown`: statements of the culprit that convict it. */
  | {
      readonly type: 'fault';
      readonly code: ErrorCode;
      readonly culprit?: number;
      readonly detail: string;
      readonly shown?: readonly Statement[];
    };

/** A task, with the inputs from others' messages that it needs. */
export type Work =
  | { readonly task: 'keyShare' | 'generate' | 'precompPermute' | 'slotKeys' | 'realtimePermute' }
  /** `shares`: encoded, in ring order. */
  | { readonly task: 'teamKey'; readonly shares: readonly Uint8Array[] }
  /** `reveal`: trailer of the C that node 1 reveals. */
  | { readonly task: 'shares'; readonly reveal: BatchTrailer }
  | {
      readonly task: 'judgeTable';
      readonly proposal: Proposal;
      readonly digest: Uint8Array;
      readonly signature: Uint8Array;
    }
  /** `verdicts`: in ring order. */
  | { readonly task: 'settleTable'; readonly verdicts: readonly (readonly SlotRejection[])[] }
  /** `openings`: the trailers of the others' openings. */
  | { readonly task: 'outputs'; readonly mixDigest: Uint8Array; readonly openings: readonly TeamOpening[] };

/** The opening of another member. */
export interface TeamOpening {
  readonly position: number;
  readonly extra: OpeningExtra;
}

/** H(x′), signed by node 1. */
export interface MixCommit {
  readonly digest: Uint8Array;
  readonly signature: Uint8Array;
}

export type RoundEffect =
  | { readonly type: 'stage'; readonly stage: Stage }
  /** Arm the deadline of this stage; disarm all earlier ones. */
  | { readonly type: 'deadline'; readonly stage: Stage }
  /** Arm the deadline of the phase that leads to this node's next step; disarm the one before it. */
  | { readonly type: 'phaseDeadline'; readonly wait: PhaseWait }
  /** Wait a moment for the others' claims. */
  | { readonly type: 'awaitClaims' }
  | ({ readonly type: 'work' } & Work)
  /** Sign, dispatch to this node itself, and send to all members. */
  | {
      readonly type: 'say';
      readonly message: PlainMessage;
      /** Position of the member whose round error this message answers, and passes on. */
      readonly answers?: number;
    }
  | { readonly type: 'propose'; readonly message: ProposalMessage; readonly proposal: Proposal }
  /** Multiply and pass on, chunk by chunk, as chunks arrive. */
  | { readonly type: 'runRing'; readonly phase: 'precompDecrypt' | 'realtimeDecrypt' }
  /** Send a batch that is complete here. */
  | { readonly type: 'send'; readonly phase: 'precompPermute' | 'reveal' | 'realtimePermute' | 'mixed' }
  /** Release D_i, σ_i and the nonce to all members. The one effect that must never come early. */
  | { readonly type: 'openShares'; readonly mixCommit: MixCommit }
  /** Multiply x′ or a member's shares into the product that becomes the outputs. */
  | { readonly type: 'accumulate'; readonly phase: 'mixed' | 'opening'; readonly from: number }
  | { readonly type: 'fail'; readonly failure: RoundFailure };

export interface RoundFailure {
  readonly code: ErrorCode;
  /** Position of the node to blame, as this node has seen or checked itself; undefined if unknown. */
  readonly culprit: number | undefined;
  /** The member that the reporter names without evidence: in hearsay another's word, or the one that waits for this node as it for them. */
  readonly accused: number | undefined;
  readonly detail: string;
  /** Position of the member that reported it; this node's own if it found the failure. */
  readonly reporter: number;
}

/** A missed deadline: the round has failed, only the culprit is open. */
export interface Missed {
  /** The late part, in words. */
  readonly what: string;
  /** The position that each position claims to wait for (round/machine/blame.ts); undefined without a claim. */
  readonly claims: readonly (number | undefined)[];
}

export interface RoundState {
  readonly team: readonly NodeId[];
  readonly size: number;
  readonly position: number;
  readonly stage: Stage;
  readonly progress: Progress;
  /** The message of each kind, by position. */
  readonly said: { readonly [K in TeamMessageKind]?: readonly (Said | undefined)[] };
  /** The trailer of each batch that is in, by phase and position. */
  readonly batches: { readonly [P in BatchPhase]?: readonly (BatchEnd | undefined)[] };
  /** The rejection of each rejected slot, by the first member in ring order that rejected it. */
  readonly rejected: ReadonlyMap<number, TeamRejection>;
  /** Results of this node's own work, to compare later messages with. */
  readonly made: { readonly [T in Task]?: string };
  readonly assigned: boolean;
  /** Set after a missed deadline. */
  readonly missed?: Missed | undefined;
  /** Half of the stage's time is over: another member's missed deadline is believable. */
  readonly late: boolean;
  /** The last time that half of a phase's time was over in this stage. */
  readonly holdUp?: HoldUp | undefined;
  /** A member ended the round for an error that this node is about to see itself: position and error code. */
  readonly doubted?: { readonly from: number; readonly code: ErrorCode } | undefined;
  readonly failure?: RoundFailure;
  /** Statements of the failure's culprit that convict it, beside its messages and batches. */
  readonly shown: readonly Statement[];
}

const isKind = <K extends TeamMessageKind>(kind: K, said: Said | undefined): said is Said<K> =>
  said?.message.kind === kind;

/** Returns the message of a kind that a position has sent; undefined if there is none. */
export function saidBy<K extends TeamMessageKind>(
  { said }: RoundState,
  kind: K,
  position: number,
): Said<K> | undefined {
  const found = said[kind]?.[position];
  return isKind(kind, found) ? found : undefined;
}

/** Returns the messages of a kind from all positions, in ring order; undefined while one is missing. */
export function allSaid<K extends TeamMessageKind>(state: RoundState, kind: K): readonly Said<K>[] | undefined {
  const row: readonly (Said | undefined)[] = state.said[kind] ?? [];
  const present = row.filter((said): said is Said<K> => isKind(kind, said));
  return present.length === state.size ? present : undefined;
}
