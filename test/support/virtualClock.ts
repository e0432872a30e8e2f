// A clock for tests and the simulator: time passes only on step().
import type { CancelTimer, Clock } from '../../src/base/clock.js';

interface VirtualTimer {
  readonly atMs: number;
  readonly order: number;
  /** Undefined once it has fired or was cancelled. */
  fire: (() => void) | undefined;
}

const isEarlier = (a: VirtualTimer, b: VirtualTimer): boolean =>
  a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order);

/** A clock that stands still until {@link VirtualClock.step} moves it to the next timer. Deterministic. */
export class VirtualClock implements Clock {
  #nowMs = 0;
  #order = 0;
  #pending = 0;
  /** A binary heap, the earliest first: simulations of whole networks have many thousand timers. Cancelled ones stay in it. */
  readonly #timers: VirtualTimer[] = [];

  nowMs(): number {
    return this.#nowMs;
  }

  wallMs(): number {
    return Date.UTC(2026, 0, 1) + this.#nowMs;
  }

  after(delayMs: number, fire: () => void): CancelTimer {
    const timer: VirtualTimer = { atMs: this.#nowMs + Math.max(0, delayMs), order: this.#order++, fire };
    this.#pending++;
    this.#rise(timer);
    return () => {
      if (timer.fire) this.#pending--;
      timer.fire = undefined;
    };
  }

  get pending(): number {
    return this.#pending;
  }

  /** Moves to the earliest timer (the first set, among equals) and fires it; returns false if none is left. */
  step(): boolean {
    for (let timer = this.#timers[0]; timer; timer = this.#timers[0]) {
      this.#removeFirst();
      const { fire } = timer;
      if (!fire) continue;
      timer.fire = undefined;
      this.#pending--;
      this.#nowMs = timer.atMs;
      fire();
      return true;
    }
    return false;
  }

  /** Appends a timer and moves later ones on its path away from the root. */
  #rise(timer: VirtualTimer): void {
    const timers = this.#timers;
    let at = timers.length;
    while (at > 0) {
      const above = (at - 1) >> 1;
      if (!isEarlier(timer, timers[above]!)) break;
      timers[at] = timers[above]!;
      at = above;
    }
    timers[at] = timer;
  }

  /** Removes the root: the last timer sinks from there to its place. */
  #removeFirst(): void {
    const timers = this.#timers;
    const last = timers.pop()!;
    if (timers.length === 0) return;
    let at = 0;
    for (let below = 1; below < timers.length; below = 2 * at + 1) {
      if (below + 1 < timers.length && isEarlier(timers[below + 1]!, timers[below]!)) below++;
      if (!isEarlier(timers[below]!, last)) break;
      timers[at] = timers[below]!;
      at = below;
    }
    timers[at] = last;
  }
}
