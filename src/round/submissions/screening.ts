// Screening: the whole team judges the first node's submissions while the batch is being filled. The first node sends each member
// the claims (sender, salt, digest) with that member's MAC, some at a time; each member answers at once. So a submission that any
// member would reject never enters a slot table, its sender is told within a moment, and nothing is left to reject at the close.

import { type CancelTimer, type Clock, equalBytes, MixError, type SenderId } from '../../base/index.js';
import { type RejectionReason, type SenderSecret, type SlotEntry, submissionKey, verifyMac } from '../../cmix/index.js';
import { CLAIMS_MAX, type Claim, type ClaimRejection } from '../../protocol/index.js';

/** Time for which a submission waits for others to be sent with it: one message each would cost more than the MACs. */
const GATHER_MS = 100;
/** Limit of unanswered messages to one member; more claims wait at the first node. */
const UNDER_WAY_MAX = 4;

export interface ScreeningPorts {
  readonly clock: Clock;
  /** Asks the member at a position; resolves with its rejections. Rejects if the member will not answer. */
  readonly ask: (position: number, claims: readonly Claim[]) => Promise<readonly ClaimRejection[]>;
}

/** A submission to screen; its owner (the desk) records the verdicts. */
export interface Screened {
  readonly entry: SlotEntry;
  /** A member has rejected it: no other need judge it. */
  readonly rejected: boolean;
}

interface Verdict<Item> {
  readonly item: Item;
  readonly position: number;
  /** Undefined if the member accepts. */
  readonly reason: RejectionReason | undefined;
}

/** The claims to one member. */
class Outbox<Item extends Screened> {
  readonly #position: number;
  readonly #ask: ScreeningPorts['ask'];
  readonly #onVerdicts: (verdicts: readonly Verdict<Item>[]) => void;
  readonly #waiting: Item[] = [];
  /** Number of waiting items that may be sent. */
  #due = 0;
  #asked = 0;
  #underWay = 0;

  constructor(position: number, ask: ScreeningPorts['ask'], onVerdicts: (verdicts: readonly Verdict<Item>[]) => void) {
    this.#position = position;
    this.#ask = ask;
    this.#onVerdicts = onVerdicts;
  }

  /** Submissions without an answer of this member. */
  get open(): number {
    return this.#waiting.length + this.#asked;
  }

  add(item: Item): void {
    this.#waiting.push(item);
  }

  flush(): void {
    this.#due = this.#waiting.length;
    this.#pump();
  }

  #pump(): void {
    while (this.#due > 0 && this.#underWay < UNDER_WAY_MAX) {
      const next = this.#waiting.splice(0, Math.min(this.#due, CLAIMS_MAX));
      this.#due -= next.length;
      const items = next.filter(({ rejected }) => !rejected);
      if (items.length > 0) this.#send(items);
    }
  }

  #send(items: readonly Item[]): void {
    const claims = items.map(({ entry: { sender, salt, payloadDigest, macs } }) => ({
      ...{ sender, salt, payloadDigest },
      mac: this.#macIn(macs),
    }));
    this.#underWay++;
    this.#asked += items.length;
    this.#ask(this.#position, claims).then(
      (rejections) => this.#answered(items, rejections),
      // The claims stay unanswered; the desk decides at the close of the batch.
      () => {
        this.#underWay--;
      },
    );
  }

  #macIn(macs: readonly Uint8Array[]): Uint8Array {
    const mac = macs[this.#position];
    if (!mac) throw new MixError('INTERNAL', { what: 'a MAC for each member', position: this.#position });
    return mac;
  }

  #answered(items: readonly Item[], rejections: readonly ClaimRejection[]): void {
    this.#underWay--;
    this.#asked -= items.length;
    const reasons = new Map(rejections.map(({ index, reason }) => [index, reason]));
    this.#onVerdicts(items.map((item, index) => ({ item, position: this.#position, reason: reasons.get(index) })));
    this.#pump();
  }
}

