// Values that a server remembers by token: bounded for each owner and in all, forgotten after a while, and used once by `take`. An owner
// that asks for more than its share loses its own oldest tokens and nobody else's, so a flood costs others nothing.
import type { Clock, Rng } from '../../base/index.js';
import { Token } from '../tokens.js';

interface TokenStoreOptions {
  /** Its monotonic time decides: setting a clock does not make a token older or younger. */
  readonly clock: Clock;
  readonly rng: Rng;
  readonly lifetimeMs: number;
  readonly perOwnerMax: number;
  /** Most tokens in all; beyond it, the owner with the most loses one. */
  readonly totalMax: number;
}

interface Entry<Value> {
  readonly token: Token;
  readonly owner: string;
  readonly value: Value;
  readonly expiresMs: number;
}

export class TokenStore<Value> {
  readonly #options: TokenStoreOptions;
  /** By selector, oldest first: all have the same lifetime, so the first ones expire next. */
  readonly #entries = new Map<string, Entry<Value>>();
  /** Selectors of each owner, oldest first. */
  readonly #owners = new Map<string, Set<string>>();

  constructor(options: TokenStoreOptions) {
    this.#options = options;
  }

  /** Tokens that are remembered and not expired. */
  get size(): number {
    this.#purge();
    return this.#entries.size;
  }

  /** Number of an owner's tokens. */
  countTokens(owner: string): number {
    this.#purge();
    return this.#owners.get(owner)?.size ?? 0;
  }

  /** Issues a fresh token for a value; the owner's oldest makes room if it has as many as it may. */
  issue(owner: string, value: Value): Token {
    const { clock, rng, lifetimeMs, perOwnerMax, totalMax } = this.#options;
    this.#purge();
    if ((this.#owners.get(owner)?.size ?? 0) >= perOwnerMax) this.#dropOldest(owner);
    if (this.#entries.size >= totalMax) this.#dropOldest(this.#largestOwner());
    let token = Token.random(rng);
    while (this.#entries.has(token.selector)) token = Token.random(rng);
    this.#entries.set(token.selector, { token, owner, value, expiresMs: clock.nowMs() + lifetimeMs });
    const owned = this.#owners.get(owner) ?? new Set();
    this.#owners.set(owner, owned.add(token.selector));
    return token;
  }

  /** Finds the value and owner of a token; undefined if it is unknown or expired. */
  find(token: Token): { readonly owner: string; readonly value: Value } | undefined {
    this.#purge();
    const entry = this.#entries.get(token.selector);
    return entry?.token.equals(token) ? entry : undefined;
  }

  /** Finds a token and uses it up. */
  take(token: Token): { readonly owner: string; readonly value: Value } | undefined {
    const found = this.find(token);
    if (found) this.#drop(token.selector);
    return found;
  }

  /** Forgets everything of an owner. */
  dropOwner(owner: string): void {
    for (const selector of [...(this.#owners.get(owner) ?? [])]) this.#drop(selector);
  }

  /** Forgets the tokens of which `holds` is true. */
  dropWhere(holds: (owner: string, value: Value) => boolean): void {
    for (const [selector, { owner, value }] of [...this.#entries]) if (holds(owner, value)) this.#drop(selector);
  }

  /** Owners that have tokens. */
  owners(): readonly string[] {
    this.#purge();
    return [...this.#owners.keys()];
  }

  #purge(): void {
    const nowMs = this.#options.clock.nowMs();
    for (const [selector, { expiresMs }] of this.#entries) {
      if (expiresMs > nowMs) return;
      this.#drop(selector);
    }
  }

  #largestOwner(): string {
    let largest = '';
    let most = 0;
    for (const [owner, { size }] of this.#owners) {
      if (size > most) [largest, most] = [owner, size];
    }
    return largest;
  }

  #dropOldest(owner: string): void {
    const [oldest] = this.#owners.get(owner) ?? [];
    if (oldest !== undefined) this.#drop(oldest);
  }

  #drop(selector: string): void {
    const entry = this.#entries.get(selector);
    if (!entry) return;
    this.#entries.delete(selector);
    const owned = this.#owners.get(entry.owner);
    owned?.delete(selector);
    if (owned?.size === 0) this.#owners.delete(entry.owner);
  }
}
