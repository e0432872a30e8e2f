// Original file: src/transport/proto/millrace.proto


export interface TableProposal {
  'digest'?: (Buffer | Uint8Array | string);
  'table'?: (Buffer | Uint8Array | string);
}

export interface TableProposal__Output {
  'digest': (Buffer);
  'table': (Buffer);
}
