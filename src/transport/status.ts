// Errors on the wire: a MixError becomes a gRPC status whose metadata carries its code and values, and the caller gets the same MixError
// back. Errors of grpc-js itself (connections, deadlines, sizes) become a LINK_* or peer error.
import { asMixError, type ErrorCode, type ErrorValues, isErrorCode, MixError, timestamp } from '../base/index.js';
import { type EndStatus, grpc } from './grpc.js';

const CODE_KEY = 'mix-code';
const VALUES_KEY = 'mix-values';
/** Values are for people: a bound keeps a hostile peer from filling a log. */
const VALUES_BYTES_MAX = 2_000;

/** Wording of grpc-js's INTERNAL if the caller is to blame. */
const CALLERS_FAULT = /^(Error deserializing request|Failed to decompress message|Invalid grpc-timeout value)/;

const statusByCode: Partial<Record<ErrorCode, grpc.status>> = {
  PEER_UNKNOWN: grpc.status.UNAUTHENTICATED,
  CERTIFICATE_EXPIRED: grpc.status.UNAUTHENTICATED,
  CERTIFICATE_NOT_YET_VALID: grpc.status.UNAUTHENTICATED,
  TOKEN_REFUSED: grpc.status.UNAUTHENTICATED,
  HANDSHAKE_REFUSED: grpc.status.UNAUTHENTICATED,
  PEER_ROLE: grpc.status.PERMISSION_DENIED,
  ROUND_UNKNOWN: grpc.status.NOT_FOUND,
  OUTPUTS_UNKNOWN: grpc.status.NOT_FOUND,
  ABORTED: grpc.status.ABORTED,
  INTERNAL: grpc.status.INTERNAL,
  MESSAGE_TOO_LARGE: grpc.status.RESOURCE_EXHAUSTED,
};

/** The status that tells a caller about an error. Internal details stay here: only their code goes out. */
export function toStatus(thrown: unknown): grpc.StatusObject {
  const error = asMixError(thrown);
  const values = error.code === 'INTERNAL' ? {} : error.values;
  const metadata = new grpc.Metadata();
  metadata.set(CODE_KEY, error.code);
  // Metadata is ASCII: other characters are escaped.
  const json = JSON.stringify(values).replace(
    /[^\x20-\x7e]/g,
    (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
  if (json.length <= VALUES_BYTES_MAX) metadata.set(VALUES_KEY, json);
  return { code: statusByCode[error.code] ?? grpc.status.FAILED_PRECONDITION, details: error.code, metadata };
}

/** The same for a call that gRPC has not seen: headers of an answer without content. */
export function toTrailers(thrown: unknown): Record<string, string | number> {
  const { code, details, metadata } = toStatus(thrown);
  const own = Object.fromEntries(Object.entries(metadata.getMap()).map(([key, value]) => [key, value.toString()]));
  const head = { ':status': 200, 'content-type': 'application/grpc+proto' };
  return { ...head, ...own, 'grpc-status': code, 'grpc-message': encodeURIComponent(details) };
}

function parseValues(text: string | undefined): ErrorValues {
  if (!text || text.length > VALUES_BYTES_MAX) return {};
  try {
    const parsed: unknown = JSON.parse(text);
    if (typeof parsed !== 'object' || parsed === null) return {};
    const plain = Object.entries(parsed).filter(([, value]) => ['string', 'number', 'boolean'].includes(typeof value));
    return Object.fromEntries(plain) as ErrorValues;
  } catch {
    // Values of another party, only for people to read: code and message remain.
    return {};
  }
}

/** True for refusals that a wrong clock may cause. */
export const isOutOfTime = (code: ErrorCode): boolean =>
  code === 'CERTIFICATE_EXPIRED' || code === 'CERTIFICATE_NOT_YET_VALID';

/** True for success, and for a failure that carries a code of ours. */
export function isTyped({ code, metadata }: EndStatus): boolean {
  return code === grpc.status.OK || isErrorCode(metadata?.get(CODE_KEY)[0]);
}

/** Error for a caller that grpc-js refused by itself, before or after our handler. */
export function toRefusal({ code, details }: EndStatus): MixError {
  switch (code) {
    case grpc.status.RESOURCE_EXHAUSTED:
      return new MixError('MESSAGE_TOO_LARGE', { detail: details });
    case grpc.status.DEADLINE_EXCEEDED:
      return new MixError('LINK_TIMEOUT', { detail: details });
    case grpc.status.UNIMPLEMENTED:
      return new MixError('MESSAGE_MALFORMED', { detail: details });
    default:
      if (CALLERS_FAULT.test(details)) return new MixError('MESSAGE_MALFORMED', { detail: details });
      return new MixError('INTERNAL', { message: `${code}: ${details}` });
  }
}

/** The MixError of a failed call; `peer` names the party that was called. */
export function fromStatus(thrown: unknown, peer: string): MixError {
  if (thrown instanceof MixError) return thrown;
  const { code, details, metadata } = Object(thrown) as Partial<grpc.ServiceError>;
  const mixCode = metadata?.get(CODE_KEY)[0];
  if (isErrorCode(mixCode)) {
    return new MixError(mixCode, parseValues(metadata?.get(VALUES_KEY)[0]?.toString()), { cause: thrown });
  }
  return new MixError(
    transportCode(code, details ?? ''),
    { peer, detail: details ?? String(thrown) },
    { cause: thrown },
  );
}

/** The error of a connection that could not be made; `reason` is the message of TCP or TLS. */
export function transportError(reason: string, peer: string, address: string): MixError {
  const code = transportCode(undefined, reason);
  return new MixError(code, { peer, address, detail: reason, ...(isOutOfTime(code) && { clockSays: timestamp() }) });
}

/** True if the peer does not know the method: it speaks an older minor version. */
export function isUnimplemented(thrown: unknown): boolean {
  return (Object(thrown) as Partial<grpc.ServiceError>).code === grpc.status.UNIMPLEMENTED;
}

function transportCode(code: grpc.status | undefined, details: string): ErrorCode {
  if (/certificate has expired|CERT_HAS_EXPIRED/i.test(details)) return 'CERTIFICATE_EXPIRED';
  if (/certificate is not yet valid|CERT_NOT_YET_VALID/i.test(details)) return 'CERTIFICATE_NOT_YET_VALID';
  if (/self.signed certificate|unable to verify|UNABLE_TO|DEPTH_ZERO|certificate pin/i.test(details))
    return 'PEER_UNKNOWN';
  switch (code) {
    case grpc.status.DEADLINE_EXCEEDED:
      return 'LINK_TIMEOUT';
    case grpc.status.RESOURCE_EXHAUSTED:
      return 'MESSAGE_TOO_LARGE';
    case grpc.status.UNIMPLEMENTED:
    case grpc.status.INVALID_ARGUMENT:
      return 'MESSAGE_MALFORMED';
    default:
      return 'LINK_DOWN';
  }
}
