// Original file: src/transport/proto/millrace.proto

import type { Long } from '@grpc/proto-loader';

export interface Deadlines {
  'precomputeMs'?: (number | string | Long);
  'standbyMs'?: (number | string | Long);
  'collectMs'?: (number | string | Long);
  'realtimeMs'?: (number | string | Long);
  'precomputePhaseMs'?: (number | string | Long);
  'realtimePhaseMs'?: (number | string | Long);
}

export interface Deadlines__Output {
  'precomputeMs': (number);
  'standbyMs': (number);
  'collectMs': (number);
  'realtimeMs': (number);
  'precomputePhaseMs': (number);
  'realtimePhaseMs': (number);
}
