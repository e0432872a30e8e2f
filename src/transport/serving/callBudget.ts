// Budget of strangers' calls while the main thread is overloaded. A call that gRPC handles costs half a millisecond to a millisecond, one
// that is refused at its first frame a tenth: 800 calls a second from 200 addresses, each within its share, left honest senders 22 % of
// what four nodes on one core mix. So while the thread has no time left, calls a second are limited, to fewer and fewer until it has. The
// calls to be heard are drawn by lot, so that nobody can be first. An origin from which a whole team has accepted a message has calls of
// its own for that. At rest nobody is limited.
import type { Clock } from '../../base/index.js';

/** Share of its time that the thread is at work: above the first it is overloaded, below the second it has time to spare. */
const BUSY = 0.75;
const SPARE = 0.4;
/** Calls a second that are always heard: a twentieth of the thread, and never the cause of an overload. */
const LEAST_PER_S = 50;
/**
 * Overloaded looks in a row, one a second, before calls are limited, because a burst passes. Within IMPATIENT_MS of the last overload,
 * one look is enough.
 */
const PATIENCE = 2;
const IMPATIENT_MS = 300_000;
/** Factors of the limit: after a second of overload, after a second without overload, and after a second with time to spare. */
const CUT = 1 / 8;
const GROWTH = 1.02;
const GROWTH_SPARE = 1.1;
/** Above this the limit is lifted: more than a thread can hear. */
const MOST_PER_S = 2_000;
/** Calls that an accepted message earns its origin, calls that an origin may save up, their lifetime, and the origins that have some. */
const EARNED = 100;
const SAVED_MAX = 10_000;
const CREDIT_MS = 600_000;
const CREDITED_MAX = 65_536;

interface Credit {
  calls: number;
  readonly untilMs: number;
}

export class CallBudget {
  readonly #clock: Clock;
  readonly #busy: () => number;
  readonly #draw: () => number;
  /** By origin, in the order in which they expire. */
  readonly #credits = new Map<string, Credit>();
  /** Limit of calls a second of origins without credit. */
  #perS = Infinity;
  #overloads = 0;
  #limitedMs = Number.NEGATIVE_INFINITY;
  /** Calls of origins without credit since the last look: all, those within the share of their origin, and those that were heard. */
  #asked = 0;
  #eligible = 0;
  #heard = 0;
  #taken = new Map<string, number>();
  /** Origins and eligible calls of the second before. */
  #placesBefore = 1;
  #eligibleBefore = 1;

  /**
   * @param busy the share of the time since its last call in which the main thread was at work
   * @param draw a number from 0 to 1, another one each time
   */
  constructor(clock: Clock, busy: () => number, draw: () => number) {
    this.#clock = clock;
    this.#busy = busy;
    this.#draw = draw;
  }

  /** Calls a second that origins without credit may make; Infinity without a limit. */
  get perS(): number {
    return this.#perS;
  }

  /** Gives credit to an origin from which a team has accepted a message. */
  credit(origin: string): void {
    const calls = Math.min(SAVED_MAX, (this.#credits.get(origin)?.calls ?? 0) + EARNED);
    this.#credits.delete(origin);
    this.#credits.set(origin, { calls, untilMs: this.#clock.nowMs() + CREDIT_MS });
    if (this.#credits.size > CREDITED_MAX) this.#credits.delete(this.#credits.keys().next().value!);
  }

  hasCredit(origin: string): boolean {
    const credit = this.#credits.get(origin);
    return credit !== undefined && credit.calls > 0 && credit.untilMs > this.#clock.nowMs();
  }

  /** Counts a call or a connection from an origin; true if it may be heard now. */
  admits(origin: string): boolean {
    if (this.hasCredit(origin)) {
      // Credit is used up only while calls are limited.
      if (this.#perS < Infinity) this.#credits.get(origin)!.calls--;
      return true;
    }
    this.#asked++;
    const taken = this.#taken.get(origin) ?? 0;
    this.#taken.set(origin, taken + 1);
    // Leaves a share for one origin more than there were.
    if (taken >= Math.max(1, Math.floor(this.#perS / (this.#placesBefore + 1)))) return false;
    this.#eligible++;
    if (this.#draw() * this.#eligibleBefore >= this.#perS) return false;
    this.#heard++;
    return true;
  }

  /** Adjusts the limit; called once a second. */
  look(): void {
    const busy = this.#busy();
    const nowMs = this.#clock.nowMs();
    // Refused calls have cost next to nothing.
    const isOverloaded = busy > BUSY && this.#heard > LEAST_PER_S;
    this.#overloads = isOverloaded ? this.#overloads + 1 : 0;
    if (isOverloaded && (this.#overloads >= PATIENCE || nowMs - this.#limitedMs < IMPATIENT_MS)) {
      this.#limitedMs = nowMs;
      this.#perS = Math.max(LEAST_PER_S, Math.floor(this.#heard * CUT));
    } else if (this.#perS < Infinity && !isOverloaded) {
      const isIdle = this.#asked === 0 || busy < SPARE;
      const more = this.#perS * (isIdle ? GROWTH_SPARE : GROWTH);
      this.#perS = more > MOST_PER_S ? Infinity : more;
    }
    this.#placesBefore = Math.max(1, this.#taken.size);
    this.#eligibleBefore = Math.max(1, this.#eligible);
    this.#taken = new Map();
    [this.#asked, this.#eligible, this.#heard] = [0, 0, 0];
    for (const [origin, { untilMs }] of this.#credits) {
      if (untilMs > nowMs) break;
      this.#credits.delete(origin);
    }
  }
}
