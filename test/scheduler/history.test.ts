// A scheduler's history on disk, and the updates that nodes have seen: an older copy, a full disk or a damaged record neither
// stops a network silently nor lets an id be given twice.
import { describe, expect, it } from 'vitest';
import type { BootId, NodeId, RoundId } from '../../src/base/ids.js';
import { createLog } from '../../src/base/log.js';
import { createMetrics } from '../../src/base/metrics.js';
import { randomBytes } from '../../src/base/rng.js';
import type { Store } from '../../src/base/store.js';
import { deriveNodeId, SigningKey } from '../../src/cmix/signatures.js';
import { referenceEngine } from '../../src/engine/open.js';
import { namedGroup } from '../../src/math/group.js';
import type { Membership } from '../../src/protocol/membership.js';
import { type SignedUpdate, signUpdate } from '../../src/protocol/schedulerPort.js';
import { encodeFields } from '../../src/protocol/statements.js';
import { DEFAULT_PARAMS } from '../../src/scheduler/parameters.js';
import { Scheduler } from '../../src/scheduler/scheduler.js';
import { SchedulerStore } from '../../src/scheduler/store.js';
import { counted } from '../comms/support.js';
import { rejection } from '../support/cmix.js';
import { MemoryStore } from '../support/memoryStore.js';
import { SeededRng } from '../support/seededRng.js';
import { VirtualClock } from '../support/virtualClock.js';

const NETWORK = 'history';
const rng = new SeededRng('history');
const key = SigningKey.generate(rng);
const nodes = Array.from({ length: 4 }, () => deriveNodeId(randomBytes(rng, 32)));
const turns = async () => {
  for (let i = 0; i < 40; i++) await new Promise((resolve) => setImmediate(resolve));
};

/** A disk that can be full, and copied. */
class Disk implements Store {
  full = false;
  readonly content: MemoryStore;

  constructor(content = new MemoryStore()) {
    this.content = content;
  }

  async copy(): Promise<Disk> {
    const copy = new Disk();
    for (const name of await this.content.keys('')) await copy.put(name, (await this.content.get(name))!);
    return copy;
  }

  get(name: string) {
    return this.content.get(name);
  }

  async put(name: string, value: Uint8Array): Promise<void> {
    if (this.full) throw new Error('no space left on device');
    await this.content.put(name, value);
  }

  async delete(name: string): Promise<void> {
    if (this.full) throw new Error('no space left on device');
    await this.content.delete(name);
  }

  keys(prefix: string) {
    return this.content.keys(prefix);
  }

  close() {
    return this.content.close();
  }
}

/** A scheduler on a disk, its nodes, and the updates that they have seen. */
class Office {
  readonly clock = new VirtualClock();
  readonly disk: Disk;
  readonly lines: string[] = [];
  readonly metrics = createMetrics();
  readonly seen: SignedUpdate[];
  scheduler!: Scheduler;
  readonly #boots = new Map<NodeId, BootId>();

  constructor(disk = new Disk(), seen: SignedUpdate[] = []) {
    this.disk = disk;
    this.seen = seen;
  }

  async open(): Promise<this> {
    const membership = () => ({ generation: 0, members: nodes.map((node) => ({ node })), find: () => undefined });
    this.scheduler = await Scheduler.open({
      network: NETWORK,
      key,
      membership: membership as unknown as () => Membership,
      params: { ...DEFAULT_PARAMS, teamSize: 3, stockMin: 2, stockMax: 4, precomputingPerNode: 1 },
      registration: 'members',
      store: new SchedulerStore(this.disk),
      engineOf: async (group) => referenceEngine(namedGroup(group)),
      clock: this.clock,
      rng,
      log: createLog({
        name: 'x',
        level: 'trace',
        format: 'json',
        destination: { write: (line) => void this.lines.push(line) },
      }),
      metrics: this.metrics,
    });
    return this;
  }

