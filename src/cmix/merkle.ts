// A Merkle tree over the slots of a batch, so that a node signs 32 bytes for what it sent and can later show one slot of it
// without the others (tracing). Leaves and inner nodes are hashed under different domains (RFC 6962, 2.1); a node
// without a sibling is promoted unchanged; the root covers the number of slots, so that a tree has one shape only.
import { hash } from 'node:crypto';
import { concat, DIGEST_BYTES, digest, equalBytes, framed, uint64 } from '../base/bytes.js';
import { MixError } from '../base/errors.js';

const LEAF_DOMAIN = 'merkle-leaf';
const NODE_DOMAIN = 'merkle-node';
const ROOT_DOMAIN = 'merkle-root';

/** The digests beside the path from a leaf to the top, lowest first. */
export type MerkleProof = readonly Uint8Array[];

const sha256 = (bytes: Uint8Array): Uint8Array => new Uint8Array(hash('sha256', bytes, 'buffer'));

/** The leaf of one slot: binds phase, slot number and contents. */
export function slotLeaf(phaseLabel: string, slot: number, bytes: Uint8Array): Uint8Array {
  return digest(LEAF_DOMAIN, phaseLabel, slot, bytes);
}

/** What is hashed for an inner node, with room for its two children. */
const nodeFrame = framed(NODE_DOMAIN, [new Uint8Array(DIGEST_BYTES), new Uint8Array(DIGEST_BYTES)]);
const RIGHT_AT = nodeFrame.length - DIGEST_BYTES;
const LEFT_AT = RIGHT_AT - 8 - DIGEST_BYTES;

/** digest(NODE_DOMAIN, left, right), in one call of the hash: a thousand of these are on the way of every batch. */
function innerNode(left: Uint8Array, right: Uint8Array): Uint8Array {
  nodeFrame.set(left, LEFT_AT);
  nodeFrame.set(right, RIGHT_AT);
  return sha256(nodeFrame);
}

/**
 * The leaves of a batch, or of a part of one that begins with slot `first`, as {@link slotLeaf} gives them, with one call of the hash
 * each: they are computed while a batch is on its way. @throws MixError LENGTH_MISMATCH
 */
export function batchLeaves(phaseLabel: string, batch: Uint8Array, slots: number, first = 0): Uint8Array[] {
  if (!Number.isInteger(slots) || slots < 0 || (slots === 0 ? batch.length > 0 : batch.length % slots !== 0)) {
    throw new MixError('LENGTH_MISMATCH', { what: 'batch', length: batch.length, slots });
  }
  const slotBytes = slots === 0 ? 0 : batch.length / slots;
  const prefix = framed(LEAF_DOMAIN, [phaseLabel]);
  const frame = concat([prefix, uint64(8), uint64(0), uint64(slotBytes), new Uint8Array(slotBytes)]);
  const view = new DataView(frame.buffer);
  const slotAt = prefix.length + 8;
  return Array.from({ length: slots }, (_, slot) => {
    view.setUint32(slotAt, first + slot, true);
    frame.set(batch.subarray(slot * slotBytes, (slot + 1) * slotBytes), slotAt + 16);
    return sha256(frame);
  });
}

/** All levels of the tree, leaves first, up to the level of one node (none for no leaves). */
function levelsOf(leaves: readonly Uint8Array[]): (readonly Uint8Array[])[] {
  const levels = [leaves];
  for (let level = leaves; level.length > 1; ) {
    const above: Uint8Array[] = [];
    for (let i = 0; i < level.length; i += 2) {
      const right = level[i + 1];
      above.push(right ? innerNode(level[i]!, right) : level[i]!);
    }
    levels.push(above);
    level = above;
  }
  return levels;
}

/** The phase is in every leaf already. */
function rootOf(slots: number, top: Uint8Array | undefined): Uint8Array {
  return digest(ROOT_DOMAIN, slots, top ?? new Uint8Array(0));
}

/** The root over the leaves of slots 0, 1, 2, … as {@link slotLeaf} makes them; defined for none. */
export function rootOfLeaves(leaves: readonly Uint8Array[]): Uint8Array {
  return rootOf(leaves.length, levelsOf(leaves).at(-1)![0]);
}

