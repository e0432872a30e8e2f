// Limits of callers at a node, strangers above all: connections, calls, bytes and time. Each attack runs against a real listener with the limits of
// a node, only smaller and shorter; no test here asserts a duration.
import http2 from 'node:http2';
import { type AddressInfo, createConnection, type Socket } from 'node:net';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { systemClock } from '../../src/base/clock.js';
import { silentLog } from '../../src/base/log.js';
import { createMetrics } from '../../src/base/metrics.js';
import { systemRng } from '../../src/base/rng.js';
import { GatewayClient } from '../../src/comms/gateway/client.js';
import { addGatewayService } from '../../src/comms/gateway/service.js';
import { addTeamService } from '../../src/comms/team/service.js';
import { descriptorLimit, descriptorShares } from '../../src/node/process/descriptors.js';
import { certificateFingerprint } from '../../src/protocol/membership.js';
import { RegistrationDesk } from '../../src/round/submissions/registration.js';
import { SenderRegistry } from '../../src/round/submissions/senderRegistry.js';
import type { CertificatePair } from '../../src/transport/certificates.js';
import { CallBudget } from '../../src/transport/serving/callBudget.js';
import { ServerGuard, type ServerLimits, STREAM_BYTES } from '../../src/transport/serving/callerLimits.js';
import { Origins } from '../../src/transport/serving/origins.js';
import { type Listener, listen } from '../../src/transport/serving/server.js';
import { encoded } from './hostileSetting.js';
import { codeOf, identity, keyShareMessage, memberOf, RecordingReceiver } from './support.js';

vi.setConfig({ testTimeout: 15_000 });

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

const OUTPUT_BYTES = 4 * 1024 * 1024;
const byAddress = new Origins([]);

/** A gateway with a manager that has outputs, and answers no submission. */
async function gatewayWith(limits: Partial<ServerLimits>) {
  const own = await identity('gateway of strangers');
  const registry = new SenderRegistry(systemRng, 3, 10);
  let signatures = 0;
  const signed = { info: { network: 'n', round: 1, team: [own.node], deadlines: {} }, signature: new Uint8Array(64) };
  const outputs = { outputs: new Uint8Array(OUTPUT_BYTES), digest: new Uint8Array(32), signatures: [], signed };
  const manager = { outputs: () => outputs, submit: () => new Promise(() => {}) } as never;
  const listener = await listen(
    {
      address: '127.0.0.1:0',
      certificate: own.certificate,
      log: silentLog,
      metrics: createMetrics(),
      limits,
    },
    (server, errors) =>
      addGatewayService(server, errors, {
        network: 'n',
        node: own.node,
        identityKey: own.key.publicKey,
        sign: (digest) => {
          signatures++;
          return own.key.sign(digest);
        },
        registry,
        registrations: new RegistrationDesk(own.node, registry, systemClock),
        manager,
        collecting: () => [],
      }),
  );
  closers.push(() => listener.close(0));
  const client = () => {
    const made = new GatewayClient(memberOf(own, 1, listener.port), 'n', { retriesMax: 0 });
    closers.push(() => made.close());
    return made;
  };
  return { listener, client, signed: () => signatures };
}

/** A raw session of an attacker, with a certificate or without. */
function sessionTo({ port }: Pick<Listener, 'port'>, pair?: CertificatePair): http2.ClientHttp2Session {
  const shown = pair ? { cert: pair.certificate, key: pair.privateKey } : {};
  const options = { port, host: '127.0.0.1', rejectUnauthorized: false, ALPNProtocols: ['h2'], ...shown };
  const session = http2.connect(`https://127.0.0.1:${port}`, { createConnection: () => connectTls(options) });
  session.on('error', () => {});
  closers.push(async () => {
    // Node.js 20 never returns from this if it runs within the event of a stream that the server has reset.
    await new Promise((resolve) => setImmediate(resolve));
    session.destroy();
  });
  return session;
}

const framed = (message: Uint8Array): Buffer => {
  const head = Buffer.alloc(5);
  head.writeUInt32BE(message.length, 1);
  return Buffer.concat([head, message]);
};

