// A town to send messages in: rounds and nodes that answer a Delivery like real ones, or lie, in virtual time. Tests check the
// outputs of its rounds.
import { sleep } from '../../src/base/clock.js';
import { MixError } from '../../src/base/errors.js';
import type { NodeId, RoundId, SenderId } from '../../src/base/ids.js';
import { type ComposedSubmission, type OutgoingMessage, Sender } from '../../src/client/compose.js';
import {
  Delivery,
  type DeliveryOptions,
  type Look,
  type MessageOutcome,
  type NodeFailure,
  type Steps,
} from '../../src/client/delivery.js';
import { SenderKey } from '../../src/cmix/senderKeys.js';
import type { Outcome } from '../../src/protocol/outcome.js';
import type { RoundInfo, SignedRoundInfo } from '../../src/protocol/roundInfo.js';
import type { Submission } from '../../src/round/submissions/desk.js';
import { SeededRng } from '../support/seededRng.js';
import { VirtualClock } from '../support/virtualClock.js';

export const COLLECT_MS = 10_000;
export const REALTIME_MS = 5_000;
export const TEAM = ['a', 'b', 'c', 'd', 'e'] as NodeId[];
const rng = new SeededRng('town');
/** Composes nothing here, but must be a real Sender. */
const SENDER = new Sender(SenderKey.generate(rng));

export type Call = 'collecting' | 'rounds' | 'register' | 'compose' | 'submit' | 'outcome' | 'outputs';

/** One round: its true state, and the answers of its first node. */
export class TownRound {
  readonly signed: SignedRoundInfo;
  readonly taken = new Map<string, string>();
  state: 'collecting' | 'closed' | 'mixed' | 'failed' = 'collecting';
  /** True for a failed round that opened its shares. */
  opened = false;
  /** Texts that were mauled in transit. */
  readonly mauled = new Set<string>();
  readonly away = new Set<NodeId>();
  /** False answers of the first node. */
  lies: Partial<Pick<Steps, 'rounds' | 'outcome' | 'outputs'>> & {
    /** The first node accepts the message and returns this error. */
    readonly refusing?: () => MixError;
  } = {};

  constructor(round: number, slots: number, team: readonly NodeId[] = TEAM) {
    const deadlines = { collectMs: COLLECT_MS, realtimeMs: REALTIME_MS };
    const info = { round: round as RoundId, slots, team, width: 1, group: 'TEST-512', deadlines };
    this.signed = { info: info as unknown as RoundInfo, signature: new Uint8Array(0) };
  }

  get round(): RoundId {
    return this.signed.info.round;
  }

  take(key: string, text: string): MixError | undefined {
    const { refusing } = this.lies;
    if (this.taken.has(key)) return undefined;
    if (this.state === 'mixed' || this.state === 'failed') return new MixError('ROUND_OVER', {});
    if (this.state === 'closed') return new MixError('ROUND_NOT_COLLECTING', {});
    this.taken.set(key, text);
    if (this.taken.size >= this.signed.info.slots) this.state = 'closed';
    return refusing?.();
  }

  outcome(key: string): Outcome {
    if (this.state === 'failed') return { state: 'failed', code: 'PEER_LOST', resendable: !this.opened };
    if (!this.taken.has(key)) return { state: 'unknown', resendable: this.state !== 'collecting' };
    return this.state === 'mixed' ? { state: 'mixed' } : { state: 'pending' };
  }

  /** Texts that came out. */
  get out(): string[] {
    return this.outKeys.map((key) => this.taken.get(key)!);
  }

  /** Keys of the texts, as their senders know them. */
  get outKeys(): string[] {
    return this.state === 'mixed' ? [...this.taken.keys()].filter((key) => !this.mauled.has(this.taken.get(key)!)) : [];
  }
}

export class Town implements Steps {
  readonly clock = new VirtualClock();
  readonly all: TownRound[] = [];
  readonly calls = new Map<Call, number>();
  /** Nodes that do not answer a sender at all. */
  readonly away = new Set<NodeId>();
  /** Rounds in the directory of the asked nodes; the truth by default. */
  directory: () => readonly TownRound[] = () => this.all.filter(({ state }) => state === 'collecting');
  /** Errors of all asked nodes; undefined if they work. */
  useless: readonly NodeFailure[] | undefined;
  /** Delay of a node's answer about its rounds. */
  answersAfterMs: (node: NodeId) => number = () => 0;
  /** A text that cannot be composed. */
  cursed: string | undefined;
  readonly #texts = new Map<string, string>();
  #salt = 0;

  open(slots: number, team?: readonly NodeId[]): TownRound {
    const round = new TownRound(this.all.length + 1, slots, team);
    this.all.push(round);
    return round;
  }

  /** Schedules a call after this much virtual time. */
  at(ms: number, happens: () => void): void {
    this.clock.after(ms, happens);
  }

