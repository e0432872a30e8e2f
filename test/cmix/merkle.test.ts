import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { concat, DIGEST_BYTES, digest, toHex } from '../../src/base/bytes.js';
import {
  batchLeaves,
  batchRoot,
  batchRootInTurns,
  HASH_SLICE,
  type MerkleProof,
  MerkleTree,
  merkleProof,
  rootOfLeaves,
  slotLeaf,
  verifyMerkleProof,
} from '../../src/cmix/merkle.js';
import { engine, flipped, outcome } from '../support/cmix.js';
import { SeededRng } from '../support/seededRng.js';

const slotBytes = 24;
const label = 'precompDecrypt';
const batchOfSlots = (slots: number): Uint8Array => new SeededRng(slots).fill(new Uint8Array(slots * slotBytes));
const slotOf = (batch: Uint8Array, slot: number) => batch.subarray(slot * slotBytes, (slot + 1) * slotBytes);

/** The tree by its definition, top down: split at the largest power of two below the count (RFC 6962, 2.1). */
function naiveTop(leaves: Uint8Array[]): Uint8Array {
  if (leaves.length === 1) return leaves[0]!;
  let split = 1;
  while (split * 2 < leaves.length) split *= 2;
  return digest('merkle-node', naiveTop(leaves.slice(0, split)), naiveTop(leaves.slice(split)));
}

describe('a Merkle root', () => {
  test('equals the definition, for every number of slots up to 33', () => {
    for (let slots = 0; slots <= 33; slots++) {
      const batch = batchOfSlots(slots);
      const leaves = Array.from({ length: slots }, (_, slot) =>
        digest('merkle-leaf', label, slot, slotOf(batch, slot)),
      );
      const top = slots === 0 ? new Uint8Array(0) : naiveTop(leaves);
      const expected = digest('merkle-root', slots, top);
      expect(batchRoot(label, batch, slots)).toEqual(expected);
      expect(rootOfLeaves(Buffer.from(concat(leaves)))).toEqual(expected);
      const tree = new MerkleTree(label, slots);
      for (let slot = slots - 1; slot >= 0; slot--) tree.set(slot, slotOf(batch, slot));
      expect(tree.root()).toEqual(expected);
    }
  });

  test('has the same leaves if a batch is hashed part by part', () => {
    const batch = batchOfSlots(7);
    const whole = Array.from({ length: 7 }, (_, slot) => slotLeaf(label, slot, slotOf(batch, slot)));
    const leaves = Buffer.alloc(7 * DIGEST_BYTES);
    batchLeaves(label, batch.subarray(3 * slotBytes), 4, leaves, 3);
    batchLeaves(label, batch.subarray(0, 3 * slotBytes), 3, leaves);
    expect(toHex(leaves)).toBe(toHex(concat(whole)));
    for (const room of [leaves, leaves.subarray(1)]) {
      expect(outcome(() => batchLeaves(label, batch, 7, room, 1))).toBe('LENGTH_MISMATCH');
    }
  });

  test('is the same in slices, for any number of slots in the last slice', async () => {
    for (const slots of [0, 1, 3, HASH_SLICE, HASH_SLICE + 1, 2 * HASH_SLICE - 1, 3 * HASH_SLICE, 5 * HASH_SLICE + 7]) {
      const batch = batchOfSlots(slots);
      expect(await batchRootInTurns(label, batch, slots)).toEqual(batchRoot(label, batch, slots));
    }
    await expect(batchRootInTurns(label, batchOfSlots(5), 7)).rejects.toMatchObject({ code: 'LENGTH_MISMATCH' });
  });

  test('depends on every bit, the phase, the order and the number of slots', () => {
    const batch = batchOfSlots(5);
    const roots = [
      batchRoot(label, batch, 5),
      batchRoot('precompPermute', batch, 5),
      batchRoot(label, flipped(batch, 119, 0x80), 5),
      batchRoot(
        label,
        Uint8Array.from([...slotOf(batch, 1), ...slotOf(batch, 0), ...batch.subarray(2 * slotBytes)]),
        5,
      ),
      batchRoot(label, batch, 10),
      batchRoot(label, batch.subarray(0, 4 * slotBytes), 4),
    ].map(toHex);
    expect(new Set(roots).size).toBe(roots.length);
    expect(outcome(() => batchRoot(label, batch, 7))).toBe('LENGTH_MISMATCH');
    expect(outcome(() => batchRoot(label, batch, 0))).toBe('LENGTH_MISMATCH');
  });

  test('is the same for a batch in shared memory', () => {
    const shared = engine.allocate(6, 1);
    new SeededRng(9).fill(Buffer.from(shared.buffer));
    expect(batchRoot(label, shared, 6)).toEqual(batchRoot(label, Uint8Array.from(shared), 6));
    expect(slotLeaf(label, 0, shared)).toEqual(slotLeaf(label, 0, Uint8Array.from(shared)));
  });
});

