// Common to all channels: TLS 1.3 that trusts the pinned certificates and nothing else, a connection of its own, and calls that end when
// a signal aborts. Apart because connection.ts, transmit.ts and comms/ use it.
import { createSecureContext } from 'node:tls';
import { MixError } from '../../base/index.js';
import { certificateFingerprint, plainFingerprint } from '../../protocol/index.js';
import type { CertificatePair } from '../certificates.js';
import { channelOptions, grpc } from '../grpc.js';

/** Credentials that trust exactly these certificates, and show our own if `own` is given. */
export function pinnedCredentials(trusted: string | readonly string[], own?: CertificatePair): grpc.ChannelCredentials {
  const certificates = typeof trusted === 'string' ? [trusted] : [...trusted];
  const expected = new Set(certificates.map(certificateFingerprint));
  const context = createSecureContext({
    ca: certificates,
    minVersion: 'TLSv1.3',
    ...(own ? { cert: own.certificate, key: own.privateKey } : {}),
  });
  return grpc.ChannelCredentials.createFromSecureContext(context, {
    // The pin replaces the host name: the certificate identifies a node, wherever it runs.
    checkServerIdentity: (_host, presented) => {
      const actual = plainFingerprint(presented.fingerprint256);
      return expected.has(actual) ? undefined : new Error(`certificate pin does not match: ${actual}`);
    },
  });
}

/** Options that give a channel a connection of its own: equal channels would share one otherwise. */
export const ownConnection: grpc.ChannelOptions = {
  ...channelOptions,
  'grpc.use_local_subchannel_pool': 1,
  // A server name that is an address is forbidden (RFC 6066) and means nothing here: the pin decides.
  'grpc.ssl_target_name_override': 'node.millrace',
};

/** Cancels a call when the signal aborts; returns a function that stops listening. */
export function cancelOn(signal: AbortSignal, call: { cancel(): void }): () => void {
  if (signal.aborted) {
    call.cancel();
    return () => {};
  }
  const onAbort = () => call.cancel();
  signal.addEventListener('abort', onAbort, { once: true });
  return () => signal.removeEventListener('abort', onAbort);
}

/** Throws if a signal is aborted already, before anything is sent. */
export function checkSignal(signal: AbortSignal): void {
  if (signal.aborted) throw new MixError('ABORTED');
}
