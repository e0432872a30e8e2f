// Original file: src/comms/millrace.proto


export interface RoundsRequest {
}

export interface RoundsRequest__Output {
}
