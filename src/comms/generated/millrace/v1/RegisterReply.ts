// Original file: src/comms/millrace.proto


export interface RegisterReply {
  'senders'?: (string)[];
}

export interface RegisterReply__Output {
  'senders': (string)[];
}
