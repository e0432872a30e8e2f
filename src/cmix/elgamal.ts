// Vector ElGamal over batches: Enc(m_1..m_w; y) = (g^y, m_1∘Z_1^y, …, m_w∘Z_w^y), one exponent per slot, by tables of powers. A
// cipher batch has width w + 1, c_0 first, so that messages have at most WIDTH_MAX − 1 elements. The heads g^y need no team key
// and can be made ahead of the round.
import { MixError, wipeAll } from '../base/index.js';
import type { Engine, FixedBase, WorkOptions } from '../engine/index.js';
import { checkWidth, countElements, elementAt, type Group } from '../math/index.js';

/** Options of engine work, for all steps of a phase function. */
export type PhaseOptions = Pick<WorkOptions, 'priority' | 'order' | 'signal'>;

export const phaseOptions = ({ priority, order, signal }: PhaseOptions): PhaseOptions => ({ priority, order, signal });

/** The bases of an encryption, with their tables. */
interface EncryptionBases {
  readonly g: FixedBase;
  /** Z_1..Z_w. */
  readonly team: readonly FixedBase[];
}

interface EncryptOptions extends PhaseOptions {
  readonly exponentBytes: number;
  /** w: elements of a message. */
  readonly width: number;
  /** g^y of the same exponents if made ahead (see {@link encryptionHeads}): slots elements. */
  readonly heads?: Uint8Array;
}

/** Computes g^y for every slot. exponents: slots × exponentBytes → slots elements. */
export function encryptionHeads(
  engine: Engine,
  g: FixedBase,
  exponents: Uint8Array,
  options: PhaseOptions & { readonly exponentBytes: number },
): Promise<Uint8Array> {
  return engine.powFixed(g, exponents, { ...phaseOptions(options), exponentBytes: options.exponentBytes });
}

/**
 * Encrypts every slot under the team key.
 * @param plain slots × width elements
 * @param exponents y, slots × exponentBytes bytes; each used for one encryption only, ever
 * @returns slots × (width + 1) elements: g^y, then m_e ∘ Z_e^y
 * @throws MixError WIDTH_INVALID, LENGTH_MISMATCH, ELEMENT_RANGE; the engine's errors
 */
export async function encryptBatch(
  engine: Engine,
  bases: EncryptionBases,
  plain: Uint8Array,
  exponents: Uint8Array,
  options: EncryptOptions,
): Promise<Uint8Array> {
  const { group } = engine;
  const { width, exponentBytes } = options;
  const slots = countSlots(group, plain, width, 'plain');
  if (bases.team.length !== width) {
    throw new MixError('LENGTH_MISMATCH', { what: 'team key', elements: bases.team.length, expected: width });
  }
  const work = { ...phaseOptions(options), exponentBytes };
  const [heads, ...columns] = await Promise.all([
    options.heads ?? engine.powFixed(bases.g, exponents, work),
    ...bases.team.map((base) => engine.powFixed(base, exponents, work)),
  ]);
  const keys = width === 1 ? columns[0]! : interleave(engine, columns, slots);
  let payload: Uint8Array | undefined;
  try {
    // The engine refuses operands of different lengths, and so exponents or heads for another number of slots.
    payload = await engine.mul(plain, keys, phaseOptions(options));
    return joinCipher(engine, heads, payload, width);
  } finally {
    // Z^y opens the ciphertext that is sent: left in memory, that of an encryption of s would reveal the permutation.
    wipeAll(keys, payload, ...columns);
  }
}

/** Counts the slots of `width` elements of a batch. @throws MixError WIDTH_INVALID, LENGTH_MISMATCH */
export function countSlots(group: Group, batch: Uint8Array, width: number, what: string): number {
  checkWidth(width);
  const count = countElements(group, batch, what);
  if (count % width !== 0) throw new MixError('LENGTH_MISMATCH', { what, elements: count, width });
  return count / width;
}

function interleave(engine: Engine, columns: readonly Uint8Array[], slots: number): Uint8Array {
  const { group } = engine;
  const width = columns.length;
  const batch = engine.allocate(slots, width);
  for (const [e, column] of columns.entries()) {
    for (let slot = 0; slot < slots; slot++) {
      batch.set(elementAt(group, column, slot), (slot * width + e) * group.elementBytes);
    }
  }
  return batch;
}

/** Makes a cipher batch of heads (slots elements) and payload (slots × width). @throws MixError LENGTH_MISMATCH */
export function joinCipher(engine: Engine, heads: Uint8Array, payload: Uint8Array, width: number): Uint8Array {
  const { group } = engine;
  const slots = countSlots(group, payload, width, 'payload');
  if (countElements(group, heads, 'heads') !== slots) {
    throw new MixError('LENGTH_MISMATCH', { what: 'heads', length: heads.length, slots });
  }
  const cipher = engine.allocate(slots, width + 1);
  const payloadBytes = width * group.elementBytes;
  const slotBytes = payloadBytes + group.elementBytes;
  for (let slot = 0; slot < slots; slot++) {
    cipher.set(elementAt(group, heads, slot), slot * slotBytes);
    cipher.set(payload.subarray(slot * payloadBytes, (slot + 1) * payloadBytes), slot * slotBytes + group.elementBytes);
  }
  return cipher;
}

/** Splits a cipher batch (slots × (width + 1)): c0, slots elements; payload c_1..c_w, slots × width. */
export function splitCipher(group: Group, cipher: Uint8Array, width: number): { c0: Uint8Array; payload: Uint8Array } {
  const slots = countSlots(group, cipher, width + 1, 'cipher');
  const payloadBytes = width * group.elementBytes;
  const slotBytes = payloadBytes + group.elementBytes;
  // Shared memory, because both are inputs of an engine.
  const c0 = new Uint8Array(new SharedArrayBuffer(slots * group.elementBytes));
  const payload = new Uint8Array(new SharedArrayBuffer(slots * payloadBytes));
  for (let slot = 0; slot < slots; slot++) {
    const start = slot * slotBytes;
    c0.set(cipher.subarray(start, start + group.elementBytes), slot * group.elementBytes);
    payload.set(cipher.subarray(start + group.elementBytes, start + slotBytes), slot * payloadBytes);
  }
  return { c0, payload };
}
