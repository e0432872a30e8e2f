// The Store port: a small ordered key-value store whose put(…) resolves only when the value is on disk. Production uses LevelDB.
import { createHash } from 'node:crypto';
import { readFile, rename, writeFile } from 'node:fs/promises';
import { ClassicLevel } from 'classic-level';
import { toHex } from './bytes.js';
import { type CancelTimer, type Clock, systemClock } from './clock.js';
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

/** A store on disk, with its condition. */
export interface DiskStore extends Store {
  /** Reason why it cannot be written or read now; undefined if it can. It is retried until it can. */
  readonly trouble: string | undefined;
  /** Calls `onChange` at each change of {@link trouble}; returns the function that ends this. */
  watch(onChange: (trouble: string | undefined) => void): () => void;
}

async function guarded<T>(what: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    if (cause instanceof MixError) throw cause;
    throw new MixError('STORE_FAILED', { what, reason: explain(cause) }, { cause });
  }
}

function explain(thrown: unknown): string {
  if (!(thrown instanceof Error)) return String(thrown);
  return (thrown.cause as Error | undefined)?.message ?? thrown.message;
}

type Level = ClassicLevel<string, Uint8Array>;

/** A value to be written, or undefined to delete, and its waiting caller. */
interface Write {
  readonly key: string;
  readonly value: Uint8Array | undefined;
  readonly resolve: () => void;
  readonly reject: (error: MixError) => void;
}

/** Summary of all records: the number of writes so far, of records, and the exclusive or of their hashes. */
interface Ledger {
  readonly sequence: number;
  readonly count: number;
  readonly sum: string;
}

const LEDGER_KEY = '\u0000ledger';
/** Record that is written to test the disk. */
const PROBE_KEY = '\u0000probe';
const EMPTY_SUM = new Uint8Array(32);
/** Interval of retries after a failed write, and time without a write after which the disk is tested. */
const RETRY_MS = 1_000;
const PROBE_MS = 10_000;
/** A page of a file: less might still fit on a full disk. */
const PROBE_BYTES = 4096;

const hashRecord = (key: string, value: Uint8Array): Uint8Array =>
  createHash('sha256').update(key).update('\0').update(value).digest();
const plus = (sum: Uint8Array, hash: Uint8Array): Uint8Array => sum.map((byte, i) => byte ^ hash[i]!);

/** The hash of every record, and the summary. */
interface Contents {
  readonly hashes: Map<string, Uint8Array>;
  readonly sum: Uint8Array;
  readonly ledger: Ledger | undefined;
}

async function readContents(db: Level): Promise<Contents> {
  const hashes = new Map<string, Uint8Array>();
  let sum: Uint8Array = EMPTY_SUM;
  let ledger: Ledger | undefined;
  for await (const [key, value] of db.iterator()) {
    if (key === LEDGER_KEY) ledger = readLedger(Buffer.from(value).toString());
    if (key.startsWith('\u0000')) continue;
    const hash = hashRecord(key, value);
    hashes.set(key, hash);
    sum = plus(sum, hash);
  }
  return { hashes, sum, ledger };
}

function readLedger(text: string): Ledger | undefined {
  try {
    const { sequence, count, sum } = JSON.parse(text) as Ledger;
    return Number.isSafeInteger(sequence) && Number.isSafeInteger(count) && /^[0-9a-f]{64}$/.test(sum)
      ? { sequence, count, sum }
      : undefined;
  } catch {
    // A damaged ledger counts as none; the caller refuses the store if it needs one.
    return undefined;
  }
}

/**
 * LevelDB silently drops a damaged part of its log, and with it the record that a round has run. So each write carries, in the
 * same atomic batch, a summary of all records (count and exclusive or of their hashes): a missing or changed record shows at the
 * next start. The last of these summaries is also in a file of its own, so that a log that lost its end shows, too.
 */
