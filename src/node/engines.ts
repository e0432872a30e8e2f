// The engines of a process, one for each group that it computes in, opened on first use. Apart from node.ts because schedulerProcess.ts
// has engines, too.
import { MixError } from '../base/index.js';
import type { Engine } from '../engine/index.js';
import type { GroupName } from '../math/index.js';

/** Engines by group, opened when a round needs one; a node opens its first group's at start, so that a bad engine shows at once. */
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
      // The caller gets the error; the next call opens the engine anew.
      engine.catch(() => this.#open.delete(group));
    }
    return engine;
  }

  async close(): Promise<void> {
    for (const engine of this.#open.values()) {
      // A failure to open was reported to its caller; a failure to close can spoil no computation any more.
      await engine.then((opened) => opened.close()).catch(() => {});
    }
  }
}
