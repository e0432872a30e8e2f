// Original file: src/transport/proto/millrace.proto


export interface WarmFrame {
  'content'?: (Buffer | Uint8Array | string);
}

export interface WarmFrame__Output {
  'content': (Buffer);
}
