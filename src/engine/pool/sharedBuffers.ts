// Buffers for other threads and native code, which take shared memory only.
import { type ComputeRequest, type View, withOperands } from '../checked/request.js';

/** Buffers of one operation in shared memory: the caller's own if they are shared, else copies, which are wiped at the end. */
export class SharedBuffers {
  readonly #copies: View[] = [];
  #back: (() => void) | undefined;

  /**
   * Returns the same request on shared buffers. A base without a handle always becomes a copy: a card keeps its table under that
   * buffer for this call only, and another call may have the same bytes.
   */
  request<R extends ComputeRequest>(request: R): R {
    const on = withOperands(request, (view, kind) => {
      if (view instanceof Uint32Array) return this.#indices(view);
      return kind === 'base' && !request.slot ? this.#copy(view) : this.input(view);
    });
    return { ...on, out: this.#output(request.out) };
  }

  input(bytes: Uint8Array): Uint8Array {
    return isShared(bytes) ? bytes : this.#copy(bytes);
  }

  #copy(bytes: Uint8Array): Uint8Array {
    const copy = this.scratch(bytes.length);
    copy.set(bytes);
    return copy;
  }

  #indices(source: Uint32Array): Uint32Array {
    if (isShared(source)) return source;
    const copy = new Uint32Array(new SharedArrayBuffer(source.byteLength));
    copy.set(source);
    this.#copies.push(copy);
    return copy;
  }

  #output(bytes: Uint8Array): Uint8Array {
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

  /** Copies the result to the caller's buffer. */
  finish(): void {
    this.#back?.();
  }

  wipe(): void {
    for (const copy of this.#copies) copy.fill(0);
  }
}

/** Kernels read words: shared memory at an odd offset is copied like private memory. */
const isShared = (view: View): boolean => view.buffer instanceof SharedArrayBuffer && view.byteOffset % 8 === 0;
