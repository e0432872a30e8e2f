// Original file: src/transport/proto/millrace.proto


export interface ScreenReply {
  'rejections'?: (Buffer | Uint8Array | string);
}

export interface ScreenReply__Output {
  'rejections': (Buffer);
}
