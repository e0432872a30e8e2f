// Registration by code: a code is good for one member, codes are tried one after another, and no member may try many. A flood of wrong
// codes costs a bounded number of looks into the store, and delays a right one by no more than those. Apart from store.ts, which holds
// the codes, because attempts are counted in memory only.
import { type Clock, MixError, type NodeId } from '../base/index.js';
import type { SchedulerStore } from './store.js';

/** Codes that one member may try within ATTEMPTS_WINDOW_MS: enough for mistyped ones, far too few to guess one. */
export const ATTEMPTS_MAX = 5;
export const ATTEMPTS_WINDOW_MS = 60_000;

interface Attempts {
  readonly sinceMs: number;
  readonly count: number;
}

export class Registration {
  readonly #store: SchedulerStore;
  readonly #clock: Clock;
  /** By member, so that the membership list bounds their number. */
  readonly #attempts = new Map<NodeId, Attempts>();
  /** Settles when the last code that was tried is judged. Two concurrent tries of one code would both find it unused. */
  #turn: Promise<void> = Promise.resolve();

  constructor(store: SchedulerStore, clock: Clock) {
    this.#store = store;
    this.#clock = clock;
  }

  /** Uses a code up for this member. @throws MixError REGISTRATION_REFUSED, REGISTRATION_LIMIT, STORE_FAILED */
  async use(node: NodeId, code: string): Promise<void> {
    this.#count(node);
    const judged = this.#turn.then(() => this.#store.useCode(code, node));
    // The caller gets the error; the next in turn only waits for the end.
    this.#turn = judged.catch(() => {});
    await judged;
    this.#attempts.delete(node);
  }

  /** Forgets nodes that have left the membership list: they cannot call. */
  keep(members: ReadonlySet<NodeId>): void {
    for (const node of this.#attempts.keys()) if (!members.has(node)) this.#attempts.delete(node);
  }

  /** Number of members whose attempts are remembered. */
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
