// The scheduler of a network: connects the machine that decides (machine/reducer.ts) with the feed to the nodes (feed.ts) and the store
// (store.ts). Everything happens in one order: an event is reduced, and its effects are carried out, before the next one; nothing is
// published before it is stored.
import {
  abort,
  asMixError,
  type Clock,
  MixError,
  type NodeId,
  type Rng,
  type RoundId,
  randomBytes,
  sleep,
} from '../base/index.js';
import type { Logger } from '../base/log.js';
import type { Metrics } from '../base/metrics.js';
import type { SigningKey } from '../cmix/index.js';
import type { SchedulerFeed } from '../comms/index.js';
import type { Engine } from '../engine/index.js';
import type { GroupName } from '../math/index.js';
import {
  isSignedBy,
  isSignedUpdate,
  type Membership,
  type NodeReport,
  type SignedRoundInfo,
  type SignedUpdate,
  type Stage,
} from '../protocol/index.js';
import { EvidenceJudge } from './evidenceJudge.js';
import { type FeedListener, RoundFeed } from './feed.js';
import { medianRoundTripMs, nodeStatus } from './machine/nodePool.js';
import { reduceScheduler } from './machine/reducer.js';
import {
  type EndedRound,
  initialState,
  type RoundRecord,
  type SchedulerEffect,
  type SchedulerEvent,
  type SchedulerState,
  type SchedulerStep,
  type SchedulerView,
} from './machine/state.js';
import { stockTarget } from './machine/stock.js';
import { SchedulerMetrics } from './metrics.js';
import { checkParams, type SchedulerParams } from './parameters.js';
import { type NodeSpan, RoundRecords, type RoundRow } from './records.js';
import { Registration } from './registration.js';
import type { NodeEntry, SchedulerStore } from './store.js';

/** Interval of ticks; a tick also follows each event. */
const TICK_MS = 200;
/** Pause before a failed write is repeated. */
const WRITE_RETRY_MS = 1_000;

interface SchedulerDeps {
  readonly network: string;
  readonly key: SigningKey;
  readonly membership: () => Membership;
  readonly params: SchedulerParams;
  /** `members` registers every node on the membership list, `codes` each member that brings a registration code. */
  readonly registration: 'members' | 'codes';
  readonly store: SchedulerStore;
  /** Engine that checks the proofs that nodes bring as evidence. */
  readonly engineOf: (group: GroupName) => Promise<Engine>;
  readonly clock: Clock;
  readonly rng: Rng;
  readonly log: Logger;
  readonly metrics: Metrics;
  readonly listener?: SchedulerListener;
}

interface SchedulerListener extends FeedListener {
  onEnded?(round: RoundRecord, blamed: readonly NodeId[]): void;
  /** Every step of the machine, before its effects are carried out. */
  onStep?(before: SchedulerState, event: SchedulerEvent, step: SchedulerStep): void;
}

export class Scheduler implements SchedulerFeed {
  readonly feed: RoundFeed;
  readonly #records: RoundRecords;
  readonly #deps: SchedulerDeps;
  readonly #metrics: SchedulerMetrics;
  readonly #streams = new Map<NodeId, number>();
  readonly #registration: Registration;
  readonly #judge: EvidenceJudge;
  /** Nodes that have registered, in this or an earlier run, with their bans and sit-outs; kept while they are no members. */
  readonly #registered = new Map<NodeId, NodeEntry>();
  readonly #writer: InsistentWriter;
  #state: SchedulerState;
  /** Number of updates by which nodes were ahead of this history: it is an older copy, or another one. */
  #lag = 0;
  #ticking = false;
  /** True once all that an earlier run left is resumed; nothing is decided before. */
  #scheduling = false;
  #closed = false;
  #completed = 0;
  #failed = 0;

