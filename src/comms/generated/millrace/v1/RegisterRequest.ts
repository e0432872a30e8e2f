// Original file: src/comms/millrace.proto

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
