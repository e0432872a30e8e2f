// Faults of authentication: keys that change, tokens that expire, are flooded, stolen, missing or malformed, clocks that jump,
// peers that fail too often, and peers of an older release.
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { loadSync } from '@grpc/proto-loader';
import { describe, expect } from 'vitest';
import { type Clock, systemClock } from '../../../src/base/clock.js';
import { silentLog } from '../../../src/base/log.js';
import { createMetrics } from '../../../src/base/metrics.js';
import { deferred } from '../../../src/base/promises.js';
import { SigningKey } from '../../../src/cmix/signatures.js';
import { addTeamService } from '../../../src/comms/team/service.js';
import { Membership } from '../../../src/protocol/membership.js';
import { TOKEN_KEY } from '../../../src/transport/calling/call.js';
import { ownConnection, pinnedCredentials } from '../../../src/transport/calling/channels.js';
import { Connection } from '../../../src/transport/calling/connection.js';
import { createCertificate } from '../../../src/transport/certificates.js';
import { grpc, services } from '../../../src/transport/grpc.js';
import { listen } from '../../../src/transport/serving/server.js';
import { Token } from '../../../src/transport/tokens.js';
import { clientProof, OWN_HELLO } from '../../../src/transport/versions.js';
import { outcome } from '../../support/cmix.js';
import { SeededRng } from '../../support/seededRng.js';
import {
  authenticatorOf,
  batchSource,
  codeOf,
  hostsOf,
  IDLE_MS,
  identity,
  keyShareMessage,
  Loopback,
  memberOf,
  NETWORK,
  never,
  OwnLink,
  RawClient,
  wireCode,
  zeros,
} from '../support.js';
import { FaultyPair, fault, pause } from './setting.js';

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

/** The machine's clock, set forward and back by hand: `aheadMs` shifts both readings, `wallAheadMs` only the wall clock. */
class SetClock implements Clock {
  aheadMs = 0;
  wallAheadMs = 0;
  readonly after = systemClock.after;
  nowMs(): number {
    return systemClock.nowMs() + this.aheadMs;
  }
  wallMs(): number {
    return systemClock.wallMs() + this.aheadMs + this.wallAheadMs;
  }
}

describe('a peer that comes back with another key', () => {
  fault('is refused under its old certificate, and reached again when the list has the new one', () =>
    FaultyPair.with(async (pair) => {
      await pair.link.ping(pair.to.node, never);
      const renewed = { ...pair.to, certificate: await createCertificate('millrace', 10) };
      await pair.to.stop();
      const own = await Loopback.start([renewed], [pair.from.member]);
      pair.proxy.retarget(Number(own.nodes[0]!.member.address.split(':')[1]));
      const ping = () => codeOf(pair.link.ping(pair.to.node, never));
      await expect.poll(ping).toBe('PEER_UNKNOWN');
      pair.list = new Membership(1, [
        pair.from.member,
        pair.behindProxy({ certificate: renewed.certificate.certificate }),
      ]);
      expect(await ping()).toBe('ok');
      await own.close();
    }),
  );

  fault('of identity, under a listed certificate, is refused by the handshake', () =>
    FaultyPair.with(async (pair) => {
      const other = SigningKey.generate(new SeededRng('other'));
      // The peer has the TLS key, but signs with another identity key.
      const self = { id: pair.to.node, sign: (bytes: Uint8Array) => other.sign(bytes) };
      const authenticator = authenticatorOf(pair.to, () => pair.loopback.membership, { self });
      Object.assign(pair.to.authenticator, {
        challenge: authenticator.challenge.bind(authenticator),
        authenticate: authenticator.authenticate.bind(authenticator),
      });
      expect(await codeOf(pair.link.ping(pair.to.node, never))).toBe('HANDSHAKE_REFUSED');
      expect(pair.to.receiver.messages.length).toBe(0);
    }),
  );

  fault('continues if its caller changes the certificate, before and after the old one leaves the list', () => {
    let shown = 0;
    const pairs: { certificate: string; privateKey: string }[] = [];
    return FaultyPair.with(
      async (pair) => {
        pairs.push(pair.from.certificate, await createCertificate('millrace', 10));
        const { link, to, loopback } = pair;
        await link.ping(to.node, never);
        const next = { ...pair.from.member, nextCertificate: pairs[1]!.certificate };
        loopback.membership = new Membership(1, [next, to.member]);
        shown = 1;
        // The old certificate's connection stays valid until the list drops the certificate; a refused call is then dialled with
        // the new one.
        await link.ping(to.node, never);
        loopback.membership = new Membership(2, [
          { ...pair.from.member, certificate: pairs[1]!.certificate },
          to.member,
        ]);
        await link.ping(to.node, never);
        await link.transfer(to.node, batchSource(3), never);
        expect(pair.proxy.accepted).toBe(3);
      },
      { deps: { certificate: () => pairs[shown] } },
    );
  });
});

