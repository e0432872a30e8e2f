// Original file: src/transport/proto/millrace.proto


export interface RegisterReply {
  'senders'?: (string)[];
}

export interface RegisterReply__Output {
  'senders': (string)[];
}
