// Fair shares of a capacity: each place (the name of an address, a network or a connection) gets its part.

/** Load below which no place is limited. */
export const REST = 1 / 2;
/** Part of the capacity that is reserved for newcomers, and the most that a place may hold to count as one. */
const RESERVE = 1 / 8;
const LITTLE = 1 / 64;

/**
 * Divides a capacity among places. At rest, below half, a place may hold any part of it: all honest senders of a demo, a campus
 * or a proxy are one place. Under load each place may hold an equal share, and the last eighth is for places that hold little: so
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

  held(place: string): number {
    return this.#held.get(place) ?? 0;
  }

  /** The equal share of a place under load. */
  fairShare(place: string): number {
    return this.#capacity / Math.max(1, this.#held.size + (this.#held.has(place) ? 0 : 1));
  }

  /** True if a place may have `amount` more. */
  may(place: string, amount = 1): boolean {
    const after = this.#total + amount;
    if (after > this.#capacity) return false;
    if (after <= this.#capacity * REST) return true;
    const share = this.fairShare(place);
    const most = after > this.#capacity * (1 - RESERVE) ? Math.min(share, this.#capacity * LITTLE) : share;
    return this.held(place) + amount <= Math.max(most, amount);
  }

  /** Takes `amount` for a place, if it may have it; returns whether it did. */
  take(place: string, amount = 1): boolean {
    if (!this.may(place, amount)) return false;
    this.hold(place, amount);
    return true;
  }

  /** Records an amount that a place holds, regardless of its share. */
  hold(place: string, amount = 1): void {
    this.#held.set(place, this.held(place) + amount);
    this.#total += amount;
  }

  /** Returns an amount that a place held. */
  give(place: string, amount = 1): void {
    const held = this.held(place);
    const given = Math.min(held, amount);
    this.#total -= given;
    if (held > given) this.#held.set(place, held - given);
    else this.#held.delete(place);
  }
}
