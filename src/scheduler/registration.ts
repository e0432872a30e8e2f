// Who may join the pool by a code: codes are good for one member each, tried one after another, and no member may try many. A
// flood of wrong ones costs a bounded number of looks into the store, and delays nobody who has a right one by more than those.
import { type Clock, MixError, type NodeId } from '../base/index.js';
import type { SchedulerStore } from './store.js';

/** Codes that one member may try in that time: whoever mistypes one has more, who guesses has none to speak of. */
export const ATTEMPTS_MAX = 5;
export const ATTEMPTS_WINDOW_MS = 60_000;

interface Attempts {
  readonly sinceMs: number;
  readonly count: number;
}

export class Registration {
  readonly #store: SchedulerStore;
  readonly #clock: Clock;
  /** By member, so that there are never more than the membership list has. */
  readonly #attempts = new Map<NodeId, Attempts>();
  /** Ends when the last code that was tried is judged: two that look at the same one would both find it unused. */
  #turn: Promise<void> = Promise.resolve();

  constructor(store: SchedulerStore, clock: Clock) {
    this.#store = store;
    this.#clock = clock;
  }

  /** Uses a code up for this member. @throws MixError REGISTRATION_REFUSED, REGISTRATION_LIMIT, STORE_FAILED */
  async use(node: NodeId, code: string): Promise<void> {
    this.#count(node);
    const judged = this.#turn.then(() => this.#store.useCode(code, node));
    // The caller hears of a failure; the next in turn only waits for the end.
    this.#turn = judged.catch(() => {});
    await judged;
    this.#attempts.delete(node);
  }

  /** Nodes that left the list cannot call, and are not remembered. */
  keep(members: ReadonlySet<NodeId>): void {
    for (const node of this.#attempts.keys()) if (!members.has(node)) this.#attempts.delete(node);
  }

  /** Members that have tried and are remembered for it. */
  get remembered(): number {
    return this.#attempts.size;
  }

  #count(node: NodeId): void {
    const nowMs = this.#clock.nowMs();
    const known = this.#attempts.get(node);
    const { sinceMs, count } =
      known && nowMs - known.sinceMs < ATTEMPTS_WINDOW_MS ? known : { sinceMs: nowMs, count: 0 };
    if (count >= ATTEMPTS_MAX) {
      throw new MixError('REGISTRATION_LIMIT', { attempts: count, withinMs: ATTEMPTS_WINDOW_MS });
    }
    this.#attempts.set(node, { sinceMs, count: count + 1 });
  }
}
