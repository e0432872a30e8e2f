// The operator's HTTP: /healthz (the process lives), /readyz (it can mix; says what is missing), /metrics (Prometheus) and
// /status (JSON). Meant for loopback; nothing in it is about a sender, a slot or a single message.
import { createServer, type Server, type ServerResponse } from 'node:http';
import { MixError } from '../base/errors.js';
import type { Metrics } from '../base/metrics.js';

export interface Readiness {
  readonly ready: boolean;
  /** Why not, or in which way it is worse than it could be. */
  readonly reasons: readonly string[];
}

export interface HttpDeps {
  readonly metrics: Metrics;
  readonly readiness: () => Readiness;
  readonly status: () => Record<string, unknown>;
  /** Answers other paths itself; false where it does not know one. */
  readonly pages?: (path: string, response: ServerResponse) => boolean;
}

export interface HttpEndpoint {
  readonly port: number;
  close(): Promise<void>;
}

/** @throws MixError LINK_DOWN where the address cannot be had */
export async function serveHttp(address: string, deps: HttpDeps): Promise<HttpEndpoint> {
  const at = address.lastIndexOf(':');
  const server = createServer(
    { requestTimeout: 5_000, headersTimeout: 5_000, maxHeaderSize: 8_192 },
    (request, response) => {
      const path = request.url?.split('?')[0] ?? '/';
      if (request.method === 'GET' && deps.pages?.(path, response)) return;
      answer(path, request.method ?? 'GET', deps)
        .then(({ code, type, body }) => response.writeHead(code, { 'content-type': type }).end(body))
        .catch(() => response.writeHead(500).end());
    },
  );
  server.maxConnections = 64;
  await new Promise<void>((resolve, reject) => {
    server.once('error', (cause) => reject(new MixError('LINK_DOWN', { address, reason: cause.message }, { cause })));
    server.listen(Number(address.slice(at + 1)), address.slice(0, at), resolve);
  });
  const bound = server.address();
  return { port: typeof bound === 'object' && bound ? bound.port : 0, close: () => stop(server) };
}

async function answer(
  path: string,
  method: string,
  deps: HttpDeps,
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
      return { code: 200, type: deps.metrics.contentType, body: await deps.metrics.render() };
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
