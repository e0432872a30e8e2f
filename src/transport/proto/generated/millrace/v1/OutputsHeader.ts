// Original file: src/transport/proto/millrace.proto

import type { SignedRoundInfo as _millrace_v1_SignedRoundInfo, SignedRoundInfo__Output as _millrace_v1_SignedRoundInfo__Output } from './SignedRoundInfo.js';
import type { Long } from '@grpc/proto-loader';

export interface OutputsHeader {
  'round'?: (_millrace_v1_SignedRoundInfo | null);
  'digest'?: (Buffer | Uint8Array | string);
  'signatures'?: (Buffer | Uint8Array | string)[];
  'bytesTotal'?: (number | string | Long);
}

export interface OutputsHeader__Output {
  'round': (_millrace_v1_SignedRoundInfo__Output | null);
  'digest': (Buffer);
  'signatures': (Buffer)[];
  'bytesTotal': (number);
}
