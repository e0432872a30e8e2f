// Original file: src/transport/proto/millrace.proto

import type { Long } from '@grpc/proto-loader';

export interface ProgressReport {
  'round'?: (number | string | Long);
  'phase'?: (string);
  'fraction'?: (number | string);
}

export interface ProgressReport__Output {
  'round': (number);
  'phase': (string);
  'fraction': (number);
}
