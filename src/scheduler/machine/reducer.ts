// The scheduler as a pure reducer: decisions depend on state and event alone, so that the same code schedules real nodes and thousands of
// simulated ones. Rounds are opened and assigned on ticks only, which bring fresh randomness; other events note what nodes report, and
// end rounds.
import type { NodeId, RoundId } from '../../base/index.js';
import { drawTeam, ringEntry, STAGES, type Stage, teamKey } from '../../protocol/index.js';
import { phaseMs } from '../../round/index.js';
import { type Distance, shortestRing } from '../ring.js';
import { Draft, isOver } from './draft.js';
import {
  behind,
  drawable,
  isHeldUp,
  isLackOfRoom,
  isReused,
  isThere,
  newNode,
  recordDeparture,
  recordLead,
  recordRefusal,
  recordReused,
  recordStandDown,
  recordVerdict,
  standsDownAgain,
  suspend,
  turnsAway,
} from './nodePool.js';
import { accuse, areApart, commonMember, explained, recent } from './pairs.js';
import {
  type EndedRound,
  type NodeRecord,
  nodeStage,
  type RoundRecord,
  type SchedulerEvent,
  type SchedulerState,
  type SchedulerStep,
  type Testimony,
} from './state.js';
import { consumed, emptyPauseMs, missed, precomputed, stockTarget } from './stock.js';
import {
  hasFailed,
  isDone,
  isEmpty,
  isEmptyLead,
  isIncomplete,
  reachVerdict,
  silentMembers,
  type Verdict,
} from './verdict.js';

/** Assumed round trip of a link that nobody has measured yet, ms. */
const UNKNOWN_ROUND_TRIP_MS = 100;
/** Time after a failure in which the team's reports are awaited before a node is blamed. */
const SETTLE_MS = 5_000;
/** Added to a round's own deadlines before the scheduler gives it up: nodes do so themselves first, and know more. */
const GRACE_MS = 10_000;
/** Rounds remembered in `announced`: enough for all that a restart can find. */
const ANNOUNCED_MAX = 1_000;
/** An id leaps by 2^20 at most. */
const LEAP_BITS_MAX = 20;
/** Most rounds opened in one tick; the next tick comes soon. */
const OPENED_A_TICK_MAX = 64;

const rank = (stage: Stage): number => STAGES.indexOf(stage);
/** At that stage, or beyond it. */
const isAt = (stage: Stage, least: Stage): boolean => rank(stage) >= rank(least);

/** Stage of a node in a round: the last that it reported, but QUEUED at least once the round is assigned, before the node reports that. */
function nodeActivity(round: RoundRecord, node: NodeId): Stage {
  const stage = nodeStage(round, node);
  return round.queuedMs !== undefined && rank(stage) < rank('QUEUED') ? 'QUEUED' : stage;
}

export function reduceScheduler(state: SchedulerState, event: SchedulerEvent): SchedulerStep {
  const draft = new Draft(state);
  switch (event.type) {
    case 'registered':
      if (!state.nodes.has(event.node)) {
        draft.change({ nodes: new Map(state.nodes).set(event.node, newNode(event.node, event.atMs)) });
      }
      break;
    case 'resumed':
      resume(draft, event);
      break;
    case 'online':
      online(draft, event);
      break;
    case 'wanted':
      if (state.nodes.has(event.node)) draft.change({ wantedMs: event.atMs });
      break;
    case 'heardOf':
      draft.change({ lastRound: Math.max(state.lastRound, event.round) });
      break;
    case 'offline':
      draft.node(event.node, (record) => (record.connected ? recordDeparture(record, event.atMs) : record));
      break;
    case 'report':
      report(draft, event);
      break;
    case 'roundTrips':
      roundTrips(draft, event);
      break;
    case 'banned':
      draft.node(event.node, (record) => ({ ...record, banned: event.banned, sitsOutUntilMs: 0, blamed: [] }));
      draft.change({ pairs: explained(draft.state.pairs, event.node) });
      if (event.banned) failRounds(draft, new Set([event.node]), 'a member of the team was banned', event.atMs);
      break;
    case 'convicted':
      convicted(draft, event);
      break;
    case 'dissent':
      dissent(draft, event);
      break;
    case 'members':
      members(draft, event.generation, event.nodes, event.atMs);
      break;
    case 'params':
      draft.change({ params: event.params });
      break;
    case 'tick':
      tick(draft, event.randomness, event.atMs);
  }
  return { state: draft.state, effects: draft.effects };
}

