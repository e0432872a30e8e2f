// Original file: src/transport/proto/millrace.proto


export interface PingRequest {
}

export interface PingRequest__Output {
}
