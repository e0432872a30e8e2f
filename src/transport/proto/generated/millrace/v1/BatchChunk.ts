// Original file: src/transport/proto/millrace.proto


export interface BatchChunk {
  'index'?: (number);
  'content'?: (Buffer | Uint8Array | string);
}

export interface BatchChunk__Output {
  'index': (number);
  'content': (Buffer);
}
