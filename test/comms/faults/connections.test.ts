// Faults of connections: cut at every moment of a batch, dialled from both sides, silently dead, full, or given up by one call
// while another one works.
import { describe, expect } from 'vitest';
import { systemClock } from '../../../src/base/clock.js';
import type { BootId } from '../../../src/base/ids.js';
import { silentLog } from '../../../src/base/log.js';
import { createMetrics } from '../../../src/base/metrics.js';
import { deferred } from '../../../src/base/promises.js';
import { systemRng } from '../../../src/base/rng.js';
import { addTeamService } from '../../../src/comms/team/service.js';
import { Membership } from '../../../src/protocol/membership.js';
import { RetryingSender } from '../../../src/round/exchange/retryingSender.js';
import type { Attempt } from '../../../src/transport/calling/call.js';
import { callMetadata, TOKEN_KEY } from '../../../src/transport/calling/call.js';
import { transmit } from '../../../src/transport/calling/transmit.js';
import { grpc } from '../../../src/transport/grpc.js';
import { LinkMetrics } from '../../../src/transport/linkMetrics.js';
import { listen } from '../../../src/transport/serving/server.js';
import {
  batchSource,
  codeOf,
  hostsOf,
  IDLE_MS,
  keyShareMessage,
  memberOf,
  never,
  OwnLink,
  RecordingReceiver,
  zeros,
} from '../support.js';
import { FaultyPair, fault, pause } from './setting.js';

const CHUNKS = 4;
const megabyte = zeros(1024 * 1024);

/**
 * Pings that find a dead connection while a test waits; the timeout is longer than a busy machine delays an answer, so that no
 * live connection is given up.
 */
const alert = { host: { keepaliveMs: 100, keepaliveTimeoutMs: 1_000 } };

/** Sends a batch as a round does: retries until it is acknowledged. */
function insist({ link }: FaultyPair, to: FaultyPair['to'], source: ReturnType<typeof batchSource>): Promise<void> {
  const retry = { firstMs: 5, longestMs: 20, peerLostMs: 10_000 };
  const lost = () => expect.unreachable('the peer is there');
  const deps = { link, clock: systemClock, rng: systemRng, log: silentLog, retry };
  return new RetryingSender({ ...deps, onPeerLost: lost, onRefused: lost }).transfer(to.node, source, never);
}

describe('a connection that is cut', () => {
  fault('before the last chunk costs one attempt: the batch arrives whole over the next connection', () =>
    FaultyPair.with(async (pair) => {
      let cut = false;
      const chunk = async (index: number) => {
        if (index === CHUNKS - 1 && !cut) {
          cut = true;
          pair.proxy.cut();
        }
        return zeros(64).fill(index);
      };
      await insist(pair, pair.to, batchSource(CHUNKS, { chunk }));
      expect(pair.to.receiver.chunks.slice(-CHUNKS).map(({ index }) => index)).toEqual([0, 1, 2, 3]);
      expect(pair.to.receiver.trailers.length).toBe(1);
      expect(pair.proxy.accepted).toBe(2);
    }, alert),
  );

  fault('in the middle of the last chunk costs one attempt, and no partial chunk is delivered', () =>
    FaultyPair.with(async (pair) => {
      let cut = false;
      const chunk = async (index: number) => {
        if (index === CHUNKS - 1 && !cut) {
          cut = true;
          pair.proxy.cutAfter(300_000);
        }
        return megabyte;
      };
      await insist(pair, pair.to, batchSource(CHUNKS, { chunk }));
      expect(new Set(pair.to.receiver.chunks.map(({ bytes }) => bytes.length))).toEqual(new Set([megabyte.length]));
      expect(pair.to.receiver.trailers.length).toBe(1);
      expect(pair.proxy.accepted).toBe(2);
    }, alert),
  );

  fault('after the last chunk, before the acknowledgement, is noticed, and the same batch is sent again', () =>
    FaultyPair.with(async (pair) => {
      const { receiver } = pair.to;
      const first = deferred<void>();
      receiver.acknowledge = first.promise;
      const sent = insist(pair, pair.to, batchSource(CHUNKS));
      await receiver.until(() => receiver.trailers.length === 1);
      receiver.acknowledge = Promise.resolve();
      pair.proxy.cut();
      await sent;
      expect(receiver.trailers.length).toBe(2);
      expect(receiver.chunks.slice(CHUNKS)).toEqual(receiver.chunks.slice(0, CHUNKS));
      first.resolve();
    }, alert),
  );
});

