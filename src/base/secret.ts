// A type for key material that cannot be printed by accident and can be wiped on purpose. Whoever needs the bytes says
// so with reveal(); a log line, a JSON document, an error value or util.inspect only ever show `[secret]`.
import { inspect } from 'node:util';

const SHOWN = '[secret]';

/** Bytes that print as `[secret]` and can be overwritten. The bytes are not copied: the Secret owns them. */
export class Secret {
  readonly #bytes: Uint8Array;
  #wiped = false;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  get length(): number {
    return this.#bytes.length;
  }

  get wiped(): boolean {
    return this.#wiped;
  }

  /** The bytes themselves, for a computation. Never keep, print or copy them longer than that. */
  reveal(): Uint8Array {
    return this.#bytes;
  }

  /** Overwrites the bytes with zeros. Idempotent. */
  wipe(): void {
    this.#bytes.fill(0);
    this.#wiped = true;
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

/** Overwrites several buffers with zeros. */
export function wipeAll(...buffers: readonly (Uint8Array | Secret | undefined)[]): void {
  for (const buffer of buffers) {
    if (buffer instanceof Secret) buffer.wipe();
    else buffer?.fill(0);
  }
}