  /** All nodes connect, report the last update that they have seen if `tell`, and come online. */
  async connect(tell: boolean): Promise<void> {
    const last = this.seen.at(-1);
    const opened = this.seen.flatMap(({ update }) => (update.kind === 'open' ? [update.round] : []));
    this.scheduler.subscribe(nodes[0]!, last?.number ?? 0, (update) => void this.seen.push(update));
    for (const node of nodes) {
      if (tell && last) void this.scheduler.onReport(node, { kind: 'seen', last, newest: opened.at(-1) });
      const bootId = Buffer.from(randomBytes(rng, 16)).toString('hex') as BootId;
      this.#boots.set(node, bootId);
      void this.scheduler.onReport(node, { kind: 'online', bootId, engine: 'x', enginePath: 'x' });
    }
    await this.pass();
  }

  /** Lets time pass: rounds fail, and others are opened. */
  async pass(steps = 3): Promise<void> {
    for (let step = 0; step < steps; step++) {
      this.clock.step();
      await turns();
    }
  }

  /** Opens rounds, each given up, until this many have been announced. */
  async openRounds(count: number): Promise<void> {
    for (let i = 0; i < 300 && this.rounds.length < count; i++) {
      for (const round of this.rounds) this.failed(round);
      await this.pass(1);
    }
  }

  /** A member reports that the round has failed. */
  failed(round: RoundId): void {
    const open = this.scheduler.rounds().find((row) => row.round === round);
    const [node] = open?.team ?? [];
    if (!node || open?.state !== 'PENDING') return;
    const failure = { code: 'ABORTED', culprit: undefined, reporter: node, detail: '' } as const;
    const bootId = this.#boots.get(node)!;
    void this.scheduler.onReport(node, { kind: 'stage', round, bootId, stage: 'FAILED', failure });
  }

  get rounds(): RoundId[] {
    return this.seen.flatMap(({ update }) => (update.kind === 'open' ? [update.round.info.round] : []));
  }
}

const recovered = async (disk: Disk) => new SchedulerStore(disk).recover();
const codeOf = (work: Promise<unknown>) =>
  work.then(
    () => 'done',
    (error: { code: string; message: string }) => `${error.code}: ${error.message}`,
  );

describe('a scheduler restored from an older copy, or started anew', () => {
  it.each([
    ['an older copy', true],
    ['an empty directory', false],
  ])('continues above the updates that nodes have seen, and reports the gap: %s', async (_, isCopy) => {
    const before = await new Office().open();
    await before.connect(false);
    const copy = isCopy ? await before.disk.copy() : new Disk();
    await before.openRounds(6);
    await before.scheduler.close();
    const [numbers, rounds] = [before.seen.map(({ number }) => number), before.rounds];
    expect(rounds.length).toBeGreaterThanOrEqual(6);

    const after = await new Office(copy, before.seen).open();
    await after.connect(true);
    await after.openRounds(rounds.length + 2);
    const fresh = after.seen.slice(numbers.length);
    expect(fresh.length).toBeGreaterThan(0);
    expect(Math.min(...fresh.map(({ number }) => number))).toBeGreaterThan(Math.max(...numbers));
    for (const round of after.rounds.slice(rounds.length)) expect(rounds).not.toContain(round);
    expect(after.scheduler.faults).toEqual([{ reason: expect.stringMatching(/^history: older/), fatal: false }]);
    expect(after.lines.join('')).toContain('this history is older than what nodes have seen');
    expect(await counted(after.metrics, 'history_lag_updates', {})).toBeGreaterThan(0);
    await after.scheduler.close();
    // The gap is part of the history from now on.
    const { updates } = await recovered(after.disk);
    expect(updates.at(-1)!.number).toBeGreaterThan(Math.max(...numbers));
  });

  it('ignores numbers that it has not signed itself', async () => {
    const office = await new Office().open();
    await office.connect(false);
    const { number } = office.scheduler.feed;
    const forged = signUpdate(SigningKey.generate(rng), NETWORK, 1_000_000, { kind: 'assign', round: 7 as RoundId });
    const elsewhere = signUpdate(key, 'another network', 1_000_000, { kind: 'assign', round: 7 as RoundId });
    for (const last of [forged, elsewhere]) {
      await office.scheduler.onReport(nodes[0]!, { kind: 'seen', last, newest: undefined });
    }
    expect(office.scheduler.feed.number).toBe(number);
    expect(office.scheduler.faults).toEqual([]);
    await office.scheduler.close();
  });
});

