// Original file: src/transport/proto/millrace.proto

import type * as grpc from '@grpc/grpc-js'
import type { MethodDefinition } from '@grpc/proto-loader'
import type { AuthenticateReply as _millrace_v1_AuthenticateReply, AuthenticateReply__Output as _millrace_v1_AuthenticateReply__Output } from './AuthenticateReply.js';
import type { AuthenticateRequest as _millrace_v1_AuthenticateRequest, AuthenticateRequest__Output as _millrace_v1_AuthenticateRequest__Output } from './AuthenticateRequest.js';
import type { TokenReply as _millrace_v1_TokenReply, TokenReply__Output as _millrace_v1_TokenReply__Output } from './TokenReply.js';
import type { TokenRequest as _millrace_v1_TokenRequest, TokenRequest__Output as _millrace_v1_TokenRequest__Output } from './TokenRequest.js';

export interface HandshakeClient extends grpc.Client {
  Authenticate(argument: _millrace_v1_AuthenticateRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_millrace_v1_AuthenticateReply__Output>): grpc.ClientUnaryCall;
  Authenticate(argument: _millrace_v1_AuthenticateRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_millrace_v1_AuthenticateReply__Output>): grpc.ClientUnaryCall;
  Authenticate(argument: _millrace_v1_AuthenticateRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_millrace_v1_AuthenticateReply__Output>): grpc.ClientUnaryCall;
  Authenticate(argument: _millrace_v1_AuthenticateRequest, callback: grpc.requestCallback<_millrace_v1_AuthenticateReply__Output>): grpc.ClientUnaryCall;
  authenticate(argument: _millrace_v1_AuthenticateRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_millrace_v1_AuthenticateReply__Output>): grpc.ClientUnaryCall;
  authenticate(argument: _millrace_v1_AuthenticateRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_millrace_v1_AuthenticateReply__Output>): grpc.ClientUnaryCall;
  authenticate(argument: _millrace_v1_AuthenticateRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_millrace_v1_AuthenticateReply__Output>): grpc.ClientUnaryCall;
  authenticate(argument: _millrace_v1_AuthenticateRequest, callback: grpc.requestCallback<_millrace_v1_AuthenticateReply__Output>): grpc.ClientUnaryCall;
  
  RequestToken(argument: _millrace_v1_TokenRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_millrace_v1_TokenReply__Output>): grpc.ClientUnaryCall;
  RequestToken(argument: _millrace_v1_TokenRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_millrace_v1_TokenReply__Output>): grpc.ClientUnaryCall;
  RequestToken(argument: _millrace_v1_TokenRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_millrace_v1_TokenReply__Output>): grpc.ClientUnaryCall;
  RequestToken(argument: _millrace_v1_TokenRequest, callback: grpc.requestCallback<_millrace_v1_TokenReply__Output>): grpc.ClientUnaryCall;
  requestToken(argument: _millrace_v1_TokenRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_millrace_v1_TokenReply__Output>): grpc.ClientUnaryCall;
  requestToken(argument: _millrace_v1_TokenRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_millrace_v1_TokenReply__Output>): grpc.ClientUnaryCall;
  requestToken(argument: _millrace_v1_TokenRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_millrace_v1_TokenReply__Output>): grpc.ClientUnaryCall;
  requestToken(argument: _millrace_v1_TokenRequest, callback: grpc.requestCallback<_millrace_v1_TokenReply__Output>): grpc.ClientUnaryCall;
  
}

export interface HandshakeHandlers extends grpc.UntypedServiceImplementation {
  Authenticate: grpc.handleUnaryCall<_millrace_v1_AuthenticateRequest__Output, _millrace_v1_AuthenticateReply>;
  
  RequestToken: grpc.handleUnaryCall<_millrace_v1_TokenRequest__Output, _millrace_v1_TokenReply>;
  
}

export interface HandshakeDefinition extends grpc.ServiceDefinition {
  Authenticate: MethodDefinition<_millrace_v1_AuthenticateRequest, _millrace_v1_AuthenticateReply, _millrace_v1_AuthenticateRequest__Output, _millrace_v1_AuthenticateReply__Output>
  RequestToken: MethodDefinition<_millrace_v1_TokenRequest, _millrace_v1_TokenReply, _millrace_v1_TokenRequest__Output, _millrace_v1_TokenReply__Output>
}
