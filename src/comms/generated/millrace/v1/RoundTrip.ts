// Original file: src/comms/millrace.proto


export interface RoundTrip {
  'peer'?: (string);
  'ms'?: (number | string);
}

export interface RoundTrip__Output {
  'peer': (string);
  'ms': (number);
}
