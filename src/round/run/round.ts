// One round on one node: carries out the effects of the state machine. Events come from the inbox, from finished work, from
// timers and from the scheduler; they are processed one at a time, and each effect starts work, sends, arms a timer or ends the
// round. At the end, work stops and every secret is wiped before anything else happens.
import { setMaxListeners } from 'node:events';
import {
  abort,
  asMixError,
  type CancelTimer,
  type Clock,
  MixError,
  type NodeId,
  type Rng,
  sleep,
} from '../../base/index.js';
import type { Logger } from '../../base/log.js';
import { encodedTableDigest, encodeTable, type SigningKey, type TableJudge } from '../../cmix/index.js';
import type { Engine } from '../../engine/index.js';
import {
  type BatchPhase,
  type Claim,
  type ClaimRejection,
  encodeStatement,
  type FailureReport,
  memberAt,
  messageDigest,
  messageStatement,
  type PhaseName,
  type RoundFacts,
  type SignedTeamMessage,
  type Stage,
  type TeamMessage,
} from '../../protocol/index.js';
import { Inbox } from '../exchange/inbox.js';
import { type RetryingSender, roundEnded } from '../exchange/retryingSender.js';
import { isOver, refusal } from '../machine/admission.js';
import { Deadlines } from '../machine/deadlines.js';
import { initialState, step } from '../machine/reducer.js';
import {
  allSaid,
  type PlainMessage,
  type Proposal,
  type ProposalMessage,
  type RoundEffect,
  type RoundEvent,
  type RoundFailure,
  type RoundState,
  saidBy,
  type Task,
} from '../machine/state.js';
import type { SubmissionDesk } from '../submissions/desk.js';
import { RoundContext } from './context.js';
import { failureReport, findEvidence } from './failures.js';
import { Precompute, type Standby } from './precompute.js';
import { Realtime, type RoundOutputs, type RoundSenders } from './realtime.js';
import { RoundSecrets } from './secrets.js';
import { Steps } from './steps.js';

/** Limit of evidence that a member passes on as hearsay: small enough for the whole team to send. */
const EVIDENCE_AGAIN_BYTES = 64 * 1024;

/** Time for which an ended round still delivers what others need to end it, too. */
const LINGER_MS = 30_000;

export interface RoundDeps {
  readonly engine: Engine;
  readonly rng: Rng;
  readonly clock: Clock;
  readonly log: Logger;
  readonly key: SigningKey;
  readonly sender: RetryingSender;
  readonly senders: RoundSenders;
  /** Records the round, synced, before its first realtime byte; rejects if the round was mixed before. */
  readonly reserveRealtime: () => Promise<void>;
  readonly onStage: (stage: Stage, failure: RoundFailure | undefined) => void;
  readonly onProgress: (phase: PhaseName, fraction: number) => void;
  /** Takes messages while QUEUED; node 1 only. */
  readonly desk: SubmissionDesk | undefined;
}

/** Outputs with the signatures of all members under their digest, in ring order. */
export interface SignedOutputs extends RoundOutputs {
  readonly signatures: readonly Uint8Array[];
}

export class Round {
  readonly facts: RoundFacts;
  readonly inbox: Inbox;
  readonly #deps: RoundDeps;
  readonly #context: RoundContext;
  readonly #secrets: RoundSecrets;
  readonly #precompute: Precompute;
  readonly #realtime: Realtime;
  readonly #steps: Steps;
  readonly #work = new AbortController();
  readonly #sending = new AbortController();
  readonly #queue: RoundEvent[] = [];
  #stepping = false;
  readonly #deadlines: Deadlines;
  #state: RoundState;
  #endLinger: CancelTimer = () => {};
  #cancelWait: CancelTimer = () => {};
  readonly #screening = new AbortController();
  /** Evidence of the failure that this node has found. */
  #evidence: Uint8Array | undefined;
  /** This node has told the team that the round has failed, or why it is late. */
  #hasSaidError = false;

