// Who is to blame when a stage takes too long. A node knows only whom it waits for, and that one may itself wait for another:
// along a ring, all but one of the team would name the wrong node. So a missed deadline does not end the round at once:
// the node says whom it waits for (a signed round error), everybody answers likewise, and each follows the chain of
// claims to the one that waits for nobody or says nothing. A false claim can at most close a circle, which names nobody.
import type { BatchPhase } from './batchPhases.js';
import type { Progress, RoundState } from './roundState.js';
import type { TeamMessageKind } from './teamMessages.js';

/** Claim of a node that waits for nobody: it is late by itself. */
export const NOBODY = -1;

/** Positions that this node is waiting for, nearest cause first. */
export function awaited(state: RoundState): readonly number[] {
  const { size, position } = state;
  const others = Array.from({ length: size }, (_, other) => other).filter((other) => other !== position);
  const silent = (kind: TeamMessageKind): number[] => others.filter((other) => state.said[kind]?.[other] === undefined);
  const unsent = (phase: BatchPhase, from: readonly number[] = others): number[] =>
    from.filter((other) => others.includes(other) && state.batches[phase]?.[other] === undefined);
  const first = <T>(...lists: readonly (readonly T[])[]): readonly T[] => lists.find((list) => list.length > 0) ?? [];
  const proposer = state.said.tableProposal?.[0] === undefined && position > 0 ? [0] : [];
  const committer = state.said.mixCommit?.[0] === undefined && position > 0 ? [0] : [];
  const waitsFor: Record<Progress, readonly number[]> = {
    opened: [],
    keyShare: silent('keyShare'),
    sharesDigest: first(silent('sharesDigest'), unsent('precompDecrypt', [position - 1])),
    precompDecrypt: unsent('precompPermute', [position + 1]),
    precompPermute: unsent('reveal', [0]),
    commitment: first(silent('commitment'), proposer),
    tableVerdict: first(silent('commitment'), silent('tableVerdict')),
    tableSignature: first(silent('tableSignature'), unsent('realtimeDecrypt', [position - 1])),
    realtimeDecrypt: unsent('realtimePermute', [position + 1]),
    realtimePermute: committer,
    opening: [...unsent('opening'), ...unsent('mixed', [0])],
    outputSignature: silent('outputSignature'),
  };
  return waitsFor[state.progress];
}

/** What this node claims when a stage is over its time: a position, or NOBODY. */
export const ownClaim = (state: RoundState): number => awaited(state)[0] ?? NOBODY;

export interface Blame {
  /** Where the chain of claims ends, from this node on; undefined where it runs in a circle. */
  readonly culprit: number | undefined;
  /** Positions that wait for each other: one of them is wrong, or the link between them is. */
  readonly circle: readonly number[];
}

/** Follows the claims. Whoever has made none is silent, and so is the one. */
export function blameOf(state: RoundState): Blame {
  const path: number[] = [];
  for (let suspect = state.position; ; ) {
    if (path.includes(suspect)) return { culprit: undefined, circle: path.slice(path.indexOf(suspect)) };
    const claim = state.claims?.[suspect];
    if (claim === undefined || claim === NOBODY) return { culprit: suspect, circle: [] };
    path.push(suspect);
    suspect = claim;
  }
}
