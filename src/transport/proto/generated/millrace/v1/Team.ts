// Original file: src/transport/proto/millrace.proto

import type * as grpc from '@grpc/grpc-js'
import type { MethodDefinition } from '@grpc/proto-loader'
import type { Ack as _millrace_v1_Ack, Ack__Output as _millrace_v1_Ack__Output } from './Ack.js';
import type { BatchFrame as _millrace_v1_BatchFrame, BatchFrame__Output as _millrace_v1_BatchFrame__Output } from './BatchFrame.js';
import type { CirclePing as _millrace_v1_CirclePing, CirclePing__Output as _millrace_v1_CirclePing__Output } from './CirclePing.js';
import type { PingReply as _millrace_v1_PingReply, PingReply__Output as _millrace_v1_PingReply__Output } from './PingReply.js';
import type { PingRequest as _millrace_v1_PingRequest, PingRequest__Output as _millrace_v1_PingRequest__Output } from './PingRequest.js';
import type { ScreenReply as _millrace_v1_ScreenReply, ScreenReply__Output as _millrace_v1_ScreenReply__Output } from './ScreenReply.js';
import type { ScreenRequest as _millrace_v1_ScreenRequest, ScreenRequest__Output as _millrace_v1_ScreenRequest__Output } from './ScreenRequest.js';
import type { TeamEnvelope as _millrace_v1_TeamEnvelope, TeamEnvelope__Output as _millrace_v1_TeamEnvelope__Output } from './TeamEnvelope.js';
import type { WarmFrame as _millrace_v1_WarmFrame, WarmFrame__Output as _millrace_v1_WarmFrame__Output } from './WarmFrame.js';

export interface TeamClient extends grpc.Client {
  Circle(argument: _millrace_v1_CirclePing, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_millrace_v1_Ack__Output>): grpc.ClientUnaryCall;
  Circle(argument: _millrace_v1_CirclePing, metadata: grpc.Metadata, callback: grpc.requestCallback<_millrace_v1_Ack__Output>): grpc.ClientUnaryCall;
  Circle(argument: _millrace_v1_CirclePing, options: grpc.CallOptions, callback: grpc.requestCallback<_millrace_v1_Ack__Output>): grpc.ClientUnaryCall;
  Circle(argument: _millrace_v1_CirclePing, callback: grpc.requestCallback<_millrace_v1_Ack__Output>): grpc.ClientUnaryCall;
  circle(argument: _millrace_v1_CirclePing, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_millrace_v1_Ack__Output>): grpc.ClientUnaryCall;
  circle(argument: _millrace_v1_CirclePing, metadata: grpc.Metadata, callback: grpc.requestCallback<_millrace_v1_Ack__Output>): grpc.ClientUnaryCall;
  circle(argument: _millrace_v1_CirclePing, options: grpc.CallOptions, callback: grpc.requestCallback<_millrace_v1_Ack__Output>): grpc.ClientUnaryCall;
  circle(argument: _millrace_v1_CirclePing, callback: grpc.requestCallback<_millrace_v1_Ack__Output>): grpc.ClientUnaryCall;
  
  Deliver(argument: _millrace_v1_TeamEnvelope, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_millrace_v1_Ack__Output>): grpc.ClientUnaryCall;
  Deliver(argument: _millrace_v1_TeamEnvelope, metadata: grpc.Metadata, callback: grpc.requestCallback<_millrace_v1_Ack__Output>): grpc.ClientUnaryCall;
  Deliver(argument: _millrace_v1_TeamEnvelope, options: grpc.CallOptions, callback: grpc.requestCallback<_millrace_v1_Ack__Output>): grpc.ClientUnaryCall;
  Deliver(argument: _millrace_v1_TeamEnvelope, callback: grpc.requestCallback<_millrace_v1_Ack__Output>): grpc.ClientUnaryCall;
  deliver(argument: _millrace_v1_TeamEnvelope, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_millrace_v1_Ack__Output>): grpc.ClientUnaryCall;
  deliver(argument: _millrace_v1_TeamEnvelope, metadata: grpc.Metadata, callback: grpc.requestCallback<_millrace_v1_Ack__Output>): grpc.ClientUnaryCall;
  deliver(argument: _millrace_v1_TeamEnvelope, options: grpc.CallOptions, callback: grpc.requestCallback<_millrace_v1_Ack__Output>): grpc.ClientUnaryCall;
  deliver(argument: _millrace_v1_TeamEnvelope, callback: grpc.requestCallback<_millrace_v1_Ack__Output>): grpc.ClientUnaryCall;
  
