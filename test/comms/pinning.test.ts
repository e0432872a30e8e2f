// Authentication of peers: certificates are pinned to the membership list on both sides, and every refusal tells the other end
// its reason before any message is read.
import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { sleep, systemClock } from '../../src/base/clock.js';
import { isErrorCode } from '../../src/base/errors.js';
import { silentLog } from '../../src/base/log.js';
import { createMetrics } from '../../src/base/metrics.js';
import { systemRng } from '../../src/base/rng.js';
import { freePorts } from '../../src/cli/demo/processes.js';
import { GatewayClient } from '../../src/comms/gateway/client.js';
import { addGatewayService } from '../../src/comms/gateway/service.js';
import { certificateFingerprint, type Member, Membership } from '../../src/protocol/membership.js';
import { RegistrationDesk } from '../../src/round/submissions/registration.js';
import { SenderRegistry } from '../../src/round/submissions/senderRegistry.js';
import { ownConnection, pinnedCredentials } from '../../src/transport/calling/channels.js';
import { type CertificatePair, createCertificate, readExpiry } from '../../src/transport/certificates.js';
import { grpc, services } from '../../src/transport/grpc.js';
import { authenticatePeer } from '../../src/transport/serving/callerCertificates.js';
import { listen } from '../../src/transport/serving/server.js';
import { outcome, rejection } from '../support/cmix.js';
import {
  batchSource,
  codeOf,
  counted,
  type Identity,
  identity,
  keyShareMessage,
  Loopback,
  memberOf,
  never,
  OwnLink,
  RawClient,
  wireCode,
} from './support.js';

let loopback: Loopback;
let expired: Identity;
let stranger: Identity;

beforeAll(async () => {
  expired = await identity('expired', 'expired');
  stranger = await identity('stranger');
  loopback = await Loopback.start([await identity('a'), await identity('b')], [memberOf(expired)]);
});
afterAll(() => loopback.close());

const node = (index: number) => loopback.nodes[index]!;

/** Error codes of each kind of call made with the certificate `own`. */
async function codesWith(own: Identity): Promise<string[]> {
  const link = new OwnLink(() => loopback.membership, own);
  const to = node(1).node;
  const codes = [
    await codeOf(link.ping(to, never)),
    await codeOf(link.deliver(to, keyShareMessage(node(0).node), never)),
    await codeOf(link.transfer(to, batchSource(2), never)),
  ];
  link.close();
  return codes;
}

describe('a team listener', () => {
  const heard = () => node(1).receiver.messages.length + node(1).receiver.headers.length;

  it('refuses a certificate that is not on the list, on every kind of call, before it reads a message', async () => {
    const before = heard();
    expect(await codesWith(stranger)).toEqual(['PEER_UNKNOWN', 'PEER_UNKNOWN', 'PEER_UNKNOWN']);
    expect(heard()).toBe(before);
    expect(await counted(node(1).metrics, 'calls_failed_total', { code: 'PEER_UNKNOWN' })).toBe(3);
  });

  it('refuses an expired certificate that is listed', async () => {
    const code = 'CERTIFICATE_EXPIRED';
    expect(await codesWith(expired)).toEqual([code, code, code]);
    expect(await counted(node(1).metrics, 'calls_failed_total', { code })).toBe(3);
  });

  it('closes the connection of a caller without a client certificate', async () => {
    const { address, certificate } = node(1).member;
    const client = new RawClient(address, certificate);
    expect(wireCode(await client.call('/millrace.v1.Team/Ping', new Uint8Array(0)))).toMatch(/^untyped: 14 /);
    expect(wireCode(await client.stream('/millrace.v1.Team/Transfer', [], false))).toMatch(/^untyped: 14 /);
    client.close();
  });

  it('refuses a stranger without waiting for its message, however long', async () => {
    const { address, certificate } = node(1).member;
    const client = new RawClient(address, certificate, stranger.certificate);
    const megabyte = new Uint8Array(1024 * 1024);
    const frames = Array.from({ length: 20 }, () => megabyte);
    expect(wireCode(await client.stream('/millrace.v1.Team/Transfer', frames, false))).toBe('PEER_UNKNOWN');
    client.close();
  });

  it("passes the caller's identity by its certificate, independent of the message", async () => {
    const { receiver } = node(1);
    await node(0).link.deliver(node(1).node, keyShareMessage(stranger.node), never);
    // round/exchange/inbox.ts refuses a message if its speaker is not its caller: the receiver gets both.
    const { from, message } = receiver.messages.at(-1)!;
    expect(from).toBe(node(0).node);
    expect(message.from).toBe(stranger.node);
  });
});

