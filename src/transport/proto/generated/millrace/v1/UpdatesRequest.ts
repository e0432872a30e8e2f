// Original file: src/transport/proto/millrace.proto

import type { Long } from '@grpc/proto-loader';

export interface UpdatesRequest {
  'after'?: (number | string | Long);
}

export interface UpdatesRequest__Output {
  'after': (number);
}
