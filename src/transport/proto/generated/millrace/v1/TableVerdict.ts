// Original file: src/transport/proto/millrace.proto


export interface TableVerdict {
  'proposalDigest'?: (Buffer | Uint8Array | string);
  'proposalSignature'?: (Buffer | Uint8Array | string);
  'rejections'?: (Buffer | Uint8Array | string);
}

export interface TableVerdict__Output {
  'proposalDigest': (Buffer);
  'proposalSignature': (Buffer);
  'rejections': (Buffer);
}
