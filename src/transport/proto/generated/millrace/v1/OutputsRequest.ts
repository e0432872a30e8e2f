// Original file: src/transport/proto/millrace.proto

import type { Long } from '@grpc/proto-loader';

export interface OutputsRequest {
  'round'?: (number | string | Long);
}

export interface OutputsRequest__Output {
  'round': (number);
}
