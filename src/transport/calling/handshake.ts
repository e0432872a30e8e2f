// The client's half of a handshake: asks for a challenge, signs it together with the TLS channel binding and the hellos of both sides,
// and gets the session's token, signed by the server's identity. A peer of protocol 1.0 knows no handshake.
import { MixError, timeOfDayIn } from '../../base/index.js';
import { SIGNATURE_BYTES, verifySignature } from '../../cmix/index.js';
import { type grpc, services } from '../grpc.js';
import type { AuthenticateReply__Output } from '../proto/generated/millrace/v1/AuthenticateReply.js';
import type { TokenReply__Output } from '../proto/generated/millrace/v1/TokenReply.js';
import { fromStatus, isUnimplemented } from '../status.js';
import { Token } from '../tokens.js';
import {
  checkHello,
  clientProof,
  FIRST_HELLO,
  type HandshakeFacts,
  type Hello,
  OWN_HELLO,
  serverProof,
} from '../versions.js';
import { asBytes } from '../wire.js';
import { openStub } from './call.js';
import type { Connection } from './connection.js';

/** Identity of this process to the peers that it calls. */
export interface Self {
  readonly network: string;
  /** Name of this process: a node's id. */
  readonly id: string;
  sign(digest: Uint8Array): Uint8Array;
}

/** Identity that a peer must prove. */
export interface PeerIdentity {
  readonly id: string;
  /** Ed25519, 32 bytes. */
  readonly identityKey: Uint8Array;
}

interface Session {
  /** Undefined if the peer speaks protocol 1.0. */
  readonly token: Token | undefined;
  readonly hello: Hello;
}

/**
 * Authenticates a connection, both ways.
 * @throws MixError HANDSHAKE_REFUSED, PROTOCOL_UNSUPPORTED, PEER_UNKNOWN, LINK_*
 */
export async function authenticate(
  connection: Connection,
  self: Self,
  peer: PeerIdentity,
  timeoutMs: number,
): Promise<Session> {
  const client = openStub(services.Handshake, connection);
  const deadline = timeOfDayIn(timeoutMs);
  const ask = <Reply>(make: (options: grpc.CallOptions, done: grpc.requestCallback<Reply>) => void): Promise<Reply> =>
    new Promise((resolve, reject) => {
      make({ deadline }, (error, reply) => (error ? reject(error) : resolve(reply!)));
    });
  let challenge: TokenReply__Output;
  try {
    const hello = { ...OWN_HELLO, features: [...OWN_HELLO.features] };
    challenge = await ask<TokenReply__Output>((options, done) => client.requestToken({ hello }, options, done));
  } catch (thrown) {
    if (isUnimplemented(thrown)) return { token: undefined, hello: FIRST_HELLO };
    throw fromStatus(thrown, peer.id);
  }
  if (!challenge.hello) throw new MixError('MESSAGE_MALFORMED', { what: 'hello', peer: peer.id });
  const serverHello = checkHello(challenge.hello);
  const facts: HandshakeFacts = {
    network: self.network,
    token: Token.of(asBytes(challenge.token)).reveal(),
    client: self.id,
    server: peer.id,
    binding: connection.binding,
    clientHello: OWN_HELLO,
    serverHello,
  };
  const signature = self.sign(clientProof(facts));
  let reply: AuthenticateReply__Output;
  try {
    reply = await ask<AuthenticateReply__Output>((options, done) =>
      client.authenticate({ token: facts.token, signature }, options, done),
    );
  } catch (thrown) {
    throw fromStatus(thrown, peer.id);
  }
  const token = Token.of(asBytes(reply.token));
  const proof = asBytes(reply.signature);
  if (
    proof.length !== SIGNATURE_BYTES ||
    !verifySignature(peer.identityKey, serverProof(facts, token.reveal()), proof)
  ) {
    throw new MixError('HANDSHAKE_REFUSED', { peer: peer.id, why: 'its signature is not of its identity key' });
  }
  return { token, hello: serverHello };
}