describe('a dead connection', () => {
  fault('is dialled once for any number of concurrent senders', () =>
    FaultyPair.with(
      async (pair) => {
        await pair.link.ping(pair.to.node, never);
        await pair.to.stop();
        await pair.to.restart();
        const before = pair.proxy.accepted;
        const message = keyShareMessage(pair.from.node);
        await Promise.all(Array.from({ length: 50 }, () => pair.link.deliver(pair.to.node, message, never)));
        expect(pair.proxy.accepted).toBe(before + 1);
        expect(pair.to.receiver.messages.length).toBe(50);
      },
      { host: { retriesMax: 3 } },
    ),
  );

  fault('that was never closed is found by its pings; waiting calls end, and the next call dials', () =>
    FaultyPair.with(async (pair) => {
      await pair.link.ping(pair.to.node, never);
      pair.proxy.swallow();
      expect(await codeOf(pair.link.ping(pair.to.node, never))).toBe('LINK_DOWN');
      expect(await codeOf(pair.link.ping(pair.to.node, never))).toBe('ok');
      expect(pair.proxy.accepted).toBe(2);
    }, alert),
  );

  fault('that is refused again and again costs one attempt at a time, shared by all waiting calls', () =>
    FaultyPair.with(async (pair) => {
      pair.proxy.refuse(true);
      const ping = () => codeOf(pair.link.ping(pair.to.node, never));
      expect(new Set(await Promise.all(Array.from({ length: 20 }, ping)))).toEqual(new Set(['LINK_DOWN']));
      expect(pair.proxy.accepted).toBe(1);
      pair.proxy.refuse(false);
      expect(await ping()).toBe('ok');
    }),
  );
});

describe('two nodes', () => {
  fault('that dial each other at the same moment both get through, with one connection each', () =>
    FaultyPair.with(async ({ from, to, link, proxy, loopback }) => {
      const back = new OwnLink(() => loopback.membership, to);
      const message = (node: typeof from) => keyShareMessage(node.node);
      const calls = Array.from({ length: 10 }, () => [
        link.deliver(to.node, message(from), never),
        back.deliver(from.node, message(to), never),
      ]).flat();
      await Promise.all(calls);
      expect([from.receiver.messages.length, to.receiver.messages.length]).toEqual([10, 10]);
      expect(proxy.accepted).toBe(1);
      expect(link.hosts.report()[0]!.lanes).toEqual(['control']);
      expect(back.hosts.report()[0]!.lanes).toEqual(['control']);
      back.close();
    }),
  );
});

/** An attempt that ends like a call with a stream reset by the peer. */
const resetAfter =
  (until: Promise<void>): Attempt<never> =>
  () => ({
    done: until.then(() => {
      throw Object.assign(new Error('reset'), { code: grpc.status.UNAVAILABLE, details: 'reset' });
    }),
    cancel: () => {},
  });

describe('a failing call', () => {
  const lane = 'control';
  const options = { lane, signal: never, timeoutMs: 5_000, idempotent: true } as const;

  fault('ends no other call on its connection, and never a connection newer than its own', () =>
    FaultyPair.with(async (pair) => {
      const metrics = new LinkMetrics(createMetrics());
      const { host } = pair;
      const fingerprint = () => host.connections()[0]?.fingerprint;
      await pair.link.ping(pair.to.node, never);
      const first = fingerprint();
      // One call works, one fails now, one fails after another connection has replaced its own.
      const answer = deferred<void>();
      pair.to.receiver.onMessage = () => answer.promise;
      const working = pair.link.deliver(pair.to.node, keyShareMessage(pair.from.node), never);
      const later = deferred<void>();
      const late = codeOf(transmit(host, metrics, resetAfter(later.promise), { ...options, retriesMax: 0 }));
      await pause(5);
      expect(await codeOf(transmit(host, metrics, resetAfter(Promise.resolve()), { ...options, retriesMax: 0 }))).toBe(
        'LINK_DOWN',
      );
      await pair.link.ping(pair.to.node, never);
      const second = fingerprint();
      expect(second).not.toBe(first);
      later.resolve();
      expect(await late).toBe('LINK_DOWN');
      await pair.link.ping(pair.to.node, never);
      expect(fingerprint()).toBe(second);
      answer.resolve();
      expect(await codeOf(working)).toBe('ok');
    }),
  );

  fault('that is not idempotent is made once, even if its connection fails', () =>
    FaultyPair.with(async ({ host }) => {
      let attempts = 0;
      const attempt: Attempt<never> = (ready) => {
        attempts++;
        return resetAfter(Promise.resolve())(ready);
      };
      const metrics = new LinkMetrics(createMetrics());
      const once = { ...options, idempotent: false };
      expect(await codeOf(transmit(host, metrics, attempt, once))).toBe('LINK_DOWN');
      expect(attempts).toBe(1);
      expect(await codeOf(transmit(host, metrics, attempt, { ...options, retriesMax: 4 }))).toBe('LINK_DOWN');
      expect(attempts).toBe(6);
    }),
  );

  fault('that is retried has the metadata of its own connection, and none of the one before', () =>
    FaultyPair.with(async ({ host }) => {
      const tokens: (readonly unknown[])[] = [];
      const attempt: Attempt<string> = (ready) => {
        tokens.push(callMetadata(ready).get(TOKEN_KEY));
        return tokens.length < 3
          ? resetAfter(Promise.resolve())(ready)
          : { done: Promise.resolve('ok'), cancel: () => {} };
      };
      await transmit(host, new LinkMetrics(createMetrics()), attempt, options);
      expect(tokens.map((values) => values.length)).toEqual([1, 1, 1]);
      expect(new Set(tokens.flat()).size).toBe(3);
    }),
  );
});

