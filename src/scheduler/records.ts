// Records of rounds for the scheduler's tables and timeline: when each round was opened, ready, taking messages and over, the time of
// each phase over the whole team, and the stages of each node. All times are by one clock, the scheduler's, so that nodes that work on
// the same batch at the same time are not added up. Nothing here is about a sender, a slot or a message.
import type { ErrorCode, NodeId, RoundId } from '../base/index.js';
import type { PhaseName, Stage } from '../protocol/index.js';
import type { EndedRound, RoundRecord } from './machine/state.js';

/** Ended rounds whose rows are kept. */
const ROWS_MAX = 500;
/** Length of the timeline. */
export const TIMELINE_MS = 60_000;
/** Age up to which shares of the last minute are reused: they are read far more often than they change. */
const SHARES_MS = 1_000;
/** Spans kept, whatever the window: a bound for networks of many nodes. */
const SPANS_MAX = 50_000;

/** A phase from its first start on any node to its last end on any node, ms by the scheduler's clock. */
interface PhaseSpan {
  readonly startMs: number;
  readonly endMs: number | undefined;
}

export interface RoundRow {
  readonly round: RoundId;
  readonly state: Stage;
  readonly team: readonly NodeId[];
  readonly slots: number;
  readonly openedMs: number;
  readonly standbyMs: number | undefined;
  readonly queuedMs: number | undefined;
  readonly realtimeMs: number | undefined;
  readonly endedMs: number | undefined;
  readonly phases: Readonly<Partial<Record<PhaseName, PhaseSpan>>>;
  /** Its failure, as reported by the first node that named a culprit, else by the first node. */
  readonly failure: { readonly code: ErrorCode; readonly culprit: NodeId | undefined } | undefined;
  readonly blamed: readonly NodeId[];
}

/** A node at work on a round. */
export interface NodeSpan {
  readonly node: NodeId;
  readonly round: RoundId;
  readonly kind: 'precompute' | 'realtime';
  readonly fromMs: number;
  readonly toMs: number | undefined;
}

/** Shares of the last minute, 0 to 1. */
interface Utilisation {
  /** Share of the time with some round in realtime in which another round was precomputed; undefined if there was no such time. */
  readonly overlapShare: number | undefined;
  /** Share of the time in which a node was at work on a round, by node. */
  readonly busyShare: ReadonlyMap<NodeId, number>;
}

interface PhaseTimes {
  readonly startMs: number;
  endMs: number | undefined;
  readonly done: Set<NodeId>;
}

const spanKey = (node: NodeId, round: RoundId): string => `${round}/${node}`;

const KINDS: Partial<Record<Stage, NodeSpan['kind']>> = { PRECOMPUTING: 'precompute', REALTIME: 'realtime' };

export class RoundRecords {
  readonly #phases = new Map<RoundId, Map<PhaseName, PhaseTimes>>();
  readonly #rows = new Map<RoundId, RoundRow>();
  readonly #open = new Map<string, NodeSpan>();
  readonly #closed: (NodeSpan & { readonly toMs: number })[] = [];
  readonly #sinceMs: number;
  #shares: { readonly atMs: number; readonly of: Utilisation } | undefined;

  /** `nowMs`: begin of the observation. */
  constructor(nowMs: number) {
    this.#sinceMs = nowMs;
  }

  progress(node: NodeId, round: RoundId, phase: PhaseName, fraction: number, nowMs: number): void {
    let phases = this.#phases.get(round);
    if (!phases) {
      phases = new Map();
      this.#phases.set(round, phases);
    }
    let times = phases.get(phase);
    if (!times) {
      times = { startMs: nowMs, endMs: undefined, done: new Set() };
      phases.set(phase, times);
    }
    // Repeated and late reports change nothing.
    if (fraction < 1 || times.done.has(node)) return;
    times.done.add(node);
    times.endMs = nowMs;
  }

  /** Notes a node's report of another stage of a round. */
  stage(node: NodeId, round: RoundId, stage: Stage, nowMs: number): void {
    this.#close(node, round, nowMs);
    const kind = KINDS[stage];
    if (kind) this.#open.set(spanKey(node, round), { node, round, kind, fromMs: nowMs, toMs: undefined });
  }

  #close(node: NodeId, round: RoundId, nowMs: number): void {
    const span = this.#open.get(spanKey(node, round));
    if (!span) return;
    this.#open.delete(spanKey(node, round));
    this.#closed.push({ ...span, toMs: nowMs });
    if (this.#closed.length > SPANS_MAX) this.#closed.shift();
  }

