// The written record of rounds, so that a round runs once, ever: a round id is down, synced, before the node does anything
// for it, and once more before its first realtime byte. After a restart no open round is taken up again (its secrets
// died with the process), and no id is accepted twice. Old records are pruned behind a floor below which ids are refused.
import { type BootId, MixError, type RoundId, utf8 } from '../base/index.js';
import type { Store } from '../base/store.js';
import type { Stage } from '../protocol/index.js';

/** Records kept; 10,000 rounds of a few dozen bytes each. */
const RECORDS_MAX = 10_000;
/** Records above that which go together: the floor is written once for all of them. */
const PRUNED_AT_ONCE = 100;
const FLOOR_KEY = 'rounds/floor';

interface RoundRecord {
  readonly bootId: BootId;
  readonly stage: Stage;
}

/** A round that was open when an earlier run died, and whether its precomputation was being used. */
export interface LostRound {
  readonly round: RoundId;
  readonly realtime: boolean;
}

/** Ids in keys are padded so that keys sort as numbers do. */
const recordKey = (round: RoundId): string => `round/${String(round).padStart(16, '0')}`;
const realtimeKey = (round: RoundId): string => `realtime/${String(round).padStart(16, '0')}`;
const parseRound = (key: string): RoundId => Number(key.slice(key.indexOf('/') + 1)) as RoundId;

export class RoundJournal {
  readonly #store: Store;
  readonly #bootId: BootId;
  readonly #recordsMax: number;
  #floor = 0;
  /** Rounds that there are records of. */
  #ids: RoundId[] = [];
  #pruning = false;

  /** `recordsMax`: records that are kept; up to PRUNED_AT_ONCE more, and those that are open, until they are pruned. */
  constructor(store: Store, bootId: BootId, recordsMax = RECORDS_MAX) {
    this.#store = store;
    this.#bootId = bootId;
    this.#recordsMax = recordsMax;
  }

  /** Marks what an earlier run left open as failed, and returns those rounds. Call once, before any round is opened. */
  async recover(): Promise<LostRound[]> {
    const floor = await this.#store.get(FLOOR_KEY);
    this.#floor = floor ? Number(Buffer.from(floor).toString()) : 0;
    const keys = await this.#store.keys('round/');
    const open: LostRound[] = [];
    for (const key of keys) {
      const record = await this.#read(key);
      if (!record || record.stage === 'COMPLETED' || record.stage === 'FAILED') continue;
      const round = parseRound(key);
      open.push({ round, realtime: (await this.#store.get(realtimeKey(round))) !== undefined });
      await this.#write(key, 'FAILED');
    }
    this.#ids = keys.map(parseRound);
    await this.#prune();
    return open;
  }

  /** Writes a new round down. @throws MixError ROUND_REUSED, STORE_FAILED */
  async open(round: RoundId): Promise<void> {
    const key = recordKey(round);
    if (round <= this.#floor || (await this.#store.get(key))) throw new MixError('ROUND_REUSED', { round });
    await this.#write(key, 'PRECOMPUTING');
    this.#ids.push(round);
  }

  /** Writes down that the precomputation is being used, before it is. @throws MixError ROUND_REUSED, STORE_FAILED */
  async reserveRealtime(round: RoundId): Promise<void> {
    const key = realtimeKey(round);
    if (await this.#store.get(key)) throw new MixError('ROUND_REUSED', { round });
    await this.#store.put(key, utf8(this.#bootId));
  }

  /** Writes down how a round has ended; a process that runs for weeks prunes here. @throws MixError STORE_FAILED */
  async end(round: RoundId, stage: Stage): Promise<void> {
    await this.#write(recordKey(round), stage);
    if (this.#ids.length >= this.#recordsMax + PRUNED_AT_ONCE) await this.#prune();
  }

  async #read(key: string): Promise<RoundRecord | undefined> {
    const bytes = await this.#store.get(key);
    if (!bytes) return undefined;
    try {
      return JSON.parse(Buffer.from(bytes).toString()) as RoundRecord;
    } catch {
      // A torn record still says that the id was used; it counts as open.
      return { bootId: this.#bootId, stage: 'PENDING' };
    }
  }

  #write(key: string, stage: Stage): Promise<void> {
    const record: RoundRecord = { bootId: this.#bootId, stage };
    return this.#store.put(key, utf8(JSON.stringify(record)));
  }

  /** The floor first: an id whose record is gone is below it. Where a write fails, all is done again after the next round. */
  async #prune(): Promise<void> {
    if (this.#pruning) return;
    this.#pruning = true;
    try {
      this.#ids.sort((a, b) => a - b);
      const old = this.#ids.slice(0, Math.max(0, this.#ids.length - this.#recordsMax));
      const last = old.at(-1);
      if (last === undefined) return;
      this.#floor = last;
      await this.#store.put(FLOOR_KEY, utf8(String(last)));
      for (let from = 0; from < old.length; from += PRUNED_AT_ONCE) {
        const group = old.slice(from, from + PRUNED_AT_ONCE);
        await Promise.all(
          group.flatMap((round) => [recordKey(round), realtimeKey(round)].map((key) => this.#store.delete(key))),
        );
      }
      this.#ids = this.#ids.filter((round) => round > last);
    } finally {
      this.#pruning = false;
    }
  }
}
