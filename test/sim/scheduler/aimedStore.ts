// The disk of a simulated scheduler, which outlives it: a scheduler can be killed just before or just after one of its writes.
// From then on no write or read of this run ever ends, as after kill -9.
import type { Store } from '../../../src/base/store.js';
import type { MemoryStore } from '../../support/memoryStore.js';
import type { SchedulerMoment } from './scenario.js';

/** The moments before and after a write, by its key and, for an update, by the previous key. */
function momentsOf(key: string, before: string): readonly [SchedulerMoment | undefined, SchedulerMoment | undefined] {
  if (key === 'last-round') return ['scheduler dies: opening decided', 'scheduler dies: round id written'];
  if (key.startsWith('assigned/')) return ['scheduler dies: assignment decided', 'scheduler dies: assignment noted'];
  if (key.startsWith('ended/')) return ['scheduler dies: end decided', 'scheduler dies: end written'];
  if (!key.startsWith('update/')) return [undefined, undefined];
  if (before === 'last-round') return [undefined, 'scheduler dies: opening written'];
  if (before.startsWith('assigned/')) return [undefined, 'scheduler dies: assignment written'];
  return ['scheduler dies: failure decided', 'scheduler dies: failure written'];
}

export class AimedStore implements Store {
  readonly #content: MemoryStore;
  readonly #kills: (moment: SchedulerMoment) => boolean;
  #killed = false;
  #before = '';
  /** Number of scans of all codes. */
  codeScans = 0;

  /** `kills`: returns true if the owner dies at this moment. */
  constructor(content: MemoryStore, kills: (moment: SchedulerMoment) => boolean) {
    this.#content = content;
    this.#kills = kills;
  }

  kill(): void {
    this.#killed = true;
  }

  get(key: string): Promise<Uint8Array | undefined> {
    return this.#alive(() => this.#content.get(key));
  }

  async put(key: string, value: Uint8Array): Promise<void> {
    const [first, last] = momentsOf(key, this.#before);
    if (first && !this.#killed && this.#kills(first)) this.kill();
    await this.#alive(() => this.#content.put(key, value));
    if (first || last) this.#before = key;
    if (last && !this.#killed && this.#kills(last)) this.kill();
    await this.#alive(async () => {});
  }

  delete(key: string): Promise<void> {
    return this.#alive(() => this.#content.delete(key));
  }

  keys(prefix: string): Promise<string[]> {
    if (prefix === 'code/') this.codeScans++;
    return this.#alive(() => this.#content.keys(prefix));
  }

  close(): Promise<void> {
    return Promise.resolve();
  }

  #alive<T>(work: () => Promise<T>): Promise<T> {
    return this.#killed ? new Promise<T>(() => {}) : work();
  }
}
