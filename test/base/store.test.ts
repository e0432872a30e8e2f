// The store, one suite for every implementation: entries are kept, in order and separately, and on disk they persist.
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { utf8 } from '../../src/base/bytes.js';
import type { MixError } from '../../src/base/errors.js';
import type { BootId, RoundId } from '../../src/base/ids.js';
import { randomBelow } from '../../src/base/rng.js';
import { openLevelStore, type Store } from '../../src/base/store.js';
import { RoundJournal } from '../../src/round/journal.js';
import { rejection } from '../support/cmix.js';
import { MemoryStore } from '../support/memoryStore.js';
import { SeededRng } from '../support/seededRng.js';

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'millrace-store-'));
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

const stores: readonly (readonly [string, () => Promise<Store>])[] = [
  ['MemoryStore', async () => new MemoryStore()],
  ['LevelStore', () => openLevelStore(join(directory, 'store'))],
];

describe.each(stores)('%s', (_name, open) => {
  let store: Store;
  beforeEach(async () => {
    store = await open();
  });
  afterEach(() => store.close());

  it('returns the last value of a key, and nothing for other keys', async () => {
    expect(await store.get('a')).toBeUndefined();
    await store.put('a', utf8('one'));
    await store.put('a', utf8('two'));
    await store.put('empty', new Uint8Array(0));
    expect(Buffer.from((await store.get('a'))!).toString()).toBe('two');
    expect((await store.get('empty'))?.length).toBe(0);
    expect(await store.get('A')).toBeUndefined();
  });

  it('forgets deleted entries, and accepts deleting an entry that never existed', async () => {
    await store.put('a', utf8('one'));
    await store.delete('a');
    await store.delete('never');
    expect(await store.get('a')).toBeUndefined();
    expect(await store.keys('')).toEqual([]);
  });

  it('lists the keys of a prefix, in order', async () => {
    for (const key of ['round/10', 'round/9', 'rounds/floor', 'round/09', 'roun', 'realtime/1', 'round/']) {
      await store.put(key, utf8(key));
    }
    expect(await store.keys('round/')).toEqual(['round/', 'round/09', 'round/10', 'round/9']);
    expect(await store.keys('nothing')).toEqual([]);
    expect((await store.keys('')).length).toBe(7);
  });

  it('copies values: neither the caller’s buffer nor the returned one is shared', async () => {
    const value = utf8('value');
    await store.put('a', value);
    value.fill(0);
    (await store.get('a'))!.fill(1);
    expect(Buffer.from((await store.get('a'))!).toString()).toBe('value');
  });

  it('accepts many concurrent writes', async () => {
    const keys = Array.from({ length: 50 }, (_, i) => `k/${String(i).padStart(3, '0')}`);
    await Promise.all(keys.map((key) => store.put(key, utf8(key))));
    expect(await store.keys('k/')).toEqual(keys);
  });
});

describe('a store on disk', () => {
  const path = () => join(directory, 'store');

  it('still has everything after it is reopened', async () => {
    const first = await openLevelStore(path());
    await first.put('round/1', utf8('one'));
    await first.put('round/2', utf8('two'));
    await first.delete('round/1');
    await first.close();
    const second = await openLevelStore(path());
    expect(await second.keys('')).toEqual(['round/2']);
    expect(Buffer.from((await second.get('round/2'))!).toString()).toBe('two');
    await second.close();
  });

  it('belongs to one process at a time: opening it twice fails with a code', async () => {
    const first = await openLevelStore(path());
    const error = await rejection(openLevelStore(path()));
    expect(error?.code).toBe('STORE_FAILED');
    expect(error?.values.reason).toMatch(/lock/i);
    await first.put('still', utf8('works'));
    await first.close();
  });

  it('that cannot be opened, or is closed, fails with a code', async () => {
    writeFileSync(join(directory, 'file'), 'no directory');
    expect((await rejection(openLevelStore(join(directory, 'file'))))?.code).toBe('STORE_FAILED');
    const store = await openLevelStore(path());
    await store.close();
    const calls = [store.get('a'), store.put('a', utf8('x')), store.delete('a'), store.keys('')];
    for (const call of calls) expect((await rejection(call))?.code).toBe('STORE_FAILED');
  });
});

