// The vocabulary of the scheduler's state machine: what it remembers of nodes and rounds, what reaches it, and what it asks for.
// The rules are in schedulerMachine.ts; who carries the effects out is scheduler.ts.
import type { BootId, NodeId, RoundId } from '../base/ids.js';
import type { RoundInfo } from '../round/roundInfo.js';
import type { Stage } from '../round/roundState.js';
import type { FailureReport } from '../round/schedulerPort.js';
import type { SchedulerParams } from './schedulerParams.js';

/** `inactive` is away or silent, `sittingOut` has failed too many rounds, `banned` is out until somebody says otherwise. */
export type NodeStatus = 'active' | 'inactive' | 'sittingOut' | 'banned';

export interface NodeRecord {
  readonly node: NodeId;
  readonly registeredMs: number;
  readonly banned: boolean;
  /** Of its running process; undefined until it has been online. */
  readonly bootId: BootId | undefined;
  readonly connected: boolean;
  readonly lastSeenMs: number;
  /** Rounds that it is in and that have not ended, each with the stage that it reported last. */
  readonly activity: ReadonlyMap<RoundId, Stage>;
  /** Of its last rounds, oldest first: whether it was to blame for their failure. */
  readonly blamed: readonly boolean[];
  readonly sitsOutUntilMs: number;
  /** Rounds that it can have open, as it says itself; undefined where it does not. */
  readonly openRounds: number | undefined;
  /** The same as it turns out: fewer after it has refused one for lack of room, one more with each that is completed. */
  readonly room: number;
  /** Measured round trips to other nodes, milliseconds. */
  readonly roundTripsMs: ReadonlyMap<NodeId, number>;
}

/** A round as the scheduler sees it: by what all of its team say. */
export interface RoundRecord {
  readonly info: RoundInfo;
  readonly state: Stage;
  readonly stages: ReadonlyMap<NodeId, Stage>;
  /** Reports of its failure, by who reported. */
  readonly failures: ReadonlyMap<NodeId, FailureReport>;
  readonly openedMs: number;
  /** Whether an earlier run of the scheduler has opened it. */
  readonly resumed: boolean;
  readonly standbyMs: number | undefined;
  readonly queuedMs: number | undefined;
  readonly realtimeMs: number | undefined;
  readonly endedMs: number | undefined;
  /** Whether its failure has been laid to somebody's door. */
  readonly settled: boolean;
}

export interface SchedulerState {
  readonly params: SchedulerParams;
  readonly network: string;
  readonly membership: number;
  readonly nodes: ReadonlyMap<NodeId, NodeRecord>;
  /** Rounds that have not ended, and those whose failure is not settled yet. */
  readonly rounds: ReadonlyMap<RoundId, RoundRecord>;
  readonly lastRound: number;
  /** Rounds that are over, of which nodes are not told that, or not once more. */
  readonly told: readonly RoundId[];
  readonly lastQueuedMs: number;
  readonly demand: Demand;
}

/** What the stock is sized by; estimates that forget. */
export interface Demand {
  /** Rounds that begin to take messages, a millisecond. */
  readonly ratePerMs: number;
  /** Mean time from opening a round to STANDBY. */
  readonly precomputeMs: number;
  readonly lastConsumedMs: number | undefined;
  /** Times that a round was wanted and none was in STANDBY, and rounds consumed in all. */
  readonly waited: number;
  readonly consumed: number;
  /** Whether one is wanted now and is not there. */
  readonly waiting: boolean;
}

export type SchedulerEvent =
  | { readonly type: 'registered'; readonly node: NodeId; readonly atMs: number }
  /** A round that an earlier run of the scheduler has opened, and perhaps assigned: where it is, its nodes say. */
  | { readonly type: 'resumed'; readonly info: RoundInfo; readonly assigned: boolean; readonly atMs: number }
  | {
      readonly type: 'online';
      readonly node: NodeId;
      readonly bootId: BootId;
      readonly openRounds?: number | undefined;
      readonly atMs: number;
    }
  | { readonly type: 'offline'; readonly node: NodeId; readonly atMs: number }
  | {
      readonly type: 'report';
      readonly node: NodeId;
      readonly bootId: BootId;
      readonly round: RoundId;
      readonly stage: Stage;
      readonly failure?: FailureReport | undefined;
      readonly atMs: number;
    }
  | {
      readonly type: 'roundTrips';
      readonly node: NodeId;
      readonly roundTrips: readonly { readonly peer: NodeId; readonly ms: number }[];
      readonly atMs: number;
    }
  | { readonly type: 'banned'; readonly node: NodeId; readonly banned: boolean; readonly atMs: number }
  /** The membership list is another one. */
  | { readonly type: 'members'; readonly generation: number; readonly nodes: readonly NodeId[]; readonly atMs: number }
  | { readonly type: 'params'; readonly params: SchedulerParams; readonly atMs: number }
  /** Time goes by; the only event that opens and assigns rounds. 32 random bytes that nobody knew before. */
  | { readonly type: 'tick'; readonly randomness: Uint8Array; readonly atMs: number };

export type SchedulerEffect =
  | { readonly type: 'open'; readonly info: RoundInfo }
  | { readonly type: 'assign'; readonly round: RoundId }
  | { readonly type: 'fail'; readonly round: RoundId; readonly reason: string }
  /** A round has ended: whatever happens now, it is not taken up again. */
  | { readonly type: 'over'; readonly round: RoundId }
  /** It has been settled, too: for the tables. */
  | { readonly type: 'ended'; readonly round: RoundRecord; readonly blamed: readonly NodeId[] }
  /** Something was said that changes nothing: late, twice, out of order, of an unknown round or of another run. */
  | { readonly type: 'ignored'; readonly node: NodeId; readonly what: string };

export interface SchedulerStep {
  readonly state: SchedulerState;
  readonly effects: readonly SchedulerEffect[];
}

/** What a scheduler shows of itself: nothing of it is about a sender or a message. */
export interface SchedulerView {
  readonly nodes: readonly {
    readonly node: NodeId;
    readonly status: NodeStatus;
    readonly rounds: number;
    /** Stage by stage, how many of its rounds are there. */
    readonly stages: Readonly<Partial<Record<Stage, number>>>;
    /** Its engine, as it said when it came online. */
    readonly engine: string;
    /** Of the last minute, in how much of it it was at work on a round. */
    readonly busyShare: number;
    /** Median of the round trips to others that it has measured; null where it has none. */
    readonly roundTripMs: number | null;
    /** Of its last rounds, how many it was to blame for the failure of. */
    readonly blamed: number;
  }[];
  readonly stock: number;
  readonly stockTarget: number;
  readonly precomputing: number;
  readonly realtime: number;
  readonly consumed: number;
  readonly waited: number;
  readonly completed: number;
  readonly failed: number;
  readonly roundsPerMinute: number;
  /** Of the last minute's time in realtime, in how much of it another round was precomputed; null where there was none. */
  readonly overlapShare: number | null;
}

export function initialState(network: string, membership: number, params: SchedulerParams): SchedulerState {
  const demand = {
    ratePerMs: 0,
    precomputeMs: 0,
    lastConsumedMs: undefined,
    waited: 0,
    consumed: 0,
    waiting: false,
  };
  return {
    params,
    network,
    membership,
    nodes: new Map(),
    rounds: new Map(),
    lastRound: 0,
    told: [],
    lastQueuedMs: -Infinity,
    demand,
  };
}
