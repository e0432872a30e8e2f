// All rounds of one node: opens them by signed RoundInfo, dispatches messages and batches to their round, takes submissions,
// keeps the outputs of recent rounds, and ends rounds when a peer is lost or the node shuts down. A failing round affects no
// other; an error of a round leaves this file only as a report.
import {
  type BootId,
  type Clock,
  type ErrorCode,
  equalBytes,
  MixError,
  type NodeId,
  type Rng,
  type RoundId,
  type SenderId,
} from '../base/index.js';
import type { Logger } from '../base/log.js';
import type { Metrics } from '../base/metrics.js';
import type { SigningKey } from '../cmix/index.js';
import type { Engine } from '../engine/index.js';
import type { GroupName } from '../math/index.js';
import {
  type BatchHeader,
  type BatchSink,
  type CirclePing,
  type Claim,
  type ClaimRejection,
  type Link,
  type LinkReceiver,
  type NodeReport,
  type Outcome,
  ringEntry,
  type SignedRoundInfo,
  type SignedTeamMessage,
  type Stage,
} from '../protocol/index.js';
import { checkedFacts, DEFAULT_LIMITS, type RoundLimits, type RoundRules } from './acceptance.js';
import { Liveness, type PeerWatchOptions } from './exchange/liveness.js';
import { Refusals } from './exchange/refusals.js';
import { DEFAULT_RETRY, RetryingSender, type RetryPolicy } from './exchange/retryingSender.js';
import type { LinkWarmUp } from './exchange/warmUp.js';
import type { LostRound, RoundJournal } from './journal.js';
import { isOver } from './machine/admission.js';
import type { RoundFailure } from './machine/state.js';
import { findOutcome } from './outcome.js';
import { roundMemoryBytes } from './run/memory.js';
import { Round, type RoundDeps, type SignedOutputs } from './run/round.js';
import { type Submission, SubmissionDesk } from './submissions/desk.js';
import type { SenderRegistry } from './submissions/senderRegistry.js';

export interface RoundManagerDeps {
  readonly network: string;
  readonly bootId: BootId;
  readonly key: SigningKey;
  /** Public key whose signature makes a RoundInfo valid. */
  readonly roundAuthority: Uint8Array;
  /** Opens the engine of a group that this node mixes in. */
  readonly engineOf: (group: GroupName) => Promise<Engine>;
  readonly publicKeyOf: (node: NodeId) => Uint8Array | undefined;
  readonly membershipGeneration: () => number;
  readonly registry: SenderRegistry;
  readonly journal: RoundJournal;
  readonly link: Link;
  /** Warms up links ahead of rounds; optional. */
  readonly warmUp?: LinkWarmUp;
  readonly clock: Clock;
  readonly rng: Rng;
  readonly log: Logger;
  readonly metrics: Metrics;
  readonly report: (report: NodeReport) => void;
  readonly limits?: RoundLimits;
  readonly retry?: RetryPolicy;
  readonly peerWatch?: PeerWatchOptions;
  /** Makes the rounds of this node; the simulator makes malicious ones with it. */
  readonly makeRound?: (facts: Round['facts'], deps: RoundDeps) => Round;
}

interface OpenRound {
  readonly signed: SignedRoundInfo;
  readonly round: Round;
  readonly desk: SubmissionDesk | undefined;
}

/** Log values about equal outputs; empty if all differ, as they do among honest members. */
const noteCopies = (outputs: SignedOutputs | undefined): { readonly copies?: number } =>
  outputs && outputs.copies > 0 ? { copies: outputs.copies } : {};

/** Errors by which a peer refuses the caller itself, and not the message. */
const REFUSED_FOR_GOOD: readonly ErrorCode[] = [
  'PEER_UNKNOWN',
  'PEER_ROLE',
  'CERTIFICATE_EXPIRED',
  'CERTIFICATE_NOT_YET_VALID',
  'HANDSHAKE_REFUSED',
  'PROTOCOL_UNSUPPORTED',
];

export class RoundManager implements LinkReceiver {
  readonly #deps: RoundManagerDeps;
  readonly #limits: RoundLimits;
  readonly #rounds = new Map<RoundId, OpenRound>();
  /** Rounds that are about to begin, and the memory reserved for each. */
  readonly #opening = new Map<RoundId, number>();
  /** Rounds that were open when an earlier run of this node ended. */
  readonly #lostRounds = new Map<RoundId, LostRound>();
  readonly #sender: RetryingSender;
  readonly #watch: Liveness;
  readonly #refusals: Refusals;
  readonly #ended;
  readonly #copied;
  readonly #acceptedWatchers = new Set<(origin: string) => void>();
  #closing = false;

