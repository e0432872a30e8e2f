// Original file: src/transport/proto/millrace.proto

import type { Long } from '@grpc/proto-loader';

export interface ScreenRequest {
  'round'?: (number | string | Long);
  'claims'?: (Buffer | Uint8Array | string);
}

export interface ScreenRequest__Output {
  'round': (number);
  'claims': (Buffer);
}
