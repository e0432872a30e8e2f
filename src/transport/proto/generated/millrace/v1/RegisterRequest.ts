// Original file: src/transport/proto/millrace.proto

import type { Long } from '@grpc/proto-loader';

export interface RegisterRequest {
  'senderKeys'?: (Buffer | Uint8Array | string)[];
  'epoch'?: (number | string | Long);
  'nonces'?: (Buffer | Uint8Array | string)[];
}

export interface RegisterRequest__Output {
  'senderKeys': (Buffer)[];
  'epoch': (number);
  'nonces': (Buffer)[];
}
