// Original file: src/transport/proto/millrace.proto

import type { BatchHeader as _millrace_v1_BatchHeader, BatchHeader__Output as _millrace_v1_BatchHeader__Output } from './BatchHeader.js';
import type { BatchChunk as _millrace_v1_BatchChunk, BatchChunk__Output as _millrace_v1_BatchChunk__Output } from './BatchChunk.js';
import type { BatchTrailer as _millrace_v1_BatchTrailer, BatchTrailer__Output as _millrace_v1_BatchTrailer__Output } from './BatchTrailer.js';

export interface BatchFrame {
  'header'?: (_millrace_v1_BatchHeader | null);
  'chunk'?: (_millrace_v1_BatchChunk | null);
  'trailer'?: (_millrace_v1_BatchTrailer | null);
  'frame'?: "header"|"chunk"|"trailer";
}

export interface BatchFrame__Output {
  'header'?: (_millrace_v1_BatchHeader__Output | null);
  'chunk'?: (_millrace_v1_BatchChunk__Output | null);
  'trailer'?: (_millrace_v1_BatchTrailer__Output | null);
  'frame'?: "header"|"chunk"|"trailer";
}
