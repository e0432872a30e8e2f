// Original file: src/transport/proto/millrace.proto

import type * as grpc from '@grpc/grpc-js'
import type { MethodDefinition } from '@grpc/proto-loader'
import type { Ack as _millrace_v1_Ack, Ack__Output as _millrace_v1_Ack__Output } from './Ack.js';
import type { DescribeRequest as _millrace_v1_DescribeRequest, DescribeRequest__Output as _millrace_v1_DescribeRequest__Output } from './DescribeRequest.js';
import type { NodeDescription as _millrace_v1_NodeDescription, NodeDescription__Output as _millrace_v1_NodeDescription__Output } from './NodeDescription.js';
import type { OutcomeReply as _millrace_v1_OutcomeReply, OutcomeReply__Output as _millrace_v1_OutcomeReply__Output } from './OutcomeReply.js';
import type { OutcomeRequest as _millrace_v1_OutcomeRequest, OutcomeRequest__Output as _millrace_v1_OutcomeRequest__Output } from './OutcomeRequest.js';
import type { OutputsFrame as _millrace_v1_OutputsFrame, OutputsFrame__Output as _millrace_v1_OutputsFrame__Output } from './OutputsFrame.js';
import type { OutputsRequest as _millrace_v1_OutputsRequest, OutputsRequest__Output as _millrace_v1_OutputsRequest__Output } from './OutputsRequest.js';
import type { RegisterReply as _millrace_v1_RegisterReply, RegisterReply__Output as _millrace_v1_RegisterReply__Output } from './RegisterReply.js';
import type { RegisterRequest as _millrace_v1_RegisterRequest, RegisterRequest__Output as _millrace_v1_RegisterRequest__Output } from './RegisterRequest.js';
import type { RoundsReply as _millrace_v1_RoundsReply, RoundsReply__Output as _millrace_v1_RoundsReply__Output } from './RoundsReply.js';
import type { RoundsRequest as _millrace_v1_RoundsRequest, RoundsRequest__Output as _millrace_v1_RoundsRequest__Output } from './RoundsRequest.js';
import type { SubmitRequest as _millrace_v1_SubmitRequest, SubmitRequest__Output as _millrace_v1_SubmitRequest__Output } from './SubmitRequest.js';

export interface GatewayClient extends grpc.Client {
  Describe(argument: _millrace_v1_DescribeRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_millrace_v1_NodeDescription__Output>): grpc.ClientUnaryCall;
  Describe(argument: _millrace_v1_DescribeRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_millrace_v1_NodeDescription__Output>): grpc.ClientUnaryCall;
  Describe(argument: _millrace_v1_DescribeRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_millrace_v1_NodeDescription__Output>): grpc.ClientUnaryCall;
  Describe(argument: _millrace_v1_DescribeRequest, callback: grpc.requestCallback<_millrace_v1_NodeDescription__Output>): grpc.ClientUnaryCall;
  describe(argument: _millrace_v1_DescribeRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_millrace_v1_NodeDescription__Output>): grpc.ClientUnaryCall;
  describe(argument: _millrace_v1_DescribeRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_millrace_v1_NodeDescription__Output>): grpc.ClientUnaryCall;
  describe(argument: _millrace_v1_DescribeRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_millrace_v1_NodeDescription__Output>): grpc.ClientUnaryCall;
  describe(argument: _millrace_v1_DescribeRequest, callback: grpc.requestCallback<_millrace_v1_NodeDescription__Output>): grpc.ClientUnaryCall;
  
  Outcome(argument: _millrace_v1_OutcomeRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_millrace_v1_OutcomeReply__Output>): grpc.ClientUnaryCall;
  Outcome(argument: _millrace_v1_OutcomeRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_millrace_v1_OutcomeReply__Output>): grpc.ClientUnaryCall;
  Outcome(argument: _millrace_v1_OutcomeRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_millrace_v1_OutcomeReply__Output>): grpc.ClientUnaryCall;
  Outcome(argument: _millrace_v1_OutcomeRequest, callback: grpc.requestCallback<_millrace_v1_OutcomeReply__Output>): grpc.ClientUnaryCall;
  outcome(argument: _millrace_v1_OutcomeRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_millrace_v1_OutcomeReply__Output>): grpc.ClientUnaryCall;
  outcome(argument: _millrace_v1_OutcomeRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_millrace_v1_OutcomeReply__Output>): grpc.ClientUnaryCall;
  outcome(argument: _millrace_v1_OutcomeRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_millrace_v1_OutcomeReply__Output>): grpc.ClientUnaryCall;
  outcome(argument: _millrace_v1_OutcomeRequest, callback: grpc.requestCallback<_millrace_v1_OutcomeReply__Output>): grpc.ClientUnaryCall;
  
  Outputs(argument: _millrace_v1_OutputsRequest, metadata: grpc.Metadata, options?: grpc.CallOptions): grpc.ClientReadableStream<_millrace_v1_OutputsFrame__Output>;
  Outputs(argument: _millrace_v1_OutputsRequest, options?: grpc.CallOptions): grpc.ClientReadableStream<_millrace_v1_OutputsFrame__Output>;
  outputs(argument: _millrace_v1_OutputsRequest, metadata: grpc.Metadata, options?: grpc.CallOptions): grpc.ClientReadableStream<_millrace_v1_OutputsFrame__Output>;
  outputs(argument: _millrace_v1_OutputsRequest, options?: grpc.CallOptions): grpc.ClientReadableStream<_millrace_v1_OutputsFrame__Output>;
  
