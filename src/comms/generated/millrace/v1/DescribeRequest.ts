// Original file: src/comms/millrace.proto


export interface DescribeRequest {
}

export interface DescribeRequest__Output {
}
