// What the calls of strangers may cost while the main thread is overloaded. A call that gRPC hears costs half a millisecond to a
// millisecond, one that is refused at its first frame a tenth: 800 calls a second from 200 addresses, each within its share, left honest
// senders 22 % of what four nodes on one core mix. So while the thread has no time left, callers have calls by the second, fewer and
// fewer until it has. Who is heard then is drawn by lot, so that nobody can be first. A place that a whole team has accepted a message
// from has calls of its own for that. At rest nobody is limited.
import type { Clock } from '../../base/index.js';

/** Part of its time that the thread is at work: above it is overloaded, below it has time to spare. */
const BUSY = 0.75;
const SPARE = 0.4;
/** Calls a second that are always heard: a twentieth of the thread, and never the cause of an overload. */
const LEAST_PER_S = 50;
/** Looks, one a second, before calls are limited: a burst passes. After an overload in the last minutes, one look is enough. */
const PATIENCE = 2;
const IMPATIENT_MS = 300_000;
/** Factors of the limit: after a second of overload, after a second without overload, and after a second with time to spare. */
const CUT = 1 / 8;
const GROWTH = 1.02;
const GROWTH_SPARE = 1.1;
/** From here on there is no limit: more than a thread can hear. */
const MOST_PER_S = 2_000;
/** Calls that an accepted message earns the place that it came from, and how many a place may save up, for so long. */
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
  /** By place, in the order in which they end. */
  readonly #credits = new Map<string, Credit>();
  /** Calls a second of places without credit. */
  #perS = Infinity;
  #overloads = 0;
  #limitedMs = Number.NEGATIVE_INFINITY;
  /** Of places without credit, since the last look: calls that came, within the share of their place, and that were heard. */
  #asked = 0;
  #eligible = 0;
  #heard = 0;
  #taken = new Map<string, number>();
  /** The second before. */
  #placesBefore = 1;
  #eligibleBefore = 1;

  /**
   * @param busy the part of the time since it was last asked in which the main thread was at work
   * @param draw a number from 0 to 1, another one each time
   */
  constructor(clock: Clock, busy: () => number, draw: () => number) {
    this.#clock = clock;
    this.#busy = busy;
    this.#draw = draw;
  }

  /** Calls a second that places without credit may make; Infinity where there is no limit. */
  get perS(): number {
    return this.#perS;
  }

  /** A team has accepted a message that came from there. */
  credit(place: string): void {
    const calls = Math.min(SAVED_MAX, (this.#credits.get(place)?.calls ?? 0) + EARNED);
    this.#credits.delete(place);
    this.#credits.set(place, { calls, untilMs: this.#clock.nowMs() + CREDIT_MS });
    if (this.#credits.size > CREDITED_MAX) this.#credits.delete(this.#credits.keys().next().value!);
  }

  hasCredit(place: string): boolean {
    const credit = this.#credits.get(place);
    return credit !== undefined && credit.calls > 0 && credit.untilMs > this.#clock.nowMs();
  }

  /** Whether a call from a place, or a connection, may be heard now. */
  admits(place: string): boolean {
    if (this.hasCredit(place)) {
      // Credit is used up only while calls are limited.
      if (this.#perS < Infinity) this.#credits.get(place)!.calls--;
      return true;
    }
    this.#asked++;
    const taken = this.#taken.get(place) ?? 0;
    this.#taken.set(place, taken + 1);
    // One place more than there were finds something.
    if (taken >= Math.max(1, Math.floor(this.#perS / (this.#placesBefore + 1)))) return false;
    this.#eligible++;
    if (this.#draw() * this.#eligibleBefore >= this.#perS) return false;
    this.#heard++;
    return true;
  }

  /** Once a second. */
  look(): void {
    const busy = this.#busy();
    const nowMs = this.#clock.nowMs();
    // What was refused has cost next to nothing.
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
    for (const [place, { untilMs }] of this.#credits) {
      if (untilMs > nowMs) break;
      this.#credits.delete(place);
    }
  }
}