/** Runs rounds on a store on disk; returns the node's directory. */
async function ranRounds(count: number): Promise<string> {
  const directory_ = join(directory, 'node');
  const store = await openLevelStore(join(directory_, 'store'));
  const log = new RoundJournal(store, 'a'.repeat(32) as BootId);
  await log.recover();
  for (let round = 1; round <= count; round++) {
    await log.open(round as RoundId);
    await log.reserveRealtime(round as RoundId);
    await log.end(round as RoundId, 'COMPLETED');
  }
  await store.close();
  return directory_;
}

/** Number of the rounds that a node started on these files would run again, or the reason why it does not start. */
async function runsAgain(files: string, count: number): Promise<number | string> {
  let store: Store | undefined;
  try {
    store = await openLevelStore(join(files, 'store'));
    const log = new RoundJournal(store, 'b'.repeat(32) as BootId);
    await log.recover();
    let again = 0;
    for (let round = 1; round <= count; round++) {
      if (!(await rejection(log.open(round as RoundId)))) again++;
    }
    return again;
  } catch (thrown) {
    return (thrown as MixError).code;
  } finally {
    await store?.close();
  }
}

describe('a damaged store', () => {
  const ROUNDS = 60;
  const damaged = async (files: string, name: string, damage: (path: string) => void) => {
    const copy = join(directory, `copy-${name}`);
    cpSync(files, copy, { recursive: true });
    damage(copy);
    return runsAgain(copy, ROUNDS);
  };
  const inStore = (files: string, suffix: string) =>
    readdirSync(join(files, 'store'))
      .filter((name) => name.endsWith(suffix))
      .map((name) => join(files, 'store', name));

  it('lets no round run twice because of one flipped bit at any place: it does not open, and reports why', async () => {
    const files = await ranRounds(ROUNDS);
    const [log] = inStore(files, '.log');
    const { size } = statSync(log!);
    expect(size).toBeGreaterThan(10_000);
    const rng = new SeededRng('flips');
    let refused = 0;
    for (let flip = 0; flip < 60; flip++) {
      const at = randomBelow(rng, size);
      const outcome_ = await damaged(files, `${flip}`, (copy) => {
        const [file] = inStore(copy, '.log');
        const bytes = readFileSync(file!);
        bytes[at]! ^= 1 << randomBelow(rng, 8);
        writeFileSync(file!, bytes);
      });
      expect([at, ['STORE_CORRUPT', 'STORE_FAILED', 0].includes(outcome_)]).toEqual([at, true]);
      if (outcome_ === 'STORE_CORRUPT') refused++;
    }
    // Otherwise the test has shown nothing.
    expect(refused).toBeGreaterThan(40);
  });

  it.each<[string, (copy: string) => void, string | number]>([
    ['nothing', () => {}, 0],
    [
      'the end of its log',
      (copy) => truncateSync(inStore(copy, '.log')[0]!, statSync(inStore(copy, '.log')[0]!).size - 5),
      'STORE_CORRUPT',
    ],
    ['all of its log', (copy) => truncateSync(inStore(copy, '.log')[0]!, 0), 'STORE_CORRUPT'],
    ['its directory', (copy) => rmSync(join(copy, 'store'), { recursive: true }), 'STORE_CORRUPT'],
    ['the file that says where it ends', (copy) => rmSync(join(copy, 'store.head')), 'STORE_CORRUPT'],
    ['the contents of that file', (copy) => writeFileSync(join(copy, 'store.head'), '{'), 'STORE_CORRUPT'],
    [
      'its last write but not the file, by a loss of power',
      (copy) => {
        const head = JSON.parse(readFileSync(join(copy, 'store.head'), 'utf8'));
        writeFileSync(
          join(copy, 'store.head'),
          JSON.stringify({ ...head, sequence: head.sequence - 1, sum: '0'.repeat(64) }),
        );
      },
      0,
    ],
  ])('%s', async (what, damage, expected) => {
    const files = await ranRounds(ROUNDS);
    expect(await damaged(files, what.replaceAll(' ', '-'), damage)).toBe(expected);
  });

  it('names the directory and the possible remedies', async () => {
    const files = await ranRounds(5);
    rmSync(join(files, 'store.head'));
    const error = await rejection(openLevelStore(join(files, 'store')));
    expect(error?.message).toContain(join(files, 'store'));
    expect(error?.remedy).toMatch(/backup.*new identity/);
  });
});
