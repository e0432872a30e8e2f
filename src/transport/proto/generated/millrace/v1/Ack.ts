// Original file: src/transport/proto/millrace.proto


export interface Ack {
}

export interface Ack__Output {
}
