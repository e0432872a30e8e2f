// The Link port over real connections: its contract with rounds about messages, batches, aborts, and unreachable peers.
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { toHex } from '../../src/base/bytes.js';
import { MixError } from '../../src/base/errors.js';
import type { BootId, NodeId } from '../../src/base/ids.js';
import { silentLog } from '../../src/base/log.js';
import { createMetrics } from '../../src/base/metrics.js';
import { deferred } from '../../src/base/promises.js';
import { Membership } from '../../src/protocol/membership.js';
import type { BatchTrailer, TeamMessage } from '../../src/protocol/teamMessages.js';
import { services } from '../../src/transport/grpc.js';
import { listen } from '../../src/transport/serving/server.js';
import {
  batchSource,
  codeOf,
  counted,
  identity,
  keyShareMessage,
  Loopback,
  memberOf,
  never,
  OwnLink,
  RecordingReceiver,
  zeros,
} from './support.js';

let loopback: Loopback;
beforeAll(async () => {
  loopback = await Loopback.start([await identity('a'), await identity('b'), await identity('c')]);
});
afterAll(() => loopback.close());
beforeEach(() => {
  for (const { receiver } of loopback.nodes) Object.assign(receiver, new RecordingReceiver());
});

const a = () => loopback.nodes[0]!;
const b = () => loopback.nodes[1]!;
const soon = () => new Promise((resolve) => setTimeout(resolve, 30));

/** Bytes as hex: comparing megabytes element by element takes seconds. */
const plain = (message: object): unknown =>
  JSON.parse(JSON.stringify(message, (_key, value) => (value instanceof Uint8Array ? toHex(value) : value)));

describe('deliver', () => {
  const fill = (length: number, byte: number) => zeros(length).fill(byte);
  const messages: readonly TeamMessage[] = [
    { kind: 'keyShare', share: fill(700, 1) },
    { kind: 'sharesDigest', digest: fill(32, 2) },
    { kind: 'commitment', cipherDigest: fill(32, 3), revealSignature: fill(64, 4), commitment: fill(32, 5) },
    { kind: 'tableProposal', digest: fill(32, 6), table: fill(5_000_000, 7) },
    {
      kind: 'tableVerdict',
      proposalDigest: fill(32, 8),
      proposalSignature: fill(64, 9),
      rejections: [
        { slot: 0, reason: 'MAC_INVALID' },
        { slot: 65_535, reason: 'SUBMISSION_REPLAYED' },
      ],
    },
    { kind: 'tableVerdict', proposalDigest: fill(32, 8), proposalSignature: fill(64, 9), rejections: [] },
    { kind: 'tableSignature', digest: fill(32, 10) },
    { kind: 'mixCommit', digest: fill(32, 11) },
    { kind: 'outputSignature', digest: fill(32, 12) },
    { kind: 'roundError', code: 'DEADLINE_MISSED', culprit: 'ab'.repeat(16) as NodeId, detail: 'phase x' },
    { kind: 'roundError', code: 'SHUTTING_DOWN', culprit: undefined, detail: '' },
  ];

  it('delivers every kind of message unchanged', async () => {
    for (const message of messages) {
      const signed = { ...keyShareMessage(a().node, 2 ** 40), message };
      await a().link.deliver(b().node, signed, never);
      const { from, message: got } = b().receiver.messages.at(-1)!;
      expect(from).toBe(a().node);
      expect(plain(got)).toEqual(plain(signed));
    }
  });

  it('refuses a message that is too large without sending it', async () => {
    const message = { kind: 'tableProposal', digest: zeros(32), table: zeros(25 * 1024 * 1024) } as const;
    const refused = a().link.deliver(b().node, { ...keyShareMessage(a().node), message }, never);
    expect(await codeOf(refused)).toBe('MESSAGE_TOO_LARGE');
    expect(await codeOf(a().link.ping(b().node, never))).toBe('ok');
  });

  it('does not start once aborted, and ends at once when aborted', async () => {
    const abort = new AbortController();
    b().receiver.onMessage = () => new Promise(() => {});
    const call = a().link.deliver(b().node, keyShareMessage(a().node), abort.signal);
    await soon();
    abort.abort();
    expect(await codeOf(call)).toBe('ABORTED');
    const late = a().link.deliver(b().node, keyShareMessage(a().node), abort.signal);
    expect(await codeOf(late)).toBe('ABORTED');
  });
});

describe('ping', () => {
  it('returns the boot id of the answering peer', async () => {
    b().receiver.bootId = 'c'.repeat(32) as BootId;
    expect(await a().link.ping(b().node, never)).toBe('c'.repeat(32));
  });

  it('refuses an answer that is no boot id, and a node that is not on the list', async () => {
    b().receiver.bootId = 'nonsense' as BootId;
    expect(await codeOf(a().link.ping(b().node, never))).toBe('MESSAGE_MALFORMED');
    const nobody = 'f'.repeat(32) as NodeId;
    expect(await codeOf(a().link.ping(nobody, never))).toBe('PEER_UNKNOWN');
  });
});

