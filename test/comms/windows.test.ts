// The windows and the TLS version of a real connection, read from its sessions: the options of grpc-js and
// transport/http2Windows.ts only request them. Fails if an upgrade of grpc-js stops requesting them.
import type http2 from 'node:http2';
import type { ClientHttp2Session, Http2Server, ServerHttp2Session } from 'node:http2';
import { createRequire } from 'node:module';
import { type AddressInfo, connect as dialTcp, type Server } from 'node:net';
import { connect, type TLSSocket } from 'node:tls';
import { afterEach, expect, it, vi } from 'vitest';
import { CONNECTIONS_MAX, WINDOW_BYTES } from '../../src/transport/http2Windows.js';
import { identity, Loopback, never } from './support.js';

const cjs = createRequire(import.meta.url)('node:http2') as typeof http2;
const MIB = 1024 * 1024;

let loopback: Loopback | undefined;
afterEach(async () => {
  vi.restoreAllMocks();
  await loopback?.close();
  loopback = undefined;
});

/** Starts two nodes, lets one ping the other, and returns both ends of the connection. */
async function connection(): Promise<{ client: ClientHttp2Session; server: ServerHttp2Session }> {
  const clients: ClientHttp2Session[] = [];
  const servers: ServerHttp2Session[] = [];
  const dial = cjs.connect;
  vi.spyOn(cjs, 'connect').mockImplementation(((...args: Parameters<typeof dial>) => {
    const session = dial(...args);
    clients.push(session);
    return session;
  }) as typeof dial);
  const create = cjs.createSecureServer as (options: object) => Http2Server;
  vi.spyOn(cjs, 'createSecureServer').mockImplementation(((options: object) => {
    const server = create(options);
    server.on('session', (session) => servers.push(session));
    return server;
  }) as typeof cjs.createSecureServer);
  loopback = await Loopback.start([await identity('a'), await identity('b')]);
  const [a, b] = loopback.nodes;
  await a!.link.ping(b!.node, never);
  return { client: clients[0]!, server: servers[0]! };
}

it('gives streams and connections 16 MiB windows on both sides', async () => {
  expect(WINDOW_BYTES).toBe(16 * MIB);
  const { client, server } = await connection();
  for (const session of [client, server]) {
    // The settings of this side for its streams, and those of the other side.
    expect(session.localSettings.initialWindowSize).toBe(16 * MIB);
    expect(session.remoteSettings.initialWindowSize).toBe(16 * MIB);
    // The connection's own window: limit of the bytes in flight to this side over all streams.
    expect(session.state.effectiveLocalWindowSize).toBe(16 * MIB);
    expect(session.state.localWindowSize).toBeGreaterThan(15 * MIB);
    expect(session.state.remoteWindowSize).toBeGreaterThan(15 * MIB);
  }
});

it('speaks TLS 1.3', async () => {
  const { client, server } = await connection();
  for (const session of [client, server]) expect((session.socket as TLSSocket).getProtocol()).toBe('TLSv1.3');
});

/** The protocol that a plain TLS client of at most `maxVersion` gets from a listener, or its refusal. */
function handshake(port: number, maxVersion: 'TLSv1.2' | 'TLSv1.3'): Promise<string> {
  return new Promise((resolve) => {
    const options = { port, host: '127.0.0.1', rejectUnauthorized: false, ALPNProtocols: ['h2'], maxVersion };
    const socket = connect(options, () => {
      resolve(socket.getProtocol() ?? 'none');
      socket.destroy();
    });
    socket.on('error', (error) => resolve(`refused: ${(error as NodeJS.ErrnoException).code}`));
  });
}

it('refuses a client of TLS 1.2 at the handshake, and survives', async () => {
  loopback = await Loopback.start([await identity('a'), await identity('b')]);
  const [a, b] = loopback.nodes;
  const port = Number(b!.member.address.split(':')[1]);
  expect(await handshake(port, 'TLSv1.2')).toMatch(/^refused: ERR_SSL_(TLSV1_ALERT_)?PROTOCOL_VERSION/);
  expect(await handshake(port, 'TLSv1.3')).toBe('TLSv1.3');
  expect(await a!.link.ping(b!.node, never)).toBe(b!.receiver.bootId);
});

it('does not affect other servers of the process', async () => {
  const own = await identity('a');
  loopback = await Loopback.start([own]);
  const { certificate: cert, privateKey: key } = own.certificate;
  const other = cjs.createSecureServer({ key, cert, minVersion: 'TLSv1.2' });
  await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve));
  const sessions: ServerHttp2Session[] = [];
  other.on('session', (session) => sessions.push(session));
  expect(await handshake((other.address() as AddressInfo).port, 'TLSv1.2')).toBe('TLSv1.2');
  await expect.poll(() => sessions[0]?.localSettings.initialWindowSize).toBe(65_535);
  other.close();
});

it('accepts a limited number of connections, and closes those beyond it at once', async () => {
  const made: Server[] = [];
  const create = cjs.createSecureServer as (options: object) => Http2Server;
  vi.spyOn(cjs, 'createSecureServer').mockImplementation(((options: object) => {
    const server = create(options);
    made.push(server);
    return server;
  }) as typeof cjs.createSecureServer);
  loopback = await Loopback.start([await identity('a')]);
  const [server] = made;
  expect(server!.maxConnections).toBe(CONNECTIONS_MAX);
  server!.maxConnections = 2;
  const port = Number(loopback.nodes[0]!.member.address.split(':')[1]);
  const sockets = Array.from({ length: 5 }, () => dialTcp(port, '127.0.0.1').on('error', () => {}));
  await expect.poll(() => sockets.filter((socket) => socket.destroyed).length).toBe(3);
  for (const socket of sockets) socket.destroy();
});
