// What the first node has taken is judged by the whole team while the batch is being filled: it hands on who sent what, with the MAC
// that is for each member, some at a time; each member answers at once. So a submission that any member would reject never gets into
// a slot table, its sender is told within a moment, and when the batch closes nothing is left to be rejected.

import { type CancelTimer, type Clock, equalBytes, MixError, type SenderId } from '../../base/index.js';
import { type RejectionReason, type SenderSecret, type SlotEntry, submissionKey, verifyMac } from '../../cmix/index.js';
import { CLAIMS_MAX, type Claim, type ClaimRejection } from '../../protocol/index.js';

/** How long a submission waits for others to go with it: a message a submission would cost more than the MACs. */
const GATHER_MS = 100;
/** Messages to one member that are not answered yet; more claims wait with the first node. */
const UNDER_WAY_MAX = 4;

export interface ScreeningPorts {
  readonly clock: Clock;
  /** Asks the member at a position; resolves with what it rejects. Rejects where it will not answer. */
  readonly ask: (position: number, claims: readonly Claim[]) => Promise<readonly ClaimRejection[]>;
}

/** Something that is handed on: what the team has said of it is kept by whoever handed it on. */
export interface Screened {
  readonly entry: SlotEntry;
  /** Somebody has rejected it: nobody else need look at it. */
  readonly rejected: boolean;
}

interface Verdict<Item> {
  readonly item: Item;
  readonly position: number;
  /** Undefined where the member accepts. */
  readonly reason: RejectionReason | undefined;
}

/** What goes to one member. */
class Outbox<Item extends Screened> {
  readonly #position: number;
  readonly #ask: ScreeningPorts['ask'];
  readonly #onVerdicts: (verdicts: readonly Verdict<Item>[]) => void;
  readonly #waiting: Item[] = [];
  /** How many of those that wait may leave. */
  #due = 0;
  #asked = 0;
  #underWay = 0;

  constructor(position: number, ask: ScreeningPorts['ask'], onVerdicts: (verdicts: readonly Verdict<Item>[]) => void) {
    this.#position = position;
    this.#ask = ask;
    this.#onVerdicts = onVerdicts;
  }

  /** Submissions that this member has not answered. */
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
      // It stays unanswered: what that means is for whoever closes the batch.
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

/** The first node's side: gathers what was taken and asks the others. */
export class Screening<Item extends Screened> {
  readonly #clock: Clock;
  readonly #outboxes: readonly Outbox<Item>[];
  #gathered = 0;
  #cancel: CancelTimer | undefined;

  /** `team`: members, the first node included, which asks itself nothing. */
  constructor(team: number, ports: ScreeningPorts, onVerdicts: (verdicts: readonly Verdict<Item>[]) => void) {
    this.#clock = ports.clock;
    const others = Array.from({ length: Math.max(0, team - 1) }, (_, i) => i + 1);
    this.#outboxes = others.map((position) => new Outbox(position, ports.ask, onVerdicts));
  }

  /** Members that must say yes to a submission. */
  get others(): number {
    return this.#outboxes.length;
  }

  /** Positions of members that have not answered all that they were, or are to be, asked. */
  get silent(): readonly number[] {
    return this.#outboxes.flatMap(({ open }, index) => (open > 0 ? [index + 1] : []));
  }

  /** Hands something on, with what comes in the next moment. */
  add(item: Item): void {
    for (const outbox of this.#outboxes) outbox.add(item);
    if (++this.#gathered >= CLAIMS_MAX) this.flush();
    else this.#cancel ??= this.#clock.after(GATHER_MS, () => this.flush());
  }

  /** Hands on at once what waits. */
  flush(): void {
    this.stop();
    for (const outbox of this.#outboxes) outbox.flush();
  }

  /** Waits for nothing any more. */
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
  /** The sender's secret will be needed until the round ends. */
  readonly hold: (sender: SenderId) => void;
}

/** Any other member's side: judges by its own MACs, and remembers what it has accepted, so that it need not judge that again. */
export class Screener {
  readonly #facts: ScreenerFacts;
  readonly #accepted = new Map<string, { readonly payloadDigest: Uint8Array; readonly mac: Uint8Array }>();

  constructor(facts: ScreenerFacts) {
    this.#facts = facts;
  }

  /** What this member rejects. @throws MixError MESSAGE_TOO_LARGE */
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
    // The first node may hand on more than there is room for; what is forgotten here is judged again at the end.
    if (this.#accepted.size >= 2 * slots) this.#accepted.clear();
    const { payloadDigest, mac } = claim;
    this.#accepted.set(submissionKey(claim.sender, claim.salt), { payloadDigest, mac });
    return undefined;
  }

  /** True where this very MAC was verified before. */
  knows({ sender, salt, payloadDigest }: SlotEntry, mac: Uint8Array): boolean {
    const known = this.#accepted.get(submissionKey(sender, salt));
    return known !== undefined && equalBytes(known.payloadDigest, payloadDigest) && equalBytes(known.mac, mac);
  }
}
