// Original file: src/transport/proto/millrace.proto


export interface DigestStatement {
  'digest'?: (Buffer | Uint8Array | string);
}

export interface DigestStatement__Output {
  'digest': (Buffer);
}
