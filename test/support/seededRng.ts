// Randomness for tests and the simulator, from a seed: a failing run can be replayed.
import { createCipheriv, createHash } from 'node:crypto';
import type { Rng } from '../../src/base/rng.js';

/** A reproducible stream: AES-256-CTR keyed with SHA-256 of the seed. For tests and the simulator only. */
export class SeededRng implements Rng {
  readonly #stream;

  constructor(seed: string | number) {
    const key = createHash('sha256').update(`millrace/seeded-rng/${seed}`).digest();
    this.#stream = createCipheriv('aes-256-ctr', key, Buffer.alloc(16));
  }

  fill<T extends Uint8Array>(out: T): T {
    out.set(this.#stream.update(Buffer.alloc(out.length)));
    return out;
  }
}
