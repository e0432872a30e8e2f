// Original file: src/transport/proto/millrace.proto

import type { OutputsHeader as _millrace_v1_OutputsHeader, OutputsHeader__Output as _millrace_v1_OutputsHeader__Output } from './OutputsHeader.js';

export interface OutputsFrame {
  'header'?: (_millrace_v1_OutputsHeader | null);
  'content'?: (Buffer | Uint8Array | string);
  'frame'?: "header"|"content";
}

export interface OutputsFrame__Output {
  'header'?: (_millrace_v1_OutputsHeader__Output | null);
  'content'?: (Buffer);
  'frame'?: "header"|"content";
}