function online(draft: Draft, event: SchedulerEvent & { type: 'online' }): void {
  const { node, bootId, openRounds, atMs } = event;
  const before = draft.state.nodes.get(node);
  if (!before) {
    draft.ask({ type: 'ignored', node, what: 'online, but not registered' });
    return;
  }
  const isAnother = before.bootId !== undefined && before.bootId !== bootId;
  const room = isAnother ? Infinity : before.room;
  const paused = event.paused !== undefined;
  draft.node(node, (record) => {
    const { awayMs, backMs = atMs } = isAnother && record.connected ? recordDeparture(record, atMs) : record;
    return { ...record, connected: true, lastSeenMs: atMs, awayMs, backMs, bootId, openRounds, room, paused };
  });
  if (isAnother) restarted(draft, before, atMs);
  if (paused) standDown(draft, before, atMs);
}

/**
 * Another run of a node's process: the rounds that the last run had open died with it. Unless the node had announced that it takes no
 * rounds, that is one event, like the departure that it explains: its own word must not end rounds again and again for nothing.
 */
function restarted(draft: Draft, { node, paused }: NodeRecord, nowMs: number): void {
  const blamed = paused ? [] : [node];
  const lost = failRounds(draft, new Set([node]), 'a member of the team restarted', nowMs, blamed);
  if (lost === 0 || paused) return;
  draft.node(node, (record) => recordVerdict(record, true, draft.state.params, nowMs));
}

/**
 * Gives up the rounds of a pausing node that are not assigned yet; rounds that take messages run to their end. Nobody is to blame for
 * that the first time in an hour.
 */
function standDown(draft: Draft, { node, paused: wasPaused }: NodeRecord, nowMs: number): void {
  const known = draft.state.nodes.get(node);
  if (!known) return;
  const blamed = !wasPaused && standsDownAgain(known, nowMs) ? [node] : [];
  if (!wasPaused) draft.node(node, (record) => recordStandDown(record, draft.state.params, nowMs));
  for (const round of draft.state.rounds.values()) {
    if (isOver(round.state) || round.queuedMs !== undefined || !round.info.team.includes(node)) continue;
    giveUp(draft, round, 'a member of the team takes no rounds for now', nowMs, { blamed });
  }
}

/** Keeps round trips to nodes in the pool only: invented names are not kept. */
function roundTrips(draft: Draft, event: SchedulerEvent & { type: 'roundTrips' }): void {
  const { nodes } = draft.state;
  const known = event.roundTrips.filter(({ peer }) => nodes.has(peer));
  draft.node(event.node, (record) => ({
    ...record,
    lastSeenMs: event.atMs,
    roundTripsMs: new Map([...record.roundTripsMs, ...known.map(({ peer, ms }) => [peer, ms] as const)]),
  }));
}

/**
 * Ends the rounds of nodes that are gone for good, except for those that the nodes had completed before. Returns the number of rounds that
 * were lost.
 */
function failRounds(
  draft: Draft,
  gone: ReadonlySet<NodeId>,
  reason: string,
  nowMs: number,
  blamed: readonly NodeId[] = [],
): number {
  completeWithout(draft, nowMs, gone);
  const isLost = ({ state, info }: RoundRecord) => !isOver(state) && info.team.some((node) => gone.has(node));
  const lost = [...draft.state.rounds.values()].filter(isLost);
  for (const round of lost) giveUp(draft, round, reason, nowMs, { blamed });
  return lost.length;
}

/**
 * A convicted node sits out. Its precomputations are given up, because it would fail them one after the other. Rounds with messages go
 * on, because the messages may come out.
 */
function convicted(draft: Draft, { node, round: id, untilMs, atMs }: SchedulerEvent & { type: 'convicted' }): void {
  takeOut(draft, node, untilMs, atMs);
  const round = id === undefined ? undefined : draft.state.rounds.get(id);
  if (round) draft.round({ ...round, convicted: new Set([...round.convicted, node]) });
}

function takeOut(draft: Draft, node: NodeId, untilMs: number, nowMs: number): void {
  draft.node(node, (record) => suspend(record, untilMs));
  draft.change({ pairs: explained(draft.state.pairs, node) });
  for (const round of draft.state.rounds.values()) {
    const isStock = !isOver(round.state) && round.queuedMs === undefined;
    if (isStock && round.info.team.includes(node)) giveUp(draft, round, 'a member of the team sits out', nowMs);
  }
}

