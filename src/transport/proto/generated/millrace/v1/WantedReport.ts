// Original file: src/transport/proto/millrace.proto


export interface WantedReport {
}

export interface WantedReport__Output {
}
