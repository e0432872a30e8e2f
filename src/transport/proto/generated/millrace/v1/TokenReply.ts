// Original file: src/transport/proto/millrace.proto

import type { Hello as _millrace_v1_Hello, Hello__Output as _millrace_v1_Hello__Output } from './Hello.js';

export interface TokenReply {
  'token'?: (Buffer | Uint8Array | string);
  'hello'?: (_millrace_v1_Hello | null);
}

export interface TokenReply__Output {
  'token': (Buffer);
  'hello': (_millrace_v1_Hello__Output | null);
}
