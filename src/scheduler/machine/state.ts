// Types of the scheduler's state machine: its records of nodes and rounds, its events and its effects. The rules are in reducer.ts;
// scheduler.ts carries the effects out.
import type { BootId, ErrorCode, NodeId, RoundId } from '../../base/index.js';
import type { RoundInfo, Stage } from '../../protocol/index.js';
import type { SchedulerParams } from '../parameters.js';

/**
 * `inactive`: away or silent. `paused`: takes no new rounds, by its own word. `sittingOut`: failed too many rounds, or convicted.
 * `banned`: out until the ban is lifted.
 */
export type NodeStatus = 'active' | 'inactive' | 'paused' | 'sittingOut' | 'banned';

export interface NodeRecord {
  readonly node: NodeId;
  readonly registeredMs: number;
  readonly banned: boolean;
  /** Boot id of its running process; undefined until it has been online. */
  readonly bootId: BootId | undefined;
  readonly connected: boolean;
  /** The node takes no new rounds for now, by its own word: it drains, or its machine has a fault. */
  readonly paused: boolean;
  /** Time of its last such announcement while it was in rounds: it is free once an hour. */
  readonly stoodDownMs: number;
  /** Times in the last hour at which it refused a round because it had run one of that id. */
  readonly reusedMs: readonly number[];
  /** Times of its last departure and of its return or first arrival: all failures by one departure are one event. */
  readonly awayMs: number | undefined;
  readonly backMs: number | undefined;
  readonly lastSeenMs: number;
  /** Rounds that it is in and that have not ended, each with the stage that it reported last. */
  readonly activity: ReadonlyMap<RoundId, Stage>;
  /** Its last rounds, oldest first: true if it was to blame for their failure. */
  readonly blamed: readonly boolean[];
  /** Time of the last failure that it was to blame for: failures at one moment are one event, however many rounds it was in. */
  readonly blamedMs: number;
  /** The last rounds that it led, oldest first: true if the round ended for want of senders, by its word. */
  readonly leads: readonly boolean[];
  readonly sitsOutUntilMs: number;
  /** Most rounds that it can have open, by its own word; undefined if it gives none. */
  readonly openRounds: number | undefined;
  /** The same limit from experience: lower after it has refused a round for lack of room, one more with each completed round. */
  readonly room: number;
  /** Measured round trips to other nodes, ms. */
  readonly roundTripsMs: ReadonlyMap<NodeId, number>;
}

/** A report of a round's failure, after the evidence judge has found its source. */
export interface Testimony {
  readonly code: ErrorCode;
  /** The node that its source names. */
  readonly named: NodeId | undefined;
  /** The node whose word it is: the one that sent it, or another whose signature came with it; undefined if it is nobody's. */
  readonly source: NodeId | undefined;
  /** True if evidence that holds came with it; also if nothing could be checked, because a member has left. */
  readonly shown: boolean;
  readonly detail: string;
}

/** Two nodes of which one has said that the other failed a round, and nobody could tell which of them did. */
export interface Pair {
  readonly nodes: readonly [NodeId, NodeId];
  /** Rounds that failed this way. */
  readonly rounds: number;
  readonly lastMs: number;
}

/** A round as the scheduler sees it, by the reports of its team. */
export interface RoundRecord {
  readonly info: RoundInfo;
  readonly state: Stage;
  readonly stages: ReadonlyMap<NodeId, Stage>;
  /** Testimonies about its failure, by the node that sent them. */
  readonly failures: ReadonlyMap<NodeId, Testimony>;
  /** Nodes that evidence has convicted in this round, and nodes that signed something else than more than half of the team. */
  readonly convicted: ReadonlySet<NodeId>;
  readonly dissenters: ReadonlySet<NodeId>;
  /** Members that report equal outputs. */
  readonly copied: ReadonlySet<NodeId>;
  /** The stage that more than half of its team has reached by their reports, and since when. */
  readonly most: { readonly stage: Stage; readonly sinceMs: number };
  readonly openedMs: number;
  /** True if an earlier run of the scheduler opened it. */
  readonly resumed: boolean;
  readonly standbyMs: number | undefined;
  readonly queuedMs: number | undefined;
  readonly realtimeMs: number | undefined;
  readonly endedMs: number | undefined;
  /** True once its failure has a verdict, or none is needed. */
  readonly settled: boolean;
}

/** Stage of a member in a round, by its own report. */
export const nodeStage = ({ stages }: RoundRecord, node: NodeId): Stage => stages.get(node) ?? 'PENDING';

/** A round that has ended, with the time of its end. */
export type EndedRound = RoundRecord & { readonly endedMs: number };

export interface SchedulerState {
  readonly params: SchedulerParams;
  readonly network: string;
  readonly membership: number;
  readonly nodes: ReadonlyMap<NodeId, NodeRecord>;
  /** Rounds that have not ended, and those whose failure is not settled yet. */
  readonly rounds: ReadonlyMap<RoundId, RoundRecord>;
  readonly lastRound: number;
  /** Rounds in a row that some node refused because it had run one of that id; the next id leaps by 2 to this power. */
  readonly reused: number;
  /** Pairs of which one node accuses the other by words alone, by the ids of both. */
  readonly pairs: ReadonlyMap<string, Pair>;
  /** Teams in which some member has copied a slot over another, by teamKey. */
  readonly barred: ReadonlySet<string>;
  /** Rounds that are over and need not be announced as over (again). */
  readonly announced: readonly RoundId[];
  readonly lastQueuedMs: number;
  /** Time at which any node last reported that senders ask for a round. */
  readonly wantedMs: number;
  /** Rounds in a row that ended for want of senders, and the end of the last one (stock.ts, emptyPauseMs). */
  readonly empty: { readonly rounds: number; readonly lastMs: number };
  readonly demand: Demand;
}