function dissent(draft: Draft, { round: id, nodes }: SchedulerEvent & { type: 'dissent' }): void {
  const round = draft.state.rounds.get(id);
  if (round) draft.round({ ...round, dissenters: new Set([...round.dissenters, ...nodes]) });
}

/** Completes rounds without the report of members that went away after they had signed the outputs. */
function completeWithout(draft: Draft, nowMs: number, gone?: ReadonlySet<NodeId>): void {
  for (const round of draft.state.rounds.values()) {
    if (round.state === 'REALTIME' && isDone(draft.state, round, nowMs, gone)) complete(draft, round, nowMs);
  }
}

function complete(draft: Draft, round: RoundRecord, nowMs: number): void {
  const { params } = draft.state;
  for (const node of round.info.team) {
    draft.node(node, (record) => ({ ...recordVerdict(record, false, params, nowMs), room: record.room + 1 }));
  }
  draft.node(ringEntry(round.info.team, 0), (record) => recordLead(record, false));
  draft.change({ empty: { ...draft.state.empty, rounds: 0 } });
  // The whole team has signed the outputs: that some are equal is not the word of a single member.
  if (2 * round.copied.size > round.info.team.length) bar(draft, round);
  // A member that is away may still be at work on the round and complete it: do not tell it to stop.
  const isUnheard = round.info.team.some((node) => round.stages.get(node) !== 'COMPLETED');
  if (isUnheard) draft.change({ announced: [...draft.state.announced, round.info.round].slice(-ANNOUNCED_MAX) });
  end(draft, { ...round, state: 'COMPLETED', endedMs: nowMs, settled: true }, []);
}

/** Bars a team in which some member, nobody knows which, has not permuted: the same nodes form no team again. */
function bar(draft: Draft, { info }: RoundRecord): void {
  const team = teamKey(info.team);
  draft.change({ barred: new Set([...draft.state.barred, team]) });
  draft.ask({ type: 'barred', team, round: info.round });
}

/** Ends a round by the scheduler's own decision; blames nodes only for what the scheduler has seen itself. */
function giveUp(
  draft: Draft,
  round: RoundRecord,
  reason: string,
  nowMs: number,
  { blamed = [], isExpiry = false }: { readonly blamed?: readonly NodeId[]; readonly isExpiry?: boolean } = {},
): void {
  draft.ask({ type: 'fail', round: round.info.round, reason, ...(isExpiry && { isExpiry }) });
  end(draft, { ...round, state: 'FAILED', endedMs: nowMs, settled: true }, blamed);
}

function end(draft: Draft, round: EndedRound, blamed: readonly NodeId[]): void {
  const { round: id } = round.info;
  const before = draft.state.rounds.get(id)?.state;
  if (before === undefined || !isOver(before)) draft.ask({ type: 'over', round: id });
  // A node that has not heard of the failure is still busy with the round: it hears of it before it is given another.
  draft.activity(round, (node) => (round.settled ? undefined : nodeStage(round, node)));
  if (round.settled) {
    draft.forget(id);
    draft.ask({ type: 'ended', round, blamed });
  } else {
    draft.round(round);
  }
}

