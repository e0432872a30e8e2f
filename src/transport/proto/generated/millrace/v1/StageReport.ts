// Original file: src/transport/proto/millrace.proto

import type { Long } from '@grpc/proto-loader';

export interface StageReport {
  'round'?: (number | string | Long);
  'bootId'?: (string);
  'stage'?: (string);
  'code'?: (string);
  'culprit'?: (string);
  'reporter'?: (string);
  'detail'?: (string);
  'reporterSignature'?: (Buffer | Uint8Array | string);
  'evidence'?: (Buffer | Uint8Array | string);
  'copies'?: (number);
}

export interface StageReport__Output {
  'round': (number);
  'bootId': (string);
  'stage': (string);
  'code': (string);
  'culprit': (string);
  'reporter': (string);
  'detail': (string);
  'reporterSignature': (Buffer);
  'evidence': (Buffer);
  'copies': (number);
}
