// The pool: nodes that may be drawn for a team, and nodes that sit out. A node that dies leaves the pool before it costs a second round;
// a node that is to blame for too many failures sits out; no node is in more of the stock than its share, if others can be.
import { type ErrorCode, type NodeId, type RoundId, takeMedian } from '../../base/index.js';
import type { Stage } from '../../protocol/index.js';
import type { SchedulerParams } from '../parameters.js';
import type { NodeRecord, NodeStatus, RoundRecord, SchedulerState, Testimony } from './state.js';
import { stockTarget } from './stock.js';
import { silentMembers } from './verdict.js';

/** Failures of one node within this time are one event, because it had many rounds open when it went away. */
const EVENT_MS = 5_000;

/** Time after a node's return in which failures still count to its departure: a team takes a node for lost only after 8 s. */
const AFTER_DEPARTURE_MS = 30_000;

/** Time in which a node's own word may end rounds once, or REUSED_MAX times, by nobody's fault. */
const WORD_MS = 3_600_000;

/** Remembered rounds that a node has led, and the empty ones in a row that show that it turns senders away. */
const LEADS_KEPT = 8;
const EMPTY_LEADS = 3;

/**
 * Longest time for which members of a team may be at different stages: far longer than the last message takes, far shorter than a phase.
 */
const LAG_MS = 10_000;

/** Codes by which a node refuses a round for lack of room. */
const ROOM_CODES: readonly ErrorCode[] = ['ROUND_LIMIT', 'MEMORY_LIMIT'];

export function newNode(node: NodeId, atMs: number): NodeRecord {
  return {
    node,
    registeredMs: atMs,
    banned: false,
    bootId: undefined,
    connected: false,
    paused: false,
    stoodDownMs: Number.NEGATIVE_INFINITY,
    reusedMs: [],
    awayMs: undefined,
    backMs: undefined,
    lastSeenMs: atMs,
    activity: new Map(),
    blamed: [],
    blamedMs: Number.NEGATIVE_INFINITY,
    leads: [],
    sitsOutUntilMs: 0,
    openRounds: undefined,
    room: Infinity,
    roundTripsMs: new Map(),
  };
}

/** True if a node is connected and has reported within `staleMs`, whatever else is held against it. */
export function isThere(
  { connected, bootId, lastSeenMs }: NodeRecord,
  params: SchedulerParams,
  nowMs: number,
): boolean {
  return connected && bootId !== undefined && nowMs - lastSeenMs <= params.staleMs;
}

export function nodeStatus(record: NodeRecord, params: SchedulerParams, nowMs: number): NodeStatus {
  if (record.banned) return 'banned';
  if (nowMs < record.sitsOutUntilMs) return 'sittingOut';
  if (!isThere(record, params, nowMs)) return 'inactive';
  return record.paused ? 'paused' : 'active';
}

const inPrecomputation = (stage: Stage): boolean => stage === 'PENDING' || stage === 'PRECOMPUTING';
const inRealtime = (stage: Stage): boolean => stage === 'QUEUED' || stage === 'REALTIME';

/** Most rounds that a node may have open: the least of the scheduler's limit, the node's own, and the room that its refusals have shown. */
export const openMax = ({ openRounds, room }: NodeRecord, { openPerNode }: SchedulerParams): number =>
  Math.min(openPerNode, openRounds ?? Infinity, room);

/** True if a node has room for one more precomputation. */
export function hasRoom(record: NodeRecord, params: SchedulerParams): boolean {
  const stages = [...record.activity.values()];
  const busy = stages.filter(inPrecomputation).length;
  if (stages.length >= openMax(record, params) || busy >= params.precomputingPerNode) return false;
  if (!params.pipelining && busy > 0) return false;
  return params.overlap || !stages.some(inRealtime);
}