  Register(argument: _millrace_v1_RegisterRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_millrace_v1_RegisterReply__Output>): grpc.ClientUnaryCall;
  Register(argument: _millrace_v1_RegisterRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_millrace_v1_RegisterReply__Output>): grpc.ClientUnaryCall;
  Register(argument: _millrace_v1_RegisterRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_millrace_v1_RegisterReply__Output>): grpc.ClientUnaryCall;
  Register(argument: _millrace_v1_RegisterRequest, callback: grpc.requestCallback<_millrace_v1_RegisterReply__Output>): grpc.ClientUnaryCall;
  register(argument: _millrace_v1_RegisterRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_millrace_v1_RegisterReply__Output>): grpc.ClientUnaryCall;
  register(argument: _millrace_v1_RegisterRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_millrace_v1_RegisterReply__Output>): grpc.ClientUnaryCall;
  register(argument: _millrace_v1_RegisterRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_millrace_v1_RegisterReply__Output>): grpc.ClientUnaryCall;
  register(argument: _millrace_v1_RegisterRequest, callback: grpc.requestCallback<_millrace_v1_RegisterReply__Output>): grpc.ClientUnaryCall;
  
  Rounds(argument: _millrace_v1_RoundsRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_millrace_v1_RoundsReply__Output>): grpc.ClientUnaryCall;
  Rounds(argument: _millrace_v1_RoundsRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_millrace_v1_RoundsReply__Output>): grpc.ClientUnaryCall;
  Rounds(argument: _millrace_v1_RoundsRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_millrace_v1_RoundsReply__Output>): grpc.ClientUnaryCall;
  Rounds(argument: _millrace_v1_RoundsRequest, callback: grpc.requestCallback<_millrace_v1_RoundsReply__Output>): grpc.ClientUnaryCall;
  rounds(argument: _millrace_v1_RoundsRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_millrace_v1_RoundsReply__Output>): grpc.ClientUnaryCall;
  rounds(argument: _millrace_v1_RoundsRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_millrace_v1_RoundsReply__Output>): grpc.ClientUnaryCall;
  rounds(argument: _millrace_v1_RoundsRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_millrace_v1_RoundsReply__Output>): grpc.ClientUnaryCall;
  rounds(argument: _millrace_v1_RoundsRequest, callback: grpc.requestCallback<_millrace_v1_RoundsReply__Output>): grpc.ClientUnaryCall;
  
  Submit(argument: _millrace_v1_SubmitRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_millrace_v1_Ack__Output>): grpc.ClientUnaryCall;
  Submit(argument: _millrace_v1_SubmitRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_millrace_v1_Ack__Output>): grpc.ClientUnaryCall;
  Submit(argument: _millrace_v1_SubmitRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_millrace_v1_Ack__Output>): grpc.ClientUnaryCall;
  Submit(argument: _millrace_v1_SubmitRequest, callback: grpc.requestCallback<_millrace_v1_Ack__Output>): grpc.ClientUnaryCall;
  submit(argument: _millrace_v1_SubmitRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_millrace_v1_Ack__Output>): grpc.ClientUnaryCall;
  submit(argument: _millrace_v1_SubmitRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_millrace_v1_Ack__Output>): grpc.ClientUnaryCall;
  submit(argument: _millrace_v1_SubmitRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_millrace_v1_Ack__Output>): grpc.ClientUnaryCall;
  submit(argument: _millrace_v1_SubmitRequest, callback: grpc.requestCallback<_millrace_v1_Ack__Output>): grpc.ClientUnaryCall;
  
}

export interface GatewayHandlers extends grpc.UntypedServiceImplementation {
  Describe: grpc.handleUnaryCall<_millrace_v1_DescribeRequest__Output, _millrace_v1_NodeDescription>;
  
  Outcome: grpc.handleUnaryCall<_millrace_v1_OutcomeRequest__Output, _millrace_v1_OutcomeReply>;
  
  Outputs: grpc.handleServerStreamingCall<_millrace_v1_OutputsRequest__Output, _millrace_v1_OutputsFrame>;
  
  Register: grpc.handleUnaryCall<_millrace_v1_RegisterRequest__Output, _millrace_v1_RegisterReply>;
  
  Rounds: grpc.handleUnaryCall<_millrace_v1_RoundsRequest__Output, _millrace_v1_RoundsReply>;
  
  Submit: grpc.handleUnaryCall<_millrace_v1_SubmitRequest__Output, _millrace_v1_Ack>;
  
}

export interface GatewayDefinition extends grpc.ServiceDefinition {
  Describe: MethodDefinition<_millrace_v1_DescribeRequest, _millrace_v1_NodeDescription, _millrace_v1_DescribeRequest__Output, _millrace_v1_NodeDescription__Output>
  Outcome: MethodDefinition<_millrace_v1_OutcomeRequest, _millrace_v1_OutcomeReply, _millrace_v1_OutcomeRequest__Output, _millrace_v1_OutcomeReply__Output>
  Outputs: MethodDefinition<_millrace_v1_OutputsRequest, _millrace_v1_OutputsFrame, _millrace_v1_OutputsRequest__Output, _millrace_v1_OutputsFrame__Output>
  Register: MethodDefinition<_millrace_v1_RegisterRequest, _millrace_v1_RegisterReply, _millrace_v1_RegisterRequest__Output, _millrace_v1_RegisterReply__Output>
  Rounds: MethodDefinition<_millrace_v1_RoundsRequest, _millrace_v1_RoundsReply, _millrace_v1_RoundsRequest__Output, _millrace_v1_RoundsReply__Output>
  Submit: MethodDefinition<_millrace_v1_SubmitRequest, _millrace_v1_Ack, _millrace_v1_SubmitRequest__Output, _millrace_v1_Ack__Output>
}
