// Original file: src/transport/proto/millrace.proto

import type { SignedRoundInfo as _millrace_v1_SignedRoundInfo, SignedRoundInfo__Output as _millrace_v1_SignedRoundInfo__Output } from './SignedRoundInfo.js';

export interface RoundsReply {
  'rounds'?: (_millrace_v1_SignedRoundInfo)[];
}

export interface RoundsReply__Output {
  'rounds': (_millrace_v1_SignedRoundInfo__Output)[];
}
