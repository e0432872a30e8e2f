// The vocabulary of the round's state machine: stages, what a node remembers of a round, the events that reach it and the
// effects it asks for. The rules are in reducer.ts; run/round.ts carries the effects out.

import type { ErrorCode, NodeId } from '../../base/index.js';
import type { BatchPhase, Stage, TeamMessage, TeamMessageKind } from '../../protocol/index.js';

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

export type RoundEvent =
  | { readonly type: 'open' }
  /** A verified message, the first of its kind from this position; what this node says comes back to itself, too. */
  | {
      readonly type: 'said';
      readonly from: number;
      readonly message: TeamMessage;
      /** Of a round error: the position that the evidence in it convicts, as this node has checked. */
      readonly proven?: number | undefined;
    }
  /** A whole batch is in and matches its signed root. */
  | { readonly type: 'batchIn'; readonly phase: BatchPhase; readonly from: number; readonly root: string }
  /** The last chunk of our part of a decrypt ring is computed. */
  | { readonly type: 'ringDone'; readonly phase: 'precompDecrypt' | 'realtimeDecrypt' }
  /** `digest`: of what the task made, as hex; its meaning depends on the task. */
  | { readonly type: 'worked'; readonly task: Task; readonly say?: TeamMessage; readonly digest?: string }
  /** The scheduler lets the round take messages. */
  | { readonly type: 'assign' }
  /** Position 0 only: the batch is closed. */
  | { readonly type: 'tableReady'; readonly message: TeamMessage }
  | { readonly type: 'deadline'; readonly stage: Stage }
  /** Half of this stage's time is over. */
  | { readonly type: 'late'; readonly stage: Stage }
  /** The node has taken no step for the time of a phase. Of a wait that is over, it says nothing. */
  | { readonly type: 'phaseDeadline'; readonly wait: PhaseWait }
  /** Half of the time of a phase is over. */
  | { readonly type: 'phaseLate'; readonly wait: PhaseWait }
  /** Time to say who is to blame for a missed deadline. */
  | { readonly type: 'claimsDue' }
  /** Something is wrong; `culprit` is a position, where it is known whose fault. */
  | { readonly type: 'fault'; readonly code: ErrorCode; readonly culprit?: number; readonly detail: string };

export type RoundEffect =
  | { readonly type: 'stage'; readonly stage: Stage }
  /** Arm the deadline of this stage; every earlier one is disarmed. */
  | { readonly type: 'deadline'; readonly stage: Stage }
  /** Arm the deadline of the phase that leads to this node's next step; the one before it is disarmed. */
  | { readonly type: 'phaseDeadline'; readonly wait: PhaseWait }
  /** Give the others a moment to say whom they wait for. */
  | { readonly type: 'awaitClaims' }
  | { readonly type: 'work'; readonly task: Task }
  /** Sign, take in ourselves, and send to everybody. */
  | { readonly type: 'say'; readonly message: TeamMessage }
  /** Multiply and pass on, chunk by chunk, whatever is and will be in. */
  | { readonly type: 'runRing'; readonly phase: 'precompDecrypt' | 'realtimeDecrypt' }
  /** Send a batch that is complete here. */
  | { readonly type: 'send'; readonly phase: 'precompPermute' | 'reveal' | 'realtimePermute' | 'mixed' }
  /** Release D_i, σ_i and the nonce to everybody. The one effect that must never come early. */
  | { readonly type: 'openShares' }
  /** Multiply x′ or somebody's shares into what will be the outputs. */
  | { readonly type: 'multiplyIn'; readonly phase: 'mixed' | 'opening'; readonly from: number }
  | { readonly type: 'complete' }
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

export interface RoundState {
  readonly team: readonly NodeId[];
  readonly size: number;
  readonly position: number;
  readonly stage: Stage;
  readonly progress: Progress;
  /** Digest of what each position said, by kind: hex of the digests that must agree, or 'said'. */
  readonly said: { readonly [K in TeamMessageKind]?: readonly (string | undefined)[] };
  /** Root of each batch that is in, by phase and position. */
  readonly batches: { readonly [P in BatchPhase]?: readonly (string | undefined)[] };
  /** Results of our own work that later messages are compared with. */
  readonly made: { readonly [T in Task]?: string };
  readonly assigned: boolean;
  /** Set once a deadline was missed: whom each position says it waits for (round/machine/blame.ts). */
  readonly claims?: readonly (number | undefined)[] | undefined;
  /** Half of the stage's time is over: another one's missed deadline is believable. */
  readonly late: boolean;
  /** The last time that half of a phase's time was over in this stage. */
  readonly holdUp?: HoldUp | undefined;
  /** A member ended the round for what this node is about to see itself: which one, and what it said. */
  readonly doubted?: { readonly from: number; readonly code: ErrorCode } | undefined;
  /** What deadline was missed, in words, once `claims` is set. */
  readonly missed?: string | undefined;
  readonly failure?: RoundFailure;
}
