// A node's own clock in the simulator: off by some seconds and running too fast or too slow, relative to the one virtual clock of
// the simulation.
import type { CancelTimer, Clock } from '../../../src/base/clock.js';
import type { VirtualClock } from '../../support/virtualClock.js';

export interface Skew {
  readonly offsetMs: number;
  /** Seconds of this clock in a true one. */
  readonly rate: number;
}

export const TRUE: Skew = { offsetMs: 0, rate: 1 };

export class SkewedClock implements Clock {
  readonly #base: VirtualClock;
  readonly #skew: Skew;

  constructor(base: VirtualClock, skew: Skew) {
    this.#base = base;
    this.#skew = skew;
  }

  nowMs(): number {
    return this.#base.nowMs() * this.#skew.rate + this.#skew.offsetMs;
  }

  wallMs(): number {
    return this.#base.wallMs() + this.#skew.offsetMs;
  }

  after(delayMs: number, fire: () => void): CancelTimer {
    return this.#base.after(delayMs / this.#skew.rate, fire);
  }
}
