// What a round needs in memory on one node, from its RoundInfo alone: so that a node refuses a round that it has no room for before
// it allocates anything. Batches are kept until the round is forgotten, so the peak is at its end; before that, what Generate
// holds is the most. test/round/memory.test.ts compares it with what real rounds hold.
import type { Group } from '../../math/index.js';
import type { RoundInfo } from '../../protocol/index.js';

/** What a slot costs beside its elements, in each batch that is hashed: a leaf of the Merkle tree, and the nodes above it for a moment. */
const LEAF_BYTES = 64;
/** What a submission costs beside its payload, and for each member's MAC and signature in the slot table. */
const SUBMISSION_BYTES = 512;
const PROOF_BYTES = 96;

/** Bytes, at the most, that a round holds at once on any node of its team; what the engine takes for itself is not in it. */
export function roundMemoryBytes(info: RoundInfo, group: Group): number {
  const { slots, width, exponentBytes, team } = info;
  const message = slots * width * group.elementBytes;
  const cipher = slots * (width + 1) * group.elementBytes;
  const head = slots * group.elementBytes;
  // In and out of both rings, and what is revealed; then the same of messages, the mixed batch, and everybody's shares.
  const precomputed = 5 * cipher;
  const mixed = (5 + team.length) * message;
  // r and s with their exponents and heads, each also prepared, their encryptions, of which s's is whole twice, and π.
  const generated = 4 * message + 2 * slots * exponentBytes + 2 * head + 4 * cipher + 4 * slots;
  // s, k∘r three times over, own shares, c₁..c_w inverted, the outputs twice, and c₀.
  const realtime = 8 * message + head + 4 * slots;
  const leaves = (10 + team.length) * slots * LEAF_BYTES;
  const table = slots * (SUBMISSION_BYTES + PROOF_BYTES * team.length) + message;
  return precomputed + Math.max(generated, mixed + realtime) + leaves + table;
}
