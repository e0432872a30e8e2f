// The stored record of rounds, so that a round runs at most once: a round id is written, synced, before the node does anything
// for it, and once more before its first realtime byte. After a restart no open round is resumed (its secrets died with the
// process), and no id is accepted twice. Old records are pruned behind a floor below which ids are refused.
import { type BootId, isRoundId, MixError, type RoundId, utf8 } from '../base/index.js';
import type { Store } from '../base/store.js';
import { STAGES, type Stage } from '../protocol/index.js';

/** Limit of records: 10,000 rounds of a few dozen bytes each. */
const RECORDS_MAX = 10_000;
/** Records above the limit that are pruned together: the floor is written once for all of them. */
const PRUNED_AT_ONCE = 100;
const FLOOR_KEY = 'rounds/floor';

interface RoundRecord {
  readonly bootId: BootId;
  readonly stage: Stage;
}

/** A round that was open when an earlier run died; `realtime`: its precomputation was in use. */
export interface LostRound {
  readonly round: RoundId;
  readonly realtime: boolean;
  /** Key of its record if that cannot be read: it was torn as it was written, or is damaged. */
  readonly unreadable?: string;
}

/** Ids in keys are padded so that keys sort by number. */
const recordKey = (round: RoundId): string => `round/${String(round).padStart(16, '0')}`;
const realtimeKey = (round: RoundId): string => `realtime/${String(round).padStart(16, '0')}`;

/** @throws MixError STORE_CORRUPT */
function parseRound(key: string): RoundId {
  const round = Number(key.slice(key.indexOf('/') + 1));
  if (!isRoundId(round)) throw corrupt(key, 'its key names no round');
  return round;
}

/** Reads the floor, below which ids are refused without a record. @throws MixError STORE_CORRUPT */
function parseFloor(bytes: Uint8Array): number {
  const text = Buffer.from(bytes).toString();
  if (!/^\d+$/.test(text) || !Number.isSafeInteger(Number(text))) throw corrupt(FLOOR_KEY, 'it is no round id');
  return Number(text);
}

const corrupt = (record: string, why: string): MixError => new MixError('STORE_CORRUPT', { record, why });

export class RoundJournal {
  readonly #store: Store;
  readonly #bootId: BootId;
  readonly #recordsMax: number;
  #floor = 0;
  /** Ids of all records. */
  #ids: RoundId[] = [];
  #pruning = false;

  /** `recordsMax`: limit of records; up to PRUNED_AT_ONCE more, and those of open rounds, are kept until the next pruning. */
  constructor(store: Store, bootId: BootId, recordsMax = RECORDS_MAX) {
    this.#store = store;
    this.#bootId = bootId;
    this.#recordsMax = recordsMax;
  }

  /**
   * Marks the rounds that an earlier run left open as failed, and returns them. Call once, before any round is opened.
   * @throws MixError STORE_CORRUPT naming the record; STORE_FAILED
   */
  async recover(): Promise<LostRound[]> {
    const floor = await this.#store.get(FLOOR_KEY);
    this.#floor = floor ? parseFloor(floor) : 0;
    const keys = await this.#store.keys('round/');
    const ids = keys.map(parseRound);
    const open: LostRound[] = [];
    for (const [index, round] of ids.entries()) {
      const key = keys[index] ?? recordKey(round);
      const stage = await this.#stageIn(key);
      if (stage === 'COMPLETED' || stage === 'FAILED') continue;
      const realtime = (await this.#store.get(realtimeKey(round))) !== undefined;
      open.push({ round, realtime, ...(stage === undefined && { unreadable: key }) });
      await this.#write(key, 'FAILED');
    }
    this.#ids = ids;
    await this.#prune();
    return open;
  }

  /** Records a new round. @throws MixError ROUND_REUSED, STORE_FAILED */
  async open(round: RoundId): Promise<void> {
    const key = recordKey(round);
    if (round <= this.#floor || (await this.#store.get(key))) throw new MixError('ROUND_REUSED', { round });
    await this.#write(key, 'PRECOMPUTING');
    this.#ids.push(round);
  }

  /** Records that the precomputation is in use, before its first use. @throws MixError ROUND_REUSED, STORE_FAILED */
  async reserveRealtime(round: RoundId): Promise<void> {
    const key = realtimeKey(round);
    if (await this.#store.get(key)) throw new MixError('ROUND_REUSED', { round });
    await this.#store.put(key, utf8(this.#bootId));
  }

  /** Records the end of a round, and prunes: a process may run for weeks. @throws MixError STORE_FAILED */
  async end(round: RoundId, stage: Stage): Promise<void> {
    await this.#write(recordKey(round), stage);
    if (this.#ids.length >= this.#recordsMax + PRUNED_AT_ONCE) await this.#prune();
  }

  /** Stage in a record; undefined if it cannot be read: it still shows that the id was used, and its round counts as open. */
  async #stageIn(key: string): Promise<Stage | undefined> {
    const bytes = await this.#store.get(key);
    try {
      const { stage } = JSON.parse(Buffer.from(bytes ?? []).toString()) as Partial<RoundRecord>;
      return STAGES.find((known) => known === stage);
    } catch {
      // The caller says that it cannot be read.
      return undefined;
    }
  }

  #write(key: string, stage: Stage): Promise<void> {
    const record: RoundRecord = { bootId: this.#bootId, stage };
    return this.#store.put(key, utf8(JSON.stringify(record)));
  }

  /** Writes the floor first, so that an id without a record is below it. If a write fails, the next prune repeats it. */
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
