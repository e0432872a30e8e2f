// Original file: src/transport/proto/millrace.proto


export interface OutcomeReply {
  'state'?: (string);
  'reason'?: (string);
  'node'?: (string);
  'resendable'?: (boolean);
}

export interface OutcomeReply__Output {
  'state': (string);
  'reason': (string);
  'node': (string);
  'resendable': (boolean);
}
