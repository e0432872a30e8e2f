// The formula of every phase, as a pure function over batches: the operands that are multiplied, their order and their shape.
// Timing, sending and keeping of batches are in round/. Ring phases take the prepared operand of a chunk (Prepared.slice) or, if
// the whole batch is permuted, of all slots.
import type { Secret } from '../base/index.js';
import type { Engine, Prepared, WorkOptions } from '../engine/index.js';
import { checkWidth } from '../math/index.js';

export { encryptBatch, encryptionHeads, joinCipher, type PhaseOptions, splitCipher } from './elgamal.js';

/** Options of a phase that is one engine operation: it can write into the caller's buffer. */
type StepOptions = WorkOptions;

/**
 * Precomputation, decrypt: C ← C ∘ Enc(r), chunk by chunk along the ring 1→N.
 * @param chunk n × (width + 1) elements of the input
 * @param encR Enc(r; y) of the same slots
 */
export function precompDecrypt(
  engine: Engine,
  chunk: Uint8Array,
  encR: Prepared,
  options: StepOptions = {},
): Promise<Uint8Array> {
  return engine.mul(chunk, encR, options);
}

/**
 * Precomputation, permute: C′[k] = C[source[k]] ∘ Enc(s)[k], the whole batch at once, along the ring N→1.
 * @param batch slots × (width + 1) elements for messages of `width` elements
 */
export function precompPermute(
  engine: Engine,
  batch: Uint8Array,
  source: Uint32Array,
  encS: Prepared,
  options: StepOptions & { readonly width: number },
): Promise<Uint8Array> {
  checkWidth(options.width);
  return engine.mulGather(batch, source, encS, { ...options, width: options.width + 1 });
}

/**
 * Reveal: a node's decryption shares D_{i,e} = c0^{z_{i,e}}.
 * @param c0 slots elements
 * @param exponents z_{i,e}, width × exponentBytes bytes
 * @returns slots × width elements
 */
export function decryptionShares(
  engine: Engine,
  c0: Uint8Array,
  exponents: Secret,
  options: StepOptions & { readonly exponentBytes: number },
): Promise<Uint8Array> {
  return engine.powShared(c0, exponents.reveal(), options);
}

/**
 * Realtime, decrypt: x ← x ∘ (k_i ∘ r_i), chunk by chunk along the ring 1→N.
 * @param chunk n × width elements
 * @param keys k_i ∘ r_i of the same slots; r_i alone for a dummy
 */
export function realtimeDecrypt(
  engine: Engine,
  chunk: Uint8Array,
  keys: Prepared,
  options: StepOptions = {},
): Promise<Uint8Array> {
  return engine.mul(chunk, keys, options);
}

/** Realtime, permute: x′[k] = x[source[k]] ∘ s[k], the whole batch at once, along the ring N→1. slots × width elements. */
export function realtimePermute(
  engine: Engine,
  batch: Uint8Array,
  source: Uint32Array,
  s: Prepared,
  options: StepOptions & { readonly width: number },
): Promise<Uint8Array> {
  return engine.mulGather(batch, source, s, options);
}

/**
 * A step of Identify, out = x′ ∘ ∏ D_i ∘ c⁻¹: multiplies one more factor, x′ or a D_i, in any order of arrival, so that little
 * work is left when the last is there. slots × width elements each.
 * @param product (c_1..c_w)⁻¹ of the mixed ciphertexts, or the result of the step before
 */
export function unblind(
  engine: Engine,
  product: Uint8Array | Prepared,
  factor: Uint8Array,
  options: StepOptions = {},
): Promise<Uint8Array> {
  return engine.mul(factor, product, options);
}
