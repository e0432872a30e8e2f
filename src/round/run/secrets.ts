// All secrets of a round, in one place, so that one call wipes all of them: exponents, r, s, π, slot keys, and the prepared
// operands that the engine holds for them. A result that arrives after the wipe (of work that was running when the round was
// aborted) is wiped on arrival and its step ends with ABORTED. Apart from round.ts because context.ts needs the type, too.
import { MixError, Secret } from '../../base/index.js';
import type { Prepared } from '../../engine/index.js';

type Wipeable = Uint8Array | Uint32Array | Secret | Prepared;

function wipe(held: Wipeable): void {
  if (held instanceof Secret) held.wipe();
  else if (held instanceof Uint8Array || held instanceof Uint32Array) held.fill(0);
  else held.release();
}

export class RoundSecrets {
  readonly #held = new Set<Wipeable>();
  readonly #elementBytes: number;
  #closed = false;

  /** `elementBytes`: of the round's group, for the size of prepared operands. */
  constructor(elementBytes: number) {
    this.#elementBytes = elementBytes;
  }

  /** Takes ownership of a secret and returns it. @throws MixError ABORTED after {@link wipe}; the secret is wiped then, too. */
  hold<T extends Wipeable>(secret: T): T {
    if (this.#closed) {
      wipe(secret);
      throw new MixError('ABORTED', { what: 'round secrets are wiped' });
    }
    this.#held.add(secret);
    return secret;
  }

  /** Wipes one secret that is not needed any more. */
  drop(secret: Wipeable): void {
    if (this.#held.delete(secret)) wipe(secret);
  }

  /** Bytes of secrets in memory: 0 after the wipe. A metric sums it over rounds. */
  get bytes(): number {
    let sum = 0;
    for (const held of this.#held) {
      if (held instanceof Secret) sum += held.length;
      else if (held instanceof Uint8Array || held instanceof Uint32Array) sum += held.byteLength;
      else sum += held.count * this.#elementBytes;
    }
    return sum;
  }

  /** Wipes all secrets, and those that arrive later. Idempotent. */
  wipe(): void {
    this.#closed = true;
    for (const held of this.#held) wipe(held);
    this.#held.clear();
  }
}
