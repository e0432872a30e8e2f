// Leaves a peer alone that fails too often: a leaky bucket that each failure fills by one and that time empties. While it is full,
// nothing is tried, and callers are told how long to wait.
import type { Clock } from '../../base/index.js';

export interface CoolOffPolicy {
  /** Failures that fill the bucket. */
  readonly failures: number;
  /** In which a full bucket empties. */
  readonly windowMs: number;
}

export class CoolOff {
  readonly #policy: CoolOffPolicy;
  readonly #clock: Clock;
  #level = 0;
  #seenMs: number;

  constructor(policy: CoolOffPolicy, clock: Clock) {
    this.#policy = policy;
    this.#clock = clock;
    this.#seenMs = clock.nowMs();
  }

  /** Counts a failure. */
  count(): void {
    this.#leak();
    this.#level = Math.min(this.#level + 1, this.#policy.failures);
  }

  /** Milliseconds until something may be tried again; 0 where it may be now. */
  waitMs(): number {
    this.#leak();
    const { failures, windowMs } = this.#policy;
    // Room for one more failure, so that what is tried next counts in full.
    const above = this.#level - (failures - 1);
    return above > 0 ? (above * windowMs) / failures : 0;
  }

  #leak(): void {
    const nowMs = this.#clock.nowMs();
    const { failures, windowMs } = this.#policy;
    this.#level = Math.max(0, this.#level - ((nowMs - this.#seenMs) * failures) / windowMs);
    this.#seenMs = nowMs;
  }
}