describe('a caller', () => {
  async function codeAt(server: Identity, pinned: CertificatePair): Promise<string> {
    const other = await Loopback.start([server]);
    const serving = other.nodes[0]!;
    const believed: Member = { ...serving.member, certificate: pinned.certificate };
    const link = new OwnLink(() => new Membership(0, [believed]), node(0));
    try {
      const code = await codeOf(link.ping(server.node, never));
      expect(await codeOf(link.transfer(server.node, batchSource(1), never))).toBe(code);
      expect(serving.receiver.headers).toEqual([]);
      return code;
    } finally {
      link.close();
      await other.close();
    }
  }

  it('refuses a server that shows another certificate than the pinned one', async () => {
    const server = await identity('other');
    expect(await codeAt(server, (await identity('mine')).certificate)).toBe('PEER_UNKNOWN');
  });

  it('refuses a server with an expired certificate', async () => {
    const server = await identity('late', 'expired');
    expect(await codeAt(server, server.certificate)).toBe('CERTIFICATE_EXPIRED');
  });
});

describe('a gateway', () => {
  it('needs no client certificate, and is pinned itself', async () => {
    const { key, certificate } = await identity('gateway');
    const registry = new SenderRegistry(systemRng, 3, 1);
    const registrations = new RegistrationDesk(key.nodeId, registry, systemClock);
    const sign = (digest: Uint8Array) => key.sign(digest);
    const deps = { network: 'n', node: key.nodeId, identityKey: key.publicKey, sign, registry, registrations };
    const options = { address: '127.0.0.1:0', certificate, log: silentLog, metrics: createMetrics() };
    const gateway = await listen(options, (server, errors) =>
      addGatewayService(server, errors, { ...deps, manager: {} as never, collecting: () => [] }),
    );
    const member = memberOf({ key, node: key.nodeId, certificate }, 1, gateway.port);
    const client = new GatewayClient(member, 'n');
    expect((await client.describe()).epoch).toBe(3);
    const wrong = new GatewayClient({ ...member, certificate: stranger.certificate.certificate }, 'n');
    expect(await codeOf(wrong.describe())).toBe('PEER_UNKNOWN');
    // The same answer, expected of another network or another node's key.
    const elsewhere = new GatewayClient(member, 'another network');
    expect(await codeOf(elsewhere.describe())).toBe('SIGNATURE_INVALID');
    const renamed = new GatewayClient({ ...member, identityKey: stranger.key.publicKey }, 'n');
    expect(await codeOf(renamed.describe())).toBe('SIGNATURE_INVALID');
    for (const each of [client, wrong, elsewhere, renamed]) each.close();
    await gateway.close(0);
  });

  it('that is unreachable leaves nothing behind for long: no timer keeps the resources of a failed connection', async () => {
    const { key, certificate } = await identity('a gateway that is away');
    const setTimer = vi.spyOn(globalThis, 'setTimeout');
    const client = new GatewayClient(memberOf({ key, node: key.nodeId, certificate }, 1, 1), 'n', { retriesMax: 0 });
    expect(await codeOf(client.describe())).toBe('LINK_DOWN');
    client.close();
    const made = setTimer.mock.results.map(({ value }) => value as { readonly _destroyed: boolean });
    const delaysMs = setTimer.mock.calls.map(([, delayMs]) => delayMs ?? 0);
    setTimer.mockRestore();
    expect(made.length).toBeGreaterThan(0);
    const leftMs = delaysMs.filter((_, i) => made[i]?._destroyed === false);
    expect(Math.max(0, ...leftMs)).toBeLessThan(60_000);
  });

  it('that comes back receives no unrequested connection: a failed dial is not repeated', async () => {
    const { key, certificate } = await identity('a gateway that comes back');
    const [port = 0] = await freePorts(1);
    const setTimer = vi.spyOn(globalThis, 'setTimeout');
    const client = new GatewayClient(memberOf({ key, node: key.nodeId, certificate }, 1, port), 'n', { retriesMax: 0 });
    expect(await codeOf(client.describe())).toBe('LINK_DOWN');
    client.close();
    let accepted = 0;
    const back = createServer(() => accepted++).listen(port, '127.0.0.1');
    await once(back, 'listening');
    // Fires everything now that would come due by itself.
    const timers = setTimer.mock.results.map(({ value }) => value as { _destroyed: boolean; _onTimeout?(): void });
    setTimer.mockRestore();
    const left = timers.filter(({ _destroyed }) => !_destroyed);
    expect(left.length).toBeGreaterThan(0);
    for (const timer of left) timer._onTimeout?.();
    await sleep(systemClock, 300);
    expect(accepted).toBe(0);
    back.close();
  });

  it('that stays unreachable is not dialled at every call: callers get the reason at once', async () => {
    const { key, certificate } = await identity('a gateway that is away');
    // Nothing listens there.
    const member = memberOf({ key, node: key.nodeId, certificate }, 1, 1);
    const client = new GatewayClient(member, 'n', { backoff: { firstMs: 1, longestMs: 1 } });
    const codes = new Set<string>();
    for (let call = 0; call < 12; call++) codes.add(await codeOf(client.describe()));
    expect([...codes]).toEqual(['LINK_DOWN', 'COOLING_OFF']);
    // The system's own words: the reason and the address.
    const { message } = (await rejection(client.describe()))!;
    expect(message).toMatch(/COOLING_OFF.*connect ECONNREFUSED 127\.0\.0\.1:1\b/s);
    expect(message).not.toContain('Resolution note');
    client.close();
  });
});

