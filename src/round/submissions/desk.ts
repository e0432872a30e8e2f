// The desk at the first node of a team: takes messages for a round, refuses wrong ones before it stores anything, has the team
// judge each while the batch fills (screening.ts), and closes the batch into a slot table of those that all have accepted. A seat
// is a slot reserved for a submission; a rejected submission frees its seat.
import { type Deferred, deferred, equalBytes, MixError, type NodeId, type SenderId, Shares } from '../../base/index.js';
import {
  MAC_BYTES,
  payloadDigest,
  type RejectionReason,
  SALT_BYTES,
  type SenderSecret,
  type SlotEntry,
  type SlotTable,
  submissionKey,
  verifyMac,
} from '../../cmix/index.js';
import { checkElements, type Group } from '../../math/index.js';
import { type RoundInfo, ringEntry } from '../../protocol/index.js';
import { Screening, type ScreeningPorts } from './screening.js';

/** A message on its way in: M = m ∘ (∏k_i)⁻¹ and one MAC per node, in team order. */
export interface Submission {
  readonly sender: SenderId;
  readonly salt: Uint8Array;
  /** width elements */
  readonly payload: Uint8Array;
  readonly macs: readonly Uint8Array[];
}

/** The desk's access to the senders that its node knows. */
export interface DeskSenders {
  readonly epoch: number;
  secretOf(sender: SenderId): SenderSecret | undefined;
  /** Keeps the sender's secret until the round ends. */
  hold(sender: SenderId): void;
  /** A member of the team rejected a submission of this sender. */
  strike(sender: SenderId): void;
  /** A submission from this origin is in the table: the whole team has accepted it. */
  accepted(origin: string): void;
}

/** A member's rejection of a submission, while the batch is being filled. */
interface DeskRejection {
  readonly node: NodeId;
  readonly reason: RejectionReason;
}

interface Taken {
  readonly key: string;
  readonly entry: SlotEntry;
  readonly payload: Uint8Array;
  readonly origin: string;
  /** Number of members that have not accepted it. */
  missing: number;
  rejected: boolean;
  seated: boolean;
  /** Set while it waits for a seat: settled when it has one, or when there will be none. */
  readonly answer: Deferred<void> | undefined;
}

/** Bounds of the number of submissions that wait for a seat; between them it is the number of slots. */
const WAITING_MIN = 64;
const WAITING_MAX = 4_096;
/** Limit of remembered rejections, for their senders; the oldest are forgotten. */
const REJECTIONS_KEPT = 4_096;

export class SubmissionDesk {
  readonly #info: RoundInfo;
  readonly #group: Group;
  readonly #digest: Uint8Array;
  readonly #senders: DeskSenders;
  readonly #screening: Screening<Taken>;
  readonly #taken = new Map<string, Taken>();
  readonly #perSender = new Map<SenderId, number>();
  readonly #rejected = new Map<string, DeskRejection>();
  /** Submissions without a seat, by arrival. */
  readonly #waiting = new Set<Taken>();
  readonly #waitingShares: Shares;
  #seats = 0;
  /** Submissions with a seat that all members have accepted. */
  #accepted = 0;
  #closing = false;
  #closed = false;
  readonly #watchers = new Set<() => void>();