  Ping(argument: _millrace_v1_PingRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_millrace_v1_PingReply__Output>): grpc.ClientUnaryCall;
  Ping(argument: _millrace_v1_PingRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_millrace_v1_PingReply__Output>): grpc.ClientUnaryCall;
  Ping(argument: _millrace_v1_PingRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_millrace_v1_PingReply__Output>): grpc.ClientUnaryCall;
  Ping(argument: _millrace_v1_PingRequest, callback: grpc.requestCallback<_millrace_v1_PingReply__Output>): grpc.ClientUnaryCall;
  ping(argument: _millrace_v1_PingRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_millrace_v1_PingReply__Output>): grpc.ClientUnaryCall;
  ping(argument: _millrace_v1_PingRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_millrace_v1_PingReply__Output>): grpc.ClientUnaryCall;
  ping(argument: _millrace_v1_PingRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_millrace_v1_PingReply__Output>): grpc.ClientUnaryCall;
  ping(argument: _millrace_v1_PingRequest, callback: grpc.requestCallback<_millrace_v1_PingReply__Output>): grpc.ClientUnaryCall;
  
  Screen(argument: _millrace_v1_ScreenRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_millrace_v1_ScreenReply__Output>): grpc.ClientUnaryCall;
  Screen(argument: _millrace_v1_ScreenRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_millrace_v1_ScreenReply__Output>): grpc.ClientUnaryCall;
  Screen(argument: _millrace_v1_ScreenRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_millrace_v1_ScreenReply__Output>): grpc.ClientUnaryCall;
  Screen(argument: _millrace_v1_ScreenRequest, callback: grpc.requestCallback<_millrace_v1_ScreenReply__Output>): grpc.ClientUnaryCall;
  screen(argument: _millrace_v1_ScreenRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_millrace_v1_ScreenReply__Output>): grpc.ClientUnaryCall;
  screen(argument: _millrace_v1_ScreenRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_millrace_v1_ScreenReply__Output>): grpc.ClientUnaryCall;
  screen(argument: _millrace_v1_ScreenRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_millrace_v1_ScreenReply__Output>): grpc.ClientUnaryCall;
  screen(argument: _millrace_v1_ScreenRequest, callback: grpc.requestCallback<_millrace_v1_ScreenReply__Output>): grpc.ClientUnaryCall;
  
  Transfer(metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_millrace_v1_Ack__Output>): grpc.ClientWritableStream<_millrace_v1_BatchFrame>;
  Transfer(metadata: grpc.Metadata, callback: grpc.requestCallback<_millrace_v1_Ack__Output>): grpc.ClientWritableStream<_millrace_v1_BatchFrame>;
  Transfer(options: grpc.CallOptions, callback: grpc.requestCallback<_millrace_v1_Ack__Output>): grpc.ClientWritableStream<_millrace_v1_BatchFrame>;
  Transfer(callback: grpc.requestCallback<_millrace_v1_Ack__Output>): grpc.ClientWritableStream<_millrace_v1_BatchFrame>;
  transfer(metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_millrace_v1_Ack__Output>): grpc.ClientWritableStream<_millrace_v1_BatchFrame>;
  transfer(metadata: grpc.Metadata, callback: grpc.requestCallback<_millrace_v1_Ack__Output>): grpc.ClientWritableStream<_millrace_v1_BatchFrame>;
  transfer(options: grpc.CallOptions, callback: grpc.requestCallback<_millrace_v1_Ack__Output>): grpc.ClientWritableStream<_millrace_v1_BatchFrame>;
  transfer(callback: grpc.requestCallback<_millrace_v1_Ack__Output>): grpc.ClientWritableStream<_millrace_v1_BatchFrame>;
  