describe('a Merkle proof', () => {
  const provedBy = (slots: number, slot: number, proof: MerkleProof, bytes: Uint8Array, root: Uint8Array) =>
    verifyMerkleProof(root, { phaseLabel: label, slots, slot, bytes }, proof);

  test('proves every slot of every tree, and no other slot or contents', () => {
    for (const slots of [1, 2, 3, 5, 8, 13]) {
      const batch = batchOfSlots(slots);
      const root = batchRoot(label, batch, slots);
      for (let slot = 0; slot < slots; slot++) {
        const proof = merkleProof(label, batch, slots, slot);
        const bytes = slotOf(batch, slot);
        expect(provedBy(slots, slot, proof, bytes, root)).toBe(true);
        expect(provedBy(slots, slot, proof, flipped(bytes), root)).toBe(false);
        expect(provedBy(slots, slot, proof, bytes, flipped(root))).toBe(false);
        expect(provedBy(slots, slot, [...proof, root], bytes, root)).toBe(false);
        expect(provedBy(slots + 1, slot, proof, bytes, root)).toBe(false);
        if (proof.length > 0) expect(provedBy(slots, slot, proof.slice(1), bytes, root)).toBe(false);
        if (slots > 1) expect(provedBy(slots, (slot + 1) % slots, proof, bytes, root)).toBe(false);
        expect(verifyMerkleProof(root, { phaseLabel: 'other', slots, slot, bytes }, proof)).toBe(false);
      }
    }
  });

  test('is false, never an exception, for hostile input', () => {
    const proof = fc.array(fc.oneof(fc.uint8Array({ minLength: 32, maxLength: 32 }), fc.uint8Array({ maxLength: 40 })));
    fc.assert(
      fc.property(
        fc.oneof(fc.integer(), fc.double()),
        fc.oneof(fc.integer(), fc.double()),
        proof,
        (slots, slot, path) => {
          return !provedBy(slots, slot, path, new Uint8Array(3), new Uint8Array(32));
        },
      ),
    );
  });

  test('cannot present an inner node as a leaf', () => {
    const batch = batchOfSlots(4);
    const root = batchRoot(label, batch, 4);
    const leaves = [0, 1].map((slot) => slotLeaf(label, slot, slotOf(batch, slot)));
    const proof = merkleProof(label, batch, 4, 0);
    expect(provedBy(2, 0, proof.slice(1), Uint8Array.from([...leaves[0]!, ...leaves[1]!]), root)).toBe(false);
  });
});

describe('a growing Merkle tree', () => {
  test('accepts each slot once, the same contents again, and gives no root before all are in', () => {
    const batch = batchOfSlots(3);
    const tree = new MerkleTree(label, 3);
    tree.set(2, slotOf(batch, 2));
    tree.set(2, slotOf(batch, 2));
    tree.set(0, slotOf(batch, 0));
    expect(tree.complete).toBe(false);
    expect(outcome(() => tree.root())).toBe('CHUNK_MISSING');
    expect(outcome(() => tree.set(2, slotOf(batch, 1)))).toBe('CHUNK_CONFLICT');
    for (const slot of [-1, 3, 0.5]) expect(outcome(() => tree.set(slot, slotOf(batch, 0)))).toBe('SLOT_COUNT');
    tree.set(1, slotOf(batch, 1));
    expect(tree.complete).toBe(true);
    expect(tree.root()).toEqual(batchRoot(label, batch, 3));
    expect(tree.proof(1)).toEqual(merkleProof(label, batch, 3, 1));
    expect(outcome(() => tree.proof(3))).toBe('SLOT_COUNT');
  });
});
