// The scheduler's feed over real connections: every update once and in order, from a node's last position, also after a
// reconnect; reports arrive as sent; and neither side can be brought down by the other's leaving.
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { BootId, NodeId, RoundId } from '../../src/base/ids.js';
import { silentLog } from '../../src/base/log.js';
import { createMetrics } from '../../src/base/metrics.js';
import { SigningKey } from '../../src/cmix/signatures.js';
import { SCHEDULER_ID, SchedulerClient } from '../../src/comms/scheduler/client.js';
import { addSchedulerService, type SchedulerFeed } from '../../src/comms/scheduler/service.js';
import { EVIDENCE_BYTES_MAX } from '../../src/protocol/evidence.js';
import { Membership } from '../../src/protocol/membership.js';
import { type RoundInfo, signRoundInfo } from '../../src/protocol/roundInfo.js';
import { isSignedUpdate, type NodeReport, type SignedUpdate, signUpdate } from '../../src/protocol/schedulerPort.js';
import type { HostManager } from '../../src/transport/calling/hosts.js';
import type { CallFacts } from '../../src/transport/serving/callAuthenticator.js';
import { addHandshakeService } from '../../src/transport/serving/handshakeService.js';
import { type Listener, listen } from '../../src/transport/serving/server.js';
import { SeededRng } from '../support/seededRng.js';
import { authenticatorOf, codeOf, hostsOf, type Identity, identity, memberOf, never } from './support.js';

const NETWORK = 'feed';
const authority = SigningKey.generate(new SeededRng('authority'));
const info: RoundInfo = {
  network: NETWORK,
  round: 7 as RoundId,
  membership: 2 ** 40,
  team: ['ab'.repeat(16), 'cd'.repeat(16)] as NodeId[],
  group: 'MODP-4096',
  slots: 1_000,
  width: 2,
  chunkSlots: 64,
  exponentBytes: 32,
  minSenders: 3,
  quotaPerSender: 4,
  deadlines: {
    precomputeMs: 2,
    standbyMs: 3,
    collectMs: 4,
    realtimeMs: 6,
    precomputePhaseMs: 1,
    realtimePhaseMs: 5,
  },
};

/** A feed controlled by the test. */
class Feed implements SchedulerFeed {
  async register(): Promise<void> {}

  readonly reports: { node: NodeId; report: NodeReport }[] = [];
  readonly asked: number[] = [];
  readonly pushes = new Set<(update: SignedUpdate) => void>();
  history: SignedUpdate[] = [];

  subscribe(_node: NodeId, after: number, push: (update: SignedUpdate) => void): () => void {
    this.asked.push(after);
    for (const update of this.history) if (update.number > after) push(update);
    this.pushes.add(push);
    return () => void this.pushes.delete(push);
  }

  onReport(node: NodeId, report: NodeReport): void {
    this.reports.push({ node, report });
  }

  publish(update: SignedUpdate): void {
    this.history.push(update);
    for (const push of this.pushes) push(update);
  }
}

const numbered = (number: number): SignedUpdate => {
  const round = number as RoundId;
  if (number % 3 === 0) return signUpdate(authority, NETWORK, number, { kind: 'fail', round, reason: 'спешка' });
  if (number % 3 === 1) return signUpdate(authority, NETWORK, number, { kind: 'assign', round });
  const signed = signRoundInfo({ ...info, round }, authority);
  return signUpdate(authority, NETWORK, number, { kind: 'open', round: signed });
};

let scheduler: Identity;
let node: Identity;
let feed: Feed;
let listener: Listener;
let client: SchedulerClient;
let hosts: HostManager;

async function serve(port = 0): Promise<void> {
  const membership = new Membership(0, [memberOf(node)]);
  const authenticator = authenticatorOf(scheduler, () => membership, {
    self: { id: SCHEDULER_ID, sign: (bytes) => scheduler.key.sign(bytes) },
  });
  const authenticate = (call: CallFacts) => void authenticator.admit(call);
  const options = { address: `127.0.0.1:${port}`, certificate: scheduler.certificate, authenticate };
  listener = await listen({ ...options, log: silentLog, metrics: createMetrics() }, (server, errors) => {
    addHandshakeService(server, errors, authenticator);
    addSchedulerService(server, errors, { feed, identify: (context) => authenticator.identify(context) });
  });
}

