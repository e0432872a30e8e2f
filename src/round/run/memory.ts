// Upper bound of a round's memory on one node, from its RoundInfo alone: a node refuses a round that it has no room for before it
// allocates anything. Batches are kept until the round is forgotten, so the peak is at its end; before that, the buffers of
// Generate are the largest. test/round/memory.test.ts compares it with the memory of real rounds. Apart
// from the steps, which it must not depend on: it is asked before a round exists.
import type { Group } from '../../math/index.js';
import type { RoundInfo } from '../../protocol/index.js';

/** Bytes per slot beside its elements, in each batch that is hashed: a leaf of the Merkle tree, and temporarily the nodes above it. */
const LEAF_BYTES = 64;
/** Bytes per submission beside its payload (SUBMISSION_BYTES), and per member's MAC and signature in the slot table (PROOF_BYTES). */
const SUBMISSION_BYTES = 512;
const PROOF_BYTES = 96;

/** Returns the most bytes that a round holds at once on any node of its team, without the engine's own memory. */
export function roundMemoryBytes(info: RoundInfo, group: Group): number {
  const { slots, width, exponentBytes, team } = info;
  const message = slots * width * group.elementBytes;
  const cipher = slots * (width + 1) * group.elementBytes;
  const head = slots * group.elementBytes;
  // Input and output of both rings and the revealed batch; then the same of messages, the mixed batch, and the shares of all.
  const precomputed = 5 * cipher;
  const mixed = (5 + team.length) * message;
  // r and s with their exponents and heads, each also prepared; their encryptions, that of s whole twice; and π.
  const generated = 4 * message + 2 * slots * exponentBytes + 2 * head + 4 * cipher + 4 * slots;
  // s, three copies of k∘r, own shares, c₁..c_w inverted, two copies of the outputs, and c₀.
  const realtime = 8 * message + head + 4 * slots;
  const leaves = (10 + team.length) * slots * LEAF_BYTES;
  const table = slots * (SUBMISSION_BYTES + PROOF_BYTES * team.length) + message;
  return precomputed + Math.max(generated, mixed + realtime) + leaves + table;
}
