// Connections between parties: gRPC, hosts, certificates, handshakes, HTTP/2. It knows nothing of rounds.
export { type Attempt, callMetadata, clientStream, openStub, unary } from './calling/call.js';
export { cancelOn, checkSignal, ownConnection } from './calling/channels.js';
export { Host, type HostOptions, type Lane } from './calling/host.js';
export { HostManager, peerFacts } from './calling/hosts.js';
export { keepWarmMs } from './calling/slowStart.js';
export { transmit } from './calling/transmit.js';
export {
  type CertificatePair,
  checkPair,
  createCertificate,
  readExpiry,
  readValidTime,
} from './certificates.js';
export { type AuthContext, grpc, MESSAGE_BYTES_MAX, PROTOCOL_VERSION, REPLY_BYTES_MAX, services } from './grpc.js';
export { CONNECTIONS_MAX, WINDOW_BYTES } from './http2Windows.js';
export { LinkMetrics } from './linkMetrics.js';
export { CallAuthenticator, type CallFacts } from './serving/callAuthenticator.js';
export { CallBudget } from './serving/callBudget.js';
export { addHandshakeService } from './serving/handshakeService.js';
export { LOOPBACK_PREFIXES, Origins } from './serving/origins.js';
export { CallErrors, listen } from './serving/server.js';
export { fromStatus } from './status.js';
export { hasFeature } from './versions.js';
export { asBytes, fixed, malformed, require_ } from './wire.js';