function report(draft: Draft, event: SchedulerEvent & { type: 'report' }): void {
  const { node, bootId, round: id, stage, failure, copies = 0, atMs } = event;
  const ignored = (what: string) => draft.ask({ type: 'ignored', node, what });
  const record = draft.state.nodes.get(node);
  if (!record) return void ignored('a report, but not registered');
  draft.node(node, (known) => ({ ...known, lastSeenMs: atMs }));
  if (record.bootId !== bootId) return void ignored('a report of another run');
  const round = draft.state.rounds.get(id);
  if (!round && !isOver(stage)) tellOver(draft, id);
  if (!round?.info.team.includes(node)) return void ignored('a report of a round that it is not in');
  const before = nodeStage(round, node);
  if (round.state === 'FAILED') {
    // A late report only adds which node it blames.
    if (stage !== 'FAILED') return;
    const failures = failure && !round.failures.has(node) ? new Map(round.failures).set(node, failure) : round.failures;
    const changed = { ...round, failures, stages: new Map(round.stages).set(node, stage) };
    draft.round(changed);
    draft.activity(changed, (member) => nodeStage(changed, member));
    return;
  }
  if (stage !== 'FAILED' && rank(stage) <= rank(before)) return void ignored(`${stage} after ${before}`);
  const stages = new Map(round.stages).set(node, stage);
  // A node refuses a round before it does anything for it. Later, its word ends a round that others have worked on.
  const isRefusal = stage === 'FAILED' && before === 'PENDING';
  if (isRefusal && failure && refused(draft, record, round, failure, atMs)) return;
  if (stage === 'FAILED') {
    const failures = failure ? new Map(round.failures).set(node, failure) : round.failures;
    end(draft, { ...round, stages, failures, state: 'FAILED', endedMs: atMs }, []);
    return;
  }
  // A node cannot be ahead of its updates: it takes no messages before the round was assigned.
  if (rank(stage) >= rank('QUEUED') && round.queuedMs === undefined)
    return void ignored(`${stage} before it was assigned`);
  const copied = copies > 0 ? new Set([...round.copied, node]) : round.copied;
  advance(draft, { ...round, stages, copied }, atMs);
}

/** Ends a round that a node does not open, for a reason that is nobody's fault. Returns false if there is no such reason. */
function refused(draft: Draft, record: NodeRecord, round: RoundRecord, failure: Testimony, nowMs: number): boolean {
  const { node } = record;
  if (isReused(record, failure, nowMs)) {
    const { reused, lastRound } = draft.state;
    draft.node(node, (known) => recordReused(known, nowMs));
    const own = draft.state.nodes.get(node)?.reusedMs.length ?? 0;
    // Rounds of other teams, whose ids are new, do not make the leaps shorter.
    const leap = 2 ** Math.min(Math.max(reused, own - 1), LEAP_BITS_MAX);
    draft.change({ reused: reused + 1, lastRound: lastRound + leap });
    giveUp(draft, round, 'a member of the team has run a round of this id before', nowMs);
    return true;
  }
  if (!isLackOfRoom(record, failure)) return false;
  draft.node(node, (known) => recordRefusal(known, round.info.round));
  giveUp(draft, round, 'a member of the team has no room for it', nowMs);
  return true;
}

/**
 * Tells a node, once, that its round is over: the node was away when that was announced, or the scheduler died before it could announce
 * it.
 */
function tellOver(draft: Draft, round: RoundId): void {
  const { lastRound, announced } = draft.state;
  if (round > lastRound || announced.includes(round)) return;
  draft.change({ announced: [...announced, round].slice(-ANNOUNCED_MAX) });
  draft.ask({ type: 'fail', round, reason: 'the round is over' });
}

/** Derives a round's state from the stages of its team: the earliest of them, but REALTIME as soon as one member is there. */
function advance(draft: Draft, round: RoundRecord, nowMs: number): void {
  const stages = round.info.team.map((node) => nodeStage(round, node));
  const hindmost = stages.reduce((least, stage) => (rank(stage) < rank(least) ? stage : least));
  const isBegun = stages.some((stage) => isAt(stage, 'REALTIME')) && !isAt(hindmost, 'COMPLETED');
  let next: Stage = isBegun ? 'REALTIME' : hindmost;
  if (rank(next) < rank(round.state)) next = round.state;
  const mostAre = STAGES.findLast((least) => 2 * stages.filter((stage) => isAt(stage, least)).length > stages.length);
  const isAhead = mostAre !== undefined && rank(mostAre) > rank(round.most.stage);
  const ahead = isAhead ? { stage: mostAre, sinceMs: nowMs } : round.most;
  let changed: RoundRecord = { ...round, state: next, most: ahead };
  draft.activity(changed, (node) => nodeActivity(round, node));
  if (next === 'STANDBY' && round.standbyMs === undefined) {
    changed = { ...changed, standbyMs: nowMs };
    // The id of this round was new to its whole team.
    draft.change({ reused: 0 });
    draft.change({ demand: precomputed(draft.state.demand, nowMs - round.openedMs) });
  }
  if (next === 'REALTIME' && round.realtimeMs === undefined) changed = { ...changed, realtimeMs: nowMs };
  if (isDone(draft.state, changed, nowMs)) complete(draft, changed, nowMs);
  else draft.round(changed);
}

