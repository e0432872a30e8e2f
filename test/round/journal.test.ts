// The persistent record of rounds: an id runs at most once, also across restarts, torn records and pruning.
import { describe, expect, it } from 'vitest';
import { utf8 } from '../../src/base/bytes.js';
import type { BootId, RoundId } from '../../src/base/ids.js';
import { createLog } from '../../src/base/log.js';
import { type LostRound, RoundJournal } from '../../src/round/journal.js';
import { SimTeam } from '../sim/team.js';
import { rejection } from '../support/cmix.js';
import { MemoryStore } from '../support/memoryStore.js';

const boot = (name: string): BootId => name.repeat(32).slice(0, 32) as BootId;
const id = (round: number): RoundId => round as RoundId;

async function opened(store: MemoryStore, name: string): Promise<{ log: RoundJournal; lost: LostRound[] }> {
  const log = new RoundJournal(store, boot(name));
  return { log, lost: await log.recover() };
}

describe('the round log', () => {
  it('accepts an id once, in one run and across restarts', async () => {
    const store = new MemoryStore();
    const first = await opened(store, 'a');
    await first.log.open(id(5));
    expect((await rejection(first.log.open(id(5))))?.code).toBe('ROUND_REUSED');
    await first.log.end(id(5), 'COMPLETED');
    expect((await rejection(first.log.open(id(5))))?.code).toBe('ROUND_REUSED');
    const second = await opened(store, 'b');
    expect((await rejection(second.log.open(id(5))))?.code).toBe('ROUND_REUSED');
    await second.log.open(id(6));
  });

  it('reports rounds that were open when the process died, once, and never resumes them', async () => {
    const store = new MemoryStore();
    const { log } = await opened(store, 'a');
    await log.open(id(1));
    await log.open(id(2));
    await log.open(id(10));
    await log.end(id(2), 'FAILED');
    await log.reserveRealtime(id(10));
    expect((await opened(store, 'b')).lost).toEqual([
      { round: 1, realtime: false },
      { round: 10, realtime: true },
    ]);
    expect((await opened(store, 'c')).lost).toEqual([]);
    expect((await rejection((await opened(store, 'd')).log.open(id(10))))?.code).toBe('ROUND_REUSED');
  });

  it('lets a precomputation be used once, also after a restart in the middle of its use', async () => {
    const store = new MemoryStore();
    const { log } = await opened(store, 'a');
    await log.open(id(3));
    await log.reserveRealtime(id(3));
    expect((await rejection(log.reserveRealtime(id(3))))?.code).toBe('ROUND_REUSED');
    expect((await rejection((await opened(store, 'b')).log.reserveRealtime(id(3))))?.code).toBe('ROUND_REUSED');
  });

  it('counts a torn record as used and as open', async () => {
    const store = new MemoryStore();
    await store.put('round/0000000000000004', new Uint8Array([0x7b, 0x22]));
    const { log, lost } = await opened(store, 'a');
    expect(lost).toEqual([{ round: 4, realtime: false, unreadable: 'round/0000000000000004' }]);
    expect((await rejection(log.open(id(4))))?.code).toBe('ROUND_REUSED');
    expect((await opened(store, 'b')).lost).toEqual([]);
  });

  it.each(['null', '7', '{}', '{"stage":"MIXED"}', ''])(
    'counts a record that says %j as used, open and unreadable',
    async (text) => {
      const store = new MemoryStore();
      await store.put('round/0000000000000004', utf8(text));
      const { log, lost } = await opened(store, 'a');
      expect(lost).toEqual([{ round: 4, realtime: false, unreadable: 'round/0000000000000004' }]);
      expect((await rejection(log.open(id(4))))?.code).toBe('ROUND_REUSED');
    },
  );

  it.each(['', 'NaN', '-1', '7.5', '1e3', '99999999999999999999', '{'])(
    'does not open on a floor that says %j',
    async (text) => {
      const store = new MemoryStore();
      await store.put('rounds/floor', utf8(text));
      expect(await rejection(opened(store, 'a'))).toMatchObject({
        code: 'STORE_CORRUPT',
        values: { record: 'rounds/floor' },
      });
    },
  );

  it('does not open on a record whose key names no round', async () => {
    const store = new MemoryStore();
    await store.put('round/one', utf8('{"stage":"COMPLETED"}'));
    expect(await rejection(opened(store, 'a'))).toMatchObject({
      code: 'STORE_CORRUPT',
      values: { record: 'round/one' },
    });
  });

  it('is read with a log line for each record that cannot be read', async () => {
    const lines: string[] = [];
    const destination = { write: (line: string) => void lines.push(line) };
    const log = createLog({ name: 'x', level: 'warn', format: 'json', destination });
    const team = new SimTeam({ seed: 'torn', nodes: 2, remake: () => ({ log }) });
    const [node] = team.nodes;
    await node!.store.put('round/0000000000000004', new Uint8Array([0x7b, 0x22]));
    await team.start(0);
    const said = lines.map((line) => JSON.parse(line) as Record<string, unknown>);
    expect(said).toEqual([expect.objectContaining({ record: 'round/0000000000000004', round: 4, level: 40 })]);
    expect(node!.reports).toContainEqual(expect.objectContaining({ kind: 'stage', round: 4, stage: 'FAILED' }));
    await node!.manager.close();
  });

  it('prunes old records only below a floor under which every id is refused from then on', async () => {
    const store = new MemoryStore();
    const before = await opened(store, 'a');
    for (let round = 1; round <= 10_003; round++) await before.log.open(id(round));
    await before.log.reserveRealtime(id(2));
    const after = await opened(store, 'b');
    expect(await store.keys('round/')).toHaveLength(10_000);
    expect(await store.keys('realtime/')).toEqual([]);
    for (const round of [1, 3, 4, 10_003]) {
      expect((await rejection(after.log.open(id(round))))?.code).toBe('ROUND_REUSED');
    }
    const again = await opened(store, 'c');
    expect((await rejection(again.log.open(id(1))))?.code).toBe('ROUND_REUSED');
    await again.log.open(id(10_004));
  });

  it('prunes old records while it runs: a process of weeks keeps no more than one just started', async () => {
    const store = new MemoryStore();
    const log = new RoundJournal(store, boot('a'), 50);
    await log.recover();
    let most = 0;
    for (let round = 1; round <= 1_000; round++) {
      await log.open(id(round));
      await log.reserveRealtime(id(round));
      await log.end(id(round), 'COMPLETED');
      most = Math.max(most, (await store.keys('round/')).length);
    }
    expect(most).toBeLessThan(150);
    expect((await store.keys('realtime/')).length).toBeLessThanOrEqual(150);
    for (const round of [1, 500, 1_000]) {
      expect((await rejection(log.open(id(round))))?.code).toBe('ROUND_REUSED');
      expect((await rejection((await opened(store, 'b')).log.open(id(round))))?.code).toBe('ROUND_REUSED');
    }
  });
});
