// Fair shares of a capacity: each origin (the name of an address, a network or a connection) gets its part.

/** Load below which no origin is limited. */
export const REST_LOAD = 1 / 2;
/** Part of the capacity that is reserved for newcomers, and the most that an origin may hold to count as one. */
const RESERVE = 1 / 8;
const LITTLE = 1 / 64;

/**
 * Divides a capacity among origins. At rest, below half, an origin may hold any part of it: all honest senders of a demo, a campus
 * or a proxy are one origin. Under load each origin may hold an equal share, and the last eighth is for origins that hold little: so
 * newcomers find room beside earlier ones.
 */
export class Shares {
  readonly #capacity: number;
  readonly #held = new Map<string, number>();
  #total = 0;

  constructor(capacity: number) {
    this.#capacity = capacity;
  }

  /** 0 if nothing is held, 1 if all is. */
  get load(): number {
    return this.#total / this.#capacity;
  }

  get total(): number {
    return this.#total;
  }

  held(origin: string): number {
    return this.#held.get(origin) ?? 0;
  }

  /** The equal share of an origin under load. */
  fairShare(origin: string): number {
    return this.#capacity / Math.max(1, this.#held.size + (this.#held.has(origin) ? 0 : 1));
  }

  /** True if an origin may have `amount` more. */
  may(origin: string, amount = 1): boolean {
    const after = this.#total + amount;
    if (after > this.#capacity) return false;
    if (after <= this.#capacity * REST_LOAD) return true;
    const share = this.fairShare(origin);
    const most = after > this.#capacity * (1 - RESERVE) ? Math.min(share, this.#capacity * LITTLE) : share;
    return this.held(origin) + amount <= Math.max(most, amount);
  }

  /** Takes `amount` for an origin, if it may have it; returns whether it did. */
  take(origin: string, amount = 1): boolean {
    if (!this.may(origin, amount)) return false;
    this.hold(origin, amount);
    return true;
  }

  /** Records an amount that an origin holds, regardless of its share. */
  hold(origin: string, amount = 1): void {
    this.#held.set(origin, this.held(origin) + amount);
    this.#total += amount;
  }

  /** Returns an amount that an origin held. */
  give(origin: string, amount = 1): void {
    const held = this.held(origin);
    const given = Math.min(held, amount);
    this.#total -= given;
    if (held > given) this.#held.set(origin, held - given);
    else this.#held.delete(origin);
  }
}
