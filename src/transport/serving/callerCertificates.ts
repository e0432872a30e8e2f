// Identifies the member that makes a call: the check that every call on a mutual-TLS listener passes before any of its messages is read.
// Apart from callAuthenticator.ts, which takes over where no certificate is seen.
import { type Clock, MixError } from '../../base/index.js';
import { type Member, type Membership, plainFingerprint } from '../../protocol/index.js';
import type { AuthContext } from '../grpc.js';

interface PeerFacts {
  readonly fingerprint: string;
  readonly validFromMs: number;
  readonly validToMs: number;
}

/** Facts of the TLS layer about a caller's certificate; the TLS handshake has proven its key. */
function peerFacts(context: AuthContext): PeerFacts | undefined {
  const certificate = context.sslPeerCertificate;
  if (!certificate?.raw) return undefined;
  return {
    fingerprint: plainFingerprint(certificate.fingerprint256),
    validFromMs: Date.parse(certificate.valid_from),
    validToMs: Date.parse(certificate.valid_to),
  };
}

/**
 * Finds the member that makes a call.
 * @throws MixError PEER_UNKNOWN without a pinned certificate, CERTIFICATE_EXPIRED, CERTIFICATE_NOT_YET_VALID
 */
export function authenticatePeer(context: AuthContext, membership: Membership, clock: Clock): Member {
  const facts = peerFacts(context);
  const member = facts && membership.byFingerprint(facts.fingerprint);
  if (!facts || !member) throw new MixError('PEER_UNKNOWN', { certificate: facts?.fingerprint ?? 'none' });
  const nowMs = clock.wallMs();
  const clockSays = new Date(nowMs).toISOString();
  if (nowMs < facts.validFromMs) {
    const validFrom = new Date(facts.validFromMs).toISOString();
    throw new MixError('CERTIFICATE_NOT_YET_VALID', { node: member.node, clockSays, validFrom });
  }
  if (nowMs > facts.validToMs) {
    const validTo = new Date(facts.validToMs).toISOString();
    throw new MixError('CERTIFICATE_EXPIRED', { node: member.node, clockSays, validTo });
  }
  return member;
}
