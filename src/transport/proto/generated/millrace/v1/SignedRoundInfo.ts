// Original file: src/transport/proto/millrace.proto

import type { Deadlines as _millrace_v1_Deadlines, Deadlines__Output as _millrace_v1_Deadlines__Output } from './Deadlines.js';
import type { Long } from '@grpc/proto-loader';

export interface SignedRoundInfo {
  'network'?: (string);
  'round'?: (number | string | Long);
  'membership'?: (number | string | Long);
  'team'?: (string)[];
  'group'?: (string);
  'slots'?: (number);
  'width'?: (number);
  'chunkSlots'?: (number);
  'exponentBytes'?: (number);
  'minSenders'?: (number);
  'quotaPerSender'?: (number);
  'deadlines'?: (_millrace_v1_Deadlines | null);
  'signature'?: (Buffer | Uint8Array | string);
}

export interface SignedRoundInfo__Output {
  'network': (string);
  'round': (number);
  'membership': (number);
  'team': (string)[];
  'group': (string);
  'slots': (number);
  'width': (number);
  'chunkSlots': (number);
  'exponentBytes': (number);
  'minSenders': (number);
  'quotaPerSender': (number);
  'deadlines': (_millrace_v1_Deadlines__Output | null);
  'signature': (Buffer);
}