/** Input for the size of the stock: moving averages. */
export interface Demand {
  /** Rounds that begin to take messages, per ms. */
  readonly ratePerMs: number;
  /** Mean time from opening a round to STANDBY. */
  readonly precomputeMs: number;
  readonly lastConsumedMs: number | undefined;
  /** Times that a round was wanted and none was in STANDBY, and rounds consumed in all. */
  readonly waited: number;
  readonly consumed: number;
  /** True while a round is wanted and none is in STANDBY. */
  readonly waiting: boolean;
}

export type SchedulerEvent =
  | { readonly type: 'registered'; readonly node: NodeId; readonly atMs: number }
  /** A round that an earlier run of the scheduler opened, and perhaps assigned; its nodes report its stage. */
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
  /** A round that this history did not know: ids continue above it. */
  | { readonly type: 'heardOf'; readonly round: RoundId; readonly atMs: number }
  | { readonly type: 'offline'; readonly node: NodeId; readonly atMs: number }
  | {
      readonly type: 'report';
      readonly node: NodeId;
      readonly bootId: BootId;
      readonly round: RoundId;
      readonly stage: Stage;
      readonly failure?: Testimony | undefined;
      /** Of a completed round: number of outputs that equal another output. */
      readonly copies?: number | undefined;
      readonly atMs: number;
    }
  /**
   * Evidence holds against a node, or evidence that it brought is false: the node sits out. `round`: the round of the evidence, if known.
   */
  | {
      readonly type: 'convicted';
      readonly node: NodeId;
      readonly round?: RoundId | undefined;
      readonly untilMs: number;
      readonly atMs: number;
    }
  /** Statements of a whole team are known, and these nodes differ from the majority. */
  | { readonly type: 'dissent'; readonly round: RoundId; readonly nodes: readonly NodeId[]; readonly atMs: number }
  | {
      readonly type: 'roundTrips';
      readonly node: NodeId;
      readonly roundTrips: readonly { readonly peer: NodeId; readonly ms: number }[];
      readonly atMs: number;
    }
  | { readonly type: 'banned'; readonly node: NodeId; readonly banned: boolean; readonly atMs: number }
  /** The membership list has changed. */
  | { readonly type: 'members'; readonly generation: number; readonly nodes: readonly NodeId[]; readonly atMs: number }
  | { readonly type: 'params'; readonly params: SchedulerParams; readonly atMs: number }
  /** Time passes; the only event that opens and assigns rounds. `randomness`: 32 bytes that nobody knew before. */
  | { readonly type: 'tick'; readonly randomness: Uint8Array; readonly atMs: number };

export type SchedulerEffect =
  | { readonly type: 'open'; readonly info: RoundInfo }
  | { readonly type: 'assign'; readonly round: RoundId }
  /** `isExpiry`: its time in STANDBY is over. */
  | { readonly type: 'fail'; readonly round: RoundId; readonly reason: string; readonly isExpiry?: boolean }
  /** A round has ended and is never resumed. */
  | { readonly type: 'over'; readonly round: RoundId }
  /** An ended round is settled, too: it enters the tables. */
  | { readonly type: 'ended'; readonly round: EndedRound; readonly blamed: readonly NodeId[] }
  /** A team has copied a slot: it is not drawn again. */
  | { readonly type: 'barred'; readonly team: string; readonly round: RoundId }
  /** A node is in so many pairs that it sits out. */
  | { readonly type: 'outByPairs'; readonly node: NodeId }
  /** A report that changes nothing: late, repeated, out of order, of an unknown round or of another run. */
  | { readonly type: 'ignored'; readonly node: NodeId; readonly what: string };

export interface SchedulerStep {
  readonly state: SchedulerState;
  readonly effects: readonly SchedulerEffect[];
}

/** A scheduler's view of itself for others: nothing in it is about a sender or a message. */
export interface SchedulerView {
  readonly nodes: readonly {
    readonly node: NodeId;
    readonly status: NodeStatus;
    readonly rounds: number;
    /** Number of its rounds at each stage. */
    readonly stages: Readonly<Partial<Record<Stage, number>>>;
    /** Its engine, as reported when it came online. */
    readonly engine: string;
    /** Share of the last minute in which it was at work on a round. */
    readonly busyShare: number;
    /** Median of the round trips to others that it has measured, ms; null if it has measured none. */
    readonly roundTripMs: number | null;
    /** Number of its last rounds for whose failure it was to blame. */
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
  /** Share of the last minute's realtime in which another round was precomputed; null if there was no realtime. */
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
    announced: [],
    lastQueuedMs: -Infinity,
    wantedMs: -Infinity,
    empty: { rounds: 0, lastMs: -Infinity },
    demand,
  };
}
