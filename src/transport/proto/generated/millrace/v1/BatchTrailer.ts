// Original file: src/transport/proto/millrace.proto


export interface BatchTrailer {
  'root'?: (Buffer | Uint8Array | string);
  'extra'?: (Buffer | Uint8Array | string);
  'signature'?: (Buffer | Uint8Array | string);
}

export interface BatchTrailer__Output {
  'root': (Buffer);
  'extra': (Buffer);
  'signature': (Buffer);
}
