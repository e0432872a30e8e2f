// What became of a submission, as any node of its team can tell.
import type { NodeId, SenderId } from '../base/ids.js';
import type { Round } from './round.js';
import { type SubmissionDesk, submissionKey } from './submissions.js';

export type Outcome =
  | { readonly state: 'pending' }
  | { readonly state: 'mixed' }
  | { readonly state: 'rejected'; readonly reason: string; readonly node: NodeId }
  | { readonly state: 'failed'; readonly code: string }
  | { readonly state: 'unknown' };

/** `desk`: the one that took it, at the first node. */
export function outcomeOf(round: Round, desk: SubmissionDesk | undefined, sender: SenderId, salt: Uint8Array): Outcome {
  const { failure } = round.state;
  if (failure) return { state: 'failed', code: failure.code };
  const key = submissionKey(sender, salt);
  const { proposal } = round.realtime;
  const slot = proposal?.findIndex((entry) => entry !== null && submissionKey(entry.sender, entry.salt) === key) ?? -1;
  if (slot < 0) return desk?.has(sender, salt) && !proposal ? { state: 'pending' } : { state: 'unknown' };
  for (const [position, verdict] of round.realtime.verdicts.entries()) {
    const rejected = verdict?.find((rejection) => rejection.slot === slot);
    if (rejected) return { state: 'rejected', reason: rejected.reason, node: round.facts.info.team[position]! };
  }
  return { state: round.stage === 'COMPLETED' ? 'mixed' : 'pending' };
}
