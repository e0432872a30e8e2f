// Original file: src/comms/millrace.proto


export interface PingReply {
  'bootId'?: (string);
}

export interface PingReply__Output {
  'bootId': (string);
}
