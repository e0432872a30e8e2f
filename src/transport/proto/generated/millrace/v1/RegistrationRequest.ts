// Original file: src/transport/proto/millrace.proto


export interface RegistrationRequest {
  'code'?: (string);
}

export interface RegistrationRequest__Output {
  'code': (string);
}
