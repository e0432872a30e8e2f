// Finds the node to blame when a phase or a stage takes too long. A node knows only which member it waits for, and that member
// may itself wait for another: along a ring, all but one of the team would name the wrong node. So a missed deadline does not end
// the round at once: the node tells which member it waits for (a signed round error), all others answer likewise, and each
// follows the chain of claims to the member that waits for nobody or is silent. A false claim can at most close a circle, which
// names nobody.
//
// The time of a phase runs from one step of this node to its next, so it covers the pass of the batch through all others. A node
// that keeps a batch for most of that time and then passes it on would leave its successor at work at the deadline. Therefore
// half of the time counts, too: a node remembers which member it waited for then, and claims it if it waits for nobody now, or
// has only just been able to take its step.
import type { BatchPhase, TeamMessageKind } from '../../protocol/index.js';
import { type HoldUp, type PhaseWait, PROGRESS, type Progress, type RoundState } from './state.js';

/** Steps after a hold-up during which it still explains a deadline that others miss: the last node of a ring takes two at once. */
const STEPS_REMEMBERED = 2;

/** Claim of a node that waits for nobody: the node itself is late. */
export const NOBODY = -1;

/** Positions that this node is waiting for, nearest cause first. */
function awaited(state: RoundState): readonly number[] {
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

/**
 * Returns the wait of this node for the team, which a phase's deadline ends; undefined if it waits for the scheduler (STANDBY) or
 * for senders (QUEUED, until it has judged the table of the closed batch): then only the stage's deadline applies.
 */
export function phaseWait({ stage, progress }: RoundState): PhaseWait | undefined {
  const isClosed = stage === 'QUEUED' && progress === 'tableVerdict';
  return stage === 'PRECOMPUTING' || stage === 'REALTIME' || isClosed ? { stage, progress } : undefined;
}

/** Returns false if that wait is over. */
export const isInWait = (state: RoundState, wait: PhaseWait): boolean =>
  wait.stage === state.stage && wait.progress === state.progress;

/** Returns the member that this node waits for when half of a phase's time is over. */
export const findHoldUp = (state: RoundState): HoldUp => ({
  after: state.progress,
  by: awaited(state)[0] ?? NOBODY,
});

/** Steps that this node has taken since it was held up; undefined if it was not, or more than STEPS_REMEMBERED ago. */
function stepsSince({ holdUp, progress }: RoundState): number | undefined {
  if (!holdUp) return undefined;
  const steps = PROGRESS.indexOf(progress) - PROGRESS.indexOf(holdUp.after);
  return steps <= STEPS_REMEMBERED ? steps : undefined;
}

/** The phase that this node is in, in words. */
export const describePhase = ({ progress }: RoundState): string => `phase after ${progress}`;

/** The late part as this node sees it, in words: the phase if it was held up in one, else the stage. */
export const lateAsSeen = (state: RoundState): string =>
  stepsSince(state) === undefined ? `stage ${state.stage}` : describePhase(state);

/** True if this node has seen a delay itself, and so believes a deadline that another member reports as missed. */
export const seesDelay = (state: RoundState): boolean => state.late || stepsSince(state) !== undefined;

/** Returns the claim of this node when a phase or a stage is over its time: a position, or NOBODY. */
export function ownClaim(state: RoundState): number {
  const steps = stepsSince(state);
  const heldUpBy = steps === undefined ? undefined : state.holdUp?.by;
  const now = awaited(state)[0];
  // Within the late wait, the member that is still missing comes first; after it, the one that made it late.
  return (steps === 0 ? (now ?? heldUpBy) : (heldUpBy ?? now)) ?? NOBODY;
}

interface Blame {
  /** End of the chain of claims that begins at this node; undefined if the chain is a circle. */
  readonly culprit: number | undefined;
  /** Positions that wait for each other: one of them is wrong, or the link between them is. */
  readonly circle: readonly number[];
}

/** Follows the claims, beginning with this node's. A position without a claim is silent, and is to blame. */
export function findBlame(position: number, claims: readonly (number | undefined)[]): Blame {
  const path: number[] = [];
  for (let suspect = position; ; ) {
    if (path.includes(suspect)) return { culprit: undefined, circle: path.slice(path.indexOf(suspect)) };
    const claim = claims[suspect];
    if (claim === undefined || claim === NOBODY) return { culprit: suspect, circle: [] };
    path.push(suspect);
    suspect = claim;
  }
}