class LevelStore implements DiskStore {
  readonly #directory: string;
  readonly #headFile: string;
  readonly #clock: Clock;
  readonly #watchers = new Set<(trouble: string | undefined) => void>();
  #db: Level | undefined;
  #hashes = new Map<string, Uint8Array>();
  #sum: Uint8Array = EMPTY_SUM;
  #sequence = 0;
  #pending: Write[] = [];
  #writing: Promise<void> = Promise.resolve();
  #busy = false;
  #opening: Promise<void> | undefined;
  #closed = false;
  #trouble: string | undefined;
  #cancelProbe: CancelTimer = () => {};

  constructor(directory: string, clock: Clock) {
    this.#directory = directory;
    this.#headFile = `${directory}.head`;
    this.#clock = clock;
  }

  get trouble(): string | undefined {
    return this.#trouble;
  }

  watch(onChange: (trouble: string | undefined) => void): () => void {
    this.#watchers.add(onChange);
    return () => void this.#watchers.delete(onChange);
  }

  /** @throws MixError STORE_FAILED, STORE_CORRUPT */
  async open(): Promise<void> {
    const db: Level = new ClassicLevel(this.#directory, { valueEncoding: 'view' });
    await guarded(`open ${this.#directory}`, () => db.open());
    try {
      const contents = await guarded(`read ${this.#directory}`, () => readContents(db));
      const { hashes, sum, ledger } = contents;
      await this.#check(contents);
      this.#db = db;
      this.#hashes = hashes;
      this.#sum = sum;
      this.#sequence = ledger?.sequence ?? 0;
    } catch (thrown) {
      await db.close();
      throw thrown;
    }
    this.#probeIn(PROBE_MS);
  }

  async #check({ hashes, sum, ledger }: Contents): Promise<void> {
    const head = await this.#readHead();
    const refuse = (why: string) => {
      throw new MixError('STORE_CORRUPT', { directory: this.#directory, why });
    };
    if (ledger && (ledger.count !== hashes.size || ledger.sum !== toHex(sum))) {
      refuse(`${hashes.size} records are there, ${ledger.count} were written, or one was changed`);
    }
    if (head === 'absent') {
      if (ledger) refuse(`${this.#headFile} is missing, which says where the records end`);
      // The first start with ledgers: the present records are taken as complete. The file exists before the first ledger.
      await this.#writeHead(JSON.stringify({ sequence: 0, count: hashes.size, sum: toHex(sum) }));
      return;
    }
    if (!head) return refuse(`${this.#headFile} is damaged, which says where the records end`);
    const sequence = ledger?.sequence ?? 0;
    if (head.sequence > sequence)
      refuse(`${head.sequence} writes were done, ${sequence} are there: the end is missing`);
    if (head.sequence === sequence && head.sum !== toHex(sum)) refuse(`${this.#headFile} is of other records`);
  }

  async #readHead(): Promise<Ledger | undefined | 'absent'> {
    try {
      return readLedger(await readFile(this.#headFile, 'utf8'));
    } catch (thrown) {
      if ((thrown as NodeJS.ErrnoException).code === 'ENOENT') return 'absent';
      throw new MixError(
        'STORE_FAILED',
        { what: `read ${this.#headFile}`, reason: explain(thrown) },
        { cause: thrown },
      );
    }
  }

  get(key: string): Promise<Uint8Array | undefined> {
    return guarded('get', async () => (await this.#ready()).get(key));
  }

  keys(prefix: string): Promise<string[]> {
    return guarded('keys', async () => {
      const all = await (await this.#ready()).keys({ gte: prefix, lt: `${prefix}\uffff` }).all();
      return all.filter((key) => !key.startsWith('\u0000'));
    });
  }

  put(key: string, value: Uint8Array): Promise<void> {
    return this.#write(key, Uint8Array.from(value));
  }

  delete(key: string): Promise<void> {
    return this.#write(key, undefined);
  }

  #write(key: string, value: Uint8Array | undefined): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#pending.push({ key, value, resolve, reject });
      if (!this.#busy) this.#writing = this.#drain();
    });
  }

  /** Writes one batch after the other: writes that come during one go together into the next, and cost one flush of the disk. */
  async #drain(): Promise<void> {
    this.#busy = true;
    while (this.#pending.length > 0) {
      const group = this.#pending.splice(0);
      try {
        await this.#commit(await this.#ready(), group);
        for (const { resolve } of group) resolve();
        this.#settled();
      } catch (thrown) {
        const error = new MixError('STORE_FAILED', { what: 'write', reason: explain(thrown) }, { cause: thrown });
        if (!this.#closed) await this.#failed(error.message);
        for (const { reject } of group) reject(error);
      }
    }
    this.#busy = false;
  }

  async #commit(db: Level, group: readonly Write[]): Promise<void> {
    const changed = new Map(group.map(({ key, value }) => [key, value]));
    let sum = this.#sum;
    let count = this.#hashes.size;
    const hashes: [string, Uint8Array | undefined][] = [];
    for (const [key, value] of changed) {
      const before = this.#hashes.get(key);
      const after = value && !key.startsWith('\u0000') ? hashRecord(key, value) : undefined;
      if (before) sum = plus(sum, before);
      if (after) sum = plus(sum, after);
      count += (after ? 1 : 0) - (before ? 1 : 0);
      hashes.push([key, after]);
    }
    const ledger: Ledger = { sequence: this.#sequence + 1, count, sum: toHex(sum) };
    const line = JSON.stringify(ledger);
    const batch = [...changed].map(([key, value]) =>
      value ? ({ type: 'put', key, value } as const) : ({ type: 'del', key } as const),
    );
    await db.batch([...batch, { type: 'put', key: LEDGER_KEY, value: Buffer.from(line) }], { sync: true });
    this.#sum = sum;
    this.#sequence = ledger.sequence;
    for (const [key, hash] of hashes) {
      if (hash) this.#hashes.set(key, hash);
      else this.#hashes.delete(key);
    }
    await this.#writeHead(line);
  }

  /** The file is never ahead of the durable records, and whole at any moment. After a loss of power it may be behind by one: no fault. */
  async #writeHead(line: string): Promise<void> {
    await guarded(`write ${this.#headFile}`, async () => {
      await writeFile(`${this.#headFile}.new`, line, { mode: 0o600 });
      await rename(`${this.#headFile}.new`, this.#headFile);
    });
  }

  /** After a failed write LevelDB takes no other until it is opened again, and whether the write was done is unknown: read it again. */
  async #failed(trouble: string): Promise<void> {
    const db = this.#db;
    this.#db = undefined;
    // It is replaced by a fresh one: an error of closing it is of no use.
    await db?.close().catch(() => {});
    this.#change(trouble);
    this.#probeIn(RETRY_MS);
  }

  #settled(): void {
    this.#change(undefined);
    this.#probeIn(PROBE_MS);
  }

  #change(trouble: string | undefined): void {
    const changed = (trouble === undefined) !== (this.#trouble === undefined);
    this.#trouble = trouble;
    if (changed) for (const watcher of this.#watchers) watcher(trouble);
  }

  /** Schedules a small test write: a full disk is known before a round is refused for it. */
  #probeIn(delayMs: number): void {
    this.#cancelProbe();
    if (this.#closed) return;
    this.#cancelProbe = this.#clock.after(delayMs, () => {
      // A failure is recorded as trouble.
      this.put(PROBE_KEY, new Uint8Array(PROBE_BYTES)).catch(() => {});
    });
  }

  /** Returns the database; opens it again after a failed write. */
  async #ready(): Promise<Level> {
    if (this.#closed) throw new Error('it is closed');
    if (!this.#db) {
      // One at a time: a second one would find the directory locked by the first.
      this.#opening ??= this.open().finally(() => {
        this.#opening = undefined;
      });
      await this.#opening;
    }
    return this.#db!;
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#cancelProbe();
    await this.#writing;
    await guarded('close', async () => this.#db?.close());
  }
}

/**
 * Opens (and creates) a store in `directory`, with a file `directory`.head beside it; one process at a time may hold it.
 * @throws MixError STORE_FAILED; STORE_CORRUPT if written records are missing or changed
 */
export async function openLevelStore(directory: string, clock: Clock = systemClock): Promise<DiskStore> {
  const store = new LevelStore(directory, clock);
  await store.open();
  return store;
}