/** True if most of a round's team has been at a stage for more than LAG_MS that other members have not reported. */
export const isHeldUp = ({ most, state, resumed }: RoundRecord, nowMs: number): boolean =>
  !resumed &&
  state !== most.stage &&
  most.stage !== 'PENDING' &&
  most.stage !== 'PRECOMPUTING' &&
  nowMs - most.sinceMs > LAG_MS;

/**
 * Nodes that are behind their teams. Such a node may be held up by another, which it will report in time, or it is silent itself. Until
 * that is known it gets no other rounds that it could hold up.
 */
export function behind({ rounds }: SchedulerState, nowMs: number): ReadonlySet<NodeId> {
  return new Set([...rounds.values()].filter((round) => isHeldUp(round, nowMs)).flatMap(silentMembers));
}

/** Nodes that may be drawn now, without those that are `late` (see behind); empty if the pool is too small to draw from. */
export function drawable(state: SchedulerState, nowMs: number, late: ReadonlySet<NodeId>): readonly NodeId[] {
  const { params, nodes, rounds, demand } = state;
  const active = [...nodes.values()].filter((record) => nodeStatus(record, params, nowMs) === 'active');
  const needed = Math.max(params.teamSize, Math.floor(params.poolThreshold * nodes.size));
  if (active.length < needed) return [];
  const ready = active.filter((record) => hasRoom(record, params) && !late.has(record.node));
  if (ready.length < params.teamSize) return [];
  const most = Math.max(1, Math.ceil(params.nodeShareMax * stockTarget(demand, params)));
  const held = countStock(rounds);
  const withinShare = ready.filter(({ node }) => (held.get(node) ?? 0) < most);
  // If too few are left, the share gives way: a stock that one death voids is better than none.
  return (withinShare.length >= params.teamSize ? withinShare : ready).map(({ node }) => node);
}

/** Number of rounds of the stock, precomputed or in precomputation, that each node is in. */
function countStock(rounds: ReadonlyMap<RoundId, RoundRecord>): ReadonlyMap<NodeId, number> {
  const held = new Map<NodeId, number>();
  for (const { state, info } of rounds.values()) {
    if (state !== 'STANDBY' && !inPrecomputation(state)) continue;
    for (const node of info.team) held.set(node, (held.get(node) ?? 0) + 1);
  }
  return held;
}

/** Limits a node that has refused a round for lack of room to the other rounds that it has open, and to one at least. */
export const recordRefusal = (record: NodeRecord, round: RoundId): NodeRecord => ({
  ...record,
  room: Math.max(1, [...record.activity.keys()].filter((open) => open !== round).length),
});

/** True if a node reports its own lack of room for a round while it is in others: nobody is to blame for that. */
export const isLackOfRoom = ({ node, activity }: NodeRecord, { code, named, source }: Testimony): boolean =>
  ROOM_CODES.includes(code) && named === node && source === node && activity.size > 1;

/**
 * Refusals of ids as used that an older history may cause, in an hour. The leaps of ids double with them, so that they get past all used
 * ids after so many, even if rounds of other teams are precomputed meanwhile.
 */
const REUSED_MAX = 20;

/** Refusals of ids as used in the last hour. */
const reusedLately = ({ reusedMs }: NodeRecord, nowMs: number): readonly number[] =>
  reusedMs.filter((atMs) => nowMs - atMs < WORD_MS);

/** True if a node reports that it has run a round of this id before: this history is older than the node's, and nobody is to blame. */
export const isReused = (record: NodeRecord, { code, named, source }: Testimony, nowMs: number): boolean =>
  code === 'ROUND_REUSED' &&
  named === record.node &&
  source === record.node &&
  reusedLately(record, nowMs).length < REUSED_MAX;

/** Notes that a node has refused an id as used. */
export const recordReused = (record: NodeRecord, nowMs: number): NodeRecord => ({
  ...record,
  reusedMs: [...reusedLately(record, nowMs), nowMs],
});

