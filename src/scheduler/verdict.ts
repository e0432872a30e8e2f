// What a team's reports come to: whether a round's outputs are there, and who is to blame where it failed. Members are taken at
// their word as far as others bear it out; of those that are away the scheduler knows something itself.
import type { NodeId } from '../base/ids.js';
import type { RoundRecord, SchedulerState } from './schedulerState.js';

/** After a restart of the scheduler, how long nodes are waited for that have not come back. */
const UNSEEN_MS = 30_000;

/**
 * Whether a round's outputs are there: all of its team say so, or at least half, and the others are away or `gone`. A node is done
 * only with every member's signature under the outputs, those of the members that are away among them; a few that say so too early
 * must not end a round behind the backs of the others.
 */
export function isDone(
  { nodes }: SchedulerState,
  { info, stages, openedMs }: RoundRecord,
  nowMs: number,
  gone?: ReadonlySet<NodeId>,
): boolean {
  const isAway = (node: NodeId) => {
    const record = nodes.get(node);
    if (!record || gone?.has(node)) return true;
    return !record.connected && (record.bootId !== undefined || nowMs - openedMs > UNSEEN_MS);
  };
  const left = info.team.filter((node) => stages.get(node) !== 'COMPLETED');
  return 2 * left.length <= info.team.length && left.every(isAway);
}

/**
 * Who is to blame for a failed round, from what its team says: who is named by more than half of the others, or is said to be lost
 * and is away from here, too. A node that names another by itself may lie as well as the one it names: then both of them are
 * blamed, and chance sorts them out.
 */
export function blame({ nodes }: SchedulerState, { info, failures, resumed }: RoundRecord): readonly NodeId[] {
  const votes = new Map<NodeId, Set<NodeId>>();
  const lost = new Set<NodeId>();
  for (const [reporter, { code, culprit, reporter: source }] of failures) {
    // Where we have been away, whoever is late may not have been told by us what to do.
    if (resumed && code === 'DEADLINE_MISSED') continue;
    if (culprit === undefined || !info.team.includes(culprit)) continue;
    const said = votes.get(culprit) ?? new Set<NodeId>();
    // Hearsay is its source's word.
    votes.set(culprit, said.add(info.team.includes(source) ? source : reporter));
    if (code === 'PEER_LOST' && nodes.get(culprit)?.connected === false) lost.add(culprit);
  }
  const others = info.team.length - 1;
  const convicted = [...votes].filter(
    ([culprit, said]) => said.has(culprit) || said.size > others / 2 || lost.has(culprit),
  );
  if (convicted.length > 0) return convicted.map(([culprit]) => culprit);
  const [pair] = [...votes].sort((a, b) => b[1].size - a[1].size);
  return pair ? [...new Set([pair[0], ...pair[1]])] : [];
}
