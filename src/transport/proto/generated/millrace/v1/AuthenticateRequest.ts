// Original file: src/transport/proto/millrace.proto


export interface AuthenticateRequest {
  'token'?: (Buffer | Uint8Array | string);
  'signature'?: (Buffer | Uint8Array | string);
}

export interface AuthenticateRequest__Output {
  'token': (Buffer);
  'signature': (Buffer);
}
