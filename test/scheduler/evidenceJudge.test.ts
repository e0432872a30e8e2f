// A scheduler's judgement of reports of real attacks: evidence convicts, from any reporter; a statement in another's name counts
// only with that node's signature; and false evidence counts against its reporter, also after a restart.
import { describe, expect, it } from 'vitest';
import type { BootId, NodeId } from '../../src/base/ids.js';
import { silentLog } from '../../src/base/log.js';
import { createMetrics } from '../../src/base/metrics.js';
import { SigningKey } from '../../src/cmix/signatures.js';
import { createKeyShare, encodeKeyShare } from '../../src/cmix/teamKey.js';
import { decodeEvidence, verifyEvidence } from '../../src/protocol/evidence.js';
import type { Membership } from '../../src/protocol/membership.js';
import type { FailureReport } from '../../src/protocol/schedulerPort.js';
import { EvidenceJudge } from '../../src/scheduler/evidenceJudge.js';
import type { Testimony } from '../../src/scheduler/machine/state.js';
import { DEFAULT_PARAMS } from '../../src/scheduler/parameters.js';
import { Scheduler } from '../../src/scheduler/scheduler.js';
import { SchedulerStore } from '../../src/scheduler/store.js';
import { Attack, engine, group, tag } from '../attacks/attack.js';
import { MemoryStore } from '../support/memoryStore.js';
import { SeededRng } from '../support/seededRng.js';
import { VirtualClock } from '../support/virtualClock.js';

/** An evidence judge that receives the reports of the honest nodes of an attack. */
class Hearing {
  readonly convicted: NodeId[] = [];
  readonly evidence: Uint8Array[] = [];
  readonly dissenters = new Set<NodeId>();
  readonly liars: NodeId[] = [];
  readonly #court: EvidenceJudge;
  readonly #attack: Attack;