  ended(record: EndedRound, blamed: readonly NodeId[]): void {
    const { round, team } = record.info;
    const { endedMs: nowMs } = record;
    for (const node of team) this.#close(node, round, nowMs);
    this.#rows.set(round, this.#row(record, blamed));
    this.#phases.delete(round);
    const recent = this.#closed.findIndex(({ toMs }) => nowMs - toMs < TIMELINE_MS);
    // None if no node was at work lately: rounds of a stock that was not wanted end like that.
    this.#closed.splice(0, recent < 0 ? this.#closed.length : recent);
    const [oldest] = this.#rows.keys();
    if (this.#rows.size > ROWS_MAX && oldest !== undefined) this.#rows.delete(oldest);
  }

  #row(record: RoundRecord, blamed: readonly NodeId[]): RoundRow {
    const { info, state, openedMs, standbyMs, queuedMs, realtimeMs, endedMs } = record;
    const { round, team, slots } = info;
    const failures = [...record.failures.values()];
    const first = failures.find(({ named }) => named !== undefined) ?? failures[0];
    const times = { openedMs, standbyMs, queuedMs, realtimeMs, endedMs };
    const failure = first && { code: first.code, culprit: first.named };
    return { round, state, team, slots, ...times, phases: this.#phaseTimes(round, team.length), failure, blamed };
  }

  /** A phase has ended when the whole team has ended it. */
  #phaseTimes(round: RoundId, teamSize: number): RoundRow['phases'] {
    const phases = [...(this.#phases.get(round) ?? [])];
    return Object.fromEntries(
      phases.map(([phase, { startMs, endMs, done }]) => [
        phase,
        { startMs, endMs: done.size === teamSize ? endMs : undefined },
      ]),
    );
  }

  /** Ended rounds and those that are open, oldest first. */
  rows(open: Iterable<RoundRecord>): readonly RoundRow[] {
    const rows = new Map(this.#rows);
    for (const record of open) if (!rows.has(record.info.round)) rows.set(record.info.round, this.#row(record, []));
    return [...rows.values()].sort((a, b) => a.round - b.round);
  }

  /** Work of nodes on rounds in the last minute. */
  spans(nowMs: number): readonly NodeSpan[] {
    return [...this.#closed.filter(({ toMs }) => nowMs - toMs < TIMELINE_MS), ...this.#open.values()];
  }

  /** Rounds completed per minute, over the last minute. */
  roundsPerMinute(nowMs: number): number {
    const windowMs = Math.max(Math.min(TIMELINE_MS, nowMs - this.#sinceMs), 1);
    const recent = [...this.#rows.values()].filter(
      ({ state, endedMs }) => state === 'COMPLETED' && endedMs !== undefined && nowMs - endedMs < windowMs,
    );
    return (60_000 * recent.length) / windowMs;
  }

  /** Utilisation, at most SHARES_MS old. */
  utilisation(nowMs: number): Utilisation {
    if (!this.#shares || nowMs - this.#shares.atMs >= SHARES_MS) {
      this.#shares = { atMs: nowMs, of: this.#utilisation(nowMs) };
    }
    return this.#shares.of;
  }

  #utilisation(nowMs: number): Utilisation {
    const sinceMs = Math.max(nowMs - TIMELINE_MS, this.#sinceMs);
    const byKind: Record<NodeSpan['kind'], Interval[]> = { precompute: [], realtime: [] };
    const byNode = new Map<NodeId, Interval[]>();
    for (const { node, kind, fromMs, toMs = nowMs } of this.spans(nowMs)) {
      const interval = { fromMs: Math.max(fromMs, sinceMs), toMs };
      byKind[kind].push(interval);
      const own = byNode.get(node);
      if (own) own.push(interval);
      else byNode.set(node, [interval]);
    }
    const windowMs = Math.max(nowMs - sinceMs, 1);
    const busy = [...byNode].map(([node, own]) => [node, totalLength(union(own)) / windowMs] as const);
    const realtime = union(byKind.realtime);
    const inRealtimeMs = totalLength(realtime);
    const overlapMs = totalLength(intersection(realtime, union(byKind.precompute)));
    return { overlapShare: inRealtimeMs > 0 ? overlapMs / inRealtimeMs : undefined, busyShare: new Map(busy) };
  }
}

interface Interval {
  readonly fromMs: number;
  readonly toMs: number;
}

const totalLength = (intervals: readonly Interval[]): number =>
  intervals.reduce((sum, { fromMs, toMs }) => sum + Math.max(0, toMs - fromMs), 0);

/** Intervals that cover the same time and do not overlap, in order. */
function union(intervals: readonly Interval[]): readonly Interval[] {
  const merged: { readonly fromMs: number; toMs: number }[] = [];
  for (const { fromMs, toMs } of [...intervals].sort((a, b) => a.fromMs - b.fromMs)) {
    const last = merged.at(-1);
    if (last && fromMs <= last.toMs) last.toMs = Math.max(last.toMs, toMs);
    else merged.push({ fromMs, toMs });
  }
  return merged;
}

/** Intersection of two lists as {@link union} makes them. */
function intersection(a: readonly Interval[], b: readonly Interval[]): readonly Interval[] {
  const both: Interval[] = [];
  const [lefts, rights] = [a.values(), b.values()];
  let [left, right] = [lefts.next(), rights.next()];
  while (!left.done && !right.done) {
    const fromMs = Math.max(left.value.fromMs, right.value.fromMs);
    const toMs = Math.min(left.value.toMs, right.value.toMs);
    if (fromMs < toMs) both.push({ fromMs, toMs });
    if (left.value.toMs < right.value.toMs) left = lefts.next();
    else right = rights.next();
  }
  return both;
}