describe('transfer', () => {
  it('delivers header, chunks in order, and trailer', async () => {
    const trailer = { root: zeros(32).fill(1), extra: zeros(9).fill(2), signature: zeros(64).fill(3) };
    const source = batchSource(40, { trailer: async () => trailer });
    await a().link.transfer(b().node, source, never);
    const { headers, chunks, trailers } = b().receiver;
    expect(headers).toEqual([source.header]);
    expect(chunks).toEqual(Array.from({ length: 40 }, (_, index) => ({ index, bytes: zeros(64).fill(index) })));
    expect(trailers.map((got) => ({ ...got, root: Uint8Array.from(got.root) }))).toMatchObject([
      { extra: Uint8Array.from(trailer.extra) },
    ]);
  });

  it('takes chunks from shared memory without a copy by the caller', async () => {
    const shared = new Uint8Array(new SharedArrayBuffer(64)).fill(5);
    await a().link.transfer(b().node, batchSource(1, { chunk: async () => shared }), never);
    expect(b().receiver.chunks[0]!.bytes).toEqual(zeros(64).fill(5));
  });

  it('sends each chunk as soon as it is ready: the first arrives before the second is computed', async () => {
    const second = deferred<Uint8Array>();
    const end = deferred<BatchTrailer>();
    const { receiver } = b();
    const source = batchSource(2, {
      chunk: (index) => (index === 0 ? Promise.resolve(zeros(64)) : second.promise),
      trailer: () => end.promise,
    });
    let acknowledged = false;
    const transfer = a()
      .link.transfer(b().node, source, never)
      .then(() => {
        acknowledged = true;
      });
    await receiver.until(() => receiver.chunks.length === 1);
    expect(receiver.headers.length).toBe(1);
    second.resolve(zeros(64));
    await receiver.until(() => receiver.chunks.length === 2);
    // All chunks have arrived, but the batch is not acknowledged before its trailer.
    await soon();
    expect(acknowledged).toBe(false);
    end.resolve(await batchSource(0).trailer());
    await transfer;
    expect(receiver.trailers.length).toBe(1);
  });

  it('is acknowledged only when the receiver has verified the batch', async () => {
    const verified = deferred<void>();
    const { receiver } = b();
    receiver.acknowledge = verified.promise;
    let acknowledged = false;
    const transfer = a()
      .link.transfer(b().node, batchSource(1), never)
      .then(() => {
        acknowledged = true;
      });
    await receiver.until(() => receiver.trailers.length === 1);
    await soon();
    expect(acknowledged).toBe(false);
    verified.resolve();
    await transfer;
  });

  it('returns the refusal of a whole batch', async () => {
    const refused = deferred<void>();
    refused.reject(new MixError('MERKLE_ROOT', { phase: 'reveal' }));
    b().receiver.acknowledge = refused.promise;
    const transfer = a().link.transfer(b().node, batchSource(3), never);
    await expect(transfer).rejects.toMatchObject({ code: 'MERKLE_ROOT', values: { phase: 'reveal' } });
  });

  it('ends with the code of a refused header, and requests no further chunk', async () => {
    b().receiver.refuseHeader = new MixError('ROUND_UNKNOWN', { round: 1 });
    let asked = 0;
    const ready = Array.from({ length: 100 }, () => deferred<Uint8Array>());
    const source = batchSource(100, {
      chunk: (index) => {
        asked++;
        return ready[index]!.promise;
      },
    });
    const transfer = a().link.transfer(b().node, source, never);
    ready[0]!.resolve(zeros(64));
    expect(await codeOf(transfer)).toBe('ROUND_UNKNOWN');
    const askedWhenRefused = asked;
    for (const chunk of ready) chunk.resolve(zeros(64));
    await soon();
    expect(asked).toBe(askedWhenRefused);
    expect(b().receiver.chunks).toEqual([]);
  });

  it('ends with the code of a refused chunk', async () => {
    b().receiver.refuseChunk = new MixError('CHUNK_LENGTH', { index: 0 });
    expect(await codeOf(a().link.transfer(b().node, batchSource(50), never))).toBe('CHUNK_LENGTH');
  });

  it('is cancelled by an abort, at the receiver too', async () => {
    const abort = new AbortController();
    const { receiver } = b();
    const before = await counted(b().metrics, 'calls_failed_total', { method: 'Transfer', code: 'ABORTED' });
    const source = batchSource(2, { trailer: () => new Promise(() => {}) });
    const transfer = a().link.transfer(b().node, source, abort.signal);
    await receiver.until(() => receiver.chunks.length === 2);
    abort.abort();
    expect(await codeOf(transfer)).toBe('ABORTED');
    await expect
      .poll(() => counted(b().metrics, 'calls_failed_total', { method: 'Transfer', code: 'ABORTED' }))
      .toBe(before + 1);
  });

  it('ends if its own round gives the batch up', async () => {
    const source = batchSource(2, { chunk: () => Promise.reject(new MixError('ABORTED', { what: 'round over' })) });
    expect(await codeOf(a().link.transfer(b().node, source, never))).toBe('ABORTED');
    expect(await codeOf(a().link.transfer(b().node, batchSource(2), never))).toBe('ok');
  });

  it('applies back-pressure: if the receiver does not read, the sender requests no more chunks than the windows hold', async () => {
    const one = await identity('deaf');
    const options = { address: '127.0.0.1:0', certificate: one.certificate, authenticate: () => {} };
    const deaf = await listen({ ...options, log: silentLog, metrics: createMetrics() }, (server) =>
      server.addService(services.Team.service, {
        Transfer: () => {},
        Deliver: () => {},
        Ping: () => {},
        Warm: () => {},
        Circle: () => {},
      }),
    );
    const link = new OwnLink(() => new Membership(0, [memberOf(one, deaf.port)]), a());
    const megabyte = zeros(1024 * 1024);
    let asked = 0;
    const chunk = async () => {
      asked++;
      return megabyte;
    };
    const abort = new AbortController();
    const transfer = link.transfer(one.node, batchSource(200, { chunk }), abort.signal);
    await expect.poll(() => asked).toBeGreaterThan(16);
    for (let before = -1; before !== asked; ) {
      before = asked;
      await new Promise((resolve) => setTimeout(resolve, 150));
    }
    // The window is 16 MiB, the stream buffers 16 frames, and the sockets some more.
    expect(asked).toBeLessThan(60);
    abort.abort();
    expect(await codeOf(transfer)).toBe('ABORTED');
    link.close();
    await deaf.close(0);
  });

  it('runs many at once, also to several peers', async () => {
    const transfers = loopback.nodes
      .slice(1)
      .flatMap(({ node }) => Array.from({ length: 10 }, () => a().link.transfer(node, batchSource(8), never)));
    await Promise.all(transfers);
    expect(b().receiver.trailers.length).toBe(10);
  });
});

