// What the calls of strangers may cost while the main thread is overloaded. A call that gRPC hears costs half a millisecond to a
// millisecond, one that is refused at its first frame a tenth: 800 calls a second from 200 addresses, each within its share, left honest
// senders 22 % of what four nodes on one core mix. So while the thread has no time left, callers that have not shown to be senders have
// calls by the second, fewer and fewer until it has; a place that a whole team has accepted a message from is not limited. At rest
// nobody is.
import type { Clock } from '../../base/index.js';

/** Part of its time that the thread is at work: above it is overloaded, below it has time to spare. */
const BUSY = 0.75;
const SPARE = 0.4;
/** Calls a second that are never the cause of an overload: a tenth of the thread at most. */
const HARMLESS_PER_S = 100;
/** The least that is let through: a newcomer has its turn, and 50 calls are a twentieth of the thread. */
const LEAST_PER_S = 50;
/** Looks, one a second, before calls are limited: a burst passes. Whoever was overloaded in the last minutes has no patience. */
const PATIENCE = 3;
const IMPATIENT_MS = 300_000;
/** What is left after a second of overload, and how much more there is after one with time to spare: from least to most in 40 s. */
const CUT = 1 / 4;
const GROWTH = 1.1;
/** From here on there is no limit: more than a thread can hear. */
const MOST_PER_S = 2_000;
/** How long a place counts as a sender's after its last message that was accepted. */
const CREDIT_MS = 600_000;
const CREDITED_MAX = 65_536;

export class CallBudget {
  readonly #clock: Clock;
  readonly #busy: () => number;
  /** Places that messages came from, with the end of their credit; the oldest first. */
  readonly #credited = new Map<string, number>();
  /** Calls a second of places without credit. */
  #perS = Infinity;
  #overloads = 0;
  #limitedMs = Number.NEGATIVE_INFINITY;
  #asked = 0;
  #admitted = 0;
  /** Since the last look, by place. */
  #taken = new Map<string, number>();
  /** Places that asked before it. */
  #places = 1;

  /** @param busy the part of the time since it was last asked in which the main thread was at work */
  constructor(clock: Clock, busy: () => number) {
    this.#clock = clock;
    this.#busy = busy;
  }

  /** Calls a second that places without credit may make; Infinity where there is no limit. */
  get perS(): number {
    return this.#perS;
  }

  /** A team has accepted a message that came from there. */
  credit(place: string): void {
    this.#credited.delete(place);
    this.#credited.set(place, this.#clock.nowMs() + CREDIT_MS);
    if (this.#credited.size > CREDITED_MAX) this.#credited.delete(this.#credited.keys().next().value!);
  }

  /** Whether a call from a place may be heard now. */
  admits(place: string): boolean {
    if ((this.#credited.get(place) ?? Number.NEGATIVE_INFINITY) > this.#clock.nowMs()) return true;
    this.#asked++;
    const taken = this.#taken.get(place) ?? 0;
    this.#taken.set(place, taken + 1);
    if (this.#perS === Infinity) return true;
    // One place more than there were finds something.
    const share = Math.max(1, Math.floor(this.#perS / (this.#places + 1)));
    if (this.#admitted >= this.#perS || taken >= share) return false;
    this.#admitted++;
    return true;
  }

  /** Once a second. */
  look(): void {
    const busy = this.#busy();
    const isOverloaded = busy > BUSY && this.#asked > HARMLESS_PER_S;
    this.#overloads = isOverloaded ? this.#overloads + 1 : 0;
    const heard = this.#perS === Infinity ? this.#asked : this.#perS;
    const nowMs = this.#clock.nowMs();
    if (isOverloaded && (this.#overloads >= PATIENCE || nowMs - this.#limitedMs < IMPATIENT_MS)) {
      this.#limitedMs = nowMs;
      this.#perS = Math.max(LEAST_PER_S, Math.floor(heard * CUT));
    } else if (busy < SPARE && this.#perS < Infinity) {
      const more = this.#perS * GROWTH;
      this.#perS = more > MOST_PER_S ? Infinity : more;
    }
    this.#places = Math.max(1, this.#taken.size);
    this.#taken = new Map();
    this.#asked = 0;
    this.#admitted = 0;
  }
}
