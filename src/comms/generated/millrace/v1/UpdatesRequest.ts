// Original file: src/comms/millrace.proto

import type { Long } from '@grpc/proto-loader';

export interface UpdatesRequest {
  'after'?: (number | string | Long);
}

export interface UpdatesRequest__Output {
  'after': (number);
}