function members(draft: Draft, generation: number, nodes: readonly NodeId[], nowMs: number): void {
  const kept = new Set(nodes);
  const gone = new Set([...draft.state.nodes.keys()].filter((node) => !kept.has(node)));
  failRounds(draft, gone, 'a member of the team has left', nowMs);
  const left = new Map(
    [...draft.state.nodes].flatMap(([node, known]) => (kept.has(node) ? [[node, withoutGonePeers(known, kept)]] : [])),
  );
  const pairs = recent(draft.state.pairs, (node) => kept.has(node), draft.state.params, nowMs);
  draft.change({ membership: generation, nodes: left, pairs });
}

/** Drops a node's round trips to nodes that are gone. */
function withoutGonePeers(record: NodeRecord, kept: ReadonlySet<NodeId>): NodeRecord {
  const gone = [...record.roundTripsMs.keys()].some((peer) => !kept.has(peer));
  if (!gone) return record;
  return { ...record, roundTripsMs: new Map([...record.roundTripsMs].filter(([peer]) => kept.has(peer))) };
}

function tick(draft: Draft, randomness: Uint8Array, nowMs: number): void {
  settle(draft, nowMs);
  completeWithout(draft, nowMs);
  expire(draft, nowMs);
  prune(draft, nowMs);
  assign(draft, nowMs);
  open(draft, randomness, nowMs);
}

/** Settles failed rounds whose team has reported, or had SETTLE_MS to do so: nodes are blamed, or none is. */
function settle(draft: Draft, nowMs: number): void {
  for (const round of draft.state.rounds.values()) {
    if (!hasFailed(round) || round.settled) continue;
    const all = round.failures.size === round.info.team.length;
    if (!all && nowMs - round.endedMs < SETTLE_MS) continue;
    // Even if all have reported it: a node that starts again reads of the round's opening and must read of its end.
    draft.ask({ type: 'fail', round: round.info.round, reason: 'a member of the team has failed it' });
    const verdict = reachVerdict(draft.state, round);
    if (isEmpty(round)) draft.change({ empty: { rounds: draft.state.empty.rounds + 1, lastMs: round.endedMs } });
    countEmptyLead(draft, round, nowMs);
    pass(draft, round, verdict, nowMs);
    end(draft, { ...round, settled: true }, verdict.blamed);
  }
}

/** Counts a round that its first node ended for want of senders. The node is taken out if that happens to it and not to most others. */
function countEmptyLead(draft: Draft, round: RoundRecord, nowMs: number): void {
  if (!isEmptyLead(round)) return;
  const first = ringEntry(round.info.team, 0);
  draft.node(first, (record) => recordLead(record, true));
  const record = draft.state.nodes.get(first);
  if (!record || !turnsAway(record, draft.state.nodes.values())) return;
  draft.node(first, (known) => ({ ...known, leads: [] }));
  takeOut(draft, first, nowMs + draft.state.params.sitOutMs, nowMs);
}

/**
 * Applies a verdict to the team: liars sit out, blamed nodes do if they are blamed too often, and so does a node that many pairs have in
 * common.
 */
function pass(draft: Draft, round: RoundRecord, { blamed, lied, accusations }: Verdict, nowMs: number): void {
  const { params } = draft.state;
  if (isIncomplete(round)) bar(draft, round);
  for (const node of lied) takeOut(draft, node, nowMs + params.sitOutMs, nowMs);
  for (const node of round.info.team) {
    if (!round.convicted.has(node))
      draft.node(node, (record) => recordVerdict(record, blamed.includes(node), params, nowMs));
  }
  if (accusations.length === 0) return;
  draft.change({ pairs: accuse(draft.state.pairs, accusations, nowMs) });
  for (;;) {
    const liar = commonMember(draft.state.pairs, draft.state.nodes.size);
    if (liar === undefined) return;
    draft.ask({ type: 'outByPairs', node: liar });
    takeOut(draft, liar, nowMs + params.sitOutMs, nowMs);
  }
}

