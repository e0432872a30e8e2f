// Original file: src/transport/proto/millrace.proto


export interface Hello {
  'major'?: (number);
  'minor'?: (number);
  'features'?: (string)[];
}

export interface Hello__Output {
  'major': (number);
  'minor': (number);
  'features': (string)[];
}
