// A gRPC listener: TLS 1.3, wide windows, bounded messages. Handlers are plain async functions that throw MixErrors; this
// file turns what they throw into statuses, counts it, and never lets one take the process down.

import { createSecureContext } from 'node:tls';
import { asMixError, MixError } from '../base/errors.js';
import type { Logger } from '../base/log.js';
import type { Metrics } from '../base/metrics.js';
import type { CertificatePair } from './certificates.js';
import { type AuthContext, type EndStatus, grpc, MESSAGE_BYTES_MAX, PUBLIC_BYTES_MAX, serverOptions } from './grpc.js';
import { isTyped, refusalOf, toStatus } from './status.js';

export interface ListenerOptions {
  /** host:port; port 0 takes a free one. */
  readonly address: string;
  readonly certificate: CertificatePair;
  /** Callers must show a certificate, and this throws where it is not one of ours: before any message is read. */
  readonly authenticate?: (context: AuthContext) => void;
  readonly log: Logger;
  readonly metrics: Metrics;
}

export interface Listener {
  readonly server: grpc.Server;
  readonly port: number;
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
  const { authenticate } = options;
  const server = new grpc.Server({
    ...serverOptions,
    'grpc.max_receive_message_length': authenticate ? MESSAGE_BYTES_MAX : PUBLIC_BYTES_MAX,
    interceptors: [guard(authenticate, errors)],
  });
  add(server, errors);
  const { certificate, privateKey } = options.certificate;
  checkPair(options.certificate);
  const pair = { private_key: Buffer.from(privateKey), cert_chain: Buffer.from(certificate) };
  // Its own certificate as the only root: no authority of the machine has a say here.
  const credentials = grpc.ServerCredentials.createSsl(Buffer.from(certificate), [pair], authenticate !== undefined);
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync(options.address, credentials, (error, bound) => {
      if (error)
        reject(new MixError('LINK_DOWN', { address: options.address, reason: error.message }, { cause: error }));
      else resolve(bound);
    });
  });
  return { server, port, close: (graceMs) => closeServer(server, graceMs) };
}

/** grpc-js would report a certificate that cannot be used as an address that cannot be had. */
function checkPair({ certificate, privateKey }: CertificatePair): void {
  try {
    createSecureContext({ cert: certificate, key: privateKey });
  } catch (cause) {
    throw new MixError('CERTIFICATE_INVALID', { reason: (cause as Error).message }, { cause });
  }
}

/** Ends a call of an unauthenticated peer at its first headers, and gives every refusal a code. */
function guard(authenticate: ListenerOptions['authenticate'], errors: CallErrors): grpc.ServerInterceptor {
  return (method, call) => {
    const name = method.path.slice(method.path.lastIndexOf('/') + 1);
    // What grpc-js refuses by itself (size, encoding, a deadline) is sent by the innermost call, past all interceptors.
    const send = call.sendStatus.bind(call);
    call.sendStatus = (status) => send(errors.typed(name, status));
    return new grpc.ServerInterceptingCall(call, {
      start: (next) =>
        next({
          onReceiveMetadata: (metadata, proceed) => {
            try {
              authenticate?.(call.getAuthContext());
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

/** Turns thrown errors into statuses and counts them. */
export class CallErrors {
  readonly #log: Logger;
  readonly #count;

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
    else this.#log.debug({ method, code: error.code }, 'call refused');
    return toStatus(error);
  }

  /** A status that is not one of ours, as the one of ours that says the same. */
  typed(method: string, status: EndStatus): EndStatus {
    return isTyped(status) ? status : this.status(method, refusalOf(status));
  }

  /** A unary handler that may throw. */
  unary<Request, Reply>(
    method: string,
    handle: (request: Request, context: AuthContext) => Promise<Reply> | Reply,
  ): grpc.handleUnaryCall<Request, Reply> {
    return (call, callback) => {
      Promise.resolve()
        .then(() => handle(call.request, call.getAuthContext()))
        .then(
          (reply) => callback(null, reply),
          (thrown) => callback(this.status(method, thrown) as grpc.ServiceError),
        );
    };
  }
}