/** Remembers whether a node was to blame for the end of a round, and lets it sit out if that is so too often. */
export function recordVerdict(
  before: NodeRecord,
  wasBlamed: boolean,
  params: SchedulerParams,
  nowMs: number,
): NodeRecord {
  if (wasBlamed && (nowMs - before.blamedMs < EVENT_MS || isSameDeparture(before, nowMs))) return before;
  const record = wasBlamed ? { ...before, blamedMs: nowMs } : before;
  const blamed = [...record.blamed, wasBlamed].slice(-params.failureWindowRounds);
  const failures = blamed.filter(Boolean).length;
  const tooMany = wasBlamed && failures >= params.failuresMin && failures / blamed.length >= params.failureRateMax;
  if (!tooMany) return { ...record, blamed };
  // Afterwards its count begins anew.
  return { ...record, blamed: [], sitsOutUntilMs: nowMs + params.sitOutMs };
}

/** True if a node that is in rounds has stood down within the hour before: this time it is an event of its own. */
export const standsDownAgain = ({ stoodDownMs, activity }: NodeRecord, nowMs: number): boolean =>
  activity.size > 0 && nowMs - stoodDownMs < WORD_MS;

/** Notes that a node takes no new rounds from now on. While it is in rounds, that is an event if it has done so within the hour before. */
export function recordStandDown(record: NodeRecord, params: SchedulerParams, nowMs: number): NodeRecord {
  if (record.activity.size === 0) return record;
  const known = { ...record, stoodDownMs: nowMs };
  if (!standsDownAgain(record, nowMs)) return known;
  return recordVerdict({ ...known, blamedMs: Number.NEGATIVE_INFINITY }, true, params, nowMs);
}

/** Notes that a node has gone away: all failures by that are one event. */
export const recordDeparture = (record: NodeRecord, atMs: number): NodeRecord => ({
  ...record,
  connected: false,
  awayMs: atMs,
  backMs: undefined,
});

/** True if a node was already blamed for its last departure, by which every round of its stock ends, some only when it is back. */
const isSameDeparture = ({ awayMs, backMs, blamedMs }: NodeRecord, nowMs: number): boolean =>
  awayMs !== undefined && blamedMs >= awayMs && (backMs === undefined || nowMs - backMs < AFTER_DEPARTURE_MS);

/** Remembers how a round ended that a node led. */
export const recordLead = (record: NodeRecord, isEmpty: boolean): NodeRecord => ({
  ...record,
  leads: [...record.leads, isEmpty].slice(-LEADS_KEPT),
});

/** True if the last EMPTY_LEADS rounds that a node led all had too few senders, while most others that led rounds had no such round. */
export function turnsAway({ leads, node }: NodeRecord, nodes: Iterable<NodeRecord>): boolean {
  if (leads.length < EMPTY_LEADS || !leads.slice(-EMPTY_LEADS).every(Boolean)) return false;
  const others = [...nodes].filter((other) => other.node !== node && other.leads.length > 0);
  return 2 * others.filter((other) => !other.leads.includes(true)).length > others.length;
}

/** Lets a node sit out, whatever it was to blame for before; never shortens a present sit-out. */
export const suspend = (record: NodeRecord, untilMs: number): NodeRecord => ({
  ...record,
  blamed: [],
  sitsOutUntilMs: Math.max(record.sitsOutUntilMs, untilMs),
});

/** Medians, cached by their measurements: a thousand nodes with a thousand round trips each are not sorted at every look. */
const medians = new WeakMap<NodeRecord['roundTripsMs'], number | null>();

/** Median of the round trips to others that a node has measured, ms; null if it has measured none. */
export function medianRoundTripMs({ roundTripsMs }: NodeRecord): number | null {
  let median = medians.get(roundTripsMs);
  if (median === undefined) {
    median = roundTripsMs.size === 0 ? null : Math.round(1_000 * takeMedian([...roundTripsMs.values()])) / 1_000;
    medians.set(roundTripsMs, median);
  }
  return median;
}
