// Original file: src/transport/proto/millrace.proto

import type { Long } from '@grpc/proto-loader';

export interface OutcomeRequest {
  'round'?: (number | string | Long);
  'sender'?: (string);
  'salt'?: (Buffer | Uint8Array | string);
}

export interface OutcomeRequest__Output {
  'round': (number);
  'sender': (string);
  'salt': (Buffer);
}
