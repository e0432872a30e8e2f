// Leaves a peer alone that fails too often: a leaky bucket that each failure fills by one and that time empties. While it is full,
// nothing is tried, and callers get the time to wait and the reason. Apart from host.ts because it needs nothing but a clock.
import { type Clock, MixError } from '../../base/index.js';

export interface CoolOffPolicy {
  /** Failures that fill the bucket. */
  readonly failures: number;
  /** Time in which a full bucket empties. */
  readonly windowMs: number;
}

export class CoolOff {
  readonly #policy: CoolOffPolicy;
  readonly #clock: Clock;
  #level = 0;
  #seenMs: number;
  #last: MixError | undefined;

  constructor(policy: CoolOffPolicy, clock: Clock) {
    this.#policy = policy;
    this.#clock = clock;
    this.#seenMs = clock.nowMs();
  }

  /** Counts a failure if waiting may mend it; other failures are reported each time. */
  count(error: MixError): void {
    if (!error.retryable) return;
    this.#leak();
    this.#last = error;
    this.#level = Math.min(this.#level + 1, this.#policy.failures);
  }

  /** Milliseconds until something may be tried again; 0 if it may be now. */
  waitMs(): number {
    this.#leak();
    const { failures, windowMs } = this.#policy;
    // Waits for room for one more failure, so that the next failure counts in full.
    const above = this.#level - (failures - 1);
    return above > 0 ? (above * windowMs) / failures : 0;
  }

  /** @throws MixError COOLING_OFF while nothing may be tried, with the failure before */
  check(peer: string): void {
    const [waitMs, cause] = [Math.ceil(this.waitMs()), this.#last];
    if (waitMs > 0 && cause) throw new MixError('COOLING_OFF', { peer, waitMs, reason: cause.message }, { cause });
  }

  #leak(): void {
    const nowMs = this.#clock.nowMs();
    const { failures, windowMs } = this.#policy;
    this.#level = Math.max(0, this.#level - ((nowMs - this.#seenMs) * failures) / windowMs);
    this.#seenMs = nowMs;
  }
}
