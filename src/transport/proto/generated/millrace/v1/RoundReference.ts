// Original file: src/transport/proto/millrace.proto

import type { Long } from '@grpc/proto-loader';

export interface RoundReference {
  'round'?: (number | string | Long);
  'reason'?: (string);
}

export interface RoundReference__Output {
  'round': (number);
  'reason': (string);
}
