// The rounds of one simulated node: the stages, deadlines and messages between team members of real rounds, without their
// arithmetic. A member sends `ready`, `close` (the first one), `verdict` and `mixed`, and goes on when all have sent the same.
import type { CancelTimer, Clock } from '../../../src/base/clock.js';
import { type ErrorCode, MixError } from '../../../src/base/errors.js';
import type { BootId, NodeId, RoundId } from '../../../src/base/ids.js';
import type { SigningKey } from '../../../src/cmix/signatures.js';
import type { FollowedRounds } from '../../../src/node/schedulerFollower.js';
import { encodeEvidence } from '../../../src/protocol/evidence.js';
import { type RoundInfo, roundDigest, type SignedRoundInfo } from '../../../src/protocol/roundInfo.js';
import type { FailureReport, NodeReport } from '../../../src/protocol/schedulerPort.js';
import type { Stage } from '../../../src/protocol/stages.js';
import { messageStatement } from '../../../src/protocol/statements.js';
import { messageDigest, type TeamMessage } from '../../../src/protocol/teamMessages.js';
import { isOver } from '../../../src/round/machine/admission.js';
import { stageMs } from '../../../src/round/machine/deadlines.js';

export type Word =
  | { readonly kind: 'ready' | 'close' | 'verdict' | 'mixed' }
  /** What is wrong for anybody to see: two statements of its speaker that contradict each other. */
  | { readonly kind: 'bad'; readonly evidence: Uint8Array }
  /** What only its receiver sees. */
  | { readonly kind: 'garbage' }
  | { readonly kind: 'failed'; readonly message: RoundError; readonly signature: Uint8Array };

export type RoundError = TeamMessage & { readonly kind: 'roundError' };

/** Durations and behaviour of a node, drawn anew for each round. */
export interface Manner {
  readonly precomputeMs: number;
  readonly mixMs: number;
  /** `deadline`: ends its precomputation at the moment of its deadline; `lies`: sends invalid messages. */
  readonly way: 'honest' | 'deadline' | 'lies';
}

export interface RoundsDeps {
  readonly self: NodeId;
  readonly key: SigningKey;
  readonly bootId: BootId;
  readonly clock: Clock;
  /** Limit of rounds that it can have open. */
  readonly openMax: number;
  /** On its disk: rounds that this or an earlier run was in. */
  readonly used: Set<RoundId>;
  readonly mannerOf: (info: RoundInfo) => Manner;
  /** The code by which it refuses a round that it could open; undefined if it opens the round. */
  readonly refusal: () => ErrorCode | undefined;
  readonly say: (info: RoundInfo, word: Word) => void;
  readonly report: (report: NodeReport) => void;
  /** Called when a stage is entered, before it is reported. */
  readonly onStage: (round: RoundId, stage: Stage) => void;
  /** False from the moment at which the run is killed. */
  readonly alive: () => boolean;
}

interface Mixing {
  readonly info: RoundInfo;
  readonly manner: Manner;
  readonly said: Map<Word['kind'], Set<NodeId>>;
  stage: Stage;
  assigned: boolean;
  failure: FailureReport | undefined;
  disarm: CancelTimer;
}

/** Ended rounds that are still reported when a scheduler is back. */
const KEPT_MAX = 32;

export class SimRounds implements FollowedRounds {
  readonly #deps: RoundsDeps;
  readonly #rounds = new Map<RoundId, Mixing>();

  constructor(deps: RoundsDeps) {
    this.#deps = deps;
  }

