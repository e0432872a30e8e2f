// Original file: src/transport/proto/millrace.proto


export interface AuthenticateReply {
  'token'?: (Buffer | Uint8Array | string);
  'signature'?: (Buffer | Uint8Array | string);
}

export interface AuthenticateReply__Output {
  'token': (Buffer);
  'signature': (Buffer);
}
