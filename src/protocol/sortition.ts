// The team draw: which nodes of the pool mix a round, from 32 random bytes that everybody knows (today the scheduler's,
// later the section's beacon). Deterministic, so that everybody can check it, and unbiased. Apart from roundInfo.ts, which
// says what was drawn.
import { digest, MixError, type NodeId, type Rng, type RoundId, randomBelow } from '../base/index.js';

/** An Rng that expands 32 bytes for one draw: SHA-256 in counter mode. */
function expand(randomness: Uint8Array, round: RoundId): Rng {
  let counter = 0;
  let left = new Uint8Array(0);
  return {
    fill(out) {
      for (let at = 0; at < out.length; ) {
        if (left.length === 0) left = new Uint8Array(digest('team-draw', randomness, round, counter++));
        const taken = left.subarray(0, out.length - at);
        out.set(taken, at);
        at += taken.length;
        left = left.subarray(taken.length);
      }
      return out;
    },
  };
}

/**
 * Draws `size` distinct nodes of `pool`, in random order. The order of `pool` does not matter. Of two nodes that are to be `apart`, only
 * the one drawn first joins the team, unless the team cannot be filled otherwise.
 * @throws MixError ROUND_INFO_INVALID if `size` is below 1 or above the pool
 */
export function drawTeam(
  pool: readonly NodeId[],
  size: number,
  round: RoundId,
  randomness: Uint8Array,
  apart: (a: NodeId, b: NodeId) => boolean = () => false,
): NodeId[] {
  const nodes = [...new Set(pool)].sort();
  if (size < 1 || size > nodes.length) {
    throw new MixError('ROUND_INFO_INVALID', { field: 'team', pool: nodes.length, size });
  }
  const rng = expand(randomness, round);
  const team: NodeId[] = [];
  const passedOver: NodeId[] = [];
  for (let i = 0; i < nodes.length && team.length < size; i++) {
    const j = i + randomBelow(rng, nodes.length - i);
    [nodes[i], nodes[j]] = [nodes[j]!, nodes[i]!];
    const drawn = nodes[i]!;
    if (team.some((member) => apart(member, drawn))) passedOver.push(drawn);
    else team.push(drawn);
  }
  return [...team, ...passedOver].slice(0, size);
}

/** A team as a set: the same for the same nodes in any order. */
export const teamKey = (team: readonly NodeId[]): string => [...team].sort().join('/');
