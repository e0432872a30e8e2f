// Original file: src/comms/millrace.proto


export interface RegistrationRequest {
  'code'?: (string);
}

export interface RegistrationRequest__Output {
  'code': (string);
}
