// Pairs: two nodes of which one has said that the other failed a round, while nothing shows which of them did. One of the two lies, or
// the link between them is bad. Neither is to blame for it; but a pair that keeps failing rounds is kept out of common teams, and a node
// that is in many pairs is taken for their cause.
import type { NodeId } from '../../base/index.js';
import type { SchedulerParams } from '../parameters.js';
import type { Pair } from './state.js';

type Pairs = ReadonlyMap<string, Pair>;

/** Failed rounds after which a pair is kept apart. */
const APART_ROUNDS = 2;
/** Upper limit of liarsIn, however large the network: a liar that accuses an innocent node puts itself into a pair, too. */
const LIARS_MAX = 8;
/** Least number of partners: one accuser alone never puts a node out. */
const PARTNERS_MIN = 2;

/** Liars that are allowed for: less than a third of the network, as in the section, and LIARS_MAX at most. */
export const liarsIn = (nodeCount: number): number => Math.min(LIARS_MAX, Math.floor((nodeCount - 1) / 3));

const pairKey = (a: NodeId, b: NodeId): string => (a < b ? `${a}/${b}` : `${b}/${a}`);

/** Remembers the accusations of a failed round. */
export function accuse(pairs: Pairs, accusations: readonly (readonly [NodeId, NodeId])[], nowMs: number): Pairs {
  const changed = new Map(pairs);
  for (const key of new Set(accusations.map(([a, b]) => pairKey(a, b)))) {
    const [a, b] = key.split('/') as [NodeId, NodeId];
    changed.set(key, { nodes: [a, b], rounds: (pairs.get(key)?.rounds ?? 0) + 1, lastMs: nowMs });
  }
  return changed;
}

/** Drops pairs that are old, and those of nodes that are gone. */
export function recent(
  pairs: Pairs,
  isKnown: (node: NodeId) => boolean,
  params: SchedulerParams,
  nowMs: number,
): Pairs {
  const isOld = ({ nodes, lastMs }: Pair) => nowMs - lastMs > params.pairMs || !nodes.every(isKnown);
  const old = [...pairs].filter(([, pair]) => isOld(pair)).map(([key]) => key);
  if (old.length === 0) return pairs;
  const kept = new Map(pairs);
  for (const key of old) kept.delete(key);
  return kept;
}

/** Drops the pairs of a node, because its guilt explains them. */
export const explained = (pairs: Pairs, by: NodeId): Pairs =>
  new Map([...pairs].filter(([, { nodes }]) => !nodes.includes(by)));

/**
 * The node that most pairs have in common; undefined if it may be innocent. Each pair has a liar in it, so with f liars an innocent node
 * is in pairs with f others at most.
 */
export function commonMember(pairs: Pairs, nodeCount: number): NodeId | undefined {
  const partners = new Map<NodeId, number>();
  for (const { nodes } of pairs.values()) for (const node of nodes) partners.set(node, (partners.get(node) ?? 0) + 1);
  const needed = Math.max(PARTNERS_MIN, liarsIn(nodeCount) + 1);
  const [most] = [...partners].sort((a, b) => b[1] - a[1]);
  return most && most[1] >= needed ? most[0] : undefined;
}

/** True if two nodes are kept out of common teams. */
export const areApart = (pairs: Pairs, a: NodeId, b: NodeId): boolean =>
  (pairs.get(pairKey(a, b))?.rounds ?? 0) >= APART_ROUNDS;
