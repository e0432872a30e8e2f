// The disk of a simulated node: it outlives a crash, the process does not. Each run of the process has its own handle; once that
// run is killed, its writes are dropped and never resolve, as after kill -9.
import type { Store } from '../../src/base/store.js';
import { MemoryStore } from '../support/memoryStore.js';

export class Disk {
  readonly content = new MemoryStore();
  /** Number of writes of each key. */
  readonly writes = new Map<string, number>();
  /** Breaks a promise on purpose: writes of keys for which this is true are acknowledged and dropped. */
  forgets: (key: string) => boolean = () => false;

  open(): DiskHandle {
    return new DiskHandle(this);
  }
}

export class DiskHandle implements Store {
  readonly #disk: Disk;
  #killed = false;

  constructor(disk: Disk) {
    this.#disk = disk;
  }

  kill(): void {
    this.#killed = true;
  }

  #alive<T>(work: () => Promise<T>): Promise<T> {
    return this.#killed ? new Promise<T>(() => {}) : work();
  }

  get(key: string): Promise<Uint8Array | undefined> {
    return this.#alive(() => this.#disk.content.get(key));
  }

  put(key: string, value: Uint8Array): Promise<void> {
    return this.#alive(() => {
      if (this.#disk.forgets(key)) return Promise.resolve();
      this.#disk.writes.set(key, (this.#disk.writes.get(key) ?? 0) + 1);
      return this.#disk.content.put(key, value);
    });
  }

  delete(key: string): Promise<void> {
    return this.#alive(() => this.#disk.content.delete(key));
  }

  keys(prefix: string): Promise<string[]> {
    return this.#alive(() => this.#disk.content.keys(prefix));
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}