/** The first node's side: collects submissions and asks the others. */
export class Screening<Item extends Screened> {
  readonly #clock: Clock;
  readonly #outboxes: readonly Outbox<Item>[];
  #gathered = 0;
  #cancel: CancelTimer | undefined;

  /** `team`: number of members, the first node included; it does not ask itself. */
  constructor(team: number, ports: ScreeningPorts, onVerdicts: (verdicts: readonly Verdict<Item>[]) => void) {
    this.#clock = ports.clock;
    const others = Array.from({ length: Math.max(0, team - 1) }, (_, i) => i + 1);
    this.#outboxes = others.map((position) => new Outbox(position, ports.ask, onVerdicts));
  }

  /** Members that must accept a submission. */
  get others(): number {
    return this.#outboxes.length;
  }

  /** Positions of members with unanswered or unsent claims. */
  get silent(): readonly number[] {
    return this.#outboxes.flatMap(({ open }, index) => (open > 0 ? [index + 1] : []));
  }

  /** Adds a submission; it is sent with others after at most GATHER_MS. */
  add(item: Item): void {
    for (const outbox of this.#outboxes) outbox.add(item);
    if (++this.#gathered >= CLAIMS_MAX) this.flush();
    else this.#cancel ??= this.#clock.after(GATHER_MS, () => this.flush());
  }

  /** Sends all waiting claims at once. */
  flush(): void {
    this.stop();
    for (const outbox of this.#outboxes) outbox.flush();
  }

  /** Cancels the timer. */
  stop(): void {
    this.#gathered = 0;
    this.#cancel?.();
    this.#cancel = undefined;
  }
}

interface ScreenerFacts {
  readonly roundDigest: Uint8Array;
  readonly slots: number;
  readonly secretOf: (sender: SenderId) => SenderSecret | undefined;
  /** Keeps the sender's secret until the round ends. */
  readonly hold: (sender: SenderId) => void;
}

/** A member's side: judges by its own MACs, and remembers accepted claims, so that the table need not be judged again. */
export class Screener {
  readonly #facts: ScreenerFacts;
  readonly #accepted = new Map<string, { readonly payloadDigest: Uint8Array; readonly mac: Uint8Array }>();

  constructor(facts: ScreenerFacts) {
    this.#facts = facts;
  }

  /** Returns the claims that this member rejects. @throws MixError MESSAGE_TOO_LARGE */
  judge(claims: readonly Claim[]): ClaimRejection[] {
    if (claims.length > CLAIMS_MAX) {
      throw new MixError('MESSAGE_TOO_LARGE', { what: 'claims', count: claims.length, most: CLAIMS_MAX });
    }
    return claims.flatMap((claim, index) => {
      const reason = this.#reasonAgainst(claim);
      return reason ? [{ index, reason }] : [];
    });
  }

  #reasonAgainst(claim: Claim): RejectionReason | undefined {
    const { roundDigest, secretOf, hold, slots } = this.#facts;
    const secret = secretOf(claim.sender);
    if (!secret) return 'SENDER_UNKNOWN';
    if (!verifyMac(secret, { roundDigest, ...claim }, claim.mac)) return 'MAC_INVALID';
    hold(claim.sender);
    // The first node may send more claims than there are slots; forgotten ones are judged again at the end.
    if (this.#accepted.size >= 2 * slots) this.#accepted.clear();
    const { payloadDigest, mac } = claim;
    this.#accepted.set(submissionKey(claim.sender, claim.salt), { payloadDigest, mac });
    return undefined;
  }

  /** True if this same MAC was verified before. */
  knows({ sender, salt, payloadDigest }: SlotEntry, mac: Uint8Array): boolean {
    const known = this.#accepted.get(submissionKey(sender, salt));
    return known !== undefined && equalBytes(known.payloadDigest, payloadDigest) && equalBytes(known.mac, mac);
  }
}
