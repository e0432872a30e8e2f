// The Clock port. Everything that waits or measures uses it, so that the same code runs on the machine's clock and, in the
// simulator, on a virtual one whose time the test advances. Pauses and the median of measured times are here, too.

import { type Rng, randomFraction } from './rng.js';

/** Cancels a timer; calling it after the timer fired does nothing. */
export type CancelTimer = () => void;

export interface Clock {
  /** Milliseconds since some fixed point; never goes back. For durations. */
  nowMs(): number;
  /** Milliseconds since 1970, by the machine's clock. For certificates and records, never for deadlines. */
  wallMs(): number;
  /** Calls `fire` once after `delayMs`. Timers do not keep the process alive. */
  after(delayMs: number, fire: () => void): CancelTimer;
}

export const systemClock: Clock = {
  nowMs: () => performance.now(),
  wallMs: () => Date.now(),
  after(delayMs, fire) {
    const timer = setTimeout(fire, delayMs);
    timer.unref();
    return () => clearTimeout(timer);
  },
};

/**
 * Returns the time of day in `delayMs` from now: grpc-js takes deadlines in this form. It is turned into a duration as soon as a
 * call begins, so that setting the clock meanwhile changes nothing.
 */
export const timeOfDayIn = (delayMs: number): Date => new Date(systemClock.wallMs() + delayMs);

/** Returns the time in ISO 8601: 2026-11-30T23:59:59.000Z. */
export const timestamp = (): string => new Date(systemClock.wallMs()).toISOString();

/**
 * Clocks of others, as they have said them. They run on by this machine's steady time, so that setting its own clock, by hand or by NTP,
 * shows at once and not when all have said theirs again.
 */
export class HeardClocks<Id> {
  readonly #clock: Clock;
  readonly #aheadMs = new Map<Id, number>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** @param agoMs time since the other has read its clock */
  heard(id: Id, wallMs: number, agoMs = 0): void {
    this.#aheadMs.set(id, wallMs + agoMs - this.#clock.nowMs());
  }

  /** Lead of the other's clock over this one; undefined if it has said nothing. */
  leadMs(id: Id): number | undefined {
    const aheadMs = this.#aheadMs.get(id);
    return aheadMs === undefined ? undefined : aheadMs + this.#clock.nowMs() - this.#clock.wallMs();
  }

  /** Forgets the others. */
  keep(isKept: (id: Id) => boolean): void {
    for (const id of this.#aheadMs.keys()) if (!isKept(id)) this.#aheadMs.delete(id);
  }
}

/** Returns a function that gives the share of the time since its last call, from 0 to 1, in which this thread's event loop was busy. */
export function busyMeter(): () => number {
  let last = performance.eventLoopUtilization();
  return () => {
    const before = last;
    last = performance.eventLoopUtilization();
    return performance.eventLoopUtilization(last, before).utilization;
  };
}

/** Returns the middle value of measured times; of an even number, the mean of the two in the middle; NaN if there are none. */
export function takeMedian(samples: readonly number[]): number {
  const sorted = [...samples].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

/** Waits `delayMs`, or until `signal` aborts: never rejects, check the signal afterwards. */
export function sleep(clock: Clock, delayMs: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal?.aborted) return resolve();
    const onAbort = () => {
      cancel();
      resolve();
    };
    const cancel = clock.after(delayMs, () => {
      signal?.removeEventListener('abort', onAbort);
      resolve();
    });
    signal?.addEventListener('abort', onAbort, { once: true });
  });
}

export interface BackoffBounds {
  readonly firstMs: number;
  readonly longestMs: number;
}

/**
 * Returns the pause after `failures` failures in a row, counted from 1: it doubles from the first to the longest, and is drawn
 * from its upper half, so that parties that failed together do not retry together.
 */
export function backoffMs({ firstMs, longestMs }: BackoffBounds, failures: number, rng: Rng): number {
  return Math.min(firstMs * 2 ** (failures - 1), longestMs) * (0.5 + randomFraction(rng) / 2);
}

/** Resolves after everything that is due now has run; long work awaits it between two parts. */
export const nextTurn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
