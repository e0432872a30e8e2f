// Original file: src/transport/proto/millrace.proto


export interface KeyShare {
  'share'?: (Buffer | Uint8Array | string);
}

export interface KeyShare__Output {
  'share': (Buffer);
}
