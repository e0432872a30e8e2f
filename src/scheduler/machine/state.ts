// The vocabulary of the scheduler's state machine: what it remembers of nodes and rounds, what reaches it, and what it asks for.
// The rules are in reducer.ts; who carries the effects out is scheduler.ts.
import type { BootId, ErrorCode, NodeId, RoundId } from '../../base/index.js';
import type { RoundInfo, Stage } from '../../protocol/index.js';
import type { SchedulerParams } from '../parameters.js';

/** `inactive` is away or silent, `paused` takes no new rounds by its own word, `sittingOut` has failed too many rounds, `banned` is out until somebody says otherwise. */
export type NodeStatus = 'active' | 'inactive' | 'paused' | 'sittingOut' | 'banned';

export interface NodeRecord {
  readonly node: NodeId;
  readonly registeredMs: number;
  readonly banned: boolean;
  /** Of its running process; undefined until it has been online. */
  readonly bootId: BootId | undefined;
  readonly connected: boolean;
  /** It takes no new rounds for now, as it says itself: it drains, or something is wrong with its machine. */
  readonly paused: boolean;
  /** Rounds in a row that it refused since it had run one of that id. */
  readonly reused: number;
  /** When it went away last, and when it was back, or first here: what fails by that is one event. */
  readonly awayMs: number | undefined;
  readonly backMs: number | undefined;
  readonly lastSeenMs: number;
  /** Rounds that it is in and that have not ended, each with the stage that it reported last. */
  readonly activity: ReadonlyMap<RoundId, Stage>;
  /** Of its last rounds, oldest first: whether it was to blame for their failure. */
  readonly blamed: readonly boolean[];
  /** When it was last to blame: what fails in one moment is one event, however many rounds it was in. */
  readonly blamedMs: number;
  /** Of the last rounds that it led, oldest first: whether they ended for want of senders, by its word. */
  readonly leads: readonly boolean[];
  readonly sitsOutUntilMs: number;
  /** Rounds that it can have open, as it says itself; undefined where it does not. */
  readonly openRounds: number | undefined;
  /** The same as it turns out: fewer after it has refused one for lack of room, one more with each that is completed. */
  readonly room: number;
  /** Measured round trips to other nodes, milliseconds. */
  readonly roundTripsMs: ReadonlyMap<NodeId, number>;
}

/** What a node says of the failure of a round, once it is known whose word it is. */
export interface Testimony {
  readonly code: ErrorCode;
  /** The node that its source names. */
  readonly named: NodeId | undefined;
  /** Whose word it is: the node that sent it, or another whose signature came with it; undefined where it is nobody's. */
  readonly source: NodeId | undefined;
  /** Whether evidence came with it that holds; also where nothing of it could be checked, as a member has left. */
  readonly shown: boolean;
  readonly detail: string;
}

/** Two nodes of which one has said that the other failed a round, and nobody could tell which of them did. */
export interface Pair {
  readonly nodes: readonly [NodeId, NodeId];
  /** Rounds that ended so. */
  readonly rounds: number;
  readonly lastMs: number;
}

/** A round as the scheduler sees it: by what all of its team say. */
export interface RoundRecord {
  readonly info: RoundInfo;
  readonly state: Stage;
  readonly stages: ReadonlyMap<NodeId, Stage>;
  /** Words about its failure, by reporter. */
  readonly failures: ReadonlyMap<NodeId, Testimony>;
  /** Nodes that evidence has convicted in it, and nodes that signed something else than more than half of the team. */
  readonly convicted: ReadonlySet<NodeId>;
  readonly dissenters: ReadonlySet<NodeId>;
  /** Who says that some of its outputs are equal. */
  readonly copied: ReadonlySet<NodeId>;
  /** The stage that more than half of its team has said to be at, or beyond, and since when. */
  readonly most: { readonly stage: Stage; readonly sinceMs: number };
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

/** Where a member is in a round, as it has said itself. */
export const nodeStage = ({ stages }: RoundRecord, node: NodeId): Stage => stages.get(node) ?? 'PENDING';

/** A round that has ended, and when. */
export type EndedRound = RoundRecord & { readonly endedMs: number };

export interface SchedulerState {
  readonly params: SchedulerParams;
  readonly network: string;
  readonly membership: number;
  readonly nodes: ReadonlyMap<NodeId, NodeRecord>;
  /** Rounds that have not ended, and those whose failure is not settled yet. */
  readonly rounds: ReadonlyMap<RoundId, RoundRecord>;
  readonly lastRound: number;
  /** Rounds in a row that somebody refused since it had run one of that id: how far the next id leaps. */
  readonly reused: number;
  /** By the ids of both: who accuses whom, by words alone. */
  readonly pairs: ReadonlyMap<string, Pair>;
  /** Teams in which somebody has copied a slot over another, by their members. */
  readonly barred: ReadonlySet<string>;
  /** Rounds that are over, of which nodes are not told that, or not once more. */
  readonly told: readonly RoundId[];
  readonly lastQueuedMs: number;
  /** When senders last asked for a round, as any node said. */
  readonly wantedMs: number;
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
      readonly paused?: string | undefined;
      readonly atMs: number;
    }
  /** Senders ask a node for rounds that take messages. */
  | { readonly type: 'wanted'; readonly node: NodeId; readonly atMs: number }
  /** A round that this history did not know: ids go on above it. */
  | { readonly type: 'heardOf'; readonly round: RoundId; readonly atMs: number }
  | { readonly type: 'offline'; readonly node: NodeId; readonly atMs: number }
  | {
      readonly type: 'report';
      readonly node: NodeId;
      readonly bootId: BootId;
      readonly round: RoundId;
      readonly stage: Stage;
      readonly failure?: Testimony | undefined;
      /** Of a completed round: outputs that are equal to another. */
      readonly copies?: number | undefined;
      readonly atMs: number;
    }
  /** Evidence holds against a node, or what it brought as such was false: it sits out. `round`: in which that was, where it is known. */
  | {
      readonly type: 'convicted';
      readonly node: NodeId;
      readonly round?: RoundId | undefined;
      readonly untilMs: number;
      readonly atMs: number;
    }
  /** Statements of all of a team are there, and these nodes signed something else than most. */
  | { readonly type: 'dissent'; readonly round: RoundId; readonly nodes: readonly NodeId[]; readonly atMs: number }
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
  /** `isExpiry`: its time in STANDBY is over. */
  | { readonly type: 'fail'; readonly round: RoundId; readonly reason: string; readonly isExpiry?: boolean }
  /** A round has ended: whatever happens now, it is not taken up again. */
  | { readonly type: 'over'; readonly round: RoundId }
  /** It has been settled, too: for the tables. */
  | { readonly type: 'ended'; readonly round: EndedRound; readonly blamed: readonly NodeId[] }
  /** A team has copied a slot: it is not drawn again. */
  | { readonly type: 'barred'; readonly team: string; readonly round: RoundId }
  /** A node is one half of so many pairs that it sits out. */
  | { readonly type: 'outByPairs'; readonly node: NodeId }
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
    pairs: new Map(),
    barred: new Set(),
    lastRound: 0,
    reused: 0,
    told: [],
    lastQueuedMs: -Infinity,
    wantedMs: -Infinity,
    demand,
  };
}
