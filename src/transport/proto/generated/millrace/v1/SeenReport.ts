// Original file: src/transport/proto/millrace.proto

import type { Update as _millrace_v1_Update, Update__Output as _millrace_v1_Update__Output } from './Update.js';
import type { SignedRoundInfo as _millrace_v1_SignedRoundInfo, SignedRoundInfo__Output as _millrace_v1_SignedRoundInfo__Output } from './SignedRoundInfo.js';

export interface SeenReport {
  'last'?: (_millrace_v1_Update | null);
  'newest'?: (_millrace_v1_SignedRoundInfo | null);
}

export interface SeenReport__Output {
  'last': (_millrace_v1_Update__Output | null);
  'newest': (_millrace_v1_SignedRoundInfo__Output | null);
}
