// Original file: src/transport/proto/millrace.proto


export interface OnlineReport {
  'bootId'?: (string);
  'engine'?: (string);
  'enginePath'?: (string);
  'openRounds'?: (number);
  'paused'?: (string);
}

export interface OnlineReport__Output {
  'bootId': (string);
  'engine': (string);
  'enginePath': (string);
  'openRounds': (number);
  'paused': (string);
}
