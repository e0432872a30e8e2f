// The server's half of a handshake on the wire, apart from transport/serving/callAuthenticator.ts, which decides and knows no gRPC
// service.

import { type grpc, services } from '../grpc.js';
import type { HandshakeHandlers } from '../proto/generated/millrace/v1/Handshake.js';
import { Token } from '../tokens.js';
import { asBytes, malformed } from '../wire.js';
import type { CallAuthenticator } from './callAuthenticator.js';
import type { CallErrors, CallerContext } from './server.js';

export function addHandshakeService(server: grpc.Server, errors: CallErrors, authenticator: CallAuthenticator): void {
  const handlers: HandshakeHandlers = {
    RequestToken: errors.unary('RequestToken', ({ hello }, context: CallerContext) => {
      if (!hello) throw malformed('hello');
      const member = authenticator.identify(context);
      const given = authenticator.challenge(member, context.binding, hello);
      return { token: given.token.reveal(), hello: { ...given.hello, features: [...given.hello.features] } };
    }),
    Authenticate: errors.unary('Authenticate', ({ token, signature }, context: CallerContext) => {
      const member = authenticator.identify(context);
      const given = authenticator.authenticate(member, context.binding, Token.of(asBytes(token)), asBytes(signature));
      return { token: given.token.reveal(), signature: given.signature };
    }),
  };
  server.addService(services.Handshake.service, handlers);
}
