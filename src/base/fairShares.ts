// Shares of what there is for the places that want it: a place is an address, a network or a connection, by name.

/** Below this part of what there is, nobody is counted. */
export const REST = 1 / 2;
/** The part that is kept for newcomers, and how little a place holds to count as one. */
const RESERVE = 1 / 8;
const LITTLE = 1 / 64;

/**
 * Divides what there is among the places that want it. At rest, below half, a place may hold any part of it: all honest senders of a
 * demo, a campus or a proxy are one place. Under load each may hold an equal share, and the last eighth is for those who hold little:
 * so newcomers find a seat beside whoever was there first.
 */
export class Shares {
  readonly #capacity: number;
  readonly #held = new Map<string, number>();
  #total = 0;

  constructor(capacity: number) {
    this.#capacity = capacity;
  }

  /** 0 where nothing is held, 1 where all is. */
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

  /** Whether a place may have so much more. */
  may(place: string, amount = 1): boolean {
    const after = this.#total + amount;
    if (after > this.#capacity) return false;
    if (after <= this.#capacity * REST) return true;
    const share = this.fairShare(place);
    const most = after > this.#capacity * (1 - RESERVE) ? Math.min(share, this.#capacity * LITTLE) : share;
    return this.held(place) + amount <= Math.max(most, amount);
  }

  /** Takes so much more for a place, where it may have it. */
  take(place: string, amount = 1): boolean {
    if (!this.may(place, amount)) return false;
    this.hold(place, amount);
    return true;
  }

  /** Notes what a place holds, whatever its share is. */
  hold(place: string, amount = 1): void {
    this.#held.set(place, this.held(place) + amount);
    this.#total += amount;
  }

  /** Gives back what a place held. */
  give(place: string, amount = 1): void {
    const held = this.held(place);
    const given = Math.min(held, amount);
    this.#total -= given;
    if (held > given) this.#held.set(place, held - given);
    else this.#held.delete(place);
  }
}