  get stages(): ReadonlyMap<RoundId, Stage> {
    return new Map([...this.#rounds].map(([round, { stage }]) => [round, stage]));
  }

  get open(): RoundId[] {
    return [...this.#rounds].filter(([, { stage }]) => !isOver(stage)).map(([round]) => round);
  }

  reports(): NodeReport[] {
    const { bootId } = this.#deps;
    return [...this.#rounds].map(([round, { stage, failure }]) => ({ kind: 'stage', round, bootId, stage, failure }));
  }

  async openRound({ info }: SignedRoundInfo): Promise<void> {
    const { self, used, openMax, mannerOf, refusal, clock } = this.#deps;
    if (!info.team.includes(self)) throw new MixError('ROUND_INFO_INVALID', { field: 'team', why: 'not in it' });
    if (used.has(info.round)) throw new MixError('ROUND_REUSED', { round: info.round });
    if (this.open.length >= openMax) throw new MixError('ROUND_LIMIT', { open: openMax });
    const code = refusal();
    if (code) throw new MixError(code, {});
    used.add(info.round);
    const base = { info, said: new Map(), assigned: false, failure: undefined, disarm: () => {} };
    const round: Mixing = { ...base, manner: mannerOf(info), stage: 'PENDING' };
    this.#rounds.set(info.round, round);
    this.#deps.onStage(info.round, 'PENDING');
    const { way, precomputeMs } = round.manner;
    const limitMs = info.deadlines.precomputeMs;
    // Two timers of the same moment fire in random order on a real node; here in the order in which they are set.
    const precompute = () => clock.after(way === 'deadline' ? limitMs : precomputeMs, () => this.#precomputed(round));
    if (way === 'deadline' && info.round % 2 === 0) precompute();
    this.#enter(round, 'PRECOMPUTING');
    if (way !== 'deadline' || info.round % 2 === 1) precompute();
  }

  assign(id: RoundId): void {
    const round = this.#get(id);
    round.assigned = true;
    if (round.stage === 'STANDBY') this.#queue(round);
  }

  failRound(id: RoundId, reason: string): void {
    const { self } = this.#deps;
    this.#fail(this.#get(id), { code: 'SCHEDULER_FAILED', culprit: undefined, reporter: self, detail: reason });
  }

  /** Handles a member's message; returns false if the round is not known here. */
  hear(from: NodeId, id: RoundId, word: Word): boolean {
    const round = this.#rounds.get(id);
    if (!round) return false;
    if (isOver(round.stage) || !this.#deps.alive()) return true;
    if (word.kind === 'failed') this.#fail(round, hearsay(from, word));
    else if (word.kind === 'bad') this.#blame(round, 'EQUIVOCATION', from, word.evidence);
    else if (word.kind === 'garbage') this.#blame(round, 'ELEMENT_RANGE', from);
    else {
      const said = round.said.get(word.kind) ?? new Set();
      round.said.set(word.kind, said.add(from));
      this.#go(round, word.kind);
    }
    return true;
  }

  /** A member is unreachable, or has lost its rounds. */
  trouble(peer: NodeId, code: 'PEER_LOST' | 'PEER_RESTARTED', rounds: ReadonlySet<RoundId>): void {
    for (const round of this.#rounds.values()) {
      if (rounds.has(round.info.round) && round.info.team.includes(peer)) this.#blame(round, code, peer);
    }
  }

  /** Cancels all timers with the process. */
  close(): void {
    for (const { disarm } of this.#rounds.values()) disarm();
  }

  #get(id: RoundId): Mixing {
    const round = this.#rounds.get(id);
    if (!round) throw new MixError('ROUND_UNKNOWN', { round: id });
    return round;
  }

  #precomputed(round: Mixing): void {
    if (round.stage !== 'PRECOMPUTING' || !this.#deps.alive()) return;
    if (round.manner.way === 'lies')
      this.#say(round, { kind: 'bad', evidence: contradiction(this.#deps.key, round.info) });
    else this.#say(round, { kind: 'ready' });
  }

  isOpen(id: RoundId): boolean {
    const round = this.#rounds.get(id);
    return round !== undefined && !isOver(round.stage);
  }

  /** Ends a round as a liar does: with any report to its scheduler, and with or without a message to its team. */
  abandon(id: RoundId, failure: FailureReport): void {
    const round = this.#rounds.get(id);
    if (!round || isOver(round.stage) || !this.#deps.alive()) return;
    round.failure = failure;
    this.#enter(round, 'FAILED');
  }

  #say(round: Mixing, word: Word): void {
    this.#deps.say(round.info, word);
    this.hear(this.#deps.self, round.info.round, word.kind === 'bad' ? { kind: 'ready' } : word);
  }

  /** Advances a round after a message. */
  #go(round: Mixing, kind: Word['kind']): void {
    const { info, stage } = round;
    const said = round.said.get(kind)!;
    if (kind === 'close') {
      if (stage === 'STANDBY' || stage === 'QUEUED') this.#say(round, { kind: 'verdict' });
      return;
    }
    if (!info.team.every((node) => said.has(node))) return;
    if (kind === 'ready' && stage === 'PRECOMPUTING') {
      this.#enter(round, 'STANDBY');
      if (round.assigned && this.#deps.alive()) this.#queue(round);
    }
    if (kind === 'verdict' && (stage === 'STANDBY' || stage === 'QUEUED')) {
      this.#enter(round, 'REALTIME');
      this.#later(round.manner.mixMs, round, 'REALTIME', () => this.#say(round, { kind: 'mixed' }));
    }
    if (kind === 'mixed' && stage === 'REALTIME') this.#enter(round, 'COMPLETED');
  }

  #queue(round: Mixing): void {
    this.#enter(round, 'QUEUED');
    const { info } = round;
    const close = () => this.#say(round, { kind: 'close' });
    if (info.team[0] === this.#deps.self) this.#later(info.deadlines.collectMs, round, 'QUEUED', close);
  }

  #later(delayMs: number, round: Mixing, stage: Stage, act: () => void): void {
    this.#deps.clock.after(delayMs, () => {
      if (this.#deps.alive() && round.stage === stage) act();
    });
  }

  #enter(round: Mixing, stage: Stage): void {
    const { bootId, clock, onStage, report, alive } = this.#deps;
    const { info } = round;
    round.disarm();
    round.stage = stage;
    onStage(info.round, stage);
    if (!alive()) return;
    if (!isOver(stage)) round.disarm = clock.after(stageMs(info.deadlines, stage), () => this.#missed(round));
    report({ kind: 'stage', round: info.round, bootId, stage, failure: round.failure });
    const over = [...this.#rounds].filter(([, one]) => isOver(one.stage)).map(([id]) => id);
    for (const id of over.slice(0, Math.max(0, over.length - KEPT_MAX))) this.#rounds.delete(id);
  }

  /** A node that is late itself names nobody; any other names the first one missing. */
  #missed(round: Mixing): void {
    const isClosed = round.said.has('close');
    const awaited = { PRECOMPUTING: 'ready', QUEUED: isClosed ? 'verdict' : 'close', REALTIME: 'mixed' } as const;
    const kind = awaited[round.stage as keyof typeof awaited];
    const said = kind && (round.said.get(kind) ?? new Set());
    const late = kind === 'close' ? [round.info.team[0]!] : round.info.team.filter((node) => said && !said.has(node));
    this.#blame(round, 'DEADLINE_MISSED', late.includes(this.#deps.self) ? undefined : late[0]);
  }

  #blame(round: Mixing, code: FailureReport['code'], culprit: NodeId | undefined, evidence?: Uint8Array): void {
    this.#fail(round, { code, culprit, reporter: this.#deps.self, detail: '', evidence });
  }

  #fail(round: Mixing, failure: FailureReport): void {
    if (isOver(round.stage) || !this.#deps.alive()) return;
    round.failure = failure;
    this.#enter(round, 'FAILED');
    const { alive, self, say, key } = this.#deps;
    if (alive() && failure.reporter === self) say(round.info, signedError(key, round.info, failure));
  }
}

/** A member's round error, signed. */
export function signedError(key: SigningKey, info: RoundInfo, { code, culprit, detail }: FailureReport): Word {
  const message: RoundError = { kind: 'roundError', code, culprit, detail };
  return { kind: 'failed', message, signature: key.sign(messageDigest(roundDigest(info), key.nodeId, message)) };
}

/** A round error as its receiver reports it, like a real round. */
function hearsay(from: NodeId, { message, signature }: Word & { kind: 'failed' }): FailureReport {
  const { code, detail, culprit: named } = message;
  const whom = named === from ? { culprit: from } : { culprit: undefined, accused: named };
  return { code, ...whom, reporter: from, detail, signature };
}

/** Two different digests of one kind, each signed by their sender. */
export function contradiction(key: SigningKey, info: RoundInfo): Uint8Array {
  const [first, second] = [1, 2].map((fill) => {
    const message: TeamMessage = { kind: 'sharesDigest', digest: new Uint8Array(32).fill(fill) };
    const signature = key.sign(messageDigest(roundDigest(info), key.nodeId, message));
    return messageStatement(key.nodeId, message, signature);
  });
  return encodeEvidence({ kind: 'equivocation', first: first!, second: second! });
}
