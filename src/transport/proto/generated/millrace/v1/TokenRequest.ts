// Original file: src/transport/proto/millrace.proto

import type { Hello as _millrace_v1_Hello, Hello__Output as _millrace_v1_Hello__Output } from './Hello.js';

export interface TokenRequest {
  'hello'?: (_millrace_v1_Hello | null);
}

export interface TokenRequest__Output {
  'hello': (_millrace_v1_Hello__Output | null);
}
