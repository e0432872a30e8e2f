// The one place that loads grpc-js, and the service definitions of millrace.proto.

import { fileURLToPath } from 'node:url';
import * as grpc from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';
import { WINDOW_BYTES } from './http2Windows.js';
import type { ProtoGrpcType } from './proto/generated/millrace.js';

/** Version of the wire protocol. */
export const PROTOCOL_VERSION = 1;

// The path holds from src/transport and from dist/transport.
const protoFile = fileURLToPath(new URL('../../src/transport/proto/millrace.proto', import.meta.url));
const loaded = loadSync(protoFile, { longs: Number, enums: String, defaults: true, oneofs: true, keepCase: false });
const { millrace } = grpc.loadPackageDefinition(loaded) as unknown as ProtoGrpcType;

export const services = millrace.v1;
export { grpc };

/** Paths of the calls whose request is a stream of messages. */
export const STREAMED_REQUESTS: ReadonlySet<string> = new Set(
  Object.values(services)
    .flatMap((part) => ('service' in part ? Object.values(part.service as grpc.ServiceDefinition) : []))
    .filter(({ requestStream }) => requestStream)
    .map(({ path }) => path),
);

/** Facts of the TLS layer about a caller. */
export type AuthContext = ReturnType<grpc.ServerUnaryCall<unknown, unknown>['getAuthContext']>;

/** Final status of a call, as grpc-js passes it on. */
export type EndStatus = Parameters<grpc.ServerInterceptingCall['sendStatus']>[0];

/** Largest message between members: a slot table of 65,536 slots and 5 nodes is 15.7 MB; chunks are far smaller. */
export const MESSAGE_BYTES_MAX = 24 * 1024 * 1024;
/** Largest message of a stranger: 256 sender keys, or 16 elements of 4096 bits and 64 MACs, are 10 KB. */
export const PUBLIC_BYTES_MAX = 64 * 1024;
/** Largest message that a gateway or scheduler answers with: a frame of outputs is 63 KiB. */
export const REPLY_BYTES_MAX = 1024 * 1024;

export const channelOptions: grpc.ChannelOptions = {
  'grpc-node.flow_control_window': WINDOW_BYTES,
  'grpc.max_receive_message_length': MESSAGE_BYTES_MAX,
  'grpc.max_send_message_length': MESSAGE_BYTES_MAX,
  'grpc.keepalive_time_ms': 20_000,
  'grpc.keepalive_timeout_ms': 5_000,
  'grpc.keepalive_permit_without_calls': 1,
  // A peer that comes back is dialled again at once: grpc-js would wait up to two minutes by itself.
  'grpc.initial_reconnect_backoff_ms': 100,
  'grpc.max_reconnect_backoff_ms': 1_000,
  // Peers are dialled at their listed addresses: no proxy of the environment, no service configuration from DNS.
  'grpc.enable_http_proxy': 0,
  'grpc.service_config_disable_resolution': 1,
};

/** Most streams of one connection: every open round, with all its phases, has a few. */
export const STREAMS_MAX = 1_024;

export const serverOptions: grpc.ServerOptions = {
  'grpc.max_receive_message_length': MESSAGE_BYTES_MAX,
  'grpc.max_send_message_length': MESSAGE_BYTES_MAX,
  'grpc.keepalive_time_ms': 20_000,
  'grpc.keepalive_timeout_ms': 5_000,
};
