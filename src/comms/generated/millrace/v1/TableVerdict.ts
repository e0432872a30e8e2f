// Original file: src/comms/millrace.proto

import type { SlotRejection as _millrace_v1_SlotRejection, SlotRejection__Output as _millrace_v1_SlotRejection__Output } from '../../millrace/v1/SlotRejection.js';

export interface TableVerdict {
  'proposalDigest'?: (Buffer | Uint8Array | string);
  'proposalSignature'?: (Buffer | Uint8Array | string);
  'rejections'?: (_millrace_v1_SlotRejection)[];
}

export interface TableVerdict__Output {
  'proposalDigest': (Buffer);
  'proposalSignature': (Buffer);
  'rejections': (_millrace_v1_SlotRejection__Output)[];
}
