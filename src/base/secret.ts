// A type for key material that cannot be printed by accident and can be wiped on purpose. Code that needs the bytes says
// so with reveal(); a log line, a JSON document, an error value or util.inspect only ever show `[secret]`.
import { inspect } from 'node:util';

const SHOWN = '[secret]';

/**
 * Zeros to make a secret in, outside of V8's heap. The collector moves a typed array of up to 64 bytes, and so does the first look at
 * its `buffer`; what is left behind is never cleared: a core held seeds that were wiped everywhere else.
 */
export const secretBytes = (length: number): Uint8Array<ArrayBuffer> => new Uint8Array(new ArrayBuffer(length));

/**
 * Bytes that print as `[secret]` and can be overwritten. They are not copied: the Secret owns them. Where nothing of them may be left
 * after wipe(), {@link secretBytes} made them.
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
