// What the executor of composed engines (executor.ts) asks of a library that knows arrays and nothing of large numbers:
// Montgomery products of whole batches. Everything else of the catalogue is composed of them.
import type { Group } from '../../math/index.js';

/**
 * Batches of numbers modulo p, in a form V of the field's own; a row is a number. A product is a·b·R⁻¹ for a constant R, and
 * whoever multiplies keeps count of the R. A result belongs to the caller until it is freed, and may be freed once.
 */
export interface BatchField<V> {
  readonly group: Group;
  /** Which code computes, for a log line. */
  readonly path: string;
  /** R² mod p: the factor that brings a number into Montgomery form. */
  readonly rSquared: bigint;
  /** Rows that are computed at once, at most: of products and, as they take a few hundred products, of powers. */
  readonly rows: { readonly products: number; readonly powers: number };
  /** The elements of a flat batch as they are: no factor R comes or goes. */
  read(elements: Uint8Array): Promise<V>;
  /** Writes each number's representative in 1..q. */
  write(values: V, out: Uint8Array): Promise<void>;
  /** Row by row; as many rows in a as in b. */
  multiply(a: V, b: V): Promise<V>;
  /** The rows of all, one after the other. */
  concat(parts: readonly V[]): Promise<V>;
  /** Chosen rows, in this order. */
  gather(values: V, rows: Uint32Array): Promise<V>;
  free(values: V): void;
  close(): void;
}