/** Ends rounds that are too long in a state. Nodes give up first; this is for nodes that report nothing. */
function expire(draft: Draft, nowMs: number): void {
  const { standbyLifetimeMs } = draft.state.params;
  for (const round of draft.state.rounds.values()) {
    const { precomputeMs, collectMs, realtimeMs } = round.info.deadlines;
    const since = (ms: number | undefined) => nowMs - (ms ?? round.openedMs);
    const late: Partial<Record<Stage, boolean>> = {
      PENDING: since(round.openedMs) > precomputeMs + GRACE_MS,
      PRECOMPUTING: since(round.openedMs) > precomputeMs + GRACE_MS,
      STANDBY: since(round.openedMs) > precomputeMs + standbyLifetimeMs || since(round.standbyMs) > standbyLifetimeMs,
      QUEUED: since(round.queuedMs) > collectMs + realtimeMs + GRACE_MS,
      REALTIME: since(round.realtimeMs) > realtimeMs + GRACE_MS,
    };
    // A round that was assigned, but whose nodes have not reported QUEUED, is still in STANDBY here.
    const unheard = round.state === 'STANDBY' && round.queuedMs !== undefined;
    const isLate = unheard ? since(round.queuedMs) > collectMs + realtimeMs + GRACE_MS : late[round.state];
    const isExpiry = round.state === 'STANDBY' && !unheard;
    if (isLate) giveUp(draft, round, `${round.state} for too long`, nowMs, { isExpiry });
    else giveUpSilent(draft, round, nowMs);
  }
}

/**
 * Ends a round if members stay behind the stage of most for longer than a phase's deadline. They are silent themselves: a member that
 * another had held up would have missed that deadline and reported it by now. Each such round counts against them, because other members
 * cannot tell a silent node from one that is at work.
 */
function giveUpSilent(draft: Draft, round: RoundRecord, nowMs: number): void {
  const { nodes, params } = draft.state;
  const { most, info } = round;
  const stage = rank(most.stage) <= rank('STANDBY') ? 'PRECOMPUTING' : 'REALTIME';
  if (rank(most.stage) < rank('STANDBY') || nowMs - most.sinceMs <= phaseMs(info.deadlines, stage) + GRACE_MS) return;
  // The members of a resumed round may have reported to the earlier run.
  if (round.resumed) return;
  const silent = silentMembers(round).filter((node) => nodes.get(node)?.connected);
  if (silent.length === 0) return;
  for (const node of silent) {
    draft.node(node, (record) => recordVerdict({ ...record, blamedMs: Number.NEGATIVE_INFINITY }, true, params, nowMs));
  }
  giveUp(draft, round, 'a member of the team says nothing of it', nowMs, { blamed: silent });
}

function prune(draft: Draft, nowMs: number): void {
  const { params, pairs, nodes: known } = draft.state;
  const { pruneMs } = params;
  draft.change({ pairs: recent(pairs, (node) => known.has(node), params, nowMs) });
  for (const { node, lastSeenMs, banned } of draft.state.nodes.values()) {
    if (banned || nowMs - lastSeenMs <= pruneMs) continue;
    const nodes = new Map(draft.state.nodes);
    nodes.delete(node);
    draft.change({ nodes });
  }
}

/** Lets rounds take messages, those that are precomputed longest first, up to `collecting` at once. */
function assign(draft: Draft, nowMs: number): void {
  const { params, wantedMs, empty } = draft.state;
  if (nowMs - wantedMs > params.demandMs || nowMs - empty.lastMs < emptyPauseMs(empty.rounds)) return;
  const rounds = [...draft.state.rounds.values()];
  let taking = rounds.filter(
    ({ queuedMs, realtimeMs, state }) => queuedMs !== undefined && realtimeMs === undefined && !isOver(state),
  ).length;
  const ready = rounds
    .filter(isReady)
    .filter((round) => allThere(draft.state, round, nowMs))
    .sort((a, b) => a.standbyMs - b.standbyMs);
  while (taking < params.collecting && nowMs - draft.state.lastQueuedMs >= params.minimumDelayMs) {
    const round = ready.shift();
    if (!round) {
      draft.change({ demand: missed(draft.state.demand) });
      return;
    }
    const assigned = { ...round, queuedMs: nowMs };
    draft.round(assigned);
    draft.activity(assigned, (node) => nodeActivity(assigned, node));
    draft.ask({ type: 'assign', round: round.info.round });
    draft.change({ lastQueuedMs: nowMs, demand: consumed(draft.state.demand, nowMs) });
    taking++;
  }
}

/** True for a round that is precomputed and not used yet; then `standbyMs` is set. */
const isReady = (round: RoundRecord): round is RoundRecord & { readonly standbyMs: number } =>
  round.state === 'STANDBY' && round.queuedMs === undefined && round.standbyMs !== undefined;

