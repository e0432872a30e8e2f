// The Store port: a small ordered key-value store with a promise that matters, put(…) does not resolve before the value
// is on disk. Production uses LevelDB; tests and the simulator use memory, which survives a simulated crash of its node.
import { ClassicLevel } from 'classic-level';
import { MixError } from './errors.js';

export interface Store {
  get(key: string): Promise<Uint8Array | undefined>;
  /** Durable when it resolves. */
  put(key: string, value: Uint8Array): Promise<void>;
  delete(key: string): Promise<void>;
  /** Keys that begin with `prefix`, in order. */
  keys(prefix: string): Promise<string[]>;
  close(): Promise<void>;
}

export class MemoryStore implements Store {
  readonly #entries = new Map<string, Uint8Array>();

  async get(key: string): Promise<Uint8Array | undefined> {
    return this.#entries.get(key)?.slice();
  }

  async put(key: string, value: Uint8Array): Promise<void> {
    this.#entries.set(key, value.slice());
  }

  async delete(key: string): Promise<void> {
    this.#entries.delete(key);
  }

  async keys(prefix: string): Promise<string[]> {
    return [...this.#entries.keys()].filter((key) => key.startsWith(prefix)).sort();
  }

  async close(): Promise<void> {}
}

async function guarded<T>(what: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    const reason =
      cause instanceof Error ? ((cause.cause as Error | undefined)?.message ?? cause.message) : String(cause);
    throw new MixError('STORE_FAILED', { what, reason }, { cause });
  }
}

/** Opens (and creates) a LevelDB store in `directory`; one process at a time may hold it. */
export async function openLevelStore(directory: string): Promise<Store> {
  const db = new ClassicLevel<string, Uint8Array>(directory, { valueEncoding: 'view' });
  await guarded(`open ${directory}`, () => db.open());
  return {
    get: (key) => guarded('get', () => db.get(key)),
    put: (key, value) => guarded('put', () => db.put(key, value, { sync: true })),
    delete: (key) => guarded('delete', () => db.del(key, { sync: true })),
    keys: (prefix) => guarded('keys', () => db.keys({ gte: prefix, lt: `${prefix}\uffff` }).all()),
    close: () => guarded('close', () => db.close()),
  };
}
