// Original file: src/comms/millrace.proto

import type { Long } from '@grpc/proto-loader';

export interface StageReport {
  'round'?: (number | string | Long);
  'bootId'?: (string);
  'stage'?: (string);
  'code'?: (string);
  'culprit'?: (string);
  'reporter'?: (string);
  'detail'?: (string);
}

export interface StageReport__Output {
  'round': (number);
  'bootId': (string);
  'stage': (string);
  'code': (string);
  'culprit': (string);
  'reporter': (string);
  'detail': (string);
}
