// A type for key material that cannot be printed by accident and can be wiped. Code that needs the bytes calls reveal(); a log
// line, a JSON document, an error value or util.inspect only ever show `[secret]`.
import { inspect } from 'node:util';

const SHOWN = '[secret]';

/**
 * Allocates zeros for a secret, outside of V8's heap. The collector moves a typed array of up to 64 bytes, and so does the first
 * access to its `buffer`; the old copy is never cleared: a core dump held seeds that were wiped everywhere else.
 */
export const secretBytes = (length: number): Uint8Array<ArrayBuffer> => new Uint8Array(new ArrayBuffer(length));

/**
 * Bytes that print as `[secret]` and can be overwritten. They are not copied: the Secret owns them. If nothing of them may remain
 * after wipe(), allocate them with {@link secretBytes}.
 */
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

  /** Returns the bytes themselves, for a computation. Never keep, print or copy them for longer. */
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