describe('certificates', () => {
  it('have a positive serial number and the requested dates', async () => {
    for (let i = 0; i < 40; i++) {
      const parsed = new X509Certificate((await createCertificate('node', 5)).certificate);
      expect(parsed.serialNumber).toMatch(/^[0-9A-F]{20,30}$/);
      expect(parsed.subject).toBe('CN=node');
    }
    const nowMs = Date.UTC(2026, 0, 1);
    const { certificate } = await createCertificate('node', 5, nowMs);
    expect(readExpiry(certificate)).toBe(Date.UTC(2026, 0, 6));
  });

  it('that do not parse are refused with a code', () => {
    for (const text of ['', 'nonsense', '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n']) {
      expect(outcome(() => certificateFingerprint(text))).toBe('CERTIFICATE_INVALID');
      expect(outcome(() => readExpiry(text))).toBe('CERTIFICATE_INVALID');
    }
  });

  it('of a listener that are unusable are refused with a code', async () => {
    const { certificate } = await createCertificate('node', 5);
    const options = { address: '127.0.0.1:0', log: silentLog, metrics: createMetrics() };
    for (const privateKey of ['nonsense', stranger.certificate.privateKey]) {
      const code = await codeOf(listen({ ...options, certificate: { certificate, privateKey } }, () => {}));
      expect(code).toBe('CERTIFICATE_INVALID');
    }
  });
});

describe('a membership list', () => {
  it('refuses a member with an id that does not match its key, and two members with one id or certificate', async () => {
    const one = memberOf(await identity('one'));
    const two = memberOf(await identity('two'));
    expect(outcome(() => new Membership(0, [{ ...one, node: two.node }]))).toBe('CONFIG_INVALID');
    expect(outcome(() => new Membership(0, [one, { ...two, certificate: one.certificate }]))).toBe('CONFIG_INVALID');
    expect(outcome(() => new Membership(0, [one, { ...one, certificate: two.certificate }]))).toBe('CONFIG_INVALID');
    expect(outcome(() => new Membership(0, [one, two]).members.length)).toBe(2);
  });

  it('is read at every call: a removed member is a stranger at once', async () => {
    const leaving = await Loopback.start([await identity('x'), await identity('y')]);
    const [x, y] = leaving.nodes;
    expect(await codeOf(x!.link.ping(y!.node, never))).toBe('ok');
    const all = leaving.membership;
    leaving.membership = new Membership(1, [y!.member]);
    const link = new OwnLink(() => all, x!);
    expect(await codeOf(link.ping(y!.node, never))).toBe('PEER_UNKNOWN');
    expect(await codeOf(y!.link.ping(x!.node, never))).toBe('PEER_UNKNOWN');
    link.close();
    await leaving.close();
  });

  it('refuses a certificate before its validity as well', async () => {
    const early = await identity('early');
    const certificate = await createCertificate('early', 5, Date.now() + 3 * 24 * 3600 * 1000);
    const membership = new Membership(0, [memberOf({ ...early, certificate })]);
    const { raw, fingerprint256, validFrom, validTo } = new X509Certificate(certificate.certificate);
    const shown = { raw, fingerprint256, valid_from: validFrom, valid_to: validTo };
    const context = { sslPeerCertificate: shown } as unknown as Parameters<typeof authenticatePeer>[0];
    expect(outcome(() => authenticatePeer(context, membership, systemClock))).toBe('CERTIFICATE_NOT_YET_VALID');
    expect(outcome(() => authenticatePeer({} as never, membership, systemClock))).toBe('PEER_UNKNOWN');
  });
});

it('a call to a port of another service fails with a code', async () => {
  const { certificate } = node(1).member;
  const plain = new grpc.Server();
  const port = await new Promise<number>((resolve, reject) => {
    const insecure = grpc.ServerCredentials.createInsecure();
    plain.bindAsync('127.0.0.1:0', insecure, (error, bound) => (error ? reject(error) : resolve(bound)));
  });
  const client = new services.Team(`127.0.0.1:${port}`, pinnedCredentials(certificate), ownConnection);
  const link = new OwnLink(() => new Membership(0, [{ ...node(1).member, address: `127.0.0.1:${port}` }]), node(0));
  expect(isErrorCode(await codeOf(link.ping(node(1).node, never)))).toBe(true);
  link.close();
  client.close();
  plain.forceShutdown();
});
