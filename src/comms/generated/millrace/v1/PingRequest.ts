// Original file: src/comms/millrace.proto


export interface PingRequest {
}

export interface PingRequest__Output {
}
