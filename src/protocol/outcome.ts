// What became of a submission, as any node of its team can tell; and what a sender may conclude from what several of them say. A
// sender must not send a message again that may come out: whoever refused it, took it all the same, and then sees one text in two
// rounds, knows who wrote it.
import type { NodeId } from '../base/index.js';

/**
 * `resendable`: as far as this node can tell nothing of the submission has come out of the round or will, since it keeps its share
 * to itself (failed) or the table is without it (unknown). Without a single share nothing can be decoded.
 */
export type Outcome =
  | { readonly state: 'pending' }
  | { readonly state: 'mixed' }
  | { readonly state: 'rejected'; readonly reason: string; readonly node: NodeId }
  | { readonly state: 'failed'; readonly code: string; readonly resendable: boolean }
  | { readonly state: 'unknown'; readonly resendable: boolean };

/** How a round ended for all of its messages, as far as its nodes' answers go. */
export type Verdict = 'wait' | 'resend' | 'failed';

/**
 * What the answers of a round's whole team come to; undefined where a node gave none. One honest node that kept its share is enough
 * for nothing to have come out, but who is honest is not known: messages are sent again only where half of the team at least says
 * so, and nobody says anything else. That a round was mixed is nobody's word: its outputs show it, by everybody's signature.
 */
export function judgeOutcomes(answers: readonly (Outcome | undefined)[]): Verdict {
  const said = (...states: Outcome['state'][]) => answers.some((answer) => answer && states.includes(answer.state));
  if (said('mixed', 'rejected', 'pending')) return 'wait';
  const failed = answers.filter((answer) => answer?.state === 'failed');
  if (failed.some(({ resendable }) => !resendable)) return 'failed';
  return failed.length > 0 && 2 * failed.length >= answers.length ? 'resend' : 'wait';
}

/** True where all of these nodes say that a round is without a submission, and will be: none is missing, none says anything else. */
export const isAbsent = (answers: readonly (Outcome | undefined)[]): boolean =>
  answers.every((answer) => answer !== undefined && 'resendable' in answer && answer.resendable);
