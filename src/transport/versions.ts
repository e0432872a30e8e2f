// Versions of the protocol: a major version that must be equal, a minor version that only adds, and names of features that either side
// may lack. Both ends state theirs in the handshake, and sign the other's: nobody can talk them down.
import { digest, MixError } from '../base/index.js';

/** Features that a peer may lack; then they are not used with it. */
const FEATURES = ['session-tokens', 'warm', 'circle', 'screen'] as const;
type Feature = (typeof FEATURES)[number];

/** Version and features of one side. */
export interface Hello {
  readonly major: number;
  readonly minor: number;
  readonly features: readonly string[];
}

/** 1.0 had no handshake: mutual TLS alone. 1.1 has tokens, warming and the ring's ping, 1.2 judges submissions as they come. */
export const OWN_HELLO: Hello = { major: 1, minor: 2, features: FEATURES };
/** Hello of a peer that knows no handshake. */
export const FIRST_HELLO: Hello = { major: 1, minor: 0, features: [] };

const FEATURES_MAX = 64;
const FEATURE_LENGTH_MAX = 64;

/** @throws MixError PROTOCOL_UNSUPPORTED, MESSAGE_MALFORMED */
export function checkHello(hello: Hello): Hello {
  const { major, minor, features } = hello;
  if (!Number.isInteger(major) || !Number.isInteger(minor) || features.length > FEATURES_MAX) {
    throw new MixError('MESSAGE_MALFORMED', { what: 'hello' });
  }
  for (const feature of features) {
    if (feature.length > FEATURE_LENGTH_MAX || !/^[a-z0-9-]+$/.test(feature)) {
      throw new MixError('MESSAGE_MALFORMED', { what: 'hello', field: 'features' });
    }
  }
  if (major !== OWN_HELLO.major) {
    throw new MixError('PROTOCOL_UNSUPPORTED', {
      theirs: `${major}.${minor}`,
      ours: `${OWN_HELLO.major}.${OWN_HELLO.minor}`,
    });
  }
  return hello;
}

export function hasFeature(hello: Hello, feature: Feature): boolean {
  return hello.features.includes(feature);
}

function helloDigest({ major, minor, features }: Hello): Uint8Array {
  return digest('hello', major, minor, ...features);
}

/** All facts that the signatures of a handshake cover, so that they fit no other one. */
export interface HandshakeFacts {
  readonly network: string;
  /** The challenge. */
  readonly token: Uint8Array;
  readonly client: string;
  readonly server: string;
  /** Channel binding of the TLS connection (RFC 9266). */
  readonly binding: Uint8Array;
  readonly clientHello: Hello;
  readonly serverHello: Hello;
}

/** Digest that the client signs with its identity key. */
export function clientProof(facts: HandshakeFacts): Uint8Array {
  return transcript('client', facts);
}

/** Digest that the server signs in return; `session` is the token that it gives. */
export function serverProof(facts: HandshakeFacts, session: Uint8Array): Uint8Array {
  return digest('handshake-server', transcript('server', facts), session);
}

function transcript(role: 'client' | 'server', facts: HandshakeFacts): Uint8Array {
  const { network, token, client, server, binding, clientHello, serverHello } = facts;
  const hellos = [helloDigest(clientHello), helloDigest(serverHello)];
  return digest('handshake', role, network, token, client, server, binding, ...hellos);
}