  constructor(info: RoundInfo, group: Group, roundDigest: Uint8Array, senders: DeskSenders, ports: ScreeningPorts) {
    this.#info = info;
    this.#group = group;
    this.#digest = roundDigest;
    this.#senders = senders;
    this.#waitingShares = new Shares(Math.min(Math.max(info.slots, WAITING_MIN), WAITING_MAX));
    this.#screening = new Screening(info.team.length, ports, (verdicts) => {
      for (const { item, position, reason } of verdicts) {
        if (reason) this.#reject(item, { node: ringEntry(info.team, position), reason });
        else this.#accept(item);
      }
      this.#seatWaiting();
      for (const watcher of this.#watchers) watcher();
    });
  }

  /** `onChange`: called after submissions are accepted, rejected or answered: the batch may be ready to close. */
  watch(onChange: () => void): void {
    this.#watchers.add(onChange);
  }

  /** Submissions that have a seat. */
  get count(): number {
    return this.#seats;
  }

  /** True if every slot is filled with a submission that all members have accepted. */
  get full(): boolean {
    return this.#accepted >= this.#info.slots;
  }

  /** Positions of members with unanswered claims. */
  get silent(): readonly number[] {
    return this.#screening.silent;
  }

  has(sender: SenderId, salt: Uint8Array): boolean {
    return this.#taken.has(submissionKey(sender, salt));
  }

  /** Returns the rejection of a submission that this desk had taken. */
  findRejection(sender: SenderId, salt: Uint8Array): DeskRejection | undefined {
    return this.#rejected.get(submissionKey(sender, salt));
  }

  /**
   * Takes a submission, cheap checks first. A repeated, identical submission is acknowledged again (its sender may not have seen
   * the first answer); the same (sender, salt) with other contents is a replay. If every seat is taken by submissions that the
   * team still judges, the submission waits for a freed seat: the promise resolves when it has one.
   * @param origin origin of the submission; waiting submissions are shared out by origin
   * @throws MixError LENGTH_MISMATCH, ELEMENT_RANGE, SENDER_UNKNOWN, MAC_INVALID, SUBMISSION_REPLAYED, SENDER_QUOTA,
   *   ROUND_FULL, ROUND_NOT_COLLECTING; the member's reason if a member has rejected it
   */
  take(submission: Submission, origin = ''): Promise<void> | undefined {
    const { sender, salt, payload } = submission;
    this.#checkShape(submission);
    const key = submissionKey(sender, salt);
    const hashed = payloadDigest(payload);
    const before = this.#taken.get(key);
    // Also after the batch is closed: the submission stays taken, and its sender must learn so.
    if (before && equalBytes(before.entry.payloadDigest, hashed)) return before.answer?.promise;
    this.#checkOpen(key, before !== undefined);
    const used = this.#perSender.get(sender) ?? 0;
    if (used >= this.#info.quotaPerSender) throw new MixError('SENDER_QUOTA', { quota: this.#info.quotaPerSender });
    this.#checkOwn(submission, hashed);
    const seated = this.#seats < this.#info.slots && this.#waiting.size === 0;
    if (!seated && !this.#waitingShares.take(origin)) throw new MixError('ROUND_FULL', { slots: this.#info.slots });
    this.#perSender.set(sender, used + 1);
    this.#senders.hold(sender);
    const macs = submission.macs.map((mac) => mac.slice());
    const taken: Taken = {
      ...{ key, origin, seated },
      entry: { sender, salt: salt.slice(), payloadDigest: hashed, macs },
      payload: payload.slice(),
      missing: this.#screening.others,
      rejected: false,
      answer: seated ? undefined : deferred<void>(),
    };
    this.#taken.set(key, taken);
    this.#keep(taken);
    return taken.answer?.promise;
  }

  #keep(taken: Taken): void {
    if (taken.seated) this.#seats++;
    else this.#waiting.add(taken);
    if (taken.missing === 0) this.#accepted++;
    else this.#screening.add(taken);
    // All seats are taken: ask at once, because the next caller waits for the verdicts.
    if (taken.seated && this.#seats === this.#info.slots) this.#screening.flush();
  }

  /** @throws MixError as `take` */
  #checkOpen(key: string, known: boolean): void {
    const { round, slots } = this.#info;
    const rejected = this.#rejected.get(key);
    if (rejected) throw new MixError(rejected.reason, { round, node: rejected.node });
    if (this.#closing) throw new MixError('ROUND_NOT_COLLECTING', { round });
    if (known) throw new MixError('SUBMISSION_REPLAYED', { round });
    if (this.full) throw new MixError('ROUND_FULL', { slots });
  }

  /** The checks that the first node can do itself; the other MACs are for the other members. @throws MixError as `take` */
  #checkOwn({ sender, salt, payload, macs }: Submission, hashed: Uint8Array): void {
    const secret = this.#senders.secretOf(sender);
    if (!secret) throw new MixError('SENDER_UNKNOWN', { epoch: this.#senders.epoch });
    checkElements(this.#group, payload, 'payload', this.#info.width);
    const claim = { roundDigest: this.#digest, sender, salt, payloadDigest: hashed };
    // The first node is position 0.
    const [own] = macs;
    if (!own || !verifyMac(secret, claim, own)) throw new MixError('MAC_INVALID', { round: this.#info.round });
  }

  #accept(taken: Taken): void {
    taken.missing--;
    if (!taken.rejected && taken.missing === 0 && taken.seated) this.#seat(taken);
  }

  /** The submission has a seat and all members have accepted it: it enters the table. */
  #seat({ origin }: Taken): void {
    this.#accepted++;
    this.#senders.accepted(origin);
  }

  /** Frees the seat and stores the reason for the sender. The sender's quota stays used: a key gets no more tries by failing. */
  #reject(taken: Taken, rejection: DeskRejection): void {
    if (taken.rejected || this.#closed) return;
    taken.rejected = true;
    this.#taken.delete(taken.key);
    this.#rejected.set(taken.key, rejection);
    const [oldest] = this.#rejected.keys();
    if (this.#rejected.size > REJECTIONS_KEPT && oldest !== undefined) this.#rejected.delete(oldest);
    if (taken.seated) this.#seats--;
    else this.#leaveQueue(taken);
    const { round } = this.#info;
    taken.answer?.reject(new MixError(rejection.reason, { round, node: rejection.node }));
    this.#senders.strike(taken.entry.sender);
  }

  #leaveQueue(taken: Taken): void {
    if (this.#waiting.delete(taken)) this.#waitingShares.give(taken.origin);
  }

  /** Gives free seats to waiting submissions that all members have accepted, by arrival. */
  #seatWaiting(): void {
    for (const taken of this.#waiting) {
      if (this.#seats >= this.#info.slots) return;
      if (taken.missing > 0) continue;
      this.#leaveQueue(taken);
      taken.seated = true;
      this.#seats++;
      this.#seat(taken);
      taken.answer?.resolve();
    }
  }

  /** Takes no more submissions, and asks the team about the remaining ones. */
  beginClosing(): void {
    if (this.#closing) return;
    this.#closing = true;
    this.#screening.flush();
  }

  /**
   * Closes the batch: the table lists the submissions that all members have accepted, by arrival, then empty slots. All others
   * are refused with ROUND_FULL.
   */
  close(): {
    readonly table: SlotTable;
    readonly payloads: readonly (Uint8Array | null)[];
    readonly distinctSenders: number;
  } {
    this.#closing = true;
    this.#closed = true;
    this.#screening.stop();
    this.#seatWaiting();
    const { slots } = this.#info;
    this.#turnAway(() => new MixError('ROUND_FULL', { slots }));
    for (const { key, seated, missing } of [...this.#taken.values()]) {
      if (!seated || missing > 0) this.#taken.delete(key);
    }
    const left = [...this.#taken.values()];
    const empty = new Array<null>(slots - left.length).fill(null);
    return {
      table: [...left.map(({ entry }) => entry), ...empty],
      payloads: [...left.map(({ payload }) => payload), ...empty],
      distinctSenders: new Set(left.map(({ entry }) => entry.sender)).size,
    };
  }

  /** Ends the desk with the round: refuses waiting submissions and sends no more claims. */
  abandon(reason: () => MixError): void {
    this.#closing = true;
    this.#screening.stop();
    this.#turnAway(reason);
  }

  #turnAway(reason: () => MixError): void {
    for (const taken of this.#waiting) {
      this.#leaveQueue(taken);
      taken.answer?.reject(reason());
    }
  }

  get closing(): boolean {
    return this.#closing;
  }

  get closed(): boolean {
    return this.#closed;
  }

  #checkShape({ salt, payload, macs }: Submission): void {
    const bytes = this.#info.width * this.#group.elementBytes;
    const rules: readonly (readonly [string, number, number])[] = [
      ['salt', salt.length, SALT_BYTES],
      ['payload', payload.length, bytes],
      ['macs', macs.length, this.#info.team.length],
    ];
    for (const [what, length, expected] of rules) {
      if (length !== expected) throw new MixError('LENGTH_MISMATCH', { what, length, expected });
    }
    if (macs.some((mac) => mac.length !== MAC_BYTES)) {
      throw new MixError('LENGTH_MISMATCH', { what: 'mac', expected: MAC_BYTES });
    }
  }
}
