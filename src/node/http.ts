// The operator's HTTP: /healthz (the process lives), /readyz (it can mix; says what is missing), /metrics (Prometheus) and
// /status (JSON). Meant for loopback; nothing in it is about a sender, a slot or a single message.
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { type Clock, MixError } from '../base/index.js';
import type { Logger } from '../base/log.js';
import type { Metrics } from '../base/metrics.js';

export interface Readiness {
  readonly ready: boolean;
  /** Reasons for not being ready, and faults with which it is ready all the same. */
  readonly reasons: readonly string[];
}

interface HttpDeps {
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: Metrics;
  readonly readiness: () => Readiness;
  readonly status: () => Record<string, unknown>;
  /** Names that a request may give as its Host, besides loopback names. */
  readonly hosts: readonly string[];
  /** Answers other paths itself; false for an unknown path. */
  readonly pages?: (path: string, response: ServerResponse) => boolean;
}

export interface HttpEndpoint {
  readonly port: number;
  close(): Promise<void>;
}

/** Most connections at once. Beyond that, the one that has been idle longest is closed, so that silent ones keep nobody out. */
const CONNECTIONS_MAX = 64;
/**
 * Requests on one connection that are not answered yet: one packet could ask for hundreds of pages. A client that waits for each answer
 * may have two, because its next request may arrive before this side learns that its answer is out.
 */
const UNANSWERED_MAX = 4;
/** Renderings of the metrics in a second, 3 ms of the main thread each; further requests get the last one. */
const RENDERED_PER_S = 20;
/** Deadlines of a request's headers and of the whole request, and the interval of checking them. */
const HEADERS_MS = 2_000;
const REQUEST_MS = 5_000;
const CHECKING_MS = 500;

/** @throws MixError LINK_DOWN if the address cannot be bound */
export async function serveHttp(address: string, deps: HttpDeps): Promise<HttpEndpoint> {
  const at = address.lastIndexOf(':');
  const hosts = new Set([address.slice(0, at), ...deps.hosts].map((host) => host.toLowerCase()));
  const options = {
    requestTimeout: REQUEST_MS,
    headersTimeout: HEADERS_MS,
    connectionsCheckingInterval: CHECKING_MS,
    maxHeaderSize: 8_192,
  };
  const metrics = limitedRender(deps.metrics, deps.clock);
  const server = createServer(options, (request, response) => {
    if (request.socket.destroyed) return;
    const path = request.url?.split('?')[0] ?? '/';
    const known = isKnownHost(request.headers.host, hosts);
    if (known && request.method === 'GET' && deps.pages?.(path, response)) return;
    (known ? answer(path, request.method ?? 'GET', deps, metrics) : Promise.resolve(misdirected(request.headers.host)))
      .then(({ code, type, body }) => response.writeHead(code, { 'content-type': type }).end(body))
      .catch((err: unknown) => {
        deps.log.warn({ err, path }, 'an HTTP request could not be answered');
        response.writeHead(500).end();
      });
  });
  makeRoom(server);
  await new Promise<void>((resolve, reject) => {
    server.once('error', (cause) => reject(new MixError('LINK_DOWN', { address, reason: cause.message }, { cause })));
    server.listen(Number(address.slice(at + 1)), unbracketed(address.slice(0, at)), resolve);
  });
  const bound = server.address();
  return { port: typeof bound === 'object' && bound ? bound.port : 0, close: () => stop(server) };
}

const unbracketed = (host: string): string => host.replace(/^\[(.*)\]$/, '$1');

/**
 * Bounds the number of connections: one more closes the connection that has been longest without a request in progress; if all are busy,
 * the one whose answer has been longest unread; else the new one.
 */
function makeRoom(server: Server): void {
  const idle = new Set<Socket>();
  /** Connections with the number of their requests that are not answered. */
  const busy = new Map<Socket, number>();
  let open = 0;
  server.on('connection', (socket: Socket) => {
    open++;
    socket.on('close', () => {
      open--;
      idle.delete(socket);
      busy.delete(socket);
    });
    if (open > CONNECTIONS_MAX) {
      const [oldest = [...busy.keys()].find(({ writableLength }) => writableLength > 0) ?? socket] = idle;
      oldest.destroy();
    }
    if (!socket.destroyed) idle.add(socket);
  });
  // Before the listener that answers.
  server.prependListener('request', ({ socket }: IncomingMessage, response: ServerResponse) => {
    const unanswered = busy.get(socket) ?? 0;
    if (unanswered >= UNANSWERED_MAX) {
      socket.destroy();
      return;
    }
    idle.delete(socket);
    busy.set(socket, unanswered + 1);
    response.on('close', () => {
      const left = (busy.get(socket) ?? 0) - 1;
      if (left > 0) return void busy.set(socket, left);
      busy.delete(socket);
      if (!socket.destroyed) idle.add(socket);
    });
  });
}

/** Renders the metrics as often as RENDERED_PER_S allows; in between it returns the last text. */
function limitedRender(metrics: Metrics, clock: Clock): () => Promise<string> {
  let [sinceMs, rendered] = [Number.NEGATIVE_INFINITY, 0];
  let last: Promise<string> | undefined;
  return () => {
    const nowMs = clock.nowMs();
    if (nowMs - sinceMs >= 1_000) [sinceMs, rendered] = [nowMs, 0];
    if (!last || rendered < RENDERED_PER_S) {
      rendered++;
      last = metrics.render();
    }
    return last;
  };
}

/**
 * True if a request is meant for this service. A foreign page in the operator's browser reaches loopback, too, under a name that its
 * owner lets point there (DNS rebinding).
 */
function isKnownHost(header: string | undefined, hosts: ReadonlySet<string>): boolean {
  const host = header?.toLowerCase().replace(/:\d{1,5}$/, '');
  if (host === undefined) return false;
  return host === 'localhost' || host === '[::1]' || /^127(\.\d{1,3}){3}$/.test(host) || hosts.has(host);
}

const misdirected = (host: string | undefined) => ({
  code: 421,
  type: 'application/json',
  body: `${JSON.stringify({ error: `not for ${host ?? 'nobody'}: list the name in listen.http_hosts` })}\n`,
});

async function answer(
  path: string,
  method: string,
  deps: HttpDeps,
  metrics: () => Promise<string>,
): Promise<{ code: number; type: string; body: string }> {
  const json = (code: number, value: unknown) => ({
    code,
    type: 'application/json',
    body: `${JSON.stringify(value, null, 2)}\n`,
  });
  if (method !== 'GET' && method !== 'HEAD') return json(405, { error: 'only GET' });
  switch (path) {
    case '/healthz':
      return json(200, { alive: true });
    case '/readyz': {
      const readiness = deps.readiness();
      return json(readiness.ready ? 200 : 503, readiness);
    }
    case '/metrics':
      return { code: 200, type: deps.metrics.contentType, body: await metrics() };
    case '/status':
      return json(200, deps.status());
    default:
      return json(404, { error: 'try /healthz, /readyz, /metrics, /status' });
  }
}

function stop(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
    server.closeAllConnections();
  });
}
