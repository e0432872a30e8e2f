// Wide HTTP/2 windows and TLS 1.3 on the serving side. grpc-js offers no option for either: with its 64 KiB default window a batch of 4
// megabits over a 49 ms round trip takes ten times as long as with 16 MiB. The client side has an option, grpc-node.flow_control_window.
// One call changes one server, through internals of grpc-js; other HTTP/2 servers of the process stay as they are.
// test/comms/windows.test.ts fails if an upgrade breaks it.

import type * as http2 from 'node:http2';
import type { TLSSocket } from 'node:tls';
import type * as grpc from '@grpc/grpc-js';
import { rememberServed } from './channelBinding.js';

/** Stream and connection window, bytes: 32 batches of 1,000 slots at 4096 bits (512 KB each). */
export const WINDOW_BYTES = 16 * 1024 * 1024;

/** Windows of listeners for strangers: no message has more than 64 KiB, and a connection has 32 calls at most. */
const STRANGER_STREAM_WINDOW_BYTES = 64 * 1024;
const STRANGER_WINDOW_BYTES = 1024 * 1024;
/** Connections of one listener; more are closed at once, so that nobody takes all file descriptors of the process. */
export const CONNECTIONS_MAX = 4_096;
/** Longest TLS handshake. Node.js would wait two minutes. */
const HANDSHAKE_MS = 10_000;

/** Internal of grpc-js: the credentials' part of the HTTP/2 server's options. */
interface OwnCredentials {
  _getConstructorOptions(): http2.SecureServerOptions;
}

/** Internal of grpc-js: takes a new HTTP/2 server into use. */
interface OwnServer {
  _setupHandlers(server: http2.Http2SecureServer, interceptors: unknown): void;
}

interface Widening {
  readonly credentials: grpc.ServerCredentials;
  /** True if callers must show a certificate; if not, anybody may call, and windows are small. */
  readonly certificates: boolean;
  /** Most calls of one connection. */
  readonly streamsMax: number;
  readonly guard: { guard(server: http2.Http2SecureServer): void };
}

/** Gives a server that is not bound yet wide windows and TLS 1.3, and lets the guard look after its callers. */
export function widen(server: grpc.Server, { credentials, certificates, streamsMax, guard }: Widening): void {
  const [own, ownCredentials] = [server as unknown as OwnServer, credentials as unknown as OwnCredentials];
  const options = ownCredentials._getConstructorOptions.bind(credentials);
  ownCredentials._getConstructorOptions = () => ({
    ...options(),
    minVersion: 'TLSv1.3',
    handshakeTimeout: HANDSHAKE_MS,
    settings: {
      maxConcurrentStreams: streamsMax,
      initialWindowSize: certificates ? WINDOW_BYTES : STRANGER_STREAM_WINDOW_BYTES,
    },
    // A client certificate that no authority signed is not refused here. transport/serving/callerCertificates.ts checks it against the membership
    // list, before any message is read, so that its owner gets an error that names the fault.
    rejectUnauthorized: false,
  });
  const setUp = own._setupHandlers.bind(server);
  own._setupHandlers = (http2Server, interceptors) => {
    // The guard has a smaller limit, which it divides among places; this one is for a guard without a limit.
    http2Server.maxConnections = CONNECTIONS_MAX;
    if (certificates) http2Server.on('secureConnection', showCertificate);
    http2Server.on('secureConnection', rememberServed);
    const windowBytes = certificates ? WINDOW_BYTES : STRANGER_WINDOW_BYTES;
    http2Server.on('session', (session) => session.setLocalWindowSize(windowBytes));
    guard.guard(http2Server);
    const setSecureContext = http2Server.setSecureContext.bind(http2Server);
    http2Server.setSecureContext = (context) => setSecureContext({ ...context, minVersion: 'TLSv1.3' });
    setUp(http2Server, interceptors);
  };
}

/**
 * grpc-js hands a certificate to its interceptors only if an authority vouches for it. Here none does: the handshake has proven that the
 * caller holds the certificate's key, and the membership list decides whose it is.
 */
function showCertificate(socket: TLSSocket): void {
  socket.authorized = true;
  // Close connections without a certificate. Nobody is there who could be told.
  if (!socket.getPeerX509Certificate()) socket.destroy();
}