  Warm(metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_millrace_v1_Ack__Output>): grpc.ClientWritableStream<_millrace_v1_WarmFrame>;
  Warm(metadata: grpc.Metadata, callback: grpc.requestCallback<_millrace_v1_Ack__Output>): grpc.ClientWritableStream<_millrace_v1_WarmFrame>;
  Warm(options: grpc.CallOptions, callback: grpc.requestCallback<_millrace_v1_Ack__Output>): grpc.ClientWritableStream<_millrace_v1_WarmFrame>;
  Warm(callback: grpc.requestCallback<_millrace_v1_Ack__Output>): grpc.ClientWritableStream<_millrace_v1_WarmFrame>;
  warm(metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_millrace_v1_Ack__Output>): grpc.ClientWritableStream<_millrace_v1_WarmFrame>;
  warm(metadata: grpc.Metadata, callback: grpc.requestCallback<_millrace_v1_Ack__Output>): grpc.ClientWritableStream<_millrace_v1_WarmFrame>;
  warm(options: grpc.CallOptions, callback: grpc.requestCallback<_millrace_v1_Ack__Output>): grpc.ClientWritableStream<_millrace_v1_WarmFrame>;
  warm(callback: grpc.requestCallback<_millrace_v1_Ack__Output>): grpc.ClientWritableStream<_millrace_v1_WarmFrame>;
  
}

export interface TeamHandlers extends grpc.UntypedServiceImplementation {
  Circle: grpc.handleUnaryCall<_millrace_v1_CirclePing__Output, _millrace_v1_Ack>;
  
  Deliver: grpc.handleUnaryCall<_millrace_v1_TeamEnvelope__Output, _millrace_v1_Ack>;
  
  Ping: grpc.handleUnaryCall<_millrace_v1_PingRequest__Output, _millrace_v1_PingReply>;
  
  Screen: grpc.handleUnaryCall<_millrace_v1_ScreenRequest__Output, _millrace_v1_ScreenReply>;
  
  Transfer: grpc.handleClientStreamingCall<_millrace_v1_BatchFrame__Output, _millrace_v1_Ack>;
  
  Warm: grpc.handleClientStreamingCall<_millrace_v1_WarmFrame__Output, _millrace_v1_Ack>;
  
}

export interface TeamDefinition extends grpc.ServiceDefinition {
  Circle: MethodDefinition<_millrace_v1_CirclePing, _millrace_v1_Ack, _millrace_v1_CirclePing__Output, _millrace_v1_Ack__Output>
  Deliver: MethodDefinition<_millrace_v1_TeamEnvelope, _millrace_v1_Ack, _millrace_v1_TeamEnvelope__Output, _millrace_v1_Ack__Output>
  Ping: MethodDefinition<_millrace_v1_PingRequest, _millrace_v1_PingReply, _millrace_v1_PingRequest__Output, _millrace_v1_PingReply__Output>
  Screen: MethodDefinition<_millrace_v1_ScreenRequest, _millrace_v1_ScreenReply, _millrace_v1_ScreenRequest__Output, _millrace_v1_ScreenReply__Output>
  Transfer: MethodDefinition<_millrace_v1_BatchFrame, _millrace_v1_Ack, _millrace_v1_BatchFrame__Output, _millrace_v1_Ack__Output>
  Warm: MethodDefinition<_millrace_v1_WarmFrame, _millrace_v1_Ack, _millrace_v1_WarmFrame__Output, _millrace_v1_Ack__Output>
}