beforeEach(async () => {
  scheduler = await identity('scheduler');
  node = await identity('node');
  feed = new Feed();
  await serve();
  hosts = hostsOf(node);
  client = new SchedulerClient(
    {
      address: `127.0.0.1:${listener.port}`,
      certificate: scheduler.certificate.certificate,
      key: scheduler.key.publicKey,
    },
    hosts,
  );
});
afterEach(async () => {
  hosts.close();
  await listener.close(0);
});

/** Returns the first `count` updates above `after`, then leaves the stream. */
async function take(count: number, after = 0, signal = never): Promise<SignedUpdate[]> {
  const got: SignedUpdate[] = [];
  for await (const update of client.updates(after, signal)) {
    got.push(update);
    if (got.length === count) break;
  }
  return got;
}

describe('updates', () => {
  it('come in order, earlier ones first, unchanged and with valid signatures', async () => {
    for (let number = 1; number <= 5; number++) feed.publish(numbered(number));
    const taking = take(9);
    await expect.poll(() => feed.pushes.size).toBe(1);
    for (let number = 6; number <= 9; number++) feed.publish(numbered(number));
    const got = await taking;
    expect(got.map(({ number }) => number)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9]);
    for (const update of got) expect(isSignedUpdate(authority.publicKey, NETWORK, update)).toBe(true);
    expect(got[1]!.update).toMatchObject({ kind: 'open', round: { info: { ...info, round: 2 } } });
    expect(got[2]!.update).toEqual({ kind: 'fail', round: 3, reason: 'спешка' });
  });

  it("are resumed from a node's position, and a node that leaves is forgotten", async () => {
    for (let number = 1; number <= 6; number++) feed.publish(numbered(number));
    expect((await take(2)).map(({ number }) => number)).toEqual([1, 2]);
    await expect.poll(() => feed.pushes.size).toBe(0);
    expect((await take(2, 4)).map(({ number }) => number)).toEqual([5, 6]);
    expect(feed.asked).toEqual([0, 4]);
    await expect.poll(() => feed.pushes.size).toBe(0);
  });

  it('end without an error when the node aborts', async () => {
    const abort = new AbortController();
    const taking = take(100, 0, abort.signal);
    await expect.poll(() => feed.pushes.size).toBe(1);
    abort.abort();
    expect(await taking).toEqual([]);
    await expect.poll(() => feed.pushes.size).toBe(0);
    expect(await take(1, 0, abort.signal)).toEqual([]);
  });

  it('end with LINK_DOWN when the scheduler stops, and continue when it is back', async () => {
    feed.publish(numbered(1));
    const got: number[] = [];
    const taking = (async () => {
      for await (const { number } of client.updates(0, never)) got.push(number);
    })();
    await expect.poll(() => got.length).toBe(1);
    const { port } = listener;
    const ended = codeOf(taking);
    await listener.close(0);
    expect(await ended).toBe('LINK_DOWN');
    await serve(port);
    feed.publish(numbered(2));
    await expect
      .poll(() =>
        take(1, 1).then(
          ([update]) => update!.number,
          (error) => error.code,
        ),
      )
      .toBe(2);
  });

  it("beyond a node's buffer end its stream; it asks again and misses none", async () => {
    const all = 3_000;
    const update = numbered(1);
    feed.history = Array.from({ length: all }, (_, i) => ({ ...update, number: i + 1 }));
    let last = 0;
    let streams = 0;
    while (last < all) {
      streams++;
      try {
        for await (const { number } of client.updates(last, never)) {
          expect(number).toBe(last + 1);
          last = number;
          if (last === all) break;
        }
      } catch (error) {
        expect((error as { code: string }).code).toBe('LINK_DOWN');
      }
    }
    expect(streams).toBeGreaterThan(1);
    expect(streams).toBeLessThan(10);
  });

  it('that do not decode end the stream with a code, and affect nothing else', async () => {
    feed.history = [{ ...numbered(1), signature: new Uint8Array(5) }];
    expect(await codeOf(take(1))).toBe('MESSAGE_MALFORMED');
    feed.history = [{ number: 1, signature: new Uint8Array(64), update: { kind: 'assign', round: 0 as RoundId } }];
    expect(await codeOf(take(1))).toBe('MESSAGE_MALFORMED');
    feed.history = [numbered(1)];
    expect((await take(1)).length).toBe(1);
  });

  it('of a failing feed end with INTERNAL', async () => {
    feed.subscribe = () => {
      throw new TypeError('broken');
    };
    expect(await codeOf(take(1))).toBe('INTERNAL');
  });
});