describe('a token', () => {
  fault('that expires in the middle of a stream ends no call; the next call authenticates again, once', () => {
    const clock = new SetClock();
    return FaultyPair.with(
      async (pair) => {
        const { link, to } = pair;
        const rest = deferred<void>();
        const chunk = async (index: number) => {
          if (index === 2) await rest.promise;
          return zeros(64).fill(index);
        };
        await link.ping(to.node, never);
        const sent = link.transfer(to.node, batchSource(4, { chunk }), never);
        await to.receiver.until(() => to.receiver.chunks.length === 2);
        clock.aheadMs = HOUR_MS;
        rest.resolve();
        await sent;
        const message = keyShareMessage(pair.from.node);
        await Promise.all(Array.from({ length: 10 }, () => link.deliver(to.node, message, never)));
        await link.transfer(to.node, batchSource(4), never);
        expect(to.receiver.messages.length).toBe(10);
        expect(to.receiver.trailers.length).toBe(2);
        // One on each of the two lanes.
        expect(await pair.count('link_reauthentications_total')).toBe(2);
        expect(pair.proxy.accepted).toBe(2);
      },
      { authenticator: { clock, sessionMs: HOUR_MS / 2 } },
    );
  });

  fault('that is refused again and again ends the call with its code, after a few handshakes', () =>
    FaultyPair.with(async (pair) => {
      const { authenticator } = pair.to;
      const admit = authenticator.admit.bind(authenticator);
      let handshakes = 0;
      authenticator.admit = (call) => {
        if (call.path.endsWith('/Authenticate')) handshakes++;
        else if (!call.path.includes('Handshake')) authenticator.endSessions();
        return admit(call);
      };
      expect(await codeOf(pair.link.ping(pair.to.node, never))).toBe('TOKEN_REFUSED');
      expect(handshakes).toBe(3);
      expect(await codeOf(pair.link.transfer(pair.to.node, batchSource(2), never))).toBe('TOKEN_REFUSED');
      expect(pair.to.receiver.headers).toEqual([]);
    }),
  );

  fault('is not valid on another connection, even of the same member', () =>
    FaultyPair.with(async ({ from, to }) => {
      const options = { peer: to.node, address: to.member.address, trusted: [to.member.certificate] };
      const own = { own: from.certificate, channel: {}, timeoutMs: 5_000 };
      const [one, two] = [await Connection.dial({ ...options, ...own }), await Connection.dial({ ...options, ...own })];
      const hosts = hostsOf(from);
      const host = hosts.add({
        id: to.node,
        address: to.member.address,
        certificates: options.trusted,
        identityKey: to.key.publicKey,
      });
      const { token } = await host.connect('control', systemClock.nowMs() + 5_000, never);
      const metadata = new grpc.Metadata();
      metadata.set(TOKEN_KEY, token!.toMetadata());
      for (const connection of [one, two]) {
        const stub = new services.Team('', grpc.credentials.createInsecure(), { channelOverride: connection.channel });
        const error = await new Promise<grpc.ServiceError | null>((resolve) =>
          stub.ping({}, metadata, (thrown) => resolve(thrown)),
        );
        expect(wireCode(error ?? undefined)).toBe('TOKEN_REFUSED');
        connection.close();
      }
      hosts.close();
    }),
  );

  fault('store that is flooded stays small, and keeps the challenges of others', () =>
    FaultyPair.with(async (pair) => {
      const { from, to, loopback } = pair;
      const other = await identity('other');
      loopback.membership = new Membership(1, [from.member, to.member, memberOf(other)]);
      const { authenticator } = to;
      // Another member is between the two steps of its handshake during the flood.
      const binding = zeros(32).fill(9);
      const hello = { major: 1, minor: 1, features: [] };
      const { token } = authenticator.challenge(memberOf(other), binding, hello);
      const flood = new RawClient(to.member.address, to.member.certificate, from.certificate);
      const request = services.Handshake.service.RequestToken.requestSerialize({ hello });
      const calls = Array.from({ length: 300 }, () => flood.call('/millrace.v1.Handshake/RequestToken', request));
      // A caller that is not on the list gets no challenge.
      const stranger = await identity('stranger');
      const unknown = new RawClient(to.member.address, to.member.certificate, stranger.certificate);
      expect(wireCode(await unknown.call('/millrace.v1.Handshake/RequestToken', request))).toBe('PEER_UNKNOWN');
      expect((await Promise.all(calls)).map(wireCode)).toEqual(calls.map(() => 'ok'));
      expect(authenticator.size.challenges).toBe(8 + 1);
      const facts = { network: NETWORK, token: token.reveal(), client: other.node, server: to.node, binding };
      const proof = clientProof({ ...facts, clientHello: hello, serverHello: OWN_HELLO });
      const wrong = other.key.sign(zeros(32));
      expect(outcome(() => authenticator.authenticate(memberOf(other), binding, Token.of(zeros(32)), wrong))).toBe(
        'TOKEN_REFUSED',
      );
      expect(
        outcome(() => authenticator.authenticate(memberOf(other), binding, token, other.key.sign(proof))),
      ).toHaveProperty('token');
      // A challenge can be answered once.
      expect(outcome(() => authenticator.authenticate(memberOf(other), binding, token, other.key.sign(proof)))).toBe(
        'TOKEN_REFUSED',
      );
      for (const client of [flood, unknown]) client.close();
    }),
  );
});