  /** Outputs of all rounds. */
  get out(): string[] {
    return this.all.flatMap(({ out }) => out).sort();
  }

  count(call: Call): number {
    return this.calls.get(call) ?? 0;
  }

  /** Sends the texts and advances time until each has its outcome, or `limitMs` are over. */
  async send(
    texts: readonly string[],
    options: Omit<Partial<DeliveryOptions>, 'clock'> = {},
    limitMs = 600_000,
  ): Promise<readonly MessageOutcome[]> {
    const messages = texts.map((text) => ({ sender: SENDER, payload: new Uint8Array(Buffer.from(text)) }));
    return this.deliver(messages, options, limitMs);
  }

  /** Sends any messages, likewise. */
  async deliver(
    messages: readonly OutgoingMessage[],
    options: Omit<Partial<DeliveryOptions>, 'clock'> = {},
    limitMs = 600_000,
  ): Promise<readonly MessageOutcome[]> {
    let outcomes: readonly MessageOutcome[] | undefined;
    let failed = false;
    const sending = new Delivery(this, { clock: this.clock, rng, ...options }).run(messages);
    sending.then(
      (known) => {
        outcomes = known;
      },
      () => {
        failed = true;
      },
    );
    while (!outcomes && !failed && this.clock.nowMs() < limitMs) {
      for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setImmediate(resolve));
      if (!outcomes && !failed && !this.clock.step()) break;
    }
    if (!outcomes && !failed) throw new Error(`no end after ${this.clock.nowMs()} ms`);
    return sending;
  }

  #called(call: Call, node?: NodeId): void {
    this.calls.set(call, this.count(call) + 1);
    if (node && this.away.has(node)) throw new MixError('LINK_DOWN', { peer: node });
  }

  #find(round: RoundId): TownRound {
    return this.all.find((known) => known.round === round)!;
  }

  async look(): Promise<Look> {
    this.#called('collecting');
    if (this.useless) return { rounds: [], usable: 0, failures: this.useless };
    const rounds = this.directory().map(({ signed }) => signed);
    return { rounds: rounds.reverse(), usable: 1, failures: [] };
  }

  async rounds(node: NodeId): Promise<readonly SignedRoundInfo[]> {
    this.#called('rounds', node);
    const delayMs = this.answersAfterMs(node);
    if (delayMs > 0) await sleep(this.clock, delayMs);
    return this.all.flatMap(({ signed, state }) => (state === 'collecting' ? [signed] : []));
  }

  async register(_senders: readonly Sender[], nodes: readonly NodeId[]): Promise<void> {
    for (const node of nodes) this.#called('register', node);
  }

  async compose(
    _round: SignedRoundInfo,
    messages: Parameters<Steps['compose']>[1],
  ): Promise<readonly ComposedSubmission[]> {
    this.#called('compose');
    const texts = messages.map(({ payload }) => Buffer.from(payload).toString());
    if (this.cursed !== undefined && texts.includes(this.cursed)) throw new MixError('SENDER_UNKNOWN', {});
    return texts.map((text) => {
      const salt = new Uint8Array(Buffer.from(String(++this.#salt)));
      this.#texts.set(String(this.#salt), text);
      return { sender: 'sender' as SenderId, salt, payload: new Uint8Array(0), macs: [], codeId: String(this.#salt) };
    });
  }

  async submit(info: RoundInfo, submissions: readonly Submission[]): Promise<readonly (MixError | undefined)[]> {
    const round = this.#find(info.round);
    return submissions.map(({ salt }) => {
      try {
        this.#called('submit', info.team[0]);
      } catch (thrown) {
        return thrown as MixError;
      }
      const key = Buffer.from(salt).toString();
      return round.take(key, this.#texts.get(key)!);
    });
  }

  async outcome(info: RoundInfo, submission: Submission, node: NodeId): Promise<Outcome> {
    this.#called('outcome', node);
    const round = this.#find(info.round);
    const lie = node === info.team[0] ? round.lies.outcome : undefined;
    return lie ? lie(info, submission, node) : round.outcome(Buffer.from(submission.salt).toString());
  }

  async outputs(id: RoundId, node: NodeId) {
    this.#called('outputs', node);
    const round = this.#find(id);
    const lie = node === round.signed.info.team[0] ? round.lies.outputs : undefined;
    if (lie) return lie(id, node);
    if (round.state === 'failed') throw new MixError('ROUND_OVER', { round: id });
    if (round.state !== 'mixed') throw new MixError('OUTPUTS_UNKNOWN', { round: id });
    const messages = round.out.map((text) => new Uint8Array(Buffer.from(text)));
    return { messages, codeIds: new Set(round.outKeys), invalidSlots: [...round.mauled].map((_, slot) => slot) };
  }
}