describe('an unreachable peer', () => {
  it('is LINK_DOWN at once, on every kind of call, and is reached again when it is back on its port', async () => {
    const own = await Loopback.start([await identity('x'), await identity('y')]);
    const [x, y] = own.nodes;
    await x!.link.ping(y!.node, never);
    const open = batchSource(1, { trailer: () => new Promise(() => {}) });
    const underWay = codeOf(x!.link.transfer(y!.node, open, never));
    await y!.receiver.until(() => y!.receiver.chunks.length === 1);
    await y!.stop();
    expect(await underWay).toBe('LINK_DOWN');
    for (let i = 0; i < 3; i++) {
      expect(await codeOf(x!.link.ping(y!.node, never))).toBe('LINK_DOWN');
      expect(await codeOf(x!.link.deliver(y!.node, keyShareMessage(x!.node), never))).toBe('LINK_DOWN');
      expect(await codeOf(x!.link.transfer(y!.node, batchSource(1), never))).toBe('LINK_DOWN');
    }
    await y!.restart();
    // The channel dials again after a pause of at most a second; the retrying sender's next attempts find it.
    await expect.poll(() => codeOf(x!.link.ping(y!.node, never))).toBe('ok');
    await expect.poll(() => codeOf(x!.link.transfer(y!.node, batchSource(1), never))).toBe('ok');
    await own.close();
  });

  it('is reached at its new address when the membership list changes', async () => {
    const one = await identity('moving');
    const other = await Loopback.start([one]);
    let list = new Membership(0, [{ ...other.nodes[0]!.member, address: '127.0.0.1:1' }]);
    const caller = await identity('caller');
    other.membership = new Membership(0, [...list.members, { ...a().member, ...memberFor(caller) }]);
    const link = new OwnLink(() => list, caller);
    expect(await codeOf(link.ping(one.node, never))).toBe('LINK_DOWN');
    list = new Membership(1, [other.nodes[0]!.member]);
    expect(await codeOf(link.ping(one.node, never))).toBe('ok');
    expect([link.roundTripMs(one.node), link.clockLeadMs(one.node)]).not.toContain(undefined);
    // Measurements of a node are dropped with it.
    link.membershipChanged();
    expect(link.roundTripMs(one.node)).toBeDefined();
    list = new Membership(2, []);
    link.membershipChanged();
    expect([link.roundTripMs(one.node), link.clockLeadMs(one.node)]).toEqual([undefined, undefined]);
    link.close();
    await other.close();
  });
});

const memberFor = (one: Awaited<ReturnType<typeof identity>>) => ({
  node: one.node,
  identityKey: one.key.publicKey,
  certificate: one.certificate.certificate,
});