  constructor(facts: RoundFacts, deps: RoundDeps) {
    this.facts = facts;
    this.#deps = deps;
    // Each delivery and transfer under way listens for the end: a few per member and kind, bounded by the team's size.
    setMaxListeners(32 * facts.info.team.length, this.#sending.signal, this.#work.signal, this.#screening.signal);
    this.#state = initialState(facts.info.team, facts.position);
    this.#deadlines = new Deadlines(facts.info.deadlines, deps.clock, (event) => this.dispatch(event));
    this.#secrets = new RoundSecrets(facts.group.elementBytes);
    this.#context = new RoundContext(facts, {
      engine: deps.engine,
      rng: deps.rng,
      key: deps.key,
      signal: this.#work.signal,
      secrets: this.#secrets,
      onProgress: deps.onProgress,
    });
    this.#precompute = new Precompute(this.#context);
    this.#realtime = new Realtime(this.#context, deps.senders);
    this.#steps = new Steps({
      context: this.#context,
      precompute: this.#precompute,
      realtime: this.#realtime,
      dispatch: (event) => this.dispatch(event),
      onFailed: (what, thrown) => this.#failed(what, thrown),
      transfer: (phase) => this.#transfer(phase),
      pause: () => sleep(deps.clock, 0, this.#work.signal),
      reserveRealtime: deps.reserveRealtime,
    });
    deps.desk?.watch(() => this.#maybeClose());
    this.inbox = new Inbox({
      round: this.#context,
      state: () => this.#state,
      dispatch: (event) => this.dispatch(event),
    });
  }

  get state(): RoundState {
    return this.#state;
  }

  get stage(): Stage {
    return this.#state.stage;
  }

  /** Aborted when the batch is closed: open claims need no answer any more. */
  get collecting(): AbortSignal {
    return this.#screening.signal;
  }

  /** Bytes of secrets in memory. */
  get secretBytes(): number {
    return this.#secrets.bytes;
  }

  /** Bytes of batches, secrets and outputs in memory. */
  get heldBytes(): number {
    return this.#context.batchBytes + this.secretBytes + (this.#steps.outputs?.outputs.byteLength ?? 0);
  }

  /** The outputs, once all signatures under them are in. */
  get outputs(): SignedOutputs | undefined {
    const { outputs } = this.#steps;
    const signed = allSaid(this.#state, 'outputSignature');
    if (this.stage !== 'COMPLETED' || !outputs || !signed) return undefined;
    return { ...outputs, signatures: signed.map(({ signature }) => signature) };
  }

  /** The proposed table as judged by this node, once it is. */
  get judged(): TableJudge | undefined {
    return this.#steps.judged;
  }

  /** The results of the precomputation. */
  get standby(): Promise<Standby> {
    return this.#steps.standby;
  }

  /** Failure of the round on this node, with this node's own evidence, or the reporter's signature if it is hearsay. */
  get failure(): FailureReport | undefined {
    const { failure } = this.#state;
    if (!failure) return undefined;
    const report = failureReport(this.facts, failure);
    if (failure.reporter === this.facts.position) return { ...report, evidence: this.#evidence };
    const heard = saidBy(this.#state, 'roundError', failure.reporter);
    const { evidence } = heard?.message ?? {};
    const again = evidence && evidence.length <= EVIDENCE_AGAIN_BYTES ? evidence : undefined;
    return { ...report, signature: heard?.signature, evidence: again };
  }

  /**
   * Returns which of the first node's submissions this node rejects.
   * @throws MixError PHASE_SENDER_WRONG, ROUND_OVER, ROUND_WRONG_PHASE, MESSAGE_TOO_LARGE
   */
  screen(from: NodeId, claims: readonly Claim[]): ClaimRejection[] {
    const refused = refusal(this.#state, 'screening', this.facts.info.team.indexOf(from));
    if (refused) throw new MixError(refused, { what: 'screening', stage: this.stage });
    return this.#realtime.screen(claims);
  }

  /** Processes one event; events that its effects cause come after it, in order. */
  dispatch(event: RoundEvent): void {
    this.#queue.push(event);
    if (this.#stepping) return;
    this.#stepping = true;
    try {
      for (let next = this.#queue.shift(); next; next = this.#queue.shift()) {
        const [state, effects] = step(this.#state, next);
        this.#state = state;
        for (const effect of effects) this.#attempt(effect);
      }
    } finally {
      this.#stepping = false;
    }
  }

  /** An effect that throws is this node's own fault: it ends the round and nothing else. */
  #attempt(effect: RoundEffect): void {
    try {
      this.#carryOut(effect);
    } catch (thrown) {
      const { code, message } = asMixError(thrown);
      this.#deps.log.error({ err: thrown, effect: effect.type }, 'round effect failed');
      this.#queue.push({ type: 'fault', code, detail: message });
    }
  }

  /**
   * Closes the batch at node 1: at once if it is full, else when the team has judged all submissions. A member that does not
   * answer in half the time of a phase has stalled.
   */
  closeBatch(): void {
    const { desk, clock } = this.#deps;
    if (!desk || desk.closing || this.stage !== 'QUEUED') return;
    desk.beginClosing();
    const { realtimePhaseMs } = this.facts.info.deadlines;
    // Before any member's stage is over: else node 1 would be blamed for the member that it waits for.
    this.#cancelWait = clock.after(realtimePhaseMs / 2, () => this.#endSilence());
    this.#maybeClose();
  }

  #maybeClose(): void {
    const { desk } = this.#deps;
    if (!desk || desk.closed || this.stage !== 'QUEUED') return;
    if (desk.full || (desk.closing && desk.silent.length === 0)) this.#closeDesk(desk);
  }

  #endSilence(): void {
    const { desk } = this.#deps;
    const [culprit] = desk?.silent ?? [];
    if (!desk || desk.closed || culprit === undefined) return;
    const detail = 'no answer to submissions that were handed on';
    this.dispatch({ type: 'fault', code: 'DEADLINE_MISSED', culprit, detail });
  }

  /** Node 1 proposes the slot table; if too few senders are left the round fails closed. */
  #closeDesk(desk: SubmissionDesk): void {
    this.#cancelWait();
    abort(this.#screening);
    const { minSenders } = this.facts.info;
    const { table, payloads, distinctSenders } = desk.close();
    if (distinctSenders < minSenders) {
      const detail = `${distinctSenders} of ${minSenders}`;
      this.dispatch({ type: 'fault', code: 'TOO_FEW_SENDERS', detail });
      return;
    }
    const encoded = encodeTable(table);
    const digest = encodedTableDigest(this.facts.digest, encoded);
    const message = { kind: 'tableProposal', digest, table: encoded } as const;
    this.dispatch({ type: 'tableReady', message, proposal: { table, payloads } });
  }

  /** Ends every delivery, because the round is forgotten. */
  close(): void {
    abort(this.#sending);
    this.#deadlines.disarm();
    this.#endLinger();
  }

  #carryOut(effect: RoundEffect): void {
    switch (effect.type) {
      case 'stage':
        this.#deadlines.disarm();
        if (isOver(effect.stage)) this.#end();
        if (this.#state.failure?.reporter === this.facts.position)
          this.#evidence = this.#findEvidence(this.#state.failure);
        this.#deps.onStage(effect.stage, this.#state.failure);
        return;
      case 'deadline':
        this.#deadlines.armStage(effect.stage);
        return;
      case 'phaseDeadline':
        this.#deadlines.armPhase(effect.wait);
        return;
      case 'awaitClaims':
        this.#deadlines.armClaims();
        return;
      case 'work':
        this.#steps.give(effect);
        return;
      case 'say':
        this.#say(this.#withHeard(effect.message, effect.answers));
        return;
      case 'propose':
        this.#propose(effect.message, effect.proposal);
        return;
      case 'runRing':
        this.#runRing(effect.phase);
        return;
      case 'send':
        this.#sendWhole(effect.phase);
        return;
      case 'openShares':
        this.#steps.openShares(effect.mixCommit);
        return;
      case 'accumulate':
        this.#steps.accumulate(effect.phase, effect.from);
        return;
      case 'fail':
        this.#announce(effect.failure);
        return;
    }
  }

  /** A step of this node has failed. A step that was aborted by the end of the round is no failure. */
  #failed(what: Task | BatchPhase, thrown: unknown): void {
    const error = asMixError(thrown);
    if (error.code === 'ABORTED' && this.#work.signal.aborted) return;
    const { culprit } = error.values;
    if (error.code === 'INTERNAL') this.#deps.log.error({ err: thrown, what }, 'round work failed');
    this.dispatch({
      type: 'fault',
      code: error.code,
      detail: error.message,
      ...(typeof culprit === 'number' ? { culprit } : {}),
    });
  }

  /** Signs a message and sends it to all others. @returns the signature */
  #tell(message: TeamMessage): Uint8Array {
    const { digest, self, info } = this.facts;
    const signature = this.#deps.key.sign(messageDigest(digest, self, message));
    const signed: SignedTeamMessage = { round: info.round, from: self, message, signature };
    for (const to of info.team) {
      if (to !== self) void this.#deps.sender.deliver(to, signed, this.#sending.signal);
    }
    return signature;
  }

  #say(message: PlainMessage): void {
    if (message.kind === 'roundError') this.#hasSaidError = true;
    this.dispatch({ type: 'said', from: this.facts.position, message, signature: this.#tell(message) });
  }

  /** A round error that answers another member's brings that one with it. */
  #withHeard(message: PlainMessage, answered: number | undefined): PlainMessage {
    if (message.kind !== 'roundError' || answered === undefined) return message;
    return { ...message, heard: this.#encodeError(answered) };
  }

  #propose(message: ProposalMessage, proposal: Proposal): void {
    this.dispatch({ type: 'proposed', from: this.facts.position, message, proposal, signature: this.#tell(message) });
  }

  #runRing(phase: 'precompDecrypt' | 'realtimeDecrypt'): void {
    const incoming = this.#context.isFirst ? undefined : this.inbox.incoming(phase, this.facts.position - 1);
    this.#transfer(phase);
    this.#steps.runRing(phase, incoming);
  }

  #sendWhole(phase: 'precompPermute' | 'reveal' | 'realtimePermute' | 'mixed'): void {
    const out = this.#context.outgoing(phase);
    const trailer = this.#context.sign(phase);
    out.finish(trailer);
    this.#transfer(phase);
    // Node 1 receives its own batch, too.
    if (phase === 'reveal' || phase === 'mixed') {
      this.dispatch({ type: 'batchIn', phase, from: this.facts.position, trailer });
    }
  }

  #transfer(phase: BatchPhase): void {
    for (const to of this.#context.receivers(phase)) {
      const { node } = memberAt(this.facts, to);
      void this.#deps.sender.transfer(node, this.#context.outgoing(phase), this.#sending.signal);
    }
  }

  /** Stops work and wipes secrets; deliveries that others need continue for LINGER_MS. */
  #end(): void {
    abort(this.#work);
    this.#cancelWait();
    abort(this.#screening);
    this.#deps.desk?.abandon(() => this.endError());
    this.#secrets.wipe();
    this.#context.abortBatches(roundEnded());
    this.#precompute.abort(roundEnded());
    this.#steps.end(roundEnded());
    this.#endLinger = this.#deps.clock.after(LINGER_MS, () => {
      abort(this.#sending);
      this.#context.forgetBatches();
    });
  }

  /** Returns evidence of a failure, verifiable by anyone; undefined if there is only this node's claim. */
  #findEvidence(failure: RoundFailure): Uint8Array | undefined {
    const batch = (phase: BatchPhase, position: number) => this.#context.held(phase, position);
    return findEvidence(this.facts, failure, { state: this.#state, batch });
  }

  #announce(failure: RoundFailure): void {
    // The team was told when the deadline was missed.
    if (this.#hasSaidError) return;
    if (failure.reporter !== this.facts.position) {
      this.#passOn(failure);
      return;
    }
    const { culprit } = failureReport(this.facts, failure);
    const detail = failure.detail.slice(0, 500);
    this.#say({ kind: 'roundError', code: failure.code, culprit, detail, evidence: this.#evidence });
  }

  /** The reporter may have told this node alone: others, hearing nothing from this node, would think that it holds them up. */
  #passOn({ code, reporter, culprit }: RoundFailure): void {
    const source = saidBy(this.#state, 'roundError', reporter);
    const heard = this.#encodeError(reporter);
    if (!source || !heard) return;
    const { evidence } = source.message;
    const isSmall = evidence !== undefined && evidence.length <= EVIDENCE_AGAIN_BYTES;
    const shown = culprit !== undefined && isSmall ? { evidence } : {};
    this.#say({ kind: 'roundError', code, culprit: undefined, detail: '', heard, ...shown });
  }

  /** A member's round error with its signature, for those that it has not told; undefined if it has sent none. */
  #encodeError(position: number): Uint8Array | undefined {
    const source = saidBy(this.#state, 'roundError', position);
    const { node } = memberAt(this.facts, position);
    return source && encodeStatement(messageStatement(node, source.message, source.signature));
  }

  /** Returns the error for senders and peers after the end of the round. */
  endError(): MixError {
    const { failure } = this.#state;
    if (!failure) return new MixError('ROUND_OVER', { round: this.facts.info.round, stage: this.stage });
    return new MixError('ROUND_OVER', { round: this.facts.info.round, stage: this.stage, cause: failure.code });
  }
}
