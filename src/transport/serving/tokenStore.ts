// What a server remembers by token: bounded for each owner and in all, forgotten after a while, used once where it is taken.
// An owner that asks for more than its share loses its own oldest tokens and nobody else's, so a flood costs others nothing.
import type { Clock, Rng } from '../../base/index.js';
import { Token } from '../tokens.js';

interface TokenStoreOptions {
  /** Its monotonic time decides: a clock that is set does not make a token older or younger. */
  readonly clock: Clock;
  readonly rng: Rng;
  readonly lifetimeMs: number;
  readonly perOwnerMax: number;
  /** In all; the owner who has the most pays for one more. */
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
  /** By selector, oldest first: all live equally long, so the first ones are those that expire next. */
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

  /** How many of them are an owner's. */
  countTokens(owner: string): number {
    this.#purge();
    return this.#owners.get(owner)?.size ?? 0;
  }

  /** A fresh token for a value; the oldest of the owner's makes room where it has as many as it may. */
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

  /** What a token stands for; undefined where it is unknown or expired. */
  find(token: Token): { readonly owner: string; readonly value: Value } | undefined {
    this.#purge();
    const entry = this.#entries.get(token.selector);
    return entry?.token.equals(token) ? entry : undefined;
  }

  /** The same, and the token is used up. */
  take(token: Token): { readonly owner: string; readonly value: Value } | undefined {
    const found = this.find(token);
    if (found) this.#drop(token.selector);
    return found;
  }

  /** Forgets everything of an owner. */
  dropOwner(owner: string): void {
    for (const selector of [...(this.#owners.get(owner) ?? [])]) this.#drop(selector);
  }

  /** Forgets what `holds` is true of. */
  dropWhere(holds: (owner: string, value: Value) => boolean): void {
    for (const [selector, { owner, value }] of [...this.#entries]) if (holds(owner, value)) this.#drop(selector);
  }

  /** Owners that have any. */
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
