// The certificates of a simulated node, one after the other, and a listener's view of calls with them.
import { X509Certificate } from 'node:crypto';
import type { Clock } from '../../../src/base/clock.js';
import { type Rng, randomBytes } from '../../../src/base/rng.js';
import type { SigningKey } from '../../../src/cmix/signatures.js';
import type { Member } from '../../../src/protocol/membership.js';
import { type CertificatePair, createCertificate } from '../../../src/transport/certificates.js';
import type { AuthContext } from '../../../src/transport/grpc.js';
import type { CallAuthenticator, CallFacts } from '../../../src/transport/serving/callAuthenticator.js';
import type { Token } from '../../../src/transport/tokens.js';
import { clientProof, OWN_HELLO } from '../../../src/transport/versions.js';

/** More than the day after which it is renewed, less than two: a missed renewal shows. */
const VALID_DAYS = 1.5;

export class Papers {
  readonly #name: string;
  readonly #clock: Clock;
  readonly #rng: Rng;
  #pair: CertificatePair;
  #next: CertificatePair | undefined;
  #context: AuthContext;
  #before: AuthContext | undefined;

  private constructor(name: string, clock: Clock, rng: Rng, pair: CertificatePair) {
    this.#name = name;
    this.#clock = clock;
    this.#rng = rng;
    this.#pair = pair;
    this.#context = contextOf(pair);
  }

  static async issue(name: string, clock: Clock, rng: Rng): Promise<Papers> {
    return new Papers(name, clock, rng, await createCertificate(name, VALID_DAYS, clock.wallMs()));
  }

  get pair(): CertificatePair {
    return this.#pair;
  }

  get next(): CertificatePair | undefined {
    return this.#next;
  }

  /** A listener's authentication context of the certificate in use; `before` is that of the previous one. */
  get context(): AuthContext {
    return this.#context;
  }

  get before(): AuthContext | undefined {
    return this.#before;
  }

  /** Makes the next certificate, to be listed beside the one in use. */
  async prepare(): Promise<void> {
    this.#next = await createCertificate(this.#name, VALID_DAYS, this.#clock.wallMs());
  }

  /** The owner changes to the next certificate. */
  change(): void {
    this.#before = this.#context;
    this.#pair = this.#next!;
    this.#next = undefined;
    this.#context = contextOf(this.#pair);
  }

  #binding: Uint8Array = new Uint8Array(32);

  get call(): Pick<CallFacts, 'context' | 'binding'> {
    return { context: this.#context, binding: this.#binding };
  }

  /** Opens a session at an authenticator, over a connection of its own. */
  handshake(
    authenticator: CallAuthenticator,
    member: Member,
    who: { readonly network: string; readonly client: SigningKey; readonly server: string },
  ): Token {
    this.#binding = randomBytes(this.#rng, 32);
    const { token } = authenticator.challenge(member, this.#binding, OWN_HELLO);
    const proof = clientProof({
      ...{ network: who.network, client: who.client.nodeId, server: who.server },
      ...{ token: token.reveal(), binding: this.#binding, clientHello: OWN_HELLO, serverHello: OWN_HELLO },
    });
    return authenticator.authenticate(member, this.#binding, token, who.client.sign(proof)).token;
  }
}

function contextOf({ certificate }: CertificatePair): AuthContext {
  const sslPeerCertificate = new X509Certificate(certificate).toLegacyObject();
  return { transportSecurityType: 'ssl', sslPeerCertificate } as AuthContext;
}