describe('a disk that is full for a moment', () => {
  it('stops nothing permanently: it is reported, and the decisions are announced in order when there is room', async () => {
    const office = await new Office().open();
    await office.connect(false);
    const before = office.seen.length;
    office.disk.full = true;
    await office.openRounds(before + 1);
    expect(office.seen.length).toBe(before);
    expect(office.scheduler.faults).toEqual([{ reason: expect.stringContaining('no space left'), fatal: true }]);
    expect(await counted(office.metrics, 'store_failing', {})).toBe(1);
    // No decisions accumulate meanwhile.
    const decided = office.scheduler.feed.number;
    await office.pass(50);
    expect(office.scheduler.feed.number).toBe(decided);
    office.disk.full = false;
    await office.pass(20);
    await office.openRounds(before + 3);
    expect(office.scheduler.faults).toEqual([]);
    expect(office.seen.length).toBeGreaterThan(before);
    expect(office.seen.map(({ number }) => number)).toEqual(office.seen.map((_, i) => office.seen[0]!.number + i));
    expect(office.lines.filter((line) => line.includes('cannot be written down'))).toHaveLength(1);
    await office.scheduler.close();
  });
});

describe('a damaged history', () => {
  async function history(): Promise<{ disk: Disk; keys: string[] }> {
    const office = await new Office().open();
    await office.connect(false);
    await office.openRounds(4);
    await office.scheduler.close();
    const keys = await office.disk.keys('update/');
    expect(keys.length).toBeGreaterThan(3);
    return { disk: office.disk, keys };
  }

  it('is refused, naming the record, if a record is unreadable or missing', async () => {
    for (const damage of [
      async (disk: Disk, name: string) => disk.put(name, Uint8Array.of(1, 2, 3)),
      async (disk: Disk, name: string) => disk.delete(name),
    ]) {
      const { disk, keys } = await history();
      await damage(disk, keys[1]!);
      expect(await codeOf(recovered(disk))).toMatch(/^STORE_CORRUPT.*update\/0/);
    }
  });

  it.each([
    [`node/${'a'.repeat(32)}`, '{"banned":tr'],
    [`node/${'a'.repeat(32)}`, 'null'],
    [`node/${'a'.repeat(32)}`, '{}'],
    [`node/${'a'.repeat(32)}`, '{"banned":"no"}'],
    [`node/${'a'.repeat(32)}`, '{"banned":false,"outUntilMs":"soon"}'],
    ['node/nobody', '{"banned":true}'],
    ['ended/seven', '1'],
    ['assigned/', '1'],
    ['skip/-1', '1'],
    ['last-round', 'NaN'],
  ])('is refused, naming the record %s, if that says %j', async (record, text) => {
    const { disk } = await history();
    await disk.put(record, Buffer.from(text));
    expect(await rejection(recovered(disk))).toMatchObject({ code: 'STORE_CORRUPT', values: { record } });
  });

  it('names evidence that cannot be read', async () => {
    for (const [name, bytes] of [
      [`evidence/0000000000000001/${'a'.repeat(32)}`, Uint8Array.of(1, 2, 3)],
      [`evidence/0000000000000001/${'a'.repeat(32)}`, encodeFields([Uint8Array.of(1), Uint8Array.of(2)])],
    ] as const) {
      const { disk } = await history();
      await disk.put(name, bytes);
      const error = await rejection(new SchedulerStore(disk).convictions());
      expect(error).toMatchObject({ code: 'STORE_CORRUPT', values: { record: name } });
    }
  });

  it('loses only a torn last record, which nobody has seen, and reports it', async () => {
    const { disk, keys } = await history();
    await disk.put(keys.at(-1)!, Uint8Array.of(1, 2, 3));
    const { updates, torn } = await recovered(disk);
    expect([updates.length, torn]).toEqual([keys.length - 1, keys.at(-1)]);
  });

  it('has a torn last record named in the log', async () => {
    const { disk, keys } = await history();
    await disk.put(keys.at(-1)!, Uint8Array.of(1, 2, 3));
    const office = await new Office(disk).open();
    const said = office.lines.map((line) => JSON.parse(line) as Record<string, unknown>);
    const msg = expect.stringContaining('the last update on disk is incomplete and was dropped');
    expect(said).toContainEqual(expect.objectContaining({ record: keys.at(-1), msg, level: 40 }));
    await office.scheduler.close();
  });
});
