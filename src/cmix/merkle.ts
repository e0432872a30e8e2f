// A Merkle tree over the slots of a batch, so that a node signs 32 bytes for a batch and can later show one slot of it without
// the others (tracing). Leaves and inner nodes are hashed under different domains (RFC 6962, 2.1); a node without a sibling is
// promoted unchanged; the root covers the number of slots, so that a tree has one shape only. Digests stand side by side in one
// buffer, 32 bytes each: a thousand small buffers cost more to allocate than to compute.
import {
  concat,
  DIGEST_BYTES,
  digest,
  equalBytes,
  framed,
  MixError,
  nextTurn,
  sha256Into,
  sha256PairInto,
  uint64,
} from '../base/index.js';

const LEAF_DOMAIN = 'merkle-leaf';
const NODE_DOMAIN = 'merkle-node';
const ROOT_DOMAIN = 'merkle-root';

/** The digests beside the path from a leaf to the top, lowest first. */
export type MerkleProof = readonly Uint8Array[];

/** Returns digest number `index` of a flat buffer of digests: a view. */
const digestAt = (digests: Buffer, index: number): Uint8Array =>
  digests.subarray(index * DIGEST_BYTES, (index + 1) * DIGEST_BYTES);

/** Returns the leaf of one slot: it binds phase, slot number and contents. */
export function slotLeaf(phaseLabel: string, slot: number, bytes: Uint8Array): Uint8Array {
  return digest(LEAF_DOMAIN, phaseLabel, slot, bytes);
}

/** Input of the hash of an inner node, with room for its two children. */
const nodeFrame = framed(NODE_DOMAIN, [new Uint8Array(DIGEST_BYTES), new Uint8Array(DIGEST_BYTES)]);
const RIGHT_AT = nodeFrame.length - DIGEST_BYTES;
const LEFT_AT = RIGHT_AT - 8 - DIGEST_BYTES;

/** Writes digest(NODE_DOMAIN, left, right): a thousand of these are on the critical path of every batch. */
function innerNodeInto(left: Uint8Array, right: Uint8Array, out: Buffer, at: number): void {
  nodeFrame.set(left, LEFT_AT);
  nodeFrame.set(right, RIGHT_AT);
  sha256Into(nodeFrame, out, at);
}

function checkBatch(batch: Uint8Array, slots: number): void {
  if (!Number.isInteger(slots) || slots < 0 || (slots === 0 ? batch.length > 0 : batch.length % slots !== 0)) {
    throw new MixError('LENGTH_MISMATCH', { what: 'batch', length: batch.length, slots });
  }
}

/**
 * Writes the leaves of a batch, or of a part of one that begins with slot `first`, equal to {@link slotLeaf}: the leaf of slot j
 * stands at j·DIGEST_BYTES of `leaves`. Slots are hashed in place without a copy, because this is on the critical path of every
 * batch.
 * @throws MixError LENGTH_MISMATCH
 */
export function batchLeaves(phaseLabel: string, batch: Uint8Array, slots: number, leaves: Buffer, first = 0): void {
  checkBatch(batch, slots);
  if (leaves.length < (first + slots) * DIGEST_BYTES) {
    throw new MixError('LENGTH_MISMATCH', { what: 'leaves', length: leaves.length, slots: first + slots });
  }
  const slotBytes = slots === 0 ? 0 : batch.length / slots;
  const prefix = framed(LEAF_DOMAIN, [phaseLabel]);
  const head = concat([prefix, uint64(8), uint64(0), uint64(slotBytes)]);
  const view = new DataView(head.buffer);
  const slotAt = prefix.length + 8;
  for (let i = 0; i < slots; i++) {
    view.setUint32(slotAt, first + i, true);
    const slot = batch.subarray(i * slotBytes, (i + 1) * slotBytes);
    sha256PairInto(head, slot, leaves, (first + i) * DIGEST_BYTES);
  }
}

/** Computes all levels of the tree, leaves first, up to the level of one node (of none for no leaves). */
function hashLevels(leaves: Buffer): Buffer[] {
  const levels = [leaves];
  for (let level = leaves; level.length > DIGEST_BYTES; ) {
    const nodes = level.length / DIGEST_BYTES;
    const above = Buffer.alloc(Math.ceil(nodes / 2) * DIGEST_BYTES);
    for (let i = 0; i + 1 < nodes; i += 2) {
      innerNodeInto(digestAt(level, i), digestAt(level, i + 1), above, (i / 2) * DIGEST_BYTES);
    }
    if (nodes % 2 === 1) above.set(digestAt(level, nodes - 1), above.length - DIGEST_BYTES);
    levels.push(above);
    level = above;
  }
  return levels;
}

/** Hashes the root. The phase is in every leaf already. `top`: empty for no slots. */
function hashRoot(slots: number, top: Uint8Array): Uint8Array {
  return digest(ROOT_DOMAIN, slots, top);
}

/** Returns the root over the leaves ({@link slotLeaf}) of slots 0, 1, 2, …, side by side; defined for none. */
export function rootOfLeaves(leaves: Buffer): Uint8Array {
  return hashRoot(leaves.length / DIGEST_BYTES, hashLevels(leaves).at(-1)!);
}