/** A call with the given body, ended or not, and an answer that nobody reads. */
function call(session: http2.ClientHttp2Session, method: string, body: Uint8Array, end: boolean, service = 'Gateway') {
  const stream = session.request({
    ':method': 'POST',
    ':path': `/millrace.v1.${service}/${method}`,
    'content-type': 'application/grpc+proto',
    te: 'trailers',
  });
  stream.on('error', () => {});
  stream.write(body);
  if (end) stream.end();
  return stream;
}

const closed = (emitter: { once(event: 'close', done: () => void): unknown }) =>
  new Promise<void>((resolve) => emitter.once('close', () => resolve()));
const settings = (session: http2.ClientHttp2Session) =>
  new Promise<http2.Settings>((resolve) => session.once('remoteSettings', resolve));

/** Waits for a condition, with a limit: a condition that never becomes true must not keep the test alive. */
async function until(holds: () => boolean): Promise<void> {
  for (let looks = 0; !holds(); looks++) {
    if (looks > 2_000) throw new Error('it never comes true');
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

describe('a stranger’s calls', () => {
  it('are limited to 32 a connection, with windows of one message each', async () => {
    const { listener } = await gatewayWith({});
    const { maxConcurrentStreams, initialWindowSize } = await settings(sessionTo(listener));
    expect([maxConcurrentStreams, initialWindowSize]).toEqual([32, 64 * 1024]);
  });

  it('cost no signature each: a description is signed once an epoch', async () => {
    const { client, signed } = await gatewayWith({});
    for (let i = 0; i < 5; i++) expect((await client().describe()).epoch).toBe(3);
    expect(signed()).toBe(1);
  });

  it('are ended if their requests do not end, and the connection goes on', async () => {
    const { listener, client } = await gatewayWith({ times: { requestMs: 50, lookMs: 10 } });
    const session = sessionTo(listener);
    const streams = Array.from({ length: 32 }, () =>
      call(session, 'Submit', framed(new Uint8Array(60_000)).subarray(0, 50_000), false),
    );
    await Promise.all(streams.map(closed));
    const calm = http2.constants.NGHTTP2_ENHANCE_YOUR_CALM;
    expect(streams.map(({ rstCode }) => rstCode)).toEqual(streams.map(() => calm));
    expect(listener.load().streams).toBe(0);
    expect((await client().describe()).epoch).toBe(3);
    const again = call(session, 'Describe', framed(new Uint8Array(0)), true);
    again.resume();
    await closed(again);
    expect(session.destroyed).toBe(false);
  });

  it('are ended if nobody reads their answers', async () => {
    const { listener } = await gatewayWith({ times: { stallMs: 50, lookMs: 10 } });
    const session = sessionTo(listener);
    const streams = Array.from({ length: 8 }, () => call(session, 'Outputs', framed(Uint8Array.of(8, 1)), true));
    await until(() => listener.load().streams === 8);
    await until(() => listener.load().streams === 0);
    for (const stream of streams) stream.close();
  });

  it('are ended if they take too long for any reason', async () => {
    const { listener } = await gatewayWith({ times: { callMs: 50, lookMs: 10 } });
    const session = sessionTo(listener);
    const submit = Buffer.concat([Buffer.from([8, 1, 0x12, 64]), Buffer.from('a'.repeat(64))]);
    const stream = call(session, 'Submit', framed(submit), true);
    await closed(stream);
    expect(listener.load().streams).toBe(0);
  });

  it('are refused unread while the node is overloaded, except those of senders of accepted messages', async () => {
    const budget = new CallBudget(
      systemClock,
      () => 1,
      () => 0.99,
    );
    const { listener, client } = await gatewayWith({ budget, origins: byAddress });
    const connected = client();
    expect((await connected.describe()).epoch).toBe(3);
    const flood = () => {
      for (let i = 0; i < 800; i++) budget.admits(`flood ${i % 200}`);
    };
    for (let second = 0; second < 12; second++) {
      flood();
      budget.look();
    }
    expect(await codeOf(connected.describe())).toBe('SHARE_USED');
    expect(listener.load()).toMatchObject({ refusedStreams: 1, refusedConnections: 0 });
    // A handshake costs as much as a call.
    expect(await codeOf(client().describe())).toBe('LINK_DOWN');
    expect(listener.load().refusedConnections).toBeGreaterThan(0);
    budget.credit('127.0.0.1');
    expect((await connected.describe()).epoch).toBe(3);
  });

  it('have a budget of bytes: a place over its share is told so, by a listener that stays up', async () => {
    const { listener, client } = await gatewayWith({ streamBytes: 16 * STREAM_BYTES, origins: byAddress });
    const session = sessionTo(listener);
    const streams = Array.from({ length: 32 }, () => call(session, 'Outputs', framed(Uint8Array.of(8, 1)), true));
    await until(() => listener.load().refusedStreams > 0);
    expect(listener.load().streams).toBeLessThanOrEqual(14);
    expect(await codeOf(client().describe())).toBe('SHARE_USED');
    for (const stream of streams) stream.close();
    await until(() => listener.load().streams === 0);
    expect((await client().describe()).epoch).toBe(3);
  });
});

/** A team's port with short limits, and a raw session of a member that holds no part of the protocol. */
async function teamWith(times: ServerLimits['times'], idleMs: number) {
  const [own, member] = [await identity('team of slow members'), await identity('slow member')];
  const receiver = new RecordingReceiver();
  const listener = await listen(
    {
      ...{ address: '127.0.0.1:0', certificate: own.certificate, log: silentLog, metrics: createMetrics() },
      authenticate: () => {},
      limits: { knows: () => true, times: { lookMs: 10, ...times } },
    },
    (server, errors) => addTeamService(server, errors, { receiver, identify: () => memberOf(member), idleMs }),
  );
  closers.push(() => listener.close(0));
  return { listener, receiver, session: sessionTo(listener, member.certificate) };
}

describe('a member’s calls', () => {
  const calm = http2.constants.NGHTTP2_ENHANCE_YOUR_CALM;
  const partOfMessage = framed(new Uint8Array(60_000)).subarray(0, 50_000);

  it('are ended if their requests of one message do not end; streams and slow answers stay', async () => {
    const { listener, receiver, session } = await teamWith({ memberRequestMs: 300 }, 60_000);
    let answer = () => {};
    receiver.onMessage = () => new Promise((resolve) => (answer = resolve));
    const own = await identity('slow member');
    const { round, from, signature, message } = keyShareMessage(own.node);
    const deliver = encoded('Team', 'Deliver', { round, from, signature, keyShare: message });
    const slow = call(session, 'Deliver', framed(deliver), true, 'Team');
    const stream = call(session, 'Transfer', partOfMessage, false, 'Team');
    const methods = ['Deliver', 'Ping', 'Circle', 'Screen'];
    const streams = methods.map((method) => call(session, method, partOfMessage, false, 'Team'));
    await Promise.all(streams.map(closed));
    expect(streams.map(({ rstCode }) => rstCode)).toEqual(streams.map(() => calm));
    expect([slow.closed, stream.closed, listener.load().streams]).toEqual([false, false, 2]);
    answer();
    slow.resume();
    await closed(slow);
    expect([slow.rstCode, stream.closed, session.destroyed]).toEqual([0, false, false]);
  });

  it('are ended if their requests go on after the answer, even if these are streams', async () => {
    const { listener, session } = await teamWith({ requestMs: 100 }, 50);
    const streams = ['Transfer', 'Warm'].map((method) => call(session, method, partOfMessage, false, 'Team'));
    const statuses = streams.map((stream) => new Promise((resolve) => stream.once('response', resolve)));
    await Promise.all(statuses);
    await Promise.all(streams.map(closed));
    expect(streams.map(({ rstCode }) => rstCode)).toEqual([calm, calm]);
    expect([listener.load().streams, session.destroyed]).toEqual([0, false]);
  });
});

describe('a stranger’s connections', () => {
  it('are closed if they stay silent, or idle after a call', async () => {
    const { listener } = await gatewayWith({ times: { silentMs: 50, idleMs: 50, graceMs: 50, lookMs: 10 } });
    const silent = Array.from({ length: 20 }, () => sessionTo(listener));
    const idle = sessionTo(listener);
    const asked = call(idle, 'Describe', framed(new Uint8Array(0)), true);
    asked.resume();
    await Promise.all([...silent, idle].map(closed));
    await until(() => listener.load().connections === 0);
  });

  it('are closed soon after a call if more than half are taken, and kept if fewer are', async () => {
    const { listener } = await gatewayWith({ connections: 32, times: { loadedIdleMs: 50, graceMs: 50, lookMs: 10 } });
    const idle = Array.from({ length: 10 }, () => sessionTo(listener));
    const asked = idle.map((session) => call(session, 'Describe', framed(new Uint8Array(0)), true).resume());
    await Promise.all(asked.map(closed));
    // Many looks long.
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(idle.map((session) => session.closed)).toEqual(idle.map(() => false));
    const silent = Array.from({ length: 10 }, () => sessionTo(listener));
    await Promise.all(idle.map(closed));
    expect(silent.map(({ destroyed }) => destroyed)).toEqual(silent.map(() => false));
  });

  it('are ended at an age, however busy, with time for the calls under way', async () => {
    const { listener } = await gatewayWith({ times: { ageMs: 100, graceMs: 300, lookMs: 10 } });
    const [busy, held] = [sessionTo(listener), sessionTo(listener)];
    const told = new Promise((resolve) => held.once('goaway', () => resolve(underWay.closed)));
    const submit = Buffer.concat([Buffer.from([8, 1, 0x12, 64]), Buffer.from('a'.repeat(64))]);
    const underWay = call(held, 'Submit', framed(submit), true);
    for (let calls = 0; !busy.closed && calls < 2_000; calls++) {
      await closed(call(busy, 'Describe', framed(new Uint8Array(0)), true).resume());
    }
    expect(busy.closed).toBe(true);
    expect(await told).toBe(false);
    await closed(held);
    await until(() => listener.load().connections === 0);
  });

  it('have a limit by address, within which other addresses get connections', async () => {
    const { listener } = await gatewayWith({ connections: 32, origins: byAddress });
    const sockets: Socket[] = [];
    const open = (localAddress: string) =>
      new Promise<boolean>((resolve) => {
        const tcp = createConnection({ port: listener.port, host: '127.0.0.1', localAddress });
        tcp.on('error', () => resolve(false));
        const socket: TLSSocket = connectTls({ socket: tcp, rejectUnauthorized: false, ALPNProtocols: ['h2'] });
        sockets.push(socket);
        socket.on('error', () => resolve(false));
        socket.once('close', () => resolve(false));
        socket.once('secureConnect', () => resolve(true));
      });
    closers.push(() => {
      for (const socket of sockets) socket.destroy();
    });
    let taken = 0;
    for (let i = 0; i < 60; i++) if (await open('127.0.0.2')) taken++;
    expect(taken).toBe(28);
    expect(listener.load().refusedConnections).toBe(32);
    for (const address of ['127.0.0.3', '127.0.0.4']) expect(await open(address)).toBe(true);
  });

  it('without a call yet are limited to 256 of one address, and those with a call are not among them', async () => {
    const { listener } = await gatewayWith({ connections: 4_096, origins: byAddress });
    const asking = Array.from({ length: 8 }, () => sessionTo(listener));
    for (const session of asking) call(session, 'Describe', framed(new Uint8Array(0)), true).resume();
    await until(() => listener.load().connections === 8);
    await Promise.all(asking.map((session) => new Promise((resolve) => session.ping(() => resolve(undefined)))));
    const open = (localAddress: string) => {
      const socket = createConnection({ port: listener.port, host: '127.0.0.1', localAddress });
      socket.on('error', () => {});
      closers.push(() => socket.destroy());
    };
    for (let i = 0; i < 300; i++) open('127.0.0.1');
    await until(() => listener.load().refusedConnections === 44);
    expect(listener.load().connections).toBe(8 + 256);
    open('127.0.0.2');
    await until(() => listener.load().connections === 8 + 257);
    expect(listener.load().refusedConnections).toBe(44);
  });

  it('count by connection behind prefixes that are known to be shared by many', () => {
    const origins = new Origins(['10.0.0.0/8', '2001:db8:1::/48']);
    const of = (remoteAddress: string, remotePort = 1) => origins.of({ remoteAddress, remotePort });
    expect(of('10.1.2.3', 1)).not.toBe(of('10.1.2.3', 2));
    expect(of('2001:db8:1::5', 1)).not.toBe(of('2001:db8:1::5', 2));
    expect(of('192.0.2.1', 1)).toBe(of('192.0.2.1', 2));
    expect(of('::ffff:192.0.2.1')).toBe(of('192.0.2.1'));
    expect(of('2001:db8:2:3:4::1')).toBe(of('2001:db8:2:3::9'));
    expect(of('2001:db8:2:3:4::1')).not.toBe(of('2001:db8:2:4::1'));
    for (const bad of ['10.0.0.0', '10.0.0.0/33', 'example/8', '::1/129']) {
      expect(() => new Origins([bad])).toThrow(/CONFIG_INVALID/);
    }
  });

  it('to the team’s port are closed in the handshake without a certificate, and soon with an unknown one', async () => {
    const own = await identity('team of strangers');
    const [member, unknown] = [await identity('member'), await identity('nobody')];
    const known = certificateFingerprint(member.certificate.certificate);
    const listener = await listen(
      {
        address: '127.0.0.1:0',
        certificate: own.certificate,
        log: silentLog,
        metrics: createMetrics(),
        authenticate: () => {},
        limits: { knows: (fingerprint) => fingerprint === known, times: { silentMs: 50, lookMs: 10 } },
      },
      () => {},
    );
    closers.push(() => listener.close(0));
    const connect = (pair?: { certificate: string; privateKey: string }) => {
      const socket = connectTls({
        ...{ port: listener.port, host: '127.0.0.1', rejectUnauthorized: false, ALPNProtocols: ['h2'] },
        ...(pair ? { cert: pair.certificate, key: pair.privateKey } : {}),
      });
      socket.on('error', () => {});
      socket.resume();
      closers.push(() => socket.destroy());
      return socket;
    };
    const stays = connect(member.certificate);
    await closed(connect());
    await closed(connect(unknown.certificate));
    const told = http2.connect(`https://127.0.0.1:${listener.port}`, {
      createConnection: () => connect(unknown.certificate),
    });
    told.on('error', () => {});
    call(told, 'Describe', framed(new Uint8Array(0)), true).resume();
    await closed(told);
    await until(() => listener.load().connections === 1);
    expect(stays.destroyed).toBe(false);
  });

  it('to the team’s port keep no member out, however many stay silent', async () => {
    const own = await identity('team that strangers crowd');
    const member = await identity('member that comes back');
    const known = certificateFingerprint(member.certificate.certificate);
    const listener = await listen(
      {
        ...{ address: '127.0.0.1:0', certificate: own.certificate, log: silentLog, metrics: createMetrics() },
        authenticate: () => {},
        limits: { knows: (fingerprint) => fingerprint === known, connections: 8, origins: byAddress },
      },
      () => {},
    );
    closers.push(() => listener.close(0));
    const sockets = Array.from({ length: 30 }, (_, i) =>
      createConnection({ port: listener.port, host: '127.0.0.1', localAddress: `127.0.1.${i + 1}` }),
    );
    for (const socket of sockets) socket.on('error', () => {});
    closers.push(() => {
      for (const socket of sockets) socket.destroy();
    });
    await until(() => listener.load().refusedConnections === 22);
    const { certificate: cert, privateKey: key } = member.certificate;
    const tls = { port: listener.port, host: '127.0.0.1', rejectUnauthorized: false, ALPNProtocols: ['h2'], cert, key };
    const members: http2.ClientHttp2Session[] = [];
    // They come one by one: each finds room, and no later one takes it.
    for (let i = 0; i < 8; i++) {
      const session = http2.connect(`https://127.0.0.1:${listener.port}`, { createConnection: () => connectTls(tls) });
      session.on('error', () => {});
      closers.push(() => session.destroy());
      members.push(session);
      await settings(session);
    }
    expect(members.map(({ destroyed }) => destroyed)).toEqual(members.map(() => false));
    await until(() => listener.load().connections === 8);
  });

  it('to the team’s port have a limit by address, too: a new one replaces another of the same address', async () => {
    const own = await identity('team that one address crowds');
    const listener = await listen(
      {
        ...{ address: '127.0.0.1:0', certificate: own.certificate, log: silentLog, metrics: createMetrics() },
        authenticate: () => {},
        limits: { knows: () => false, connections: 32, origins: byAddress },
      },
      () => {},
    );
    closers.push(() => listener.close(0));
    const open = (localAddress: string) => {
      const socket = createConnection({ port: listener.port, host: '127.0.0.1', localAddress });
      socket.on('error', () => {});
      closers.push(() => socket.destroy());
      return socket;
    };
    const other = open('127.0.0.3');
    await until(() => listener.load().connections === 1);
    for (let i = 0; i < 60; i++) {
      await new Promise((resolve) => open('127.0.0.2').once('connect', resolve));
    }
    await until(() => listener.load().refusedConnections > 0 && listener.load().connections <= 29);
    expect(other.destroyed).toBe(false);
  });

  it('may break at any moment, and the check of those just ended does no harm', async () => {
    const own = await identity('team whose members leave');
    const certificate = { cert: own.certificate.certificate, key: own.certificate.privateKey };
    const server = http2.createSecureServer(certificate);
    const times = { lookMs: 5 };
    const guard = new ServerGuard({ origins: byAddress, connections: 100, knows: () => true, times });
    const sessions: http2.ServerHttp2Session[] = [];
    const faults: unknown[] = [];
    const onFault = (error: unknown) => faults.push(error);
    process.on('uncaughtExceptionMonitor', onFault);
    closers.push(() => process.off('uncaughtExceptionMonitor', onFault));
    let endings = 0;
    // Before the guard's interval in the same list of timers, and long enough that both are due: the guard checks before "close"
    // is emitted.
    const ending = setInterval(() => {
      for (const session of sessions.splice(0)) {
        session.destroy();
        endings++;
        for (const fromMs = systemClock.nowMs(); systemClock.nowMs() < fromMs + 2 * times.lookMs; );
      }
    }, times.lookMs);
    closers.push(() => clearInterval(ending));
    guard.guard(server);
    server.on('session', (session) => sessions.push(session));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    closers.push(() => server.close());
    const { port } = server.address() as AddressInfo;
    for (let made = 0; made < 10; made++) await closed(sessionTo({ port }));
    expect({ endings, faults }).toEqual({ endings: 10, faults: [] });
    await until(() => guard.load.connections === 0);
  });

  it('without a handshake are counted as well', async () => {
    const { listener } = await gatewayWith({ connections: 16, origins: byAddress });
    const sockets = Array.from({ length: 40 }, () => createConnection({ port: listener.port, host: '127.0.0.1' }));
    for (const socket of sockets) socket.on('error', () => {});
    closers.push(() => {
      for (const socket of sockets) socket.destroy();
    });
    await until(() => listener.load().refusedConnections === 26);
    expect(listener.load().connections).toBe(14);
  });
});

describe('descriptors', () => {
  it('are counted at the start, and reserved for team, HTTP and store before strangers get any', () => {
    expect(descriptorLimit(() => 'Max open files            400                  524288               files')).toBe(
      400,
    );
    expect(descriptorLimit(() => 'Max open files  unlimited  unlimited files')).toBe(Infinity);
    expect(descriptorLimit(() => 'nothing')).toBe(1_024);
    expect(descriptorLimit()).toBeGreaterThan(0);
    const { team, gateway } = descriptorShares(400, 8, 4_096);
    expect(team).toBe(128);
    expect(team + gateway + 64 + 96).toBeLessThanOrEqual(400);
    expect(gateway).toBeGreaterThan(50);
    expect(descriptorShares(Infinity, 8, 4_096).gateway).toBe(4_096);
    expect(descriptorShares(64, 8, 4_096).gateway).toBe(1);
  });

  it('are never promised twice, however many members there are', () => {
    for (const members of [1, 8, 21, 40, 300]) {
      for (const limit of [256, 400, 1_024, 65_536]) {
        const { team, gateway } = descriptorShares(limit, members, 4_096);
        expect(team + gateway + 64 + 96).toBeLessThanOrEqual(limit);
      }
    }
  });
});