describe('reports', () => {
  const bootId = 'ef'.repeat(16) as BootId;
  const round = 7 as RoundId;
  const reporter = 'ab'.repeat(16) as NodeId;
  const reports: readonly NodeReport[] = [
    { kind: 'online', bootId, engine: 'openssl', enginePath: 'BN_mod_exp' },
    { kind: 'online', bootId, engine: 'cpu', enginePath: 'ifma', openRounds: 16 },
    { kind: 'progress', round, phase: 'generate', fraction: 0 },
    { kind: 'progress', round, phase: 'identify', fraction: 1 },
    { kind: 'stage', round, bootId, stage: 'STANDBY', failure: undefined },
    { kind: 'stage', round, bootId, stage: 'COMPLETED', failure: undefined, copies: 2 },
    {
      kind: 'stage',
      round,
      bootId,
      stage: 'FAILED',
      failure: {
        code: 'DECRYPTION_PROOF',
        culprit: undefined,
        accused: 'cd'.repeat(16) as NodeId,
        reporter,
        detail: 'ключ',
        signature: new Uint8Array(64).fill(7),
        evidence: Uint8Array.of(1, 2, 3),
      },
    },
    {
      kind: 'stage',
      round,
      bootId,
      stage: 'FAILED',
      failure: { code: 'TOO_FEW_SENDERS', culprit: undefined, accused: undefined, reporter, detail: '' },
    },
  ];

  it('arrive as they were sent, with the name of their sender', async () => {
    for (const report of reports) await client.report(report);
    expect(feed.reports).toEqual(reports.map((report) => ({ node: node.node, report })));
  });

  it("name a culprit only on their sender's own finding: a claim in another's name is hearsay", async () => {
    const culprit = 'cd'.repeat(16) as NodeId;
    const named = (by: NodeId): NodeReport => ({
      kind: 'stage',
      round,
      bootId,
      stage: 'FAILED',
      failure: { code: 'DECRYPTION_PROOF', culprit, reporter: by, detail: '' },
    });
    for (const by of [node.node, culprit]) await client.report(named(by));
    const heard = feed.reports.map(({ report }) => report.kind === 'stage' && report.failure);
    expect(heard).toEqual([
      { code: 'DECRYPTION_PROOF', culprit, reporter: node.node, detail: '' },
      { code: 'DECRYPTION_PROOF', culprit: undefined, accused: culprit, reporter: culprit, detail: '' },
    ]);
  });

  it('with impossible values are refused', async () => {
    const bad: readonly object[] = [
      { kind: 'online', bootId: 'x', engine: '', enginePath: '' },
      { kind: 'online', bootId, engine: 'x'.repeat(2_000), enginePath: '' },
      { kind: 'progress', round: 0, phase: 'generate', fraction: 0 },
      { kind: 'progress', round, phase: 'dance', fraction: 0 },
      { kind: 'progress', round, phase: 'generate', fraction: Number.NaN },
      { kind: 'progress', round, phase: 'generate', fraction: -1 },
      { kind: 'stage', round, bootId, stage: 'DONE', failure: undefined },
      { kind: 'stage', round, bootId, stage: 'FAILED', failure: { code: 'NO_CODE', reporter, detail: '' } },
      { kind: 'stage', round, bootId, stage: 'FAILED', failure: { code: 'ABORTED', reporter: 'x', detail: '' } },
      {
        kind: 'stage',
        round,
        bootId,
        stage: 'FAILED',
        failure: { code: 'ABORTED', culprit: 'x', reporter, detail: '' },
      },
      {
        kind: 'stage',
        round,
        bootId,
        stage: 'FAILED',
        failure: { code: 'ABORTED', reporter, detail: '', signature: new Uint8Array(63) },
      },
      {
        kind: 'stage',
        round,
        bootId,
        stage: 'FAILED',
        failure: { code: 'ABORTED', reporter, detail: '', evidence: new Uint8Array(EVIDENCE_BYTES_MAX + 1) },
      },
    ];
    for (const report of bad) expect(await codeOf(client.report(report as NodeReport))).toBe('MESSAGE_MALFORMED');
    expect(feed.reports).toEqual([]);
  });
});
