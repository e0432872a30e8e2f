// Original file: src/transport/proto/millrace.proto


export interface RoundsRequest {
}

export interface RoundsRequest__Output {
}
