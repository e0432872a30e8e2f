// Original file: src/transport/proto/millrace.proto


export interface Commitment {
  'cipherDigest'?: (Buffer | Uint8Array | string);
  'revealSignature'?: (Buffer | Uint8Array | string);
  'commitment'?: (Buffer | Uint8Array | string);
}

export interface Commitment__Output {
  'cipherDigest': (Buffer);
  'revealSignature': (Buffer);
  'commitment': (Buffer);
}
