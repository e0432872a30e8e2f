// Original file: src/transport/proto/millrace.proto

import type { Long } from '@grpc/proto-loader';

export interface NodeDescription {
  'node'?: (string);
  'network'?: (string);
  'protocol'?: (number);
  'identityKey'?: (Buffer | Uint8Array | string);
  'epoch'?: (number | string | Long);
  'epochKey'?: (Buffer | Uint8Array | string);
  'signature'?: (Buffer | Uint8Array | string);
  'registerBits'?: (number);
}

export interface NodeDescription__Output {
  'node': (string);
  'network': (string);
  'protocol': (number);
  'identityKey': (Buffer);
  'epoch': (number);
  'epochKey': (Buffer);
  'signature': (Buffer);
  'registerBits': (number);
}
