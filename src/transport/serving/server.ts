// A gRPC listener: TLS 1.3, wide windows, bounded messages. Handlers are plain async functions that throw MixErrors; this file turns
// these into statuses, counts them, and never lets one take the process down.

import type { SecureContextOptions } from 'node:tls';
import { asMixError, MixError, systemClock } from '../../base/index.js';
import type { Logger } from '../../base/log.js';
import type { Metrics } from '../../base/metrics.js';
import { TOKEN_KEY } from '../calling/call.js';
import { type CertificatePair, checkPair } from '../certificates.js';
import { closeServed, servedBinding } from '../channelBinding.js';
import {
  type AuthContext,
  type EndStatus,
  grpc,
  MESSAGE_BYTES_MAX,
  PUBLIC_BYTES_MAX,
  STREAMS_MAX,
  serverOptions,
} from '../grpc.js';
import { CONNECTIONS_MAX, widen } from '../http2Windows.js';
import { isOutOfTime, isTyped, toRefusal, toStatus } from '../status.js';
import type { CallFacts } from './callAuthenticator.js';
import { ServerGuard, type ServerLimits, type ServerLoad } from './callerLimits.js';
import { LOOPBACK_PREFIXES, Origins } from './origins.js';

interface ListenerOptions {
  /** host:port; port 0 takes a free one. */
  readonly address: string;
  readonly certificate: CertificatePair;
  /** If given, callers must show a certificate. Throws to refuse a call, before any of its messages is read. */
  readonly authenticate?: (call: CallFacts) => void;
  /** Streams that one connection may have open; more wait on the caller's side. */
  readonly streamsMax?: number;
  /** Limits of callers; without `streamBytes` they are members of a team, whose windows are wide. */
  readonly limits?: Partial<ServerLimits>;
  readonly log: Logger;
  readonly metrics: Metrics;
}

/** A handler's facts of its caller. */
export interface CallerContext extends AuthContext {
  /** Channel binding of its TLS connection (RFC 9266). */
  readonly binding?: Uint8Array | undefined;
  /** Origin of the caller, for shares (transport/serving/origins.ts). */
  readonly origin: string;
}

/** Most calls of a stranger's connection; more wait on the caller's side. */
const STRANGER_STREAMS_MAX = 32;
/** Bytes that the calls of all strangers may hold: some 1,000 calls at once. */
const STRANGER_BYTES = 128 * 1024 * 1024;
const STRANGER_SESSION_MIB = 16;

export interface Listener {
  readonly server: grpc.Server;
  readonly port: number;
  /** Present load of its callers. */
  readonly load: () => ServerLoad;
  /** Shows another certificate on new connections. @throws MixError CERTIFICATE_INVALID */
  setCertificate(pair: CertificatePair): void;
  /** Ends the connections for whose callers' certificates (SHA-256, hex) `keep` is false; returns their number. */
  closeConnections(keep: (certificate: string) => boolean): number;
  close(graceMs: number): Promise<void>;
}

/**
 * Binds a listener with the given services.
 * @throws MixError CERTIFICATE_INVALID; LINK_DOWN if the address cannot be bound
 */
export async function listen(
  options: ListenerOptions,
  add: (server: grpc.Server, errors: CallErrors) => void,
): Promise<Listener> {
  const errors = new CallErrors(options.log, options.metrics);
  const { authenticate, streamsMax = authenticate ? STREAMS_MAX : STRANGER_STREAMS_MAX } = options;
  const limits: ServerLimits = {
    origins: new Origins(LOOPBACK_PREFIXES),
    connections: CONNECTIONS_MAX,
    ...(authenticate ? {} : { streamBytes: STRANGER_BYTES }),
    ...options.limits,
  };
  const loads = new ServerGuard(limits);
  const server = new grpc.Server({
    ...serverOptions,
    'grpc.max_concurrent_streams': streamsMax,
    'grpc.max_receive_message_length': authenticate ? MESSAGE_BYTES_MAX : PUBLIC_BYTES_MAX,
    ...(authenticate ? {} : { 'grpc-node.max_session_memory': STRANGER_SESSION_MIB }),
    interceptors: [guard(authenticate, limits.origins, errors)],
  });
  add(server, errors);
  checkPair(options.certificate);
  const { certificate, privateKey } = options.certificate;
  const pair = { private_key: Buffer.from(privateKey), cert_chain: Buffer.from(certificate) };
  // Its own certificate is the only root: no authority of the machine has a say here.
  const credentials = grpc.ServerCredentials.createSsl(Buffer.from(certificate), [pair], authenticate !== undefined);
  widen(server, { credentials, certificates: authenticate !== undefined, streamsMax, guard: loads });
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync(options.address, credentials, (error, bound) => {
      if (error)
        reject(new MixError('LINK_DOWN', { address: options.address, reason: error.message }, { cause: error }));
      else resolve(bound);
    });
  });
  return {
    server,
    port,
    load: () => loads.load,
    setCertificate: (next) => replaceCertificate(credentials, next),
    closeConnections: (keep) => closeServed(port, keep),
    close: (graceMs) => closeServer(server, graceMs),
  };
}

