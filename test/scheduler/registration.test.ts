// Membership of the pool: a code serves one member, under any attempts; a banned member stays banned, and one that has left may
// come back.
import { describe, expect, it } from 'vitest';
import type { BootId, NodeId } from '../../src/base/ids.js';
import { createLog } from '../../src/base/log.js';
import { createMetrics } from '../../src/base/metrics.js';
import { randomBytes } from '../../src/base/rng.js';
import { deriveNodeId, SigningKey } from '../../src/cmix/signatures.js';
import { referenceEngine } from '../../src/engine/open.js';
import { namedGroup } from '../../src/math/group.js';
import type { Membership } from '../../src/protocol/membership.js';
import { DEFAULT_PARAMS } from '../../src/scheduler/parameters.js';
import { ATTEMPTS_MAX, ATTEMPTS_WINDOW_MS, Registration } from '../../src/scheduler/registration.js';
import { Scheduler } from '../../src/scheduler/scheduler.js';
import { SchedulerStore } from '../../src/scheduler/store.js';
import { MemoryStore } from '../support/memoryStore.js';
import { SeededRng } from '../support/seededRng.js';
import { VirtualClock } from '../support/virtualClock.js';

const rng = new SeededRng('registration');
const [a, b, c] = Array.from({ length: 3 }, () => deriveNodeId(randomBytes(rng, 32))) as [NodeId, NodeId, NodeId];
const CODES = ['first code', 'second code'];

const codeOf = (work: Promise<unknown>) =>
  work.then(
    () => 'done',
    (error: { code: string }) => error.code,
  );

async function registration() {
  const clock = new VirtualClock();
  const content = new MemoryStore();
  let looks = 0;
  const keys = content.keys.bind(content);
  content.keys = (prefix) => {
    looks++;
    return keys(prefix);
  };
  const store = new SchedulerStore(content);
  for (const code of CODES) await store.addCode(code);
  return { clock, store, members: new Registration(store, clock), looks: () => looks };
}

describe('a registration code', () => {
  it('serves one member, even if two present it at once, and the same member again', async () => {
    const { members } = await registration();
    expect(await Promise.all([codeOf(members.use(a, CODES[0]!)), codeOf(members.use(b, CODES[0]!))])).toEqual([
      'done',
      'REGISTRATION_REFUSED',
    ]);
    expect(await codeOf(members.use(a, CODES[0]!))).toBe('done');
    expect(await codeOf(members.use(b, CODES[1]!))).toBe('done');
  });

  it('can be tried a few times a minute: a flood costs no more, locks nobody out and is forgotten', async () => {
    const { members, clock, looks } = await registration();
    const flood = Array.from({ length: 5_000 }, (_, i) => codeOf(members.use(a, `guess ${i}`)));
    const good = codeOf(members.use(b, CODES[0]!));
    const answers = await Promise.all(flood);
    expect(await good).toBe('done');
    expect(answers.filter((code) => code === 'REGISTRATION_REFUSED').length).toBe(ATTEMPTS_MAX);
    expect(answers.filter((code) => code === 'REGISTRATION_LIMIT').length).toBe(5_000 - ATTEMPTS_MAX);
    expect(looks()).toBe(ATTEMPTS_MAX + 1);
    expect(await codeOf(members.use(a, CODES[1]!))).toBe('REGISTRATION_LIMIT');
    expect(members.remembered).toBe(1);
    clock.after(ATTEMPTS_WINDOW_MS, () => {});
    clock.step();
    expect(await codeOf(members.use(a, CODES[1]!))).toBe('done');
    expect(members.remembered).toBe(0);
  });

  it('tried by a node that has left the list is not remembered', async () => {
    const { members } = await registration();
    await codeOf(members.use(a, 'guess'));
    members.keep(new Set([b]));
    expect(members.remembered).toBe(0);
  });
});

/** A scheduler over a store that outlives it, and its membership list. */
class Office {
  readonly clock = new VirtualClock();
  readonly content = new MemoryStore();
  readonly lines: string[] = [];
  members: NodeId[] = [a, b, c];
  generation = 0;
  scheduler!: Scheduler;

  async open(registration: 'members' | 'codes'): Promise<this> {
    const find = (node: NodeId) => this.members.find((one) => one === node);
    const membership = () => ({ generation: this.generation, members: this.members.map((node) => ({ node })), find });
    this.scheduler = await Scheduler.open({
      network: 'office',
      key: SigningKey.generate(rng),
      membership: membership as unknown as () => Membership,
      params: { ...DEFAULT_PARAMS, pruneMs: DEFAULT_PARAMS.staleMs },
      registration,
      store: new SchedulerStore(this.content),
      engineOf: async (group) => referenceEngine(namedGroup(group)),
      clock: this.clock,
      rng,
      log: createLog({
        name: 'office',
        level: 'trace',
        format: 'json',
        destination: { write: (line) => void this.lines.push(line) },
      }),
      metrics: createMetrics(),
    });
    return this;
  }

  async list(...members: NodeId[]): Promise<void> {
    this.members = members;
    this.generation++;
    await this.scheduler.membershipChanged();
  }

  pool(): string[] {
    return this.scheduler.view().nodes.map(({ node, status }) => `${[a, b, c].indexOf(node)} ${status}`);
  }
}

describe('a member', () => {
  it('that has left the list and is back is in the pool again, without another code', async () => {
    const office = new Office();
    for (const code of CODES) await new SchedulerStore(office.content).addCode(code);
    await office.open('codes');
    await office.scheduler.register(a, CODES[0]!);
    await office.scheduler.register(b, CODES[1]!);
    await office.list(b, c);
    expect(office.pool()).toEqual(['1 inactive']);
    await office.list(a, b, c);
    expect(office.pool().sort()).toEqual(['0 inactive', '1 inactive']);
    expect(await codeOf(office.scheduler.register(c, CODES[0]!))).toBe('REGISTRATION_REFUSED');
    for (const line of office.lines) for (const code of CODES) expect(line).not.toContain(code);
  });

  it('that was banned is still banned after it has left and come back, also after a restart', async () => {
    const office = await new Office().open('members');
    await office.scheduler.ban(a, true);
    await office.list(b, c);
    await office.list(a, b, c);
    expect(office.pool()).toContain('0 banned');
    await office.scheduler.close();
    await office.open('members');
    expect(office.pool()).toContain('0 banned');
    await office.scheduler.ban(a, false);
    expect(office.pool()).toContain('0 inactive');
  });

  it('that was forgotten after a long absence is in the pool again when it is back', async () => {
    const office = await new Office().open('members');
    office.clock.after(2 * DEFAULT_PARAMS.staleMs, () => {});
    while (office.clock.nowMs() < 2 * DEFAULT_PARAMS.staleMs) office.clock.step();
    office.clock.step();
    expect(office.pool()).toEqual([]);
    const bootId = 'ab'.repeat(16) as BootId;
    await office.scheduler.onReport(a, { kind: 'online', bootId, engine: 'reference', enginePath: 'bigint' });
    expect(office.pool().length).toBe(1);
    await office.scheduler.close();
  });

  it('that never registered cannot be banned', async () => {
    const office = await new Office().open('codes');
    expect(await codeOf(office.scheduler.ban(a, true))).toBe('INPUT_INVALID');
  });
});
