// The operator's HTTP endpoint: it answers permitted callers, with any number of other connections that stay silent.
import { request } from 'node:http';
import { connect, type Socket } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { silentLog } from '../../src/base/log.js';
import { createMetrics } from '../../src/base/metrics.js';
import { type HttpEndpoint, serveHttp } from '../../src/node/http.js';
import { VirtualClock } from '../support/virtualClock.js';

/** More than the system buffers of a connection. */
const LARGE_BYTES = 4 * 1024 * 1024;

let http: HttpEndpoint;
let clock: VirtualClock;
/** Number of times that the metrics were rendered. */
let rendered: number;
const sockets: Socket[] = [];

beforeEach(async () => {
  rendered = 0;
  const metrics = createMetrics();
  clock = new VirtualClock();
  http = await serveHttp('127.0.0.1:0', {
    clock,
    log: silentLog,
    hosts: ['node.internal'],
    metrics: {
      ...metrics,
      contentType: metrics.contentType,
      render: () => {
        rendered++;
        return metrics.render();
      },
    },
    readiness: () => ({ ready: true, reasons: [] }),
    status: () => ({}),
    pages: (path, response) => {
      if (path !== '/forever' && path !== '/large') return false;
      if (path === '/large') response.end(Buffer.alloc(LARGE_BYTES));
      else response.writeHead(200).write('data');
      return true;
    },
  });
});
afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy();
  await http.close();
});

const statusOf = (host: string | undefined, path = '/healthz'): Promise<number | string> =>
  new Promise((resolve) => {
    const headers = host === undefined ? {} : { host };
    const asked = request({ port: http.port, host: '127.0.0.1', path, headers, agent: false }, (response) => {
      response.resume();
      resolve(response.statusCode ?? 0);
    });
    asked.on('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
    asked.end();
  });

async function silent(count: number): Promise<void> {
  const opened = Array.from({ length: count }, () => {
    const socket = connect(http.port, '127.0.0.1');
    sockets.push(socket);
    // Connections that make room are reset.
    socket.on('error', () => {}).resume();
    return new Promise((resolve) => socket.once('connect', resolve));
  });
  await Promise.all(opened);
}

describe('the metrics', () => {
  it('are rendered twenty times a second at most, and anew in the next second', async () => {
    for (let asked = 0; asked < 30; asked++) expect(await statusOf('127.0.0.1', '/metrics')).toBe(200);
    expect(rendered).toBe(20);
    clock.after(1_000, () => {});
    clock.step();
    await statusOf('127.0.0.1', '/metrics');
    expect(rendered).toBe(21);
  });

  it('are asked for a few times by a connection that reads no answer, and then it is closed', async () => {
    const socket = connect(http.port, '127.0.0.1');
    sockets.push(socket);
    socket.on('error', () => {}).resume();
    const closed = new Promise((resolve) => socket.once('close', resolve));
    socket.write('GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n'.repeat(200));
    await closed;
    expect(rendered).toBeLessThanOrEqual(4);
    expect(await statusOf('127.0.0.1', '/metrics')).toBe(200);
  });
});

describe('silent connections', () => {
  it('keep nobody out: the oldest makes room at once', async () => {
    await silent(200);
    // Without waiting for a header timeout: the answer comes while all of them are younger than that.
    expect(await statusOf('localhost')).toBe(200);
    expect(sockets.filter(({ destroyed }) => !destroyed).length).toBeLessThanOrEqual(200);
    await expect.poll(() => sockets.filter(({ destroyed }) => !destroyed).length).toBeLessThanOrEqual(64);
  });

  it('end before twice the time limit of their headers', async () => {
    await silent(3);
    await expect.poll(() => sockets.every(({ destroyed }) => destroyed), { timeout: 20_000 }).toBe(true);
  });

  it('make room, never a request in progress', async () => {
    let ended = false;
    const asked = request({ port: http.port, host: '127.0.0.1', path: '/forever', agent: false }, (response) => {
      response.on('close', () => {
        ended = true;
      });
      response.resume();
    });
    asked.on('error', () => {});
    const answered = new Promise((resolve) => asked.once('response', resolve));
    asked.end();
    await answered;
    await silent(150);
    expect(await statusOf('localhost')).toBe(200);
    expect(ended).toBe(false);
    asked.destroy();
  });
});

describe('connections that read no answer', () => {
  it('keep nobody out: the one that reads nothing for longest makes room', async () => {
    await Promise.all(
      Array.from({ length: 64 }, () => {
        const socket = connect(http.port, '127.0.0.1');
        sockets.push(socket);
        socket.on('error', () => {}).pause();
        socket.write('GET /large HTTP/1.1\r\nhost: localhost\r\n\r\n');
        return new Promise((resolve) => socket.once('readable', resolve));
      }),
    );
    expect(await statusOf('localhost')).toBe(200);
  });
});

describe('a Host', () => {
  it.each([
    'localhost',
    'localhost:7413',
    '127.0.0.1:7413',
    '127.8.8.8',
    '[::1]:7413',
    'NODE.internal',
    'node.internal:80',
  ])('may be %s', async (host) => {
    expect(await statusOf(host)).toBe(200);
    expect(await statusOf(host, '/metrics')).toBe(200);
  });

  it.each(['evil.example', 'evil.example:7413', 'localhost.evil.example', '127.0.0.1.evil.example', '10.0.0.1'])(
    'may not be %j: a page elsewhere could read data on loopback',
    async (host) => {
      for (const path of ['/healthz', '/status', '/metrics', '/forever']) expect(await statusOf(host, path)).toBe(421);
    },
  );
});
