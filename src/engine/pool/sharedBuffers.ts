// Buffers on their way to other threads and to native code, which take shared memory only: a caller's own buffers where they
// are shared, else copies that are wiped at the end.

/** Buffers of one operation in shared memory: the caller's own where they are, else copies, which are wiped at the end. */
export class Shared {
  readonly #copies: (Uint8Array | Uint32Array)[] = [];
  #back: (() => void) | undefined;

  input(bytes: Uint8Array): Uint8Array {
    if (isShared(bytes)) return bytes;
    const copy = this.scratch(bytes.length);
    copy.set(bytes);
    return copy;
  }

  indices(source: Uint32Array): Uint32Array {
    if (isShared(source)) return source;
    const copy = new Uint32Array(new SharedArrayBuffer(source.byteLength));
    copy.set(source);
    this.#copies.push(copy);
    return copy;
  }

  output(bytes: Uint8Array): Uint8Array {
    if (isShared(bytes)) return bytes;
    const result = this.scratch(bytes.length);
    this.#back = () => bytes.set(result);
    return result;
  }

  scratch(length: number): Uint8Array {
    const bytes = new Uint8Array(new SharedArrayBuffer(length));
    this.#copies.push(bytes);
    return bytes;
  }

  /** Brings the result to where the caller wants it. */
  finish(): void {
    this.#back?.();
  }

  wipe(): void {
    for (const copy of this.#copies) copy.fill(0);
  }
}

/** Kernels read words: shared memory at an odd offset is copied like private memory. */
const isShared = (view: Uint8Array | Uint32Array): boolean =>
  view.buffer instanceof SharedArrayBuffer && view.byteOffset % 8 === 0;
