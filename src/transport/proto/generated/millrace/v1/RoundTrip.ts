// Original file: src/transport/proto/millrace.proto


export interface RoundTrip {
  'peer'?: (string);
  'ms'?: (number | string);
}

export interface RoundTrip__Output {
  'peer': (string);
  'ms': (number);
}
