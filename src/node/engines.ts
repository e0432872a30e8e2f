// The engines of a process, one for each group that it computes in, opened when they are needed first.
import { MixError } from '../base/index.js';
import type { Engine } from '../engine/index.js';
import type { GroupName } from '../math/index.js';

/** Engines by group, opened when a round needs one; the default group's at start, so that a bad one shows at once. */
export class Engines {
  readonly #open = new Map<GroupName, Promise<Engine>>();
  readonly #make: (group: GroupName) => Promise<Engine>;
  readonly #allowed: readonly GroupName[];

  constructor(allowed: readonly GroupName[], make: (group: GroupName) => Promise<Engine>) {
    this.#allowed = allowed;
    this.#make = make;
  }

  get(group: GroupName): Promise<Engine> {
    if (!this.#allowed.includes(group)) {
      return Promise.reject(new MixError('ROUND_INFO_INVALID', { field: 'group', got: group }));
    }
    let engine = this.#open.get(group);
    if (!engine) {
      engine = this.#make(group);
      this.#open.set(group, engine);
      // Who asked hears of it; the next one opens it anew.
      engine.catch(() => this.#open.delete(group));
    }
    return engine;
  }

  async close(): Promise<void> {
    for (const engine of this.#open.values()) {
      // One that did not open has said so; and nothing is computed any more that a failure to close could spoil.
      await engine.then((opened) => opened.close()).catch(() => {});
    }
  }
}