  private constructor(deps: SchedulerDeps, feed: RoundFeed, state: SchedulerState, writer: InsistentWriter) {
    this.#writer = writer;
    const { metrics } = deps;
    metrics.observed('store_failing', '1 if the store cannot be written now, else 0', () => (writer.trouble ? 1 : 0));
    metrics.observed('history_lag_updates', 'Updates that nodes have seen and this history lacks', () => this.#lag);
    this.#deps = deps;
    this.feed = feed;
    this.#state = state;
    this.#records = new RoundRecords(deps.clock.nowMs());
    this.#registration = new Registration(deps.store, deps.clock);
    this.#judge = new EvidenceJudge({
      roundOf: (round) => feed.rounds.get(round)?.signed,
      publicKeyOf: (node) => deps.membership().find(node)?.identityKey,
      engineOf: deps.engineOf,
      log: deps.log,
      onConvicted: (signed, culprit, evidence) => this.#convicted(signed, culprit, evidence),
      onDissent: (round, nodes) => this.#dispatch({ type: 'dissent', round, nodes, atMs: deps.clock.nowMs() }),
      onFalse: (signed, node, what) => this.#false(signed, node, what),
    });
    this.#metrics = new SchedulerMetrics(deps.metrics, () => this.view());
  }

  /** Opens a scheduler and resumes what an earlier run left. @throws MixError STORE_FAILED, CONFIG_INVALID */
  static async open(deps: SchedulerDeps): Promise<Scheduler> {
    const { key, network, store, log, clock } = deps;
    const params = checkParams(deps.params);
    const { updates, torn, ended, assigned, nodes, barred, lastRound } = await store.recover();
    if (torn !== undefined)
      log.warn({ record: torn }, 'the last update on disk is incomplete and was dropped; no node has seen it');
    const writer = new InsistentWriter(clock, log);
    const keep = (update: SignedUpdate) => store.keep(update);
    const insist = (write: () => Promise<void>) => writer.insist(write);
    const feed = new RoundFeed(key, network, deps.listener, { published: updates, keep, insist });
    const state = { ...initialState(network, deps.membership().generation, params), barred, lastRound };
    const scheduler = new Scheduler(deps, feed, state, writer);
    for (const [node, entry] of nodes) scheduler.#registered.set(node, entry);
    await scheduler.#registerMembers();
    for (const { update } of updates) {
      if (update.kind !== 'open') continue;
      const { round } = update.round.info;
      if (ended.has(round)) {
        feed.ended(round);
        continue;
      }
      feed.resume(update.round);
      const isAssigned = assigned.has(round);
      scheduler.#dispatch({ type: 'resumed', info: update.round.info, assigned: isAssigned, atMs: clock.nowMs() });
    }
    scheduler.#scheduling = true;
    scheduler.#schedule();
    return scheduler;
  }

  /**
   * Registers all members, or only those that have brought a code if codes are required. A node that left and is back needs no other
   * code.
   */
  async #registerMembers(): Promise<void> {
    for (const { node } of this.#deps.membership().members) {
      const may = this.#deps.registration === 'members' || this.#registered.has(node);
      if (may && !this.#state.nodes.has(node)) await this.#register(node);
    }
  }

  async #register(node: NodeId): Promise<void> {
    // A node that was banned before it left is still banned.
    const known = this.#registered.get(node) ?? { banned: false };
    if (!this.#registered.has(node)) await this.#deps.store.node(node, known);
    this.#registered.set(node, known);
    const { banned, outUntilMs = 0 } = known;
    const { clock } = this.#deps;
    const atMs = clock.nowMs();
    this.#dispatch({ type: 'registered', node, atMs });
    if (banned) this.#dispatch({ type: 'banned', node, banned, atMs });
    // A conviction by an earlier run of the scheduler still holds.
    const leftMs = outUntilMs - clock.wallMs();
    if (leftMs > 0) this.#dispatch({ type: 'convicted', node, untilMs: atMs + leftMs, atMs });
  }

  /** Convicts a node by evidence, which is stored first, so that a restart does not let the node in again. */
  async #convicted(signed: SignedRoundInfo, culprit: NodeId, evidence: Uint8Array): Promise<void> {
    await this.#deps.store.evidence(signed, culprit, evidence);
    this.#metrics.convicted(culprit);
    await this.#takeOut(culprit, signed.info.round);
  }

  /** Convicts a node that has brought false evidence: the scheduler has seen that itself. */
  #false(signed: SignedRoundInfo, node: NodeId, what: string): void {
    const { round } = signed.info;
    this.#metrics.falseReport(node);
    this.#deps.log.warn({ round, node, what }, 'a node has sent false evidence');
    this.feed.inOrder(() => this.#takeOut(node, round));
  }

  async #takeOut(node: NodeId, round: RoundId): Promise<void> {
    const { clock, store } = this.#deps;
    const { convictedMs } = this.#state.params;
    const known = { ...(this.#registered.get(node) ?? { banned: false }), outUntilMs: clock.wallMs() + convictedMs };
    this.#registered.set(node, known);
    await store.node(node, known);
    const atMs = clock.nowMs();
    this.#dispatch({ type: 'convicted', node, round, untilMs: atMs + convictedMs, atMs });
  }

  /** Registers a member that brings a code, once. @throws MixError REGISTRATION_REFUSED, REGISTRATION_LIMIT, STORE_FAILED */
  async register(node: NodeId, code: string): Promise<void> {
    if (this.#closed) throw stopping();
    if (this.#state.nodes.has(node)) return;
    if (!this.#registered.has(node)) await this.#registration.use(node, code);
    await this.#register(node);
    this.#deps.log.info({ node }, 'a node has registered');
  }

  subscribe(node: NodeId, after: number, push: (update: SignedUpdate) => void): () => void {
    this.#streams.set(node, (this.#streams.get(node) ?? 0) + 1);
    const stop = this.feed.subscribe(node, after, push);
    let over = false;
    return () => {
      if (over) return;
      over = true;
      stop();
      const left = (this.#streams.get(node) ?? 1) - 1;
      if (left > 0) this.#streams.set(node, left);
      else this.#streams.delete(node);
      // The node may have come back over another stream before this one was found dead.
      if (left === 0 && !this.#closed) this.#dispatch({ type: 'offline', node, atMs: this.#deps.clock.nowMs() });
    };
  }

  async onReport(node: NodeId, report: NodeReport): Promise<void> {
    // Not acknowledged, so the node will report it to the next run.
    if (this.#closed) throw stopping();
    // The node was away for so long that it was forgotten.
    const forgotten = !this.#state.nodes.has(node) && this.#registered.has(node) && this.#deps.membership().find(node);
    if (report.kind === 'online' && forgotten) await this.#register(node);
    const atMs = this.#deps.clock.nowMs();
    if (report.kind === 'online') {
      const { bootId, openRounds, paused } = report;
      this.#dispatch({ type: 'online', node, bootId, openRounds, paused, atMs });
    }
    if (report.kind === 'stage') {
      const { bootId, round, stage, copies } = report;
      const failure = report.failure && (await this.#judge.hear(node, round, report.failure));
      if (this.#closed) throw stopping();
      this.#dispatch({ type: 'report', node, bootId, round, stage, failure, copies, atMs: this.#deps.clock.nowMs() });
    }
    if (report.kind === 'progress' && this.#state.rounds.get(report.round)?.info.team.includes(node)) {
      this.#records.progress(node, report.round, report.phase, report.fraction, atMs);
    }
    if (report.kind === 'wanted') this.#dispatch({ type: 'wanted', node, atMs });
    if (report.kind === 'seen') this.#heardNewest(node, report, atMs);
    if (report.kind === 'roundTrips') {
      this.#dispatch({ type: 'roundTrips', node, roundTrips: report.roundTrips, atMs });
    }
    this.feed.onReport(node, report);
    await this.feed.settled();
  }

  /**
   * Handles a node that has seen more than this history knows: an older copy was restored, or an empty one begun. The node shows updates
   * that this scheduler has signed, so nobody can make the numbers up. The scheduler continues above them: nodes would drop lower
   * numbers, and refuse rounds that they have run.
   */
  #heardNewest(node: NodeId, { last, newest }: NodeReport & { kind: 'seen' }, atMs: number): void {
    const { key, network, store, log } = this.#deps;
    const { publicKey } = key;
    if (last.number > this.feed.number && isSignedUpdate(publicKey, network, last)) {
      const lag = last.number - this.feed.number;
      this.#lag += lag;
      log.error(
        { node, seen: last.number, known: this.feed.number, lag },
        'this history is older than what nodes have seen; going on above it',
      );
      this.feed.goOnAbove(last.number);
      this.feed.inOrder(() => store.skipTo(last.number + 1));
    }
    const { lastRound } = this.#state;
    if (!newest || newest.info.round <= lastRound || newest.info.network !== network) return;
    if (isSignedBy(newest, publicKey)) this.#dispatch({ type: 'heardOf', round: newest.info.round, atMs });
  }

  /** Nodes of a team, by the present parameters. */
  get teamSize(): number {
    return this.#state.params.teamSize;
  }

  /** Present faults; `fatal` if no round can be opened. */
  get faults(): readonly { readonly reason: string; readonly fatal: boolean }[] {
    const { trouble } = this.#writer;
    const lag = `history: older than what nodes have seen, by ${this.#lag} updates (an older copy was restored); it goes on above`;
    return [
      ...(trouble === undefined ? [] : [{ reason: `store: ${trouble}`, fatal: true }]),
      ...(this.#lag === 0 ? [] : [{ reason: lag, fatal: false }]),
    ];
  }

  /** Changes the parameters; open rounds keep theirs. @throws MixError CONFIG_INVALID: nothing has changed then */
  setParams(params: SchedulerParams): void {
    this.#dispatch({ type: 'params', params: checkParams(params), atMs: this.#deps.clock.nowMs() });
  }

  /** Takes up a changed membership list. */
  async membershipChanged(): Promise<void> {
    const { generation, members } = this.#deps.membership();
    const nodes = members.map(({ node }) => node);
    const kept = new Set(nodes);
    this.#registration.keep(kept);
    this.feed.keep(kept);
    this.#dispatch({ type: 'members', generation, nodes, atMs: this.#deps.clock.nowMs() });
    await this.#registerMembers();
  }

  /** Bans a node, or lifts its ban. @throws MixError INPUT_INVALID if it has never registered, STORE_FAILED */
  async ban(node: NodeId, banned: boolean): Promise<void> {
    if (!this.#registered.has(node)) throw new MixError('INPUT_INVALID', { node, why: 'it has not registered' });
    // Lifting a ban lifts convictions, too.
    const known = banned ? { ...this.#registered.get(node), banned } : { banned };
    await this.#deps.store.node(node, known);
    this.#registered.set(node, known);
    this.#dispatch({ type: 'banned', node, banned, atMs: this.#deps.clock.nowMs() });
  }

  /** Rounds that have ended lately, and open rounds. */
  rounds(): readonly RoundRow[] {
    return this.#records.rows(this.#state.rounds.values());
  }

  /** Work of nodes on rounds in the last minute. */
  spans(): readonly NodeSpan[] {
    return this.#records.spans(this.#deps.clock.nowMs());
  }

  view(): SchedulerView {
    const { nodes, rounds, params, demand } = this.#state;
    const nowMs = this.#deps.clock.nowMs();
    const { overlapShare, busyShare } = this.#records.utilisation(nowMs);
    const count = (...states: RoundRecord['state'][]) =>
      [...rounds.values()].filter(({ state }) => states.includes(state)).length;
    return {
      nodes: [...nodes.values()].map((record) => ({
        node: record.node,
        status: nodeStatus(record, params, nowMs),
        rounds: record.activity.size,
        stages: counted([...record.activity.values()]),
        engine: this.feed.nodes.get(record.node)?.engine ?? '',
        busyShare: rounded(busyShare.get(record.node) ?? 0),
        roundTripMs: medianRoundTripMs(record),
        blamed: record.blamed.filter(Boolean).length,
      })),
      stock: [...rounds.values()].filter(({ state, queuedMs }) => state === 'STANDBY' && queuedMs === undefined).length,
      stockTarget: stockTarget(demand, params),
      precomputing: count('PENDING', 'PRECOMPUTING'),
      realtime: count('QUEUED', 'REALTIME'),
      consumed: demand.consumed,
      waited: demand.waited,
      completed: this.#completed,
      failed: this.#failed,
      roundsPerMinute: rounded(this.#records.roundsPerMinute(nowMs)),
      overlapShare: overlapShare === undefined ? null : rounded(overlapShare),
    };
  }

  #dispatch(event: SchedulerEvent): void {
    if (this.#closed) return;
    const step = reduceScheduler(this.#state, event);
    this.#deps.listener?.onStep?.(this.#state, event, step);
    this.#state = step.state;
    if (event.type === 'report' && !step.effects.some(({ type }) => type === 'ignored')) {
      this.#records.stage(event.node, event.round, event.stage, event.atMs);
    }
    for (const effect of step.effects) this.#carryOut(effect);
    if (event.type !== 'tick' && this.#scheduling) this.#tickSoon();
  }

  #carryOut(effect: SchedulerEffect): void {
    const { log, store } = this.#deps;
    switch (effect.type) {
      case 'open':
        this.feed.open(effect.info);
        return;
      case 'assign':
        this.feed.assign(effect.round);
        return;
      case 'fail':
        // The expiry of a stock that nobody wanted is not worth a warning.
        log[effect.isExpiry ? 'info' : 'warn']({ round: effect.round, reason: effect.reason }, 'round given up');
        this.feed.fail(effect.round, effect.reason);
        return;
      case 'over':
        // Stored before a round is opened in its place: a restart must not count both.
        this.feed.inOrder(() => store.ended(effect.round));
        this.feed.ended(effect.round);
        return;
      case 'ended':
        this.#ended(effect.round, effect.blamed);
        return;
      case 'barred':
        this.#metrics.barred();
        log.error(
          { round: effect.round, team: effect.team.split('/') },
          'a team has copied a message and is not drawn again',
        );
        this.feed.inOrder(() => store.bar(effect.team));
        return;
      case 'outByPairs':
        this.#metrics.outByPairs(effect.node);
        log.warn({ node: effect.node }, 'a node is in too many pairs of accuser and accused: it sits out');
        return;
      case 'ignored':
        this.#metrics.ignored();
        log.debug({ node: effect.node, what: effect.what }, 'ignored');
    }
  }

  #ended(round: EndedRound, blamed: readonly NodeId[]): void {
    const { listener, log } = this.#deps;
    this.#metrics.ended(round, blamed);
    this.#records.ended(round, blamed);
    if (round.state === 'COMPLETED') this.#completed++;
    else this.#failed++;
    if (blamed.length > 0) log.warn({ round: round.info.round, blamed }, 'nodes to blame for a failed round');
    listener?.onEnded?.(round, blamed);
  }

  /** Schedules one tick for all events of this turn of the event loop. */
  #tickSoon(): void {
    if (this.#ticking) return;
    this.#ticking = true;
    queueMicrotask(() => {
      this.#ticking = false;
      this.#tick();
    });
  }

  #tick(): void {
    const { rng, clock } = this.#deps;
    // Decide nothing that could not be announced.
    if (this.#writer.trouble !== undefined) return;
    this.#dispatch({ type: 'tick', randomness: randomBytes(rng, 32), atMs: clock.nowMs() });
  }

  #schedule(): void {
    if (this.#closed) return;
    this.#tick();
    this.#deps.clock.after(TICK_MS, () => this.#schedule());
  }

  /** Opens and assigns nothing any more; resolves when the last write has ended. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#writer.stop();
    await this.feed.settled();
  }
}

/** Repeats a write until it succeeds: a disk that is full for a moment is no reason to open no round ever again. */
class InsistentWriter {
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #stop = new AbortController();
  #trouble: string | undefined;

  constructor(clock: Clock, log: Logger) {
    this.#clock = clock;
    this.#log = log;
  }

  /** Reason of the last write's failure; undefined if it succeeded. */
  get trouble(): string | undefined {
    return this.#trouble;
  }

  async insist(write: () => Promise<void>): Promise<void> {
    for (;;) {
      try {
        await write();
        if (this.#trouble !== undefined) this.#log.info('updates can be written down again');
        this.#trouble = undefined;
        return;
      } catch (thrown) {
        const error = asMixError(thrown);
        if (this.#trouble === undefined) {
          this.#log.error(
            { code: error.code, reason: error.message },
            'an update cannot be written down: no round is opened',
          );
        }
        this.#trouble = error.message;
        if (this.#stop.signal.aborted) throw error;
        await sleep(this.#clock, WRITE_RETRY_MS, this.#stop.signal);
      }
    }
  }

  stop(): void {
    abort(this.#stop);
  }
}

const rounded = (value: number): number => Math.round(1_000 * value) / 1_000;
const stopping = () => new MixError('LINK_DOWN', { detail: 'the scheduler stops' });

function counted(stages: readonly Stage[]): Partial<Record<Stage, number>> {
  const counts: Partial<Record<Stage, number>> = {};
  for (const stage of stages) counts[stage] = (counts[stage] ?? 0) + 1;
  return counts;
}