/** Internal of grpc-js: it lets credentials change under a running server, but only its own kinds of them. */
interface ChangeableCredentials {
  updateSecureContextOptions(options: SecureContextOptions): void;
}

function replaceCertificate(credentials: grpc.ServerCredentials, pair: CertificatePair): void {
  checkPair(pair);
  const { certificate: cert, privateKey: key } = pair;
  (credentials as unknown as ChangeableCredentials).updateSecureContextOptions({ ca: cert, cert, key });
}

/** Ends a call of an unauthenticated peer at its first headers, and gives every refusal a code. */
function guard(
  authenticate: ListenerOptions['authenticate'],
  origins: Origins,
  errors: CallErrors,
): grpc.ServerInterceptor {
  return (method, call) => {
    const name = method.path.slice(method.path.lastIndexOf('/') + 1);
    // Refusals by grpc-js itself (size, encoding, a deadline) are sent by the innermost call, past all interceptors.
    const send = call.sendStatus.bind(call);
    call.sendStatus = (status) => send(errors.typed(name, status));
    // Handlers learn of their caller only by this.
    const ends = call.getConnectionInfo();
    const binding = servedBinding(ends);
    const origin = origins.of(ends);
    const readContext = call.getAuthContext.bind(call);
    call.getAuthContext = (): CallerContext => ({ ...readContext(), binding, origin });
    return new grpc.ServerInterceptingCall(call, {
      start: (next) =>
        next({
          onReceiveMetadata: (metadata, proceed) => {
            try {
              const { path } = method;
              const context = call.getAuthContext();
              authenticate?.({ context, binding, tokens: metadata.get(TOKEN_KEY), path });
            } catch (thrown) {
              call.sendStatus(errors.status(name, thrown));
              return;
            }
            proceed(metadata);
          },
        }),
    });
  };
}

function closeServer(server: grpc.Server, graceMs: number): Promise<void> {
  return new Promise((resolve) => {
    const force = setTimeout(() => {
      server.forceShutdown();
      resolve();
    }, graceMs);
    server.tryShutdown(() => {
      clearTimeout(force);
      resolve();
    });
  });
}

const OUT_OF_TIME_MS = 60_000;

/** Turns thrown errors into statuses and counts them. */
export class CallErrors {
  readonly #log: Logger;
  readonly #count;
  #saidMs = Number.NEGATIVE_INFINITY;

  constructor(log: Logger, metrics: Metrics) {
    this.#log = log;
    this.#count = metrics.counter('calls_failed_total', 'Calls that this node answered with an error', [
      'method',
      'code',
    ]);
  }

  status(method: string, thrown: unknown): grpc.StatusObject {
    const error = asMixError(thrown);
    this.#count.inc({ method, code: error.code });
    if (error.code === 'INTERNAL') this.#log.error({ err: thrown, method }, 'a call failed');
    else if (isOutOfTime(error.code)) this.#sayOutOfTime(error);
    else this.#log.debug({ method, code: error.code }, 'call refused');
    return toStatus(error);
  }

  /** Logs once a minute: every call of such a peer is refused, and the operator of either side has a clock to set. */
  #sayOutOfTime({ code, message }: MixError): void {
    const nowMs = systemClock.nowMs();
    if (nowMs - this.#saidMs < OUT_OF_TIME_MS) return;
    this.#saidMs = nowMs;
    this.#log.warn(
      { code, reason: message },
      'a peer is refused because its certificate is outside its validity: is a clock wrong?',
    );
  }

  /** Replaces a status of grpc-js by ours of the same meaning. */
  typed(method: string, status: EndStatus): EndStatus {
    return isTyped(status) ? status : this.status(method, toRefusal(status));
  }

  /** A unary handler that may throw. */
  unary<Request, Reply>(
    method: string,
    handle: (request: Request, context: CallerContext) => Promise<Reply> | Reply,
  ): grpc.handleUnaryCall<Request, Reply> {
    return (call, callback) => {
      Promise.resolve()
        // The guard has added the further fields of a CallerContext.
        .then(() => handle(call.request, call.getAuthContext() as CallerContext))
        .then(
          (reply) => callback(null, reply),
          (thrown) => callback(this.status(method, thrown) as grpc.ServiceError),
        );
    };
  }
}
