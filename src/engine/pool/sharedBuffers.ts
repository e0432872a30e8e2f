// Buffers on their way to other threads and to native code, which take shared memory only: a caller's own buffers where they
// are shared, else copies that are wiped at the end.
import { type ComputeRequest, type View, withOperands } from '../checked/request.js';

/** Buffers of one operation in shared memory: the caller's own where they are, else copies, which are wiped at the end. */
export class SharedBuffers {
  readonly #copies: View[] = [];
  #back: (() => void) | undefined;

  /**
   * The same request on shared buffers. A base without a handle becomes a copy of its own: a card keeps its table under that buffer
   * for this call only, and another call may have the same bytes.
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

  /** Brings the result to where the caller wants it. */
  finish(): void {
    this.#back?.();
  }

  wipe(): void {
    for (const copy of this.#copies) copy.fill(0);
  }
}

/** Kernels read words: shared memory at an odd offset is copied like private memory. */
const isShared = (view: View): boolean => view.buffer instanceof SharedArrayBuffer && view.byteOffset % 8 === 0;