/** True if the whole team is there: senders are not sent to a round that cannot be mixed. */
function allThere({ nodes, params }: SchedulerState, { info }: RoundRecord, nowMs: number): boolean {
  return info.team.every((node) => {
    const record = nodes.get(node);
    return record !== undefined && isThere(record, params, nowMs);
  });
}

function begin(
  draft: Draft,
  info: RoundRecord['info'],
  openedMs: number,
  past: Pick<RoundRecord, 'queuedMs' | 'resumed'>,
): RoundRecord {
  const round: RoundRecord = {
    info,
    state: 'PENDING',
    stages: new Map(),
    failures: new Map(),
    convicted: new Set(),
    copied: new Set(),
    dissenters: new Set(),
    most: { stage: 'PENDING', sinceMs: openedMs },
    openedMs,
    standbyMs: undefined,
    realtimeMs: undefined,
    endedMs: undefined,
    settled: false,
    ...past,
  };
  draft.round(round);
  draft.activity(round, (node) => nodeActivity(round, node));
  return round;
}

/**
 * Resumes a round of an earlier run. If a member was banned or left the list while there was no scheduler, the round ends as it would
 * have then.
 */
function resume(draft: Draft, { info, assigned, atMs }: SchedulerEvent & { type: 'resumed' }): void {
  const round = begin(draft, info, atMs, { queuedMs: assigned ? atMs : undefined, resumed: true });
  const gone = info.team.some((node) => draft.state.nodes.get(node)?.banned ?? true);
  if (gone) giveUp(draft, round, 'a member of the team has left or was banned', atMs);
}

/** Opens rounds until the stock is at its level, or too few nodes have room. */
function open(draft: Draft, randomness: Uint8Array, nowMs: number): void {
  const late = behind(draft.state, nowMs);
  for (let opened = 0; opened < OPENED_A_TICK_MAX; opened++) {
    const { params, rounds, demand } = draft.state;
    const isStock = (round: RoundRecord) =>
      !isOver(round.state) && round.queuedMs === undefined && !isHeldUp(round, nowMs);
    const stock = [...rounds.values()].filter(isStock).length;
    if (stock >= stockTarget(demand, params)) return;
    const pool = drawable(draft.state, nowMs, late);
    if (pool.length < params.teamSize) return;
    const round = (draft.state.lastRound + 1) as RoundId;
    const { pairs } = draft.state;
    const draw = (nodes: readonly NodeId[]) =>
      drawTeam(nodes, params.teamSize, round, randomness, (a, b) => areApart(pairs, a, b));
    const drawn = unbarred(pool, params.teamSize, draft.state.barred, draw);
    const info = makeRoundInfo(draft.state, round, shortestRing(drawn, distanceIn(draft.state)));
    draft.change({ lastRound: round });
    begin(draft, info, nowMs, { queuedMs: undefined, resumed: false });
    draft.ask({ type: 'open', info });
  }
}

/** Draws a team. If it is barred, draws without one of its members; if all these teams are barred, too, the first draw stands. */
function unbarred(
  pool: readonly NodeId[],
  size: number,
  barred: ReadonlySet<string>,
  draw: (nodes: readonly NodeId[]) => NodeId[],
): NodeId[] {
  const first = draw(pool);
  if (!barred.has(teamKey(first)) || pool.length === size) return first;
  const others = first.map((left) => draw(pool.filter((node) => node !== left)));
  return others.find((team) => !barred.has(teamKey(team))) ?? first;
}

function makeRoundInfo(
  { params, network, membership }: SchedulerState,
  round: RoundId,
  team: readonly NodeId[],
): RoundRecord['info'] {
  const { group, slots, width, chunkSlots, exponentBytes, minSenders, quotaPerSender, deadlines } = params;
  const shape = { group, slots, width, chunkSlots, exponentBytes, minSenders, quotaPerSender, deadlines };
  return { network, round, membership, team, ...shape };
}

/** The longer of the round trips that both ends of a link have measured; a guess if neither has. */
function distanceIn({ nodes }: SchedulerState): Distance {
  return (a, b) => {
    const there = nodes.get(a)?.roundTripsMs.get(b);
    const back = nodes.get(b)?.roundTripsMs.get(a);
    return Math.max(there ?? back ?? UNKNOWN_ROUND_TRIP_MS, back ?? 0);
  };
}