  constructor(attack: Attack) {
    this.#attack = attack;
    this.#court = new EvidenceJudge({
      roundOf: () => attack.signed,
      publicKeyOf: (id) => attack.team.nodes.find((node) => node.id === id)?.key.publicKey,
      engineOf: async () => engine,
      log: silentLog,
      onConvicted: async (_, culprit, evidence) => {
        this.convicted.push(culprit);
        this.evidence.push(evidence);
      },
      onDissent: (_, nodes) => {
        for (const node of nodes) this.dissenters.add(node);
      },
      onFalse: (_, node) => void this.liars.push(node),
    });
  }

  hear(node: NodeId, failure: FailureReport): Promise<Testimony> {
    return this.#court.hear(node, this.#attack.info.round, failure);
  }

  async hearHonest(): Promise<Testimony[]> {
    const heard: Testimony[] = [];
    for (const node of this.#attack.honest()) {
      heard.push(await this.hear(node.id, this.#attack.team.failure(node, this.#attack.info.round)!));
    }
    return heard;
  }
}

describe('reports of a real attack', () => {
  it('convict a node that showed two members different key shares, by the statement that each of them holds', async () => {
    const attack = await Attack.begin([2]);
    const context = { group, roundDigest: attack.facts.digest, node: attack.node(2).id, width: 1, exponentBytes: 32 };
    const { share } = await createKeyShare(engine, new SeededRng('second share'), context);
    attack.say(2, 'keyShare', (message, to) => (to === 4 ? { ...message, share: encodeKeyShare(share) } : message));
    await attack.play();
    const hearing = new Hearing(attack);
    await hearing.hearHonest();
    expect(hearing.convicted).toEqual([attack.node(2).id]);
    expect(hearing.liars).toEqual([]);
    // The stored evidence can be verified by anyone.
    const facts = { ...attack.facts, members: attack.members };
    const finding = await verifyEvidence(facts, engine, decodeEvidence(hearing.evidence[0]!));
    expect(finding).toEqual({ culprits: [attack.node(2).id], certain: true });
  });

  it('convict a node that judged the table differently for two members', async () => {
    const attack = await Attack.begin([2]);
    attack.say(2, 'tableVerdict', (message, to) =>
      to === 3 ? { ...message, rejections: [{ slot: 0, reason: 'MAC_INVALID' }] } : message,
    );
    await attack.play();
    const hearing = new Hearing(attack);
    await hearing.hearHonest();
    expect(hearing.convicted).toEqual([attack.node(2).id]);
  });

  it('name the node that signed other outputs than the majority', async () => {
    const attack = await Attack.begin([4]);
    attack.say(4, 'outputSignature', (message) => ({ ...message, digest: new Uint8Array(32) }));
    await attack.play();
    const hearing = new Hearing(attack);
    await hearing.hearHonest();
    expect([...hearing.dissenters]).toEqual([attack.node(4).id]);
    expect(hearing.convicted).toEqual([]);
  });

  it("of what only one member has seen count as that member's claim, from any reporter", async () => {
    const attack = await Attack.begin([3]);
    attack.tamper(3, 'precompPermute', (batch) => void batch.fill(0, 0, group.elementBytes));
    await attack.play();
    const hearing = new Hearing(attack);
    for (const { source, named } of await hearing.hearHonest()) {
      expect([source, named]).toEqual([attack.node(2).id, attack.node(3).id]);
    }
    expect([...hearing.convicted, ...hearing.liars]).toEqual([]);
  });
});

describe('a report', () => {
  const blank = { code: 'PEER_LOST', culprit: undefined, detail: '' } as const;

  it("in another's name counts for nobody without its signature, and as a lie with a forged one", async () => {
    const attack = await Attack.begin([1]);
    const [liar, victim] = [attack.node(1).id, attack.node(2).id];
    const hearing = new Hearing(attack);
    const said = { ...blank, accused: victim, reporter: victim };
    expect(await hearing.hear(liar, said)).toMatchObject({ source: undefined, shown: false });
    expect(hearing.liars).toEqual([]);
    expect(await hearing.hear(liar, { ...said, signature: new Uint8Array(64) })).toMatchObject({ source: undefined });
    expect(hearing.liars).toEqual([liar]);
  });

  it('with two different statements of one source, both signed, convicts the source', async () => {
    const attack = await Attack.begin([1]);
    const [liar, b, c] = [attack.node(1).id, attack.node(2).id, attack.node(3).id];
    const hearing = new Hearing(attack);
    for (const [by, accused] of [
      [b, c],
      [c, b],
    ] as const) {
      const { signature } = attack.message(1, { kind: 'roundError', code: 'PEER_LOST', culprit: accused, detail: '' });
      await hearing.hear(by, { ...blank, accused, reporter: liar, signature });
    }
    expect(hearing.convicted).toEqual([liar]);
  });

  it('of a node that is not in the round has no effect', async () => {
    const attack = await Attack.begin([1]);
    const hearing = new Hearing(attack);
    const stranger = SigningKey.generate(new SeededRng('stranger')).nodeId;
    await hearing.hear(stranger, { ...blank, reporter: stranger, evidence: new Uint8Array(100) });
    expect([...hearing.convicted, ...hearing.liars]).toEqual([]);
  });
});

describe('a node convicted by evidence', () => {
  /** A scheduler of the attack's nodes, over a store that outlives it. */
  async function schedulerOf(attack: Attack, content: MemoryStore, clock: VirtualClock): Promise<Scheduler> {
    const members = attack.team.nodes.map(({ id, key }) => ({ node: id, identityKey: key.publicKey }));
    const find = (node: NodeId) => members.find((one) => one.node === node);
    // A team larger than the pool: the scheduler opens no rounds of its own.
    const params = { ...DEFAULT_PARAMS, teamSize: attack.team.nodes.length + 1 };
    const scheduler = await Scheduler.open({
      network: 'simulation',
      key: attack.team.authority,
      membership: () => ({ generation: 0, members, find }) as unknown as Membership,
      params,
      registration: 'members',
      store: new SchedulerStore(content),
      engineOf: async () => engine,
      clock,
      rng: new SeededRng('scheduler'),
      log: silentLog,
      metrics: createMetrics(),
    });
    for (const { id } of attack.team.nodes) {
      scheduler.subscribe(id, 0, () => {});
      await scheduler.onReport(id, { kind: 'online', bootId: bootOf(id), engine: '', enginePath: '' });
    }
    return scheduler;
  }

  const bootOf = (id: NodeId) => id as string as BootId;
  const statusOf = (scheduler: Scheduler, node: NodeId) =>
    scheduler.view().nodes.find((one) => one.node === node)?.status;

  it('sits out after one honest report, also in the next run of the scheduler, until it is let in', async () => {
    const attack = await Attack.begin([2]);
    const content = new MemoryStore();
    const clock = new VirtualClock();
    const first = await schedulerOf(attack, content, clock);
    first.feed.resume(attack.signed);
    attack.tamper(2, 'opening', (batch) => tag(batch, 0));
    await attack.play();
    const witness = attack.node(1);
    const failure = attack.team.failure(witness, attack.info.round);
    const { round } = attack.info;
    await first.onReport(witness.id, { kind: 'stage', round, bootId: bootOf(witness.id), stage: 'FAILED', failure });
    expect(statusOf(first, attack.node(2).id)).toBe('sittingOut');
    expect(attack.honest().map(({ id }) => statusOf(first, id))).toEqual(['active', 'active', 'active']);
    await first.close();
    const second = await schedulerOf(attack, content, clock);
    expect(statusOf(second, attack.node(2).id)).toBe('sittingOut');
    const [conviction] = await new SchedulerStore(content).convictions();
    await new SchedulerStore(content).bar('a/b');
    expect((await new SchedulerStore(content).recover()).barred).toEqual(new Set(['a/b']));
    expect(conviction).toMatchObject({ culprit: attack.node(2).id, signed: { info: { round } } });
    await second.ban(attack.node(2).id, false);
    expect(statusOf(second, attack.node(2).id)).toBe('active');
    await second.close();
  });
});
