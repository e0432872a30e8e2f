// The interface of the composed engines' executor (executor.ts) to an array library that has no large numbers: Montgomery
// products of whole batches. All other operations are composed of them. Apart from executor.ts because the fields implement it.
import type { Group } from '../../math/index.js';

/**
 * Batches of numbers modulo p, in a form V of the field's own; a row is a number. A product is a·b·R⁻¹ for a constant R; the
 * caller keeps count of the factors R. A result belongs to the caller until it is freed, once.
 */
export interface BatchField<V> {
  readonly group: Group;
  /** Name of the computing code, for a log line. */
  readonly path: string;
  /** R² mod p: the factor that brings a number into Montgomery form. */
  readonly rSquared: bigint;
  /** Most rows that are computed at once: of products and, as each takes a few hundred products, of powers. */
  readonly rows: { readonly products: number; readonly powers: number };
  /** Reads the elements of a flat batch unchanged: without a factor R. */
  read(elements: Uint8Array): Promise<V>;
  /** Writes each number's representative in 1..q. */
  write(values: V, out: Uint8Array): Promise<void>;
  /** Multiplies row by row; a and b have as many rows. */
  multiply(a: V, b: V): Promise<V>;
  /** Concatenates the rows of all parts. */
  concat(parts: readonly V[]): Promise<V>;
  /** Returns the chosen rows, in this order. */
  gather(values: V, rows: Uint32Array): Promise<V>;
  free(values: V): void;
  close(): void;
}