function hashLeaves(phaseLabel: string, batch: Uint8Array, slots: number): Buffer {
  checkBatch(batch, slots);
  const leaves = Buffer.alloc(slots * DIGEST_BYTES);
  batchLeaves(phaseLabel, batch, slots, leaves);
  return leaves;
}

/** Returns the root of a batch of `slots` equal parts; defined for 0 slots. @throws MixError LENGTH_MISMATCH */
export function batchRoot(phaseLabel: string, batch: Uint8Array, slots: number): Uint8Array {
  return rootOfLeaves(hashLeaves(phaseLabel, batch, slots));
}

/** Slots that are hashed in one go by {@link batchRootInTurns}: a power of two, so that each slice is a whole subtree. */
export const HASH_SLICE = 512;

/** {@link batchRoot} in slices between which the event loop has its turn: for batches that somebody shows. */
export async function batchRootInTurns(phaseLabel: string, batch: Uint8Array, slots: number): Promise<Uint8Array> {
  checkBatch(batch, slots);
  const leaves = Buffer.alloc(slots * DIGEST_BYTES);
  const slotBytes = slots === 0 ? 0 : batch.length / slots;
  const tops: Uint8Array[] = [];
  for (let first = 0; first < slots; first += HASH_SLICE) {
    const next = Math.min(first + HASH_SLICE, slots);
    batchLeaves(phaseLabel, batch.subarray(first * slotBytes, next * slotBytes), next - first, leaves, first);
    tops.push(hashLevels(leaves.subarray(first * DIGEST_BYTES, next * DIGEST_BYTES)).at(-1)!);
    if (next < slots) await nextTurn();
  }
  return hashRoot(slots, hashLevels(Buffer.from(concat(tops))).at(-1)!);
}

function collectPath(levels: readonly Buffer[], slot: number): MerkleProof {
  const path: Uint8Array[] = [];
  let index = slot;
  for (const level of levels.slice(0, -1)) {
    const sibling = digestAt(level, index ^ 1);
    if (sibling.length > 0) path.push(new Uint8Array(sibling));
    index >>= 1;
  }
  return path;
}

/** Makes the proof that a slot of a batch is under the batch's root. @throws MixError LENGTH_MISMATCH, SLOT_COUNT */
export function merkleProof(phaseLabel: string, batch: Uint8Array, slots: number, slot: number): MerkleProof {
  checkSlot(slot, slots);
  return collectPath(hashLevels(hashLeaves(phaseLabel, batch, slots)), slot);
}

function checkSlot(slot: number, slots: number): void {
  if (!Number.isInteger(slot) || slot < 0 || slot >= slots) throw new MixError('SLOT_COUNT', { slot, slots });
}

/** The claim of a Merkle proof. */
interface MerkleClaim {
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
  const node = Buffer.from(slotLeaf(phaseLabel, slot, bytes));
  let index = slot;
  let used = 0;
  for (let width = slots; width > 1; width = Math.ceil(width / 2), index = Math.floor(index / 2)) {
    const isRight = index % 2 === 1;
    if (!isRight && index + 1 === width) continue;
    const sibling = proof[used++];
    if (!sibling) return false;
    if (isRight) innerNodeInto(sibling, node, node, 0);
    else innerNodeInto(node, sibling, node, 0);
  }
  return used === proof.length && equalBytes(root, hashRoot(slots, node));
}

/** A tree whose slots arrive one by one or in chunks, in any order: each is hashed on arrival. */
export class MerkleTree {
  readonly phaseLabel: string;
  readonly slots: number;
  readonly #leaves: Buffer;
  /** 1 for every slot that is in. */
  readonly #present: Uint8Array;
  #missing: number;
  #levels: readonly Buffer[] | undefined;

  constructor(phaseLabel: string, slots: number) {
    this.phaseLabel = phaseLabel;
    this.slots = slots;
    this.#leaves = Buffer.alloc(slots * DIGEST_BYTES);
    this.#present = new Uint8Array(slots);
    this.#missing = slots;
  }

  get complete(): boolean {
    return this.#missing === 0;
  }

  /** Takes the contents of a slot. @throws MixError SLOT_COUNT; CHUNK_CONFLICT if it has other contents already */
  set(slot: number, bytes: Uint8Array): void {
    checkSlot(slot, this.slots);
    const leaf = slotLeaf(this.phaseLabel, slot, bytes);
    const place = digestAt(this.#leaves, slot);
    if (this.#present[slot] === 0) {
      place.set(leaf);
      this.#present[slot] = 1;
      this.#missing--;
    } else if (!equalBytes(place, leaf)) throw new MixError('CHUNK_CONFLICT', { slot });
  }

  /** Returns the root, once all slots are in. @throws MixError CHUNK_MISSING */
  root(): Uint8Array {
    return hashRoot(this.slots, this.#all().at(-1)!);
  }

  /** Returns the proof of one slot, once all slots are in. @throws MixError CHUNK_MISSING, SLOT_COUNT */
  proof(slot: number): MerkleProof {
    checkSlot(slot, this.slots);
    return collectPath(this.#all(), slot);
  }

  #all(): readonly Buffer[] {
    if (this.#missing > 0) throw new MixError('CHUNK_MISSING', { missing: this.#missing });
    this.#levels ??= hashLevels(this.#leaves);
    return this.#levels;
  }
}
