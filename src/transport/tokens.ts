// Tokens: 32 random bytes that stand for something a server remembers, a challenge or an authenticated connection. A token is
// usable as a key of a map by its selector, compared whole in constant time, and never prints.
import { inspect } from 'node:util';
import { equalBytes, fromHex, MixError, type Rng, randomBytes, toHex } from '../base/index.js';

const TOKEN_BYTES = 32;
/** The part that a map is searched by: how long that search takes may depend on these bytes, and on no others. */
const SELECTOR_BYTES = 8;
const SHOWN = '[secret]';

export class Token {
  readonly #bytes: Uint8Array;
  /** The first bytes as hex: what finds the token, and says nothing of the rest. Not for logs. */
  readonly selector: string;

  private constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.selector = toHex(bytes.subarray(0, SELECTOR_BYTES));
  }

  static random(rng: Rng): Token {
    return new Token(randomBytes(rng, TOKEN_BYTES));
  }

  /** @throws MixError TOKEN_REFUSED where these are not 32 bytes */
  static of(bytes: Uint8Array): Token {
    if (!(bytes instanceof Uint8Array) || bytes.length !== TOKEN_BYTES) throw refused('not 32 bytes');
    return new Token(Uint8Array.from(bytes));
  }

  /** A token as metadata carry it. @throws MixError TOKEN_REFUSED where it is not 64 hex digits */
  static parse(text: unknown): Token {
    const bytes = typeof text === 'string' && text.length === 2 * TOKEN_BYTES ? fromHex(text) : undefined;
    if (!bytes) throw refused('not 64 hex digits');
    return new Token(bytes);
  }

  /** The bytes themselves, for the wire and for what is signed. */
  reveal(): Uint8Array {
    return this.#bytes;
  }

  /** As metadata carry it. */
  toMetadata(): string {
    return toHex(this.#bytes);
  }

  /** In time that does not depend on what the bytes are. */
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

  /** Forgets a token that was refused, unless another one has taken its place already. True where it was this one. */
  clearIf(token: Token | undefined): boolean {
    if (this.#token === undefined || token === undefined || !this.#token.equals(token)) return false;
    this.#token = undefined;
    return true;
  }
}

/** The one error of everything that is wrong with a token; `why` is for its owner, and tells an attacker nothing. */
export function refused(why: string): MixError {
  return new MixError('TOKEN_REFUSED', { why });
}
