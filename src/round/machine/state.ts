// The vocabulary of the round's state machine: stages, what a node remembers of a round, the events that reach it and the
// effects it asks for. The rules are in reducer.ts; run/round.ts carries the effects out.

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
 * How far this node has come, in the only order there is. A message that could only be an answer to a step this node has
 * not taken cannot be honest: that is how a wrong phase is told from a message that merely overtook another one.
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

/** Work that a node does on its own; its end comes back as the event `worked`. */
export type Task =
  | 'keyShare' // pick z, prove it
  | 'teamKey' // combine the shares, digest their list
  | 'generate' // r, s, y, y′, π and both encryptions
  | 'precompPermute'
  | 'shares' // D_i, σ_i, com_i, c⁻¹
  | 'judgeTable'
  | 'settleTable' // apply the verdicts, write the round down
  | 'slotKeys' // derive k∘r
  | 'realtimePermute'
  | 'outputs';

/** What a node is in the middle of: its next step after `progress`, in a stage that goes in phases. */
export interface PhaseWait {
  readonly stage: Stage;
  readonly progress: Progress;
}

/** Half of a phase's time went by between two steps of this node: after which step, and whom it waited for then. */
export interface HoldUp {
  readonly after: Progress;
  /** A position, or NOBODY: this node itself was at work. */
  readonly by: number;
}

export type ProposalMessage = TeamMessage & { readonly kind: 'tableProposal' };
/** Every other message: it needs nothing beside it. */
export type PlainMessage = Exclude<TeamMessage, ProposalMessage>;

/** What node 1 proposes: the slot table, decoded, and on node 1 itself M of each slot as submitted; null for empty ones. */
export interface Proposal {
  readonly table: SlotTable;
  readonly payloads: readonly (Uint8Array | null)[];
}

/** A member's message, which this node has checked. */
export interface Said<K extends TeamMessageKind = TeamMessageKind> {
  readonly message: TeamMessage & { readonly kind: K };
  readonly signature: Uint8Array;
  /** By which messages of a kind are compared between members: hex of a digest, or 'said'. */
  readonly says: string;
}

/** The end of a batch that is in. */
export interface BatchEnd {
  readonly root: string;
  readonly trailer: BatchTrailer;
  /** What the end of an opening carries, unless it is this node's own. */
  readonly opening: OpeningExtra | undefined;
}

/** A slot that a member has rejected. */
interface TeamRejection {
  /** Of the member, in the team. */
  readonly position: number;
  readonly reason: RejectionReason;
}

export type RoundEvent =
  | { readonly type: 'open' }
  /** A verified message, the first of its kind from this position; what this node says comes back to itself, too. */
  | {
      readonly type: 'said';
      readonly from: number;
      readonly message: PlainMessage;
      readonly signature: Uint8Array;
      /** Of a round error: the position that the evidence in it convicts, as this node has checked. */
      readonly proven?: number | undefined;
    }
  /** The same of a slot table that node 1 proposes. */
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
  /** The last chunk of our part of a decrypt ring is computed. */
  | { readonly type: 'ringDone'; readonly phase: 'precompDecrypt' | 'realtimeDecrypt' }
  /** `digest`: of what the task made, as hex; its meaning depends on the task. */
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
  /** The node has taken no step for the time of a phase. Of a wait that is over, it says nothing. */
  | { readonly type: 'phaseDeadline'; readonly wait: PhaseWait }
  /** Half of the time of a phase is over. */
  | { readonly type: 'phaseLate'; readonly wait: PhaseWait }
  /** Time to say who is to blame for a missed deadline. */
  | { readonly type: 'claimsDue' }
  /** Something is wrong; `culprit` is a position, where it is known whose fault. `shown`: what it has signed that convicts it. */
  | {
      readonly type: 'fault';
      readonly code: ErrorCode;
      readonly culprit?: number;
      readonly detail: string;
      readonly shown?: readonly Statement[];
    };

/** Work that is asked for, with what others have said that it goes by. */
export type Work =
  | { readonly task: 'keyShare' | 'generate' | 'precompPermute' | 'slotKeys' | 'realtimePermute' }
  /** `shares`: encoded, in ring order. */
  | { readonly task: 'teamKey'; readonly shares: readonly Uint8Array[] }
  /** The end of the C that node 1 reveals. */
  | { readonly task: 'shares'; readonly reveal: BatchTrailer }
  | {
      readonly task: 'judgeTable';
      readonly proposal: Proposal;
      readonly digest: Uint8Array;
      readonly signature: Uint8Array;
    }
  /** `verdicts`: in ring order. */
  | { readonly task: 'settleTable'; readonly verdicts: readonly (readonly SlotRejection[])[] }
  /** `openings`: what the others' carry. */
  | { readonly task: 'outputs'; readonly mixDigest: Uint8Array; readonly openings: readonly TeamOpening[] };

