// Messages and batches that a round accepts at each step, given how far this node has come. Apart from reducer.ts because the
// inbox asks before a message reaches the machine.
import type { ErrorCode } from '../../base/index.js';
import type { BatchPhase, Stage, TeamMessageKind } from '../../protocol/index.js';
import { PROGRESS, type Progress, type RoundState } from './state.js';

/** The progress of this node without which an honest member cannot have sent this message or batch. */
const REQUIRES: Record<Exclude<TeamMessageKind, 'roundError'> | BatchPhase | 'screening', Progress> = {
  keyShare: 'opened',
  sharesDigest: 'keyShare',
  precompDecrypt: 'sharesDigest',
  precompPermute: 'precompDecrypt',
  reveal: 'precompPermute',
  commitment: 'precompPermute',
  screening: 'commitment',
  tableProposal: 'commitment',
  tableVerdict: 'commitment',
  tableSignature: 'tableVerdict',
  realtimeDecrypt: 'tableSignature',
  realtimePermute: 'realtimeDecrypt',
  mixCommit: 'realtimePermute',
  mixed: 'realtimePermute',
  opening: 'realtimePermute',
  outputSignature: 'opening',
};

const ONLY_FIRST_NODE: readonly string[] = ['screening', 'tableProposal', 'mixCommit'];

export const isOver = (stage: Stage): boolean => stage === 'COMPLETED' || stage === 'FAILED';

export const reached = (state: RoundState, least: Progress): boolean =>
  PROGRESS.indexOf(state.progress) >= PROGRESS.indexOf(least);

/** Returns the reason why this message or batch cannot be accepted now; undefined if it can. */
export function refusal(
  state: RoundState,
  kind: TeamMessageKind | BatchPhase | 'screening',
  from: number,
): ErrorCode | undefined {
  // A failed member tells everybody, members whose round has ended included.
  if (kind === 'roundError') return undefined;
  if (isOver(state.stage)) return 'ROUND_OVER';
  if (ONLY_FIRST_NODE.includes(kind) && from !== 0) return 'PHASE_SENDER_WRONG';
  return reached(state, REQUIRES[kind]) ? undefined : 'ROUND_WRONG_PHASE';
}
