// Wide HTTP/2 windows and TLS 1.3 on the serving side. grpc-js offers no option for either: with its 64 KiB default window
// a batch of 4 megabits over a 49 ms round trip takes ten times as long as with 16 MiB. So the server that grpc-js makes
// is given initialWindowSize (streams) and setLocalWindowSize (connection) here, by wrapping the one function it calls.
// The client side has an option, grpc-node.flow_control_window. test/comms/windows.test.ts fails if an upgrade breaks it.

import type * as http2 from 'node:http2';
import { createRequire } from 'node:module';
import type { TLSSocket } from 'node:tls';
import { rememberServed } from './channelBinding.js';
import type { ServerGuard } from './serving/callerLimits.js';

/** Stream and connection window, bytes: four batches of 1,000 slots at 4096 bits. */
export const WINDOW_BYTES = 16 * 1024 * 1024;

/** Where anybody may call: no message has more than 64 KiB, and a connection has 32 calls at most. */
const STRANGER_STREAM_WINDOW_BYTES = 64 * 1024;
const STRANGER_WINDOW_BYTES = 1024 * 1024;
/** Connections of one listener; more are closed at once, so that nobody takes all file descriptors of the process. */
export const CONNECTIONS_MAX = 4_096;
/** What looks after the callers of a server, among the options that grpc-js hands on. */
export const GUARD = Symbol('guard');
/** Longest TLS handshake. Node.js would wait two minutes. */
const HANDSHAKE_MS = 10_000;

// The module object that CommonJS code sees: the ES namespace is read-only.
const module = createRequire(import.meta.url)('node:http2') as {
  createSecureServer: (options: http2.SecureServerOptions) => http2.Http2SecureServer;
};
const original = module.createSecureServer;

type GuardedOptions = http2.SecureServerOptions & { readonly [GUARD]?: ServerGuard };

function widened(options: GuardedOptions): http2.Http2SecureServer {
  const { [GUARD]: guard } = options;
  const isPublic = guard !== undefined && !options.requestCert;
  const server = original({
    ...options,
    minVersion: 'TLSv1.3',
    handshakeTimeout: HANDSHAKE_MS,
    settings: {
      ...options.settings,
      initialWindowSize: isPublic ? STRANGER_STREAM_WINDOW_BYTES : WINDOW_BYTES,
    },
    // A client certificate that no authority signed is not refused here but checked against the membership list by
    // protocol/membership.ts, before any message is read, so that its owner gets an error that says what is wrong.
    rejectUnauthorized: false,
  });
  // What looks after callers has a smaller limit, which it shares out; this is for listeners without one.
  server.maxConnections = CONNECTIONS_MAX;
  if (options.requestCert) server.on('secureConnection', showCertificate);
  server.on('secureConnection', rememberServed);
  const windowBytes = isPublic ? STRANGER_WINDOW_BYTES : WINDOW_BYTES;
  server.on('session', (session) => session.setLocalWindowSize(windowBytes));
  guard?.guard(server);
  const setSecureContext = server.setSecureContext.bind(server);
  server.setSecureContext = (context) => setSecureContext({ ...context, minVersion: 'TLSv1.3' });
  return server;
}

/**
 * grpc-js hands a certificate to its interceptors only where an authority vouches for it. Here nobody does: the handshake
 * has proven that the caller holds the certificate's key, and the membership list decides whose it is.
 */
function showCertificate(socket: TLSSocket): void {
  socket.authorized = true;
  // Close connections without a certificate. Nobody is there who could be told.
  if (!socket.getPeerX509Certificate()) socket.destroy();
}

module.createSecureServer = widened;
