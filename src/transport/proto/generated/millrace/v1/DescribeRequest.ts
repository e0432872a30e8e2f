// Original file: src/transport/proto/millrace.proto


export interface DescribeRequest {
}

export interface DescribeRequest__Output {
}
