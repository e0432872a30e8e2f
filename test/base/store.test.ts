// The store, one suite for every implementation: what was put is there, in order, on its own, and on disk it stays.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { utf8 } from '../../src/base/bytes.js';
import { MemoryStore, openLevelStore, type Store } from '../../src/base/store.js';
import { rejection } from '../support/cmix.js';

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

  it('gives back what was put, the last of it, and nothing else', async () => {
    expect(await store.get('a')).toBeUndefined();
    await store.put('a', utf8('one'));
    await store.put('a', utf8('two'));
    await store.put('empty', new Uint8Array(0));
    expect(Buffer.from((await store.get('a'))!).toString()).toBe('two');
    expect((await store.get('empty'))?.length).toBe(0);
    expect(await store.get('A')).toBeUndefined();
  });

  it('forgets what was deleted, also what was never there', async () => {
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

  it('keeps values of its own: neither the caller’s buffer nor its answer is shared', async () => {
    const value = utf8('value');
    await store.put('a', value);
    value.fill(0);
    (await store.get('a'))!.fill(1);
    expect(Buffer.from((await store.get('a'))!).toString()).toBe('value');
  });

  it('takes many writes at once', async () => {
    const keys = Array.from({ length: 50 }, (_, i) => `k/${String(i).padStart(3, '0')}`);
    await Promise.all(keys.map((key) => store.put(key, utf8(key))));
    expect(await store.keys('k/')).toEqual(keys);
  });
});

describe('a store on disk', () => {
  const path = () => join(directory, 'store');

  it('still has everything after it is opened again', async () => {
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

  it('is one process’s at a time: opening it twice fails with a code', async () => {
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
