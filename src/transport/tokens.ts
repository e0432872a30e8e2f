// Tokens: 32 random bytes that stand for a challenge or an authenticated connection that a server remembers. A token is a map key by its
// selector, is compared whole in constant time, and never prints.
import { inspect } from 'node:util';
import { equalBytes, fromHex, MixError, type Rng, randomBytes, toHex } from '../base/index.js';

const TOKEN_BYTES = 32;
/** Bytes by which a map is searched: the time of the search may depend on these, and on no others. */
const SELECTOR_BYTES = 8;
const SHOWN = '[secret]';

export class Token {
  readonly #bytes: Uint8Array;
  /** The first bytes as hex: they find the token, and reveal nothing of the rest. Not for logs. */
  readonly selector: string;

  private constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.selector = toHex(bytes.subarray(0, SELECTOR_BYTES));
  }

  static random(rng: Rng): Token {
    return new Token(randomBytes(rng, TOKEN_BYTES));
  }

  /** @throws MixError TOKEN_REFUSED if these are not 32 bytes */
  static of(bytes: Uint8Array): Token {
    if (!(bytes instanceof Uint8Array) || bytes.length !== TOKEN_BYTES) throw refused('not 32 bytes');
    return new Token(Uint8Array.from(bytes));
  }

  /** Parses a token as metadata carry it. @throws MixError TOKEN_REFUSED if it is not 64 hex digits */
  static parse(text: unknown): Token {
    const bytes = typeof text === 'string' && text.length === 2 * TOKEN_BYTES ? fromHex(text) : undefined;
    if (!bytes) throw refused('not 64 hex digits');
    return new Token(bytes);
  }

  /** The bytes themselves, for the wire and for signatures. */
  reveal(): Uint8Array {
    return this.#bytes;
  }

  /** As metadata carry it. */
  toMetadata(): string {
    return toHex(this.#bytes);
  }

  /** Compares in constant time. */
  equals(other: Token): boolean {
    return equalBytes(this.#bytes, other.#bytes);
  }

  toString(): string {
    return SHOWN;
  }

  toJSON(): string {
    return SHOWN;
  }

  [inspect.custom](): string {
    return SHOWN;
  }
}

/** The token that a connection's calls carry now; absent until its handshake, and after a refusal. */
export class LiveToken {
  #token: Token | undefined;

  get present(): boolean {
    return this.#token !== undefined;
  }

  get(): Token | undefined {
    return this.#token;
  }

  set(token: Token): void {
    this.#token = token;
  }

  /** Forgets a token that was refused, unless another one has taken its place already. True if it was this one. */
  clearIf(token: Token | undefined): boolean {
    if (this.#token === undefined || token === undefined || !this.#token.equals(token)) return false;
    this.#token = undefined;
    return true;
  }
}

/** The error for every fault of a token; `why` is for its owner, and tells an attacker nothing. */
export function refused(why: string): MixError {
  return new MixError('TOKEN_REFUSED', { why });
}
