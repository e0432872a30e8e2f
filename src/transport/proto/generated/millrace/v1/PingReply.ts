// Original file: src/transport/proto/millrace.proto

import type { Long } from '@grpc/proto-loader';

export interface PingReply {
  'bootId'?: (string);
  'timeMs'?: (number | string | Long);
}

export interface PingReply__Output {
  'bootId': (string);
  'timeMs': (number);
}
