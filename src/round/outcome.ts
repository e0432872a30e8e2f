// What became of a submission, as any node of its team can tell; and what a sender may conclude from what several of them say.
import type { NodeId, SenderId } from '../base/ids.js';
import type { Round } from './round.js';
import { PROGRESS } from './roundState.js';
import { type SubmissionDesk, submissionKey } from './submissions.js';

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

/** `desk`: the one that took it, at the first node. */
export function outcomeOf(round: Round, desk: SubmissionDesk | undefined, sender: SenderId, salt: Uint8Array): Outcome {
  const { failure, progress } = round.state;
  const opened = PROGRESS.indexOf(progress) >= PROGRESS.indexOf('opening');
  if (failure) return { state: 'failed', code: failure.code, resendable: !opened };
  const key = submissionKey(sender, salt);
  const { proposal } = round.realtime;
  const slot = proposal?.findIndex((entry) => entry !== null && submissionKey(entry.sender, entry.salt) === key) ?? -1;
  if (slot < 0) {
    if (desk?.has(sender, salt) && !proposal) return { state: 'pending' };
    return { state: 'unknown', resendable: proposal !== undefined };
  }
  for (const [position, verdict] of round.realtime.verdicts.entries()) {
    const rejected = verdict?.find((rejection) => rejection.slot === slot);
    if (rejected) return { state: 'rejected', reason: rejected.reason, node: round.facts.info.team[position]! };
  }
  return { state: round.stage === 'COMPLETED' ? 'mixed' : 'pending' };
}

/** What to do about a message, once its round's team was asked. */
export type Verdict = 'wait' | 'mixed' | 'rejected' | 'resend' | 'failed';

/**
 * What the answers of a round's nodes come to; undefined where one gave none. A message may be sent again only where nobody says
 * that its share was opened, and somebody that has its own still closed: it must never come out of two rounds.
 */
export function verdictOf(answers: readonly (Outcome | undefined)[]): Verdict {
  const given = answers.filter((answer) => answer !== undefined);
  const said = (state: Outcome['state']) => given.some((answer) => answer.state === state);
  if (said('mixed')) return 'mixed';
  if (said('rejected')) return 'rejected';
  if (said('pending')) return 'wait';
  const final = given.filter(
    (answer) => answer.state === 'failed' || (answer.state === 'unknown' && answer.resendable),
  );
  if (final.length === 0) return 'wait';
  return final.every((answer) => 'resendable' in answer && answer.resendable) ? 'resend' : 'failed';
}