  constructor(deps: RoundManagerDeps) {
    this.#deps = deps;
    this.#limits = deps.limits ?? DEFAULT_LIMITS;
    const { link, clock, rng, log, metrics } = deps;
    const retry = deps.retry ?? DEFAULT_RETRY;
    this.#refusals = new Refusals(metrics);
    this.#ended = metrics.counter('rounds_ended_total', 'Rounds that ended, by stage and error code', [
      'stage',
      'code',
    ]);
    this.#copied = metrics.counter('rounds_copied_total', 'Completed rounds of which some outputs are equal');
    this.#sender = new RetryingSender({
      link,
      clock,
      rng,
      log,
      retry,
      onPeerLost: (peer) => this.#trouble(peer, 'PEER_LOST'),
      onRefused: (peer, round, what, error) => this.#onRefused(peer, round, what, error),
    });
    this.#watch = new Liveness({
      link,
      clock,
      options: deps.peerWatch ?? { intervalMs: 1_000, lostMs: retry.peerLostMs },
      watched: () => this.#peersOfOpenRounds(),
      onTrouble: (peer, trouble) => this.#trouble(peer, trouble),
    });
    metrics.observed('round_secret_bytes', 'Bytes of round secrets alive', () => this.secretBytes);
    metrics.observed('round_memory_bytes', 'Memory that rounds hold or may come to need', () => this.memoryBytes);
    metrics.observed('rounds_open', 'Rounds that have not ended', () => this.#openCount());
  }

  /** Fails the rounds that an earlier run left open and starts to watch peers. Call once. */
  async start(): Promise<void> {
    for (const lost of await this.#deps.journal.recover()) {
      const { round, unreadable: record } = lost;
      if (record)
        this.#deps.log.warn({ record, round }, 'the record of a round is unreadable; the round counts as failed');
      const reporter = this.#deps.key.nodeId;
      const failure = { code: 'PEER_RESTARTED', culprit: reporter, reporter, detail: 'this node restarted' } as const;
      this.#deps.report({ kind: 'stage', round, bootId: this.#deps.bootId, stage: 'FAILED', failure });
      this.#lostRounds.set(round, lost);
    }
    void this.#watch.run();
  }

  /** `onAccepted`: called with the origin of each submission that enters a table: a whole team has accepted it. */
  watchAccepted(onAccepted: (origin: string) => void): void {
    this.#acceptedWatchers.add(onAccepted);
  }

  get secretBytes(): number {
    let sum = 0;
    for (const { round } of this.#rounds.values()) sum += round.secretBytes;
    return sum;
  }

  /** Memory that open rounds may come to need, and ended ones still hold. */
  get memoryBytes(): number {
    let sum = 0;
    for (const bytes of this.#opening.values()) sum += bytes;
    for (const { round } of this.#rounds.values()) {
      const { info, group } = round.facts;
      sum += isOver(round.stage) ? round.heldBytes : roundMemoryBytes(info, group);
    }
    return sum;
  }

  /** Stage of every round this node still knows. */
  get stages(): ReadonlyMap<RoundId, Stage> {
    return new Map([...this.#rounds].map(([id, { round }]) => [id, round.stage]));
  }

  /** Stages of all rounds, recently ended ones included: for a scheduler that was away. */
  reports(): NodeReport[] {
    const { bootId } = this.#deps;
    return [...this.#rounds].map(([id, { round }]) => {
      const { stage, failure, outputs } = round;
      return { kind: 'stage', round: id, bootId, stage, failure, ...noteCopies(outputs) };
    });
  }

  /**
   * Opens a round. @throws MixError ROUND_INFO_INVALID, SIGNATURE_INVALID, ROUND_REUSED, ROUND_LIMIT, MEMORY_LIMIT, SHUTTING_DOWN, …
   */
  async openRound(signed: SignedRoundInfo): Promise<void> {
    if (this.#closing) throw new MixError('SHUTTING_DOWN');
    const facts = checkedFacts(signed, this.#rules());
    const { info, group, position } = facts;
    if (this.#rounds.has(info.round) || this.#opening.has(info.round))
      throw new MixError('ROUND_REUSED', { round: info.round });
    if (this.#openCount() + this.#opening.size >= this.#limits.openRounds) {
      throw new MixError('ROUND_LIMIT', { open: this.#limits.openRounds });
    }
    const neededBytes = roundMemoryBytes(info, group);
    const [taken, most] = [this.memoryBytes, this.#limits.memoryBytes];
    if (taken + neededBytes > most) throw new MixError('MEMORY_LIMIT', { neededBytes, taken, most });
    this.#opening.set(info.round, neededBytes);
    try {
      const engine = await this.#deps.engineOf(group.name);
      await this.#deps.journal.open(info.round);
      if (this.#closing) throw new MixError('SHUTTING_DOWN');
      this.#begin(signed, facts, engine);
    } finally {
      this.#opening.delete(info.round);
    }
    this.#deps.log.debug({ round: info.round, position, bootId: this.#deps.bootId }, 'round opened');
  }

  #rules(): RoundRules {
    const { key, network, roundAuthority, publicKeyOf, membershipGeneration } = this.#deps;
    const { slots, width, floors } = this.#limits;
    const membership = membershipGeneration();
    return { self: key.nodeId, network, membership, roundAuthority, publicKeyOf, slots, width, floors };
  }

  #begin(signed: SignedRoundInfo, facts: Round['facts'], engine: Engine): void {
    const { clock, rng, key, registry, journal, makeRound = (...args) => new Round(...args) } = this.#deps;
    const { info } = facts;
    const desk = facts.position === 0 ? this.#openDesk(facts, () => round) : undefined;
    const round: Round = makeRound(facts, {
      engine,
      rng,
      clock,
      key,
      sender: this.#sender,
      desk,
      log: this.#deps.log,
      senders: {
        secretOf: (sender) => registry.findSecret(sender),
        hold: (sender) => registry.hold(sender, info.round),
        mixed: (senders) => registry.mixed(senders),
      },
      reserveRealtime: () => journal.reserveRealtime(info.round),
      onStage: (stage, failure) => this.#onStage(round, stage, failure),
      onProgress: (phase, fraction) => this.#deps.report({ kind: 'progress', round: info.round, phase, fraction }),
    });
    this.#rounds.set(info.round, { signed, round, desk });
    round.dispatch({ type: 'open' });
  }

  /** Opens the desk of a round whose first node this is. */
  #openDesk({ info, group, digest }: Round['facts'], round: () => Round): SubmissionDesk {
    const { registry, clock } = this.#deps;
    const senders = {
      get epoch() {
        return registry.epoch;
      },
      secretOf: (sender: SenderId) => registry.findSecret(sender),
      hold: (sender: SenderId) => registry.hold(sender, info.round),
      strike: (sender: SenderId) => registry.strike(sender),
      accepted: (origin: string) => {
        for (const watcher of this.#acceptedWatchers) watcher(origin);
      },
    };
    const ask = (position: number, claims: readonly Claim[]) =>
      this.#sender.screen(ringEntry(info.team, position), info.round, claims, round().collecting);
    return new SubmissionDesk(info, group, digest, senders, { clock, ask });
  }

  #onStage(round: Round, stage: Stage, failure: RoundFailure | undefined): void {
    const { info } = round.facts;
    const id = info.round;
    const report = failure && round.failure;
    this.#deps.warmUp?.onStage(info, stage);
    const { copies } = noteCopies(round.outputs);
    this.#deps.report({
      kind: 'stage',
      round: id,
      bootId: this.#deps.bootId,
      stage,
      failure: report,
      ...noteCopies(round.outputs),
    });
    if (copies !== undefined) {
      this.#copied.inc();
      this.#deps.log.warn({ round: id, copies }, 'equal outputs in a round: a node or a sender has copied a message');
    }
    if (stage === 'QUEUED' && round.facts.position === 0) {
      // Found by its id: the timer must not keep a round that is forgotten meanwhile.
      this.#deps.clock.after(info.deadlines.collectMs, () => this.#rounds.get(id)?.round.closeBatch());
    }
    if (!isOver(stage)) return;
    this.#deps.registry.letGo(id);
    this.#ended.inc({ stage, code: failure?.code ?? '' });
    if (report) {
      const { code, culprit, accused, reporter, detail, evidence } = report;
      const shown = { code, culprit, accused, reporter, detail, evidenceBytes: evidence?.length };
      this.#deps.log.warn({ round: id, ...shown }, 'round failed');
    }
    this.#deps.journal
      .end(id, stage)
      .catch((err) => this.#deps.log.error({ err, round: id }, 'round record not written'));
    this.#forgetOldRounds();
  }

  /** The scheduler lets a round take messages. @throws MixError ROUND_UNKNOWN */
  assign(id: RoundId): void {
    this.#get(id).round.dispatch({ type: 'assign' });
  }

  /** Fails a round that the scheduler has given up. */
  failRound(id: RoundId, reason: string): void {
    this.#get(id).round.dispatch({ type: 'fault', code: 'SCHEDULER_FAILED', detail: reason });
  }

  async onMessage(from: NodeId, signed: SignedTeamMessage): Promise<void> {
    await this.#refusals.counted(signed.message.kind, () =>
      this.#get(signed.round).round.inbox.onMessage(from, signed),
    );
  }

  onBatch(from: NodeId, header: BatchHeader): BatchSink {
    const { phase } = header;
    const sink = this.#refusals.countedNow(phase, () => this.#get(header.round).round.inbox.onBatch(from, header));
    return {
      chunk: (index, bytes) => this.#refusals.countedNow(phase, () => sink.chunk(index, bytes)),
      end: (trailer) => this.#refusals.counted(phase, () => sink.end(trailer)),
    };
  }

  onScreen(from: NodeId, id: RoundId, claims: readonly Claim[]): readonly ClaimRejection[] {
    return this.#refusals.countedNow('screening', () => this.#get(id).round.screen(from, claims));
  }

  onPing(): BootId {
    return this.#deps.bootId;
  }

  onCircle(from: NodeId, ping: CirclePing): void {
    this.#refusals.countedNow('circle', () => {
      const { warmUp } = this.#deps;
      if (!warmUp) throw new MixError('ROUND_UNKNOWN', { round: Number(ping.round) });
      warmUp.onCircle(from, ping);
    });
  }

  /**
   * Takes a message for a round; if it has to wait for a seat, the promise resolves when it has one. `origin`: where it comes from.
   * @throws MixError: see SubmissionDesk.take; PHASE_SENDER_WRONG at any but the first node
   */
  submit(id: RoundId, submission: Submission, origin?: string): Promise<void> | undefined {
    return this.#refusals.countedNow('submission', () => {
      const { round, desk } = this.#get(id);
      if (!desk) throw new MixError('PHASE_SENDER_WRONG', { what: 'not the first node of this round' });
      if (isOver(round.stage)) throw round.endError();
      if (round.stage !== 'QUEUED' && !desk.closed)
        throw new MixError('ROUND_NOT_COLLECTING', { round: id, stage: round.stage });
      const seat = desk.take(submission, origin);
      if (desk.full) round.closeBatch();
      return seat;
    });
  }

  /** Rounds that take messages: those whose first node this is, and those of `elsewhere` that this node does not know to be closed. */
  collecting(elsewhere: readonly SignedRoundInfo[] = []): SignedRoundInfo[] {
    const here = [...this.#rounds.values()].filter(
      ({ round, desk }) => desk && !desk.closing && round.stage === 'QUEUED',
    );
    const { nodeId } = this.#deps.key;
    const mayTake = ({ info }: SignedRoundInfo) => {
      const own = this.#rounds.get(info.round);
      // A round of this node that is not in #rounds was lost with an earlier run, or has ended and is forgotten.
      return own ? !own.desk && own.round.stage === 'QUEUED' : !info.team.includes(nodeId);
    };
    return [...here.map(({ signed }) => signed), ...elsewhere.filter(mayTake)];
  }

  /** Returns the outcome of a submission; any node of the team knows it. */
  outcome(id: RoundId, sender: SenderId, salt: Uint8Array): Outcome {
    const lost = this.#lostRounds.get(id);
    // Before realtime no share is opened. Later one may have been: only members that did not restart know.
    if (lost?.realtime) return { state: 'unknown', resendable: false };
    if (lost) return { state: 'failed', code: 'PEER_RESTARTED', resendable: true };
    const { round, desk } = this.#get(id);
    return findOutcome(round, desk, sender, salt);
  }

  /** Returns the outputs of a completed, recent round. @throws MixError ROUND_UNKNOWN, OUTPUTS_UNKNOWN, ROUND_OVER if it failed */
  outputs(id: RoundId): SignedOutputs & { readonly signed: SignedRoundInfo } {
    const { round, signed } = this.#get(id);
    if (round.stage === 'FAILED') throw round.endError();
    const { outputs } = round;
    if (!outputs) throw new MixError('OUTPUTS_UNKNOWN', { round: id, stage: round.stage });
    return { ...outputs, signed };
  }

  /** Fails the rounds that are in STANDBY, QUEUED or REALTIME, and starts the next epoch. */
  rotateEpoch(): void {
    for (const { round } of this.#rounds.values()) {
      const detail = 'the key epoch of this node ended';
      if (round.stage === 'QUEUED' || round.stage === 'REALTIME' || round.stage === 'STANDBY') {
        round.dispatch({ type: 'fault', code: 'EPOCH_EXPIRED', detail });
      }
    }
    this.#deps.registry.rotate();
  }

  /** Fails rounds of which a team member has left the membership list, or has another key. */
  membershipChanged(): void {
    for (const { round } of this.#rounds.values()) {
      const gone = round.facts.members.find(({ node, publicKey }) => {
        const key = this.#deps.publicKeyOf(node);
        return !key || !equalBytes(key, publicKey);
      });
      if (!gone || isOver(round.stage)) continue;
      const detail = `node ${gone.node} is no member any more`;
      round.dispatch({ type: 'fault', code: 'PEER_UNKNOWN', culprit: gone.position, detail });
    }
  }

  /** Takes no more rounds and fails the open ones, so that their teams and senders are told. */
  shutDown(reason: string): void {
    this.#closing = true;
    for (const { round } of this.#rounds.values()) {
      if (!isOver(round.stage))
        round.dispatch({ type: 'fault', code: 'SHUTTING_DOWN', culprit: round.facts.position, detail: reason });
    }
  }

  close(): void {
    this.shutDown('the node stops');
    this.#watch.close();
    this.#deps.warmUp?.close();
    for (const { round } of this.#rounds.values()) round.close();
    this.#deps.registry.wipe();
  }

  #get(id: RoundId): OpenRound {
    const found = this.#rounds.get(id);
    // A teammate that gets this code need not wait for the round any longer.
    if (!found && this.#lostRounds.has(id)) throw new MixError('ROUND_REUSED', { round: id });
    if (!found) throw new MixError('ROUND_UNKNOWN', { round: Number(id) });
    return found;
  }

  #openCount(): number {
    return [...this.#rounds.values()].filter(({ round }) => !isOver(round.stage)).length;
  }

  *#peersOfOpenRounds(): Iterable<NodeId> {
    for (const { round } of this.#rounds.values()) {
      if (isOver(round.stage)) continue;
      for (const node of round.facts.info.team) if (node !== round.facts.self) yield node;
    }
  }

  #trouble(peer: NodeId, code: 'PEER_LOST' | 'PEER_RESTARTED'): void {
    for (const { round } of this.#rounds.values()) {
      const culprit = round.facts.info.team.indexOf(peer);
      if (culprit >= 0) round.dispatch({ type: 'fault', code, culprit, detail: `node ${peer}` });
    }
  }

  #onRefused(peer: NodeId, id: RoundId, what: string, error: MixError): void {
    this.#deps.log.warn({ round: id, peer, what, code: error.code }, 'a peer refused a message of this node');
    const round = this.#rounds.get(id)?.round;
    const culprit = round?.facts.info.team.indexOf(peer);
    // The peer ran this round before and has lost it.
    if (error.code === 'ROUND_REUSED' && round && culprit !== undefined)
      round.dispatch({ type: 'fault', code: 'PEER_RESTARTED', culprit, detail: `node ${peer}` });
    // Nothing of this node reaches the peer any more, and a round needs every member. Which of the two is at fault is unknown.
    if (REFUSED_FOR_GOOD.includes(error.code) && round && culprit !== undefined) {
      const detail = `node ${peer} refuses node ${this.#deps.key.nodeId}: ${error.message}`;
      round.dispatch({ type: 'fault', code: 'LINK_REFUSED', culprit, detail });
    }
  }

  #forgetOldRounds(): void {
    const ended = [...this.#rounds].filter(([, { round }]) => isOver(round.stage));
    for (const [id, { round }] of ended.slice(0, Math.max(0, ended.length - this.#limits.keptRounds))) {
      round.close();
      this.#rounds.delete(id);
    }
  }
}
