// Authenticates calls to a listener between members. A caller shows a pinned certificate and, since 1.1, the token of a session that
// was authenticated on this very connection. A member of 1.0 calls without a token; one that has a session here does not.

import { type Clock, equalBytes, MixError, type NodeId, type Rng } from '../../base/index.js';
import { verifySignature } from '../../cmix/index.js';
import type { Member, Membership } from '../../protocol/index.js';
import { isServed } from '../channelBinding.js';
import type { AuthContext } from '../grpc.js';
import { refused, Token } from '../tokens.js';
import { checkHello, clientProof, type HandshakeFacts, type Hello, OWN_HELLO, serverProof } from '../versions.js';
import { authenticatePeer } from './peers.js';
import { TokenStore } from './tokenStore.js';

/** A challenge is answered in a round trip; one that is older was never meant to be. */
const CHALLENGE_MS = 15_000;
/** Challenges of a member at a time: one for each lane, and some for connections that have just failed. */
const CHALLENGES_EACH = 8;
/** A session that is older is authenticated again, with whatever keys hold then. */
const SESSION_MS = 3_600_000;
/** Sessions of a member: its lanes, those that it has lost and we do not know of yet, and more of it than one process. */
const SESSIONS_EACH = 16;
const MEMBERS_MAX = 4_096;

export interface CallAuthenticatorOptions {
  readonly network: string;
  /** Who we are: what a caller believes it called. */
  readonly self: { readonly id: string; sign(digest: Uint8Array): Uint8Array };
  readonly membership: () => Membership;
  readonly clock: Clock;
  readonly rng: Rng;
  /** Whether members of 1.0, which know no tokens, are refused. */
  readonly tokensRequired?: boolean;
  readonly sessionMs?: number;
  readonly challengeMs?: number;
}

/** What the transport knows of a call before any of its messages is read. */
export interface CallFacts {
  readonly context: AuthContext;
  /** Of its TLS connection; undefined where that is closed by now. */
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

/** Calls that make a session have none yet. */
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
      // A member that has shown tokens needs one from then on: a stolen TLS key alone is not enough.
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
   * Ends a handshake: a session for what the member has signed. The challenge is used up, whatever comes of it.
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

  /** A session ends with its connection. */
  #forgetClosed({ node }: Member): void {
    this.#sessions.dropWhere((owner, { binding }) => owner === node && !isServed(binding));
  }

  /** Forgets sessions and challenges of whoever is a member no more. */
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
