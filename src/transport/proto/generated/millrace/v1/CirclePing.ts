// Original file: src/transport/proto/millrace.proto

import type { Long } from '@grpc/proto-loader';

export interface CirclePing {
  'round'?: (number | string | Long);
  'id'?: (Buffer | Uint8Array | string);
  'hop'?: (number);
}

export interface CirclePing__Output {
  'round': (number);
  'id': (Buffer);
  'hop': (number);
}
