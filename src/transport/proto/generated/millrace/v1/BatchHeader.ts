// Original file: src/transport/proto/millrace.proto

import type { Long } from '@grpc/proto-loader';

export interface BatchHeader {
  'round'?: (number | string | Long);
  'phase'?: (string);
  'slots'?: (number);
  'elements'?: (number);
  'chunkSlots'?: (number);
}

export interface BatchHeader__Output {
  'round': (number);
  'phase': (string);
  'slots': (number);
  'elements': (number);
  'chunkSlots': (number);
}