describe('a clock that is set', () => {
  fault('back or forward by a day changes no session, and certificates are checked against it', () => {
    const clock = new SetClock();
    return FaultyPair.with(
      async (pair) => {
        const ping = () => codeOf(pair.link.ping(pair.to.node, never));
        expect(await ping()).toBe('ok');
        for (const days of [1, -20, 0]) {
          clock.wallAheadMs = days * DAY_MS;
          // The certificates are valid for ten days and an hour.
          expect(await ping()).toBe(days < 0 ? 'CERTIFICATE_NOT_YET_VALID' : 'ok');
        }
        expect(await pair.count('link_reauthentications_total')).toBe(0);
        expect(pair.proxy.accepted).toBe(1);
      },
      { authenticator: { clock } },
    );
  });

  fault('at the caller delays no attempt to connect', () => {
    const clock = new SetClock();
    return FaultyPair.with(
      async (pair) => {
        pair.proxy.refuse(true);
        expect(await codeOf(pair.link.ping(pair.to.node, never))).toBe('LINK_DOWN');
        pair.proxy.refuse(false);
        clock.wallAheadMs = -365 * DAY_MS;
        expect(await codeOf(pair.link.ping(pair.to.node, never))).toBe('ok');
      },
      { deps: { clock } },
    );
  });
});

describe('a peer that fails too often', () => {
  fault('is not dialled until its bucket has leaked, and then tried again', () => {
    const clock = new SetClock();
    return FaultyPair.with(
      async (pair) => {
        pair.proxy.refuse(true);
        const ping = () => codeOf(pair.link.ping(pair.to.node, never));
        for (let i = 0; i < 3; i++) expect(await ping()).toBe('LINK_DOWN');
        expect(pair.host.state).toBe('coolingOff');
        expect(await ping()).toBe('COOLING_OFF');
        const refused = pair.link.ping(pair.to.node, never);
        // The refusal carries the error of the last attempt.
        await expect(refused).rejects.toMatchObject({ code: 'COOLING_OFF', cause: { code: 'LINK_DOWN' } });
        expect(pair.proxy.accepted).toBe(3);
        clock.aheadMs = 20_001;
        expect(await ping()).toBe('LINK_DOWN');
        expect(await ping()).toBe('COOLING_OFF');
        clock.aheadMs = 120_000;
        pair.proxy.refuse(false);
        expect(await ping()).toBe('ok');
        expect(pair.host.state).toBe('up');
      },
      { host: { coolOff: { failures: 3, windowMs: 60_000 }, backoff: { firstMs: 1, longestMs: 2 } }, deps: { clock } },
    );
  });
});

const PREVIOUS = join(fileURLToPath(new URL('.', import.meta.url)), '..', 'millrace-1.0.proto');

