// Original file: src/comms/millrace.proto


export interface Ack {
}

export interface Ack__Output {
}
