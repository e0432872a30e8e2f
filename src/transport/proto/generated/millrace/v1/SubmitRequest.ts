// Original file: src/transport/proto/millrace.proto

import type { Long } from '@grpc/proto-loader';

export interface SubmitRequest {
  'round'?: (number | string | Long);
  'sender'?: (string);
  'salt'?: (Buffer | Uint8Array | string);
  'payload'?: (Buffer | Uint8Array | string);
  'macs'?: (Buffer | Uint8Array | string)[];
}

export interface SubmitRequest__Output {
  'round': (number);
  'sender': (string);
  'salt': (Buffer);
  'payload': (Buffer);
  'macs': (Buffer)[];
}