describe('a server', () => {
  fault('at its stream limit makes calls wait for their turn, and loses none', async () => {
    await FaultyPair.with(async ({ from, to, loopback }) => {
      const receiver = new RecordingReceiver();
      const blocked = deferred<void>();
      receiver.onMessage = async (node, message) => {
        receiver.messages.push({ from: node, message });
        await blocked.promise;
      };
      const { authenticator } = to;
      const identify = authenticator.identify.bind(authenticator);
      const options = { address: '127.0.0.1:0', certificate: to.certificate, log: silentLog, metrics: createMetrics() };
      const listener = await listen({ ...options, streamsMax: 2, authenticate: () => {} }, (server, errors) =>
        addTeamService(server, errors, { receiver, identify, idleMs: IDLE_MS }),
      );
      const list = new Membership(0, [from.member, memberOf(to, listener.port)]);
      loopback.membership = list;
      const link = new OwnLink(() => list, from, hostsOf(from), { auth: false });
      const message = keyShareMessage(from.node);
      const calls = Array.from({ length: 10 }, () => link.deliver(to.node, message, never));
      await expect.poll(() => receiver.messages.length).toBe(2);
      blocked.resolve();
      await Promise.all(calls);
      expect(receiver.messages.length).toBe(10);
      link.close();
      await listener.close(0);
    });
  });

  fault('that stops reading is given up after the stall limit, while other lanes work', async () => {
    await FaultyPair.with(
      async (pair) => {
        const { receiver } = pair.to;
        // The proxy stops reading in the middle of the batch.
        let asked = 0;
        const chunk = async () => {
          if (asked++ === 1) pair.proxy.stallNewest();
          return megabyte;
        };
        await pair.link.ping(pair.to.node, never);
        const sent = codeOf(pair.link.transfer(pair.to.node, batchSource(200, { chunk }), never));
        await expect.poll(() => asked).toBeGreaterThan(2);
        expect(await codeOf(pair.link.ping(pair.to.node, never))).toBe('ok');
        expect(await sent).toBe('LINK_TIMEOUT');
        expect(asked).toBeLessThan(100);
        expect(receiver.trailers.length).toBe(0);
      },
      { host: { stallMs: 150 } },
    );
  });

  fault('that answers after the deadline is asked once; no other call receives the late answer', () =>
    FaultyPair.with(
      async ({ from, to, link }) => {
        const { receiver } = to;
        // Connects before the deadline of the tested call starts, however long that takes on this machine.
        await expect.poll(() => codeOf(link.ping(to.node, never))).toBe('ok');
        const late = deferred<void>();
        receiver.onMessage = async (node, message) => {
          receiver.messages.push({ from: node, message });
          await late.promise;
        };
        const message = keyShareMessage(from.node);
        expect(await codeOf(link.deliver(to.node, message, never))).toBe('LINK_TIMEOUT');
        late.resolve();
        receiver.bootId = 'd'.repeat(32) as BootId;
        expect(await link.ping(to.node, never)).toBe('d'.repeat(32));
        expect(receiver.messages.length).toBe(1);
      },
      { host: { sendTimeoutMs: 500, retriesMax: 5 } },
    ),
  );
});
