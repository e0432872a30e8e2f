// A gRPC listener: TLS 1.3, wide windows, bounded messages. Handlers are plain async functions that throw MixErrors; this
// file turns what they throw into statuses, counts it, and never lets one take the process down.

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
import { LOOPBACK_PREFIXES, Places } from './places.js';

interface ListenerOptions {
  /** host:port; port 0 takes a free one. */
  readonly address: string;
  readonly certificate: CertificatePair;
  /** Callers must show a certificate, and this throws where a call is not let in: before any of its messages is read. */
  readonly authenticate?: (call: CallFacts) => void;
  /** Streams that one connection may have open; more wait at the caller's. */
  readonly streamsMax?: number;
  /** What callers may have; without `streamBytes`, members of a team whose windows are wide. */
  readonly limits?: Partial<ServerLimits>;
  readonly log: Logger;
  readonly metrics: Metrics;
}

/** What a handler knows of its caller. */
export interface CallerContext extends AuthContext {
  /** Of its TLS connection (RFC 9266). */
  readonly binding?: Uint8Array | undefined;
  /** Where the call comes from, for shares (transport/serving/places.ts). */
  readonly place: string;
}

/** Calls of one connection that nobody need know; more wait at the caller's. */
const STRANGER_STREAMS_MAX = 32;
/** Bytes that the calls of all strangers may hold: some 1,000 calls at once. */
const STRANGER_BYTES = 128 * 1024 * 1024;
const STRANGER_SESSION_MIB = 16;

export interface Listener {
  readonly server: grpc.Server;
  readonly port: number;
  /** What its callers hold now. */
  readonly load: () => ServerLoad;
  /** Shows another certificate to whoever connects from now on. @throws MixError CERTIFICATE_INVALID */
  setCertificate(pair: CertificatePair): void;
  /** Ends the connections whose callers' certificates `keep` (given the SHA-256, hex) is false for; how many there were. */
  closeConnections(keep: (certificate: string) => boolean): number;
  close(graceMs: number): Promise<void>;
}

/**
 * Binds a listener with the given services.
 * @throws MixError CERTIFICATE_INVALID; LINK_DOWN where the address cannot be had
 */
export async function listen(
  options: ListenerOptions,
  add: (server: grpc.Server, errors: CallErrors) => void,
): Promise<Listener> {
  const errors = new CallErrors(options.log, options.metrics);
  const { authenticate, streamsMax = authenticate ? STREAMS_MAX : STRANGER_STREAMS_MAX } = options;
  const limits: ServerLimits = {
    places: new Places(LOOPBACK_PREFIXES),
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
    interceptors: [guard(authenticate, limits.places, errors)],
  });
  add(server, errors);
  checkPair(options.certificate);
  const { certificate, privateKey } = options.certificate;
  const pair = { private_key: Buffer.from(privateKey), cert_chain: Buffer.from(certificate) };
  // Its own certificate as the only root: no authority of the machine has a say here.
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

/** What grpc-js keeps for itself: it lets credentials change under a server that runs, but only its own kinds of them. */
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
  places: Places,
  errors: CallErrors,
): grpc.ServerInterceptor {
  return (method, call) => {
    const name = method.path.slice(method.path.lastIndexOf('/') + 1);
    // What grpc-js refuses by itself (size, encoding, a deadline) is sent by the innermost call, past all interceptors.
    const send = call.sendStatus.bind(call);
    call.sendStatus = (status) => send(errors.typed(name, status));
    // Handlers are told of their caller by this alone.
    const ends = call.getConnectionInfo();
    const binding = servedBinding(ends);
    const place = places.of(ends);
    const readContext = call.getAuthContext.bind(call);
    call.getAuthContext = (): CallerContext => ({ ...readContext(), binding, place });
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

  /** Once a minute: every call of such a peer is refused, and the operator of either side has a clock to set. */
  #sayOutOfTime({ code, message }: MixError): void {
    const nowMs = systemClock.nowMs();
    if (nowMs - this.#saidMs < OUT_OF_TIME_MS) return;
    this.#saidMs = nowMs;
    this.#log.warn({ code, reason: message }, 'a peer is refused for the time of its certificate: is a clock wrong?');
  }

  /** A status that is not one of ours, as the one of ours that says the same. */
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
        // The guard has added what a CallerContext has more.
        .then(() => handle(call.request, call.getAuthContext() as CallerContext))
        .then(
          (reply) => callback(null, reply),
          (thrown) => callback(this.status(method, thrown) as grpc.ServiceError),
        );
    };
  }
}
