// Original file: src/transport/proto/millrace.proto

import type * as grpc from '@grpc/grpc-js'
import type { MethodDefinition } from '@grpc/proto-loader'
import type { Ack as _millrace_v1_Ack, Ack__Output as _millrace_v1_Ack__Output } from './Ack.js';
import type { NodeReport as _millrace_v1_NodeReport, NodeReport__Output as _millrace_v1_NodeReport__Output } from './NodeReport.js';
import type { RegistrationRequest as _millrace_v1_RegistrationRequest, RegistrationRequest__Output as _millrace_v1_RegistrationRequest__Output } from './RegistrationRequest.js';
import type { Update as _millrace_v1_Update, Update__Output as _millrace_v1_Update__Output } from './Update.js';
import type { UpdatesRequest as _millrace_v1_UpdatesRequest, UpdatesRequest__Output as _millrace_v1_UpdatesRequest__Output } from './UpdatesRequest.js';

export interface SchedulerClient extends grpc.Client {
  Register(argument: _millrace_v1_RegistrationRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_millrace_v1_Ack__Output>): grpc.ClientUnaryCall;
  Register(argument: _millrace_v1_RegistrationRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_millrace_v1_Ack__Output>): grpc.ClientUnaryCall;
  Register(argument: _millrace_v1_RegistrationRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_millrace_v1_Ack__Output>): grpc.ClientUnaryCall;
  Register(argument: _millrace_v1_RegistrationRequest, callback: grpc.requestCallback<_millrace_v1_Ack__Output>): grpc.ClientUnaryCall;
  register(argument: _millrace_v1_RegistrationRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_millrace_v1_Ack__Output>): grpc.ClientUnaryCall;
  register(argument: _millrace_v1_RegistrationRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_millrace_v1_Ack__Output>): grpc.ClientUnaryCall;
  register(argument: _millrace_v1_RegistrationRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_millrace_v1_Ack__Output>): grpc.ClientUnaryCall;
  register(argument: _millrace_v1_RegistrationRequest, callback: grpc.requestCallback<_millrace_v1_Ack__Output>): grpc.ClientUnaryCall;
  
  Report(argument: _millrace_v1_NodeReport, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_millrace_v1_Ack__Output>): grpc.ClientUnaryCall;
  Report(argument: _millrace_v1_NodeReport, metadata: grpc.Metadata, callback: grpc.requestCallback<_millrace_v1_Ack__Output>): grpc.ClientUnaryCall;
  Report(argument: _millrace_v1_NodeReport, options: grpc.CallOptions, callback: grpc.requestCallback<_millrace_v1_Ack__Output>): grpc.ClientUnaryCall;
  Report(argument: _millrace_v1_NodeReport, callback: grpc.requestCallback<_millrace_v1_Ack__Output>): grpc.ClientUnaryCall;
  report(argument: _millrace_v1_NodeReport, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_millrace_v1_Ack__Output>): grpc.ClientUnaryCall;
  report(argument: _millrace_v1_NodeReport, metadata: grpc.Metadata, callback: grpc.requestCallback<_millrace_v1_Ack__Output>): grpc.ClientUnaryCall;
  report(argument: _millrace_v1_NodeReport, options: grpc.CallOptions, callback: grpc.requestCallback<_millrace_v1_Ack__Output>): grpc.ClientUnaryCall;
  report(argument: _millrace_v1_NodeReport, callback: grpc.requestCallback<_millrace_v1_Ack__Output>): grpc.ClientUnaryCall;
  
  Updates(argument: _millrace_v1_UpdatesRequest, metadata: grpc.Metadata, options?: grpc.CallOptions): grpc.ClientReadableStream<_millrace_v1_Update__Output>;
  Updates(argument: _millrace_v1_UpdatesRequest, options?: grpc.CallOptions): grpc.ClientReadableStream<_millrace_v1_Update__Output>;
  updates(argument: _millrace_v1_UpdatesRequest, metadata: grpc.Metadata, options?: grpc.CallOptions): grpc.ClientReadableStream<_millrace_v1_Update__Output>;
  updates(argument: _millrace_v1_UpdatesRequest, options?: grpc.CallOptions): grpc.ClientReadableStream<_millrace_v1_Update__Output>;
  
}

export interface SchedulerHandlers extends grpc.UntypedServiceImplementation {
  Register: grpc.handleUnaryCall<_millrace_v1_RegistrationRequest__Output, _millrace_v1_Ack>;
  
  Report: grpc.handleUnaryCall<_millrace_v1_NodeReport__Output, _millrace_v1_Ack>;
  
  Updates: grpc.handleServerStreamingCall<_millrace_v1_UpdatesRequest__Output, _millrace_v1_Update>;
  
}

export interface SchedulerDefinition extends grpc.ServiceDefinition {
  Register: MethodDefinition<_millrace_v1_RegistrationRequest, _millrace_v1_Ack, _millrace_v1_RegistrationRequest__Output, _millrace_v1_Ack__Output>
  Report: MethodDefinition<_millrace_v1_NodeReport, _millrace_v1_Ack, _millrace_v1_NodeReport__Output, _millrace_v1_Ack__Output>
  Updates: MethodDefinition<_millrace_v1_UpdatesRequest, _millrace_v1_Update, _millrace_v1_UpdatesRequest__Output, _millrace_v1_Update__Output>
}
