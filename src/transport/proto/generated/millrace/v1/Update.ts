// Original file: src/transport/proto/millrace.proto

import type { SignedRoundInfo as _millrace_v1_SignedRoundInfo, SignedRoundInfo__Output as _millrace_v1_SignedRoundInfo__Output } from './SignedRoundInfo.js';
import type { RoundReference as _millrace_v1_RoundReference, RoundReference__Output as _millrace_v1_RoundReference__Output } from './RoundReference.js';
import type { Long } from '@grpc/proto-loader';

export interface Update {
  'number'?: (number | string | Long);
  'signature'?: (Buffer | Uint8Array | string);
  'open'?: (_millrace_v1_SignedRoundInfo | null);
  'assign'?: (_millrace_v1_RoundReference | null);
  'fail'?: (_millrace_v1_RoundReference | null);
  'update'?: "open"|"assign"|"fail";
}

export interface Update__Output {
  'number': (number);
  'signature': (Buffer);
  'open'?: (_millrace_v1_SignedRoundInfo__Output | null);
  'assign'?: (_millrace_v1_RoundReference__Output | null);
  'fail'?: (_millrace_v1_RoundReference__Output | null);
  'update'?: "open"|"assign"|"fail";
}
