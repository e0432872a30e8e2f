// The Clock port. Everything that waits or measures goes through it, so that the same code runs against the machine's
// clock and, in the simulator, against a virtual one where nothing happens until the test lets time pass.

/** Cancels a timer; calling it after the timer fired does nothing. */
export type CancelTimer = () => void;

export interface Clock {
  /** Milliseconds since some fixed point; never goes back. For durations. */
  nowMs(): number;
  /** Milliseconds since 1970, as the machine believes. For certificates and records, never for deadlines. */
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

/** Waits `delayMs`, or until `signal` aborts: never rejects, look at the signal afterwards. */
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

interface VirtualTimer {
  readonly atMs: number;
  readonly order: number;
  readonly fire: () => void;
}

/** A clock that stands still until {@link VirtualClock.step} moves it to the next timer. Deterministic. */
export class VirtualClock implements Clock {
  #nowMs = 0;
  #order = 0;
  readonly #timers = new Set<VirtualTimer>();

  nowMs(): number {
    return this.#nowMs;
  }

  wallMs(): number {
    return Date.UTC(2026, 0, 1) + this.#nowMs;
  }

  after(delayMs: number, fire: () => void): CancelTimer {
    const timer: VirtualTimer = { atMs: this.#nowMs + Math.max(0, delayMs), order: this.#order++, fire };
    this.#timers.add(timer);
    return () => void this.#timers.delete(timer);
  }

  get pending(): number {
    return this.#timers.size;
  }

  /** Moves to the earliest timer (the first set, among equals) and fires it; false where none is left. */
  step(): boolean {
    let next: VirtualTimer | undefined;
    for (const timer of this.#timers) {
      if (!next || timer.atMs < next.atMs || (timer.atMs === next.atMs && timer.order < next.order)) next = timer;
    }
    if (!next) return false;
    this.#timers.delete(next);
    this.#nowMs = next.atMs;
    next.fire();
    return true;
  }
}