describe('a peer of the previous release', () => {
  const previous = () => {
    const loaded = loadSync(PREVIOUS, { longs: Number, enums: String, defaults: true, oneofs: true, keepCase: false });
    const { millrace } = grpc.loadPackageDefinition(loaded) as unknown as { millrace: { v1: typeof services } };
    return millrace.v1;
  };

  fault('calls as before: messages, batches and pings arrive', () =>
    FaultyPair.with(async ({ from, to }) => {
      const { address, certificate } = to.member;
      const old = previous();
      expect(old.Handshake).toBeUndefined();
      const client = new old.Team(address, pinnedCredentials(certificate, from.certificate), ownConnection);
      const bootId = await new Promise((resolve) => client.ping({}, (error, reply) => resolve(error ?? reply?.bootId)));
      expect(bootId).toBe('0'.repeat(32));
      const { header, chunk, trailer } = batchSource(2);
      const sent = new Promise((resolve) => {
        const call = client.transfer((error) => resolve(error ?? 'ok'));
        void (async () => {
          call.write({ header });
          for (const index of [0, 1]) call.write({ chunk: { index, content: await chunk(index) } });
          call.write({ trailer: await trailer() });
          call.end();
        })();
      });
      expect(await sent).toBe('ok');
      expect(to.receiver.trailers.length).toBe(1);
      client.close();
    }),
  );

  fault('is called as before: without a token, and with no call that it does not know', async () => {
    await FaultyPair.with(async ({ from, to }) => {
      // A listener of 1.0 has no handshake, and only the calls of its schema.
      const { receiver, authenticator, certificate } = to;
      const identify = authenticator.identify.bind(authenticator);
      const options = { address: '127.0.0.1:0', certificate, log: silentLog, metrics: createMetrics() };
      const listener = await listen(
        { ...options, authenticate: (call) => void identify(call.context) },
        (server, errors) => addTeamService(server, errors, { receiver, identify, idleMs: IDLE_MS }),
      );
      const list = new Membership(0, [from.member, memberOf(to, listener.port)]);
      const link = new OwnLink(() => list, from);
      await link.ping(to.node, never);
      await link.transfer(to.node, batchSource(3), never);
      await link.warm(to.node, 'precompDecrypt', 100_000, never);
      expect(link.hosts.report()[0]!.protocolMinor).toBe(0);
      expect(await codeOf(link.circle(to.node, { round: 1 as never, id: zeros(16), hop: 1 }, never))).toBe(
        'PROTOCOL_UNSUPPORTED',
      );
      expect(receiver.trailers.length).toBe(1);
      link.close();
      await listener.close(0);
    });
  });

  fault('is refused if tokens are required, and so is a member that supports tokens but sends none', async () => {
    const call = async ({ from, to }: FaultyPair) => {
      const raw = new RawClient(to.member.address, to.member.certificate, from.certificate);
      const code = wireCode(await raw.call('/millrace.v1.Team/Ping', zeros(0)));
      raw.close();
      return code;
    };
    await FaultyPair.with(async (pair) => expect(await call(pair)).toBe('TOKEN_REFUSED'), {
      authenticator: { tokensRequired: true },
    });
    await FaultyPair.with(async (pair) => {
      expect(await call(pair)).toBe('ok');
      await pair.link.ping(pair.to.node, never);
      expect(await call(pair)).toBe('TOKEN_REFUSED');
      pair.link.hosts.disconnectAll();
      await pause(20);
      expect(await call(pair)).toBe('ok');
    });
  });

  fault('of another major version is refused with that reason, in both directions', () =>
    FaultyPair.with(async ({ from, to }) => {
      const raw = new RawClient(to.member.address, to.member.certificate, from.certificate);
      const request = { hello: { major: 2, minor: 0, features: [] } };
      const bytes = services.Handshake.service.RequestToken.requestSerialize(request);
      expect(wireCode(await raw.call('/millrace.v1.Handshake/RequestToken', bytes))).toBe('PROTOCOL_UNSUPPORTED');
      raw.close();
      const { authenticator } = to;
      const challenge = authenticator.challenge.bind(authenticator);
      authenticator.challenge = (...args) => ({ ...challenge(...args), hello: { major: 2, minor: 0, features: [] } });
      const link = new OwnLink(() => new Membership(0, [from.member, to.member]), from);
      expect(await codeOf(link.ping(to.node, never))).toBe('PROTOCOL_UNSUPPORTED');
      link.close();
    }),
  );
});
