// Original file: src/transport/proto/millrace.proto


export interface RoundError {
  'code'?: (string);
  'culprit'?: (string);
  'detail'?: (string);
  'evidence'?: (Buffer | Uint8Array | string);
  'heard'?: (Buffer | Uint8Array | string);
}

export interface RoundError__Output {
  'code': (string);
  'culprit': (string);
  'detail': (string);
  'evidence': (Buffer);
  'heard': (Buffer);
}
