// Outcome of a submission, as a node of its team reports it, and what a sender may conclude from several of these. A sender must not send
// a message again if the first copy may still come out: a node that took it but answered that it did not would see one text in two rounds
// and know the writer. Here because round/ reports outcomes and client/ judges them.
import type { NodeId } from '../base/index.js';

/**
 * `resendable`: as far as this node can tell, the submission has not come out of the round and will not, because the node keeps its share
 * to itself (failed) or the table is without the submission (unknown). If a single share is missing, nothing can be decoded.
 */
export type Outcome =
  | { readonly state: 'pending' }
  | { readonly state: 'mixed' }
  | { readonly state: 'rejected'; readonly reason: string; readonly node: NodeId }
  | { readonly state: 'failed'; readonly code: string; readonly resendable: boolean }
  | { readonly state: 'unknown'; readonly resendable: boolean };

/** End of a round for all of its messages, as concluded from its nodes' answers. */
export type Verdict = 'wait' | 'resend' | 'failed';

/**
 * Concludes from the answers of a round's whole team; undefined for a node that gave none. If one honest node kept its share, nothing has
 * come out, but nobody knows which node is honest. So messages are sent again only if at least half of the team answers `failed` and
 * resendable, and none answers mixed, rejected, pending or failed without resendable. A node's word that a round was mixed proves
 * nothing: the outputs do, with the signatures of the whole team.
 */
export function judgeOutcomes(answers: readonly (Outcome | undefined)[]): Verdict {
  const said = (...states: Outcome['state'][]) => answers.some((answer) => answer && states.includes(answer.state));
  if (said('mixed', 'rejected', 'pending')) return 'wait';
  const failed = answers.filter((answer) => answer?.state === 'failed');
  if (failed.some(({ resendable }) => !resendable)) return 'failed';
  return failed.length > 0 && 2 * failed.length >= answers.length ? 'resend' : 'wait';
}

/** True if every one of these nodes has answered, and each says that the submission has not come out and will not. */
export const isAbsent = (answers: readonly (Outcome | undefined)[]): boolean =>
  answers.every((answer) => answer !== undefined && 'resendable' in answer && answer.resendable);
