// Original file: src/comms/millrace.proto


export interface WantedReport {
}

export interface WantedReport__Output {
}
