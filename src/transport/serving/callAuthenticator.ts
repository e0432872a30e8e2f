// Authenticates calls to a listener between members. A caller shows a pinned certificate and, since protocol 1.1, the token of a session
// that was authenticated on this very connection. A member of 1.0 calls without a token, unless it has a session here.

import { type Clock, equalBytes, MixError, type NodeId, type Rng } from '../../base/index.js';
import { verifySignature } from '../../cmix/index.js';
import type { Member, Membership } from '../../protocol/index.js';
import { isServed } from '../channelBinding.js';
import type { AuthContext } from '../grpc.js';
import { refused, Token } from '../tokens.js';
import { checkHello, clientProof, type HandshakeFacts, type Hello, OWN_HELLO, serverProof } from '../versions.js';
import { authenticatePeer } from './callerCertificates.js';
import { TokenStore } from './tokenStore.js';

/** Lifetime of a challenge: an answer takes a round trip; an older challenge will not get one. */
const CHALLENGE_MS = 15_000;
/** Most challenges of a member at a time: one for each lane, and some for connections that have just failed. */
const CHALLENGES_EACH = 8;
/** Lifetime of a session; after it the member authenticates again, with the keys that hold then. */
const SESSION_MS = 3_600_000;
/** Most sessions of a member: its lanes, those that it has lost without our knowledge, and those of further processes of it. */
const SESSIONS_EACH = 16;
const MEMBERS_MAX = 4_096;

export interface CallAuthenticatorOptions {
  readonly network: string;
  /** Identity of this server: a caller must expect the same one. */
  readonly self: { readonly id: string; sign(digest: Uint8Array): Uint8Array };
  readonly membership: () => Membership;
  readonly clock: Clock;
  readonly rng: Rng;
  /** True if members of protocol 1.0, which know no tokens, are refused. */
  readonly tokensRequired?: boolean;
  readonly sessionMs?: number;
  readonly challengeMs?: number;
}

/** Facts of a call that the transport knows before any message is read. */
export interface CallFacts {
  readonly context: AuthContext;
  /** Binding of its TLS connection; undefined if that is closed by now. */
  readonly binding: Uint8Array | undefined;
  /** The values of `mix-token` in its metadata. */
  readonly tokens: readonly unknown[];
  /** Full path of the method. */
  readonly path: string;
}

interface Challenge {
  readonly binding: Uint8Array;
  readonly hello: Hello;
}

interface Session {
  readonly binding: Uint8Array;
  readonly hello: Hello;
}

/** Path of the calls that make a session; they have none yet. */
const HANDSHAKE = '/millrace.v1.Handshake/';

export class CallAuthenticator {
  readonly #options: CallAuthenticatorOptions;
  readonly #challenges: TokenStore<Challenge>;
  readonly #sessions: TokenStore<Session>;

  constructor(options: CallAuthenticatorOptions) {
    this.#options = options;
    const { clock, rng, challengeMs = CHALLENGE_MS, sessionMs = SESSION_MS } = options;
    const bounds = (each: number) => ({ clock, rng, perOwnerMax: each, totalMax: each * MEMBERS_MAX });
    this.#challenges = new TokenStore({ ...bounds(CHALLENGES_EACH), lifetimeMs: challengeMs });
    this.#sessions = new TokenStore({ ...bounds(SESSIONS_EACH), lifetimeMs: sessionMs });
  }

  /** Challenges and sessions that are open, for metrics and tests. */
  get size(): { readonly challenges: number; readonly sessions: number } {
    return { challenges: this.#challenges.size, sessions: this.#sessions.size };
  }

  /** The member behind a certificate. @throws MixError PEER_UNKNOWN, CERTIFICATE_EXPIRED */
  identify(context: AuthContext): Member {
    return authenticatePeer(context, this.#options.membership(), this.#options.clock);
  }

  /** Lets a call in. @throws MixError PEER_UNKNOWN, CERTIFICATE_EXPIRED, TOKEN_REFUSED */
  admit({ context, binding, tokens, path }: CallFacts): Member {
    const member = this.identify(context);
    if (path.startsWith(HANDSHAKE)) return member;
    const [value] = tokens;
    if (tokens.length === 0) {
      const { tokensRequired = false } = this.#options;
      // A member with a session needs its token: a stolen TLS key alone is not enough.
      if (!tokensRequired) this.#forgetClosed(member);
      if (tokensRequired || this.#sessions.countTokens(member.node) > 0) throw refused('missing');
      return member;
    }
    if (tokens.length > 1) throw refused('more than one');
    const session = this.#sessions.find(Token.parse(value));
    if (!session) throw refused('unknown or expired');
    if (session.owner !== member.node || !binding || !equalBytes(session.value.binding, binding)) {
      throw refused('of another connection');
    }
    return member;
  }

  /** Begins a handshake. @throws MixError PROTOCOL_UNSUPPORTED, MESSAGE_MALFORMED, HANDSHAKE_REFUSED */
  challenge(member: Member, binding: Uint8Array | undefined, hello: Hello): { token: Token; hello: Hello } {
    checkHello(hello);
    if (!binding) throw new MixError('HANDSHAKE_REFUSED', { why: 'the connection is closed' });
    return { token: this.#challenges.issue(member.node, { binding, hello }), hello: OWN_HELLO };
  }

  /**
   * Ends a handshake: opens a session if the member has signed. The challenge is used up in any case.
   * @throws MixError TOKEN_REFUSED, HANDSHAKE_REFUSED
   */
  authenticate(
    member: Member,
    binding: Uint8Array | undefined,
    challenge: Token,
    signature: Uint8Array,
  ): { token: Token; signature: Uint8Array } {
    const taken = this.#challenges.take(challenge);
    if (!taken || taken.owner !== member.node) throw refused('unknown or expired');
    const { binding: bound, hello } = taken.value;
    if (!binding || !equalBytes(bound, binding)) throw refused('of another connection');
    const { network, self } = this.#options;
    const facts: HandshakeFacts = {
      network,
      token: challenge.reveal(),
      client: member.node,
      server: self.id,
      binding,
      clientHello: hello,
      serverHello: OWN_HELLO,
    };
    if (!verifySignature(member.identityKey, clientProof(facts), signature)) {
      throw new MixError('HANDSHAKE_REFUSED', { node: member.node, why: 'not signed by its identity key' });
    }
    this.#forgetClosed(member);
    const token = this.#sessions.issue(member.node, { binding, hello });
    return { token, signature: self.sign(serverProof(facts, token.reveal())) };
  }

  /** Forgets a member's sessions whose connections are closed. */
  #forgetClosed({ node }: Member): void {
    this.#sessions.dropWhere((owner, { binding }) => owner === node && !isServed(binding));
  }

  /** Forgets sessions and challenges of nodes that are no members any more. */
  follow(membership: Membership): void {
    for (const store of [this.#challenges, this.#sessions]) {
      for (const owner of store.owners()) if (!membership.find(owner as NodeId)) store.dropOwner(owner);
    }
  }

  /** Forgets all sessions, so that everybody authenticates again. */
  endSessions(): void {
    this.#sessions.dropWhere(() => true);
  }
}