/** The opening of another member. */
export interface TeamOpening {
  readonly position: number;
  readonly extra: OpeningExtra;
}

/** H(x′), as node 1 has signed it. */
export interface MixCommit {
  readonly digest: Uint8Array;
  readonly signature: Uint8Array;
}

export type RoundEffect =
  | { readonly type: 'stage'; readonly stage: Stage }
  /** Arm the deadline of this stage; every earlier one is disarmed. */
  | { readonly type: 'deadline'; readonly stage: Stage }
  /** Arm the deadline of the phase that leads to this node's next step; the one before it is disarmed. */
  | { readonly type: 'phaseDeadline'; readonly wait: PhaseWait }
  /** Give the others a moment to say whom they wait for. */
  | { readonly type: 'awaitClaims' }
  | ({ readonly type: 'work' } & Work)
  /** Sign, take in ourselves, and send to everybody. */
  | { readonly type: 'say'; readonly message: PlainMessage }
  | { readonly type: 'propose'; readonly message: ProposalMessage; readonly proposal: Proposal }
  /** Multiply and pass on, chunk by chunk, whatever is and will be in. */
  | { readonly type: 'runRing'; readonly phase: 'precompDecrypt' | 'realtimeDecrypt' }
  /** Send a batch that is complete here. */
  | { readonly type: 'send'; readonly phase: 'precompPermute' | 'reveal' | 'realtimePermute' | 'mixed' }
  /** Release D_i, σ_i and the nonce to everybody. The one effect that must never come early. */
  | { readonly type: 'openShares'; readonly mixCommit: MixCommit }
  /** Multiply x′ or somebody's shares into what will be the outputs. */
  | { readonly type: 'accumulate'; readonly phase: 'mixed' | 'opening'; readonly from: number }
  | { readonly type: 'fail'; readonly failure: RoundFailure };

export interface RoundFailure {
  readonly code: ErrorCode;
  /** Position of the node to blame, as this node has seen or checked itself; undefined where it cannot know. */
  readonly culprit: number | undefined;
  /** Hearsay: whom the reporter names, where it is another member and nothing that it said could be checked. */
  readonly accused: number | undefined;
  readonly detail: string;
  /** Position of the member who reported it; our own where we found it. */
  readonly reporter: number;
}

/** A deadline that was missed: the round has failed, and all that is open is whose fault it is. */
export interface Missed {
  /** In words. */
  readonly what: string;
  /** The position that each position says it waits for (round/machine/blame.ts); undefined where it has not said so. */
  readonly claims: readonly (number | undefined)[];
}

export interface RoundState {
  readonly team: readonly NodeId[];
  readonly size: number;
  readonly position: number;
  readonly stage: Stage;
  readonly progress: Progress;
  /** What each position has said, by kind. */
  readonly said: { readonly [K in TeamMessageKind]?: readonly (Said | undefined)[] };
  /** The end of each batch that is in, by phase and position. */
  readonly batches: { readonly [P in BatchPhase]?: readonly (BatchEnd | undefined)[] };
  /** The rejection of each slot that anybody has rejected, of the first of them in the team. */
  readonly rejected: ReadonlyMap<number, TeamRejection>;
  /** Results of our own work that later messages are compared with. */
  readonly made: { readonly [T in Task]?: string };
  readonly assigned: boolean;
  /** Set once a deadline was missed. */
  readonly missed?: Missed | undefined;
  /** Half of the stage's time is over: another one's missed deadline is believable. */
  readonly late: boolean;
  /** The last time that half of a phase's time was over in this stage. */
  readonly holdUp?: HoldUp | undefined;
  /** A member ended the round for what this node is about to see itself: which one, and what it said. */
  readonly doubted?: { readonly from: number; readonly code: ErrorCode } | undefined;
  readonly failure?: RoundFailure;
  /** What the culprit of the failure has signed that convicts it, beside what it has said and sent. */
  readonly shown: readonly Statement[];
}

const isKind = <K extends TeamMessageKind>(kind: K, said: Said | undefined): said is Said<K> =>
  said?.message.kind === kind;

/** The message of a kind that a position has sent; undefined where it has sent none. */
export function saidBy<K extends TeamMessageKind>(
  { said }: RoundState,
  kind: K,
  position: number,
): Said<K> | undefined {
  const found = said[kind]?.[position];
  return isKind(kind, found) ? found : undefined;
}

/** What all positions have said of a kind, in ring order; undefined while somebody is missing. */
export function allSaid<K extends TeamMessageKind>(state: RoundState, kind: K): readonly Said<K>[] | undefined {
  const row: readonly (Said | undefined)[] = state.said[kind] ?? [];
  const present = row.filter((said): said is Said<K> => isKind(kind, said));
  return present.length === state.size ? present : undefined;
}