/** The root of a batch of `slots` equal parts; defined for 0 slots. @throws MixError LENGTH_MISMATCH */
export function batchRoot(phaseLabel: string, batch: Uint8Array, slots: number): Uint8Array {
  return rootOfLeaves(batchLeaves(phaseLabel, batch, slots));
}

function pathOf(levels: readonly (readonly Uint8Array[])[], slot: number): MerkleProof {
  const path: Uint8Array[] = [];
  let index = slot;
  for (const level of levels.slice(0, -1)) {
    const sibling = level[index ^ 1];
    if (sibling) path.push(sibling);
    index >>= 1;
  }
  return path;
}

/** Shows that a slot of a batch is under the batch's root. @throws MixError LENGTH_MISMATCH, SLOT_COUNT */
export function merkleProof(phaseLabel: string, batch: Uint8Array, slots: number, slot: number): MerkleProof {
  checkSlot(slot, slots);
  return pathOf(levelsOf(batchLeaves(phaseLabel, batch, slots)), slot);
}

function checkSlot(slot: number, slots: number): void {
  if (!Number.isInteger(slot) || slot < 0 || slot >= slots) throw new MixError('SLOT_COUNT', { slot, slots });
}

/** What a Merkle proof claims. */
export interface MerkleClaim {
  readonly phaseLabel: string;
  readonly slots: number;
  readonly slot: number;
  /** The contents of the slot. */
  readonly bytes: Uint8Array;
}

/** True if `proof` shows that the claimed slot is under `root`. Takes hostile input; never throws. */
export function verifyMerkleProof(root: Uint8Array, claim: MerkleClaim, proof: MerkleProof): boolean {
  const { phaseLabel, slots, slot, bytes } = claim;
  if (!Number.isSafeInteger(slots) || !Number.isInteger(slot) || slot < 0 || slot >= slots) return false;
  if (!Array.isArray(proof) || proof.some((part) => !(part instanceof Uint8Array) || part.length !== DIGEST_BYTES)) {
    return false;
  }
  let node = slotLeaf(phaseLabel, slot, bytes);
  let index = slot;
  let used = 0;
  for (let width = slots; width > 1; width = Math.ceil(width / 2), index = Math.floor(index / 2)) {
    const isRight = index % 2 === 1;
    if (!isRight && index + 1 === width) continue;
    const sibling = proof[used++];
    if (!sibling) return false;
    node = isRight ? innerNode(sibling, node) : innerNode(node, sibling);
  }
  return used === proof.length && equalBytes(root, rootOf(slots, node));
}

/** A tree whose slots arrive one by one or in chunks, in any order: each is hashed when it comes. */
export class MerkleTree {
  readonly phaseLabel: string;
  readonly slots: number;
  readonly #leaves: (Uint8Array | undefined)[];
  #missing: number;
  #levels: (readonly Uint8Array[])[] | undefined;

  constructor(phaseLabel: string, slots: number) {
    this.phaseLabel = phaseLabel;
    this.slots = slots;
    this.#leaves = new Array<Uint8Array | undefined>(slots).fill(undefined);
    this.#missing = slots;
  }

  get complete(): boolean {
    return this.#missing === 0;
  }

  /** Takes the contents of a slot. @throws MixError SLOT_COUNT; CHUNK_CONFLICT where it has other contents already */
  set(slot: number, bytes: Uint8Array): void {
    checkSlot(slot, this.slots);
    const leaf = slotLeaf(this.phaseLabel, slot, bytes);
    const before = this.#leaves[slot];
    if (before && !equalBytes(before, leaf)) throw new MixError('CHUNK_CONFLICT', { slot });
    if (!before) this.#missing--;
    this.#leaves[slot] = leaf;
  }

  /** The root, once all slots are in. @throws MixError CHUNK_MISSING */
  root(): Uint8Array {
    return rootOf(this.slots, this.#all().at(-1)![0]);
  }

  /** The proof of one slot, once all slots are in. @throws MixError CHUNK_MISSING, SLOT_COUNT */
  proof(slot: number): MerkleProof {
    checkSlot(slot, this.slots);
    return pathOf(this.#all(), slot);
  }

  #all(): (readonly Uint8Array[])[] {
    if (this.#missing > 0) throw new MixError('CHUNK_MISSING', { missing: this.#missing });
    this.#levels ??= levelsOf(this.#leaves as Uint8Array[]);
    return this.#levels;
  }
}
