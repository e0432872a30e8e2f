// The outcome of a submission as this node knows it: pending, mixed, rejected, or its round failed. Apart from manager.ts because
// test/round/outcome.test.ts tests it without a manager.
import type { SenderId } from '../base/index.js';
import { type Outcome, ringEntry } from '../protocol/index.js';
import { PROGRESS } from './machine/state.js';
import type { Round } from './run/round.js';
import type { SubmissionDesk } from './submissions/desk.js';

/** `desk`: the desk that took the submission, at the first node. O(1): anyone may ask, any number of times. */
export function findOutcome(
  round: Round,
  desk: SubmissionDesk | undefined,
  sender: SenderId,
  salt: Uint8Array,
): Outcome {
  const { failure, progress } = round.state;
  const opened = PROGRESS.indexOf(progress) >= PROGRESS.indexOf('opening');
  if (failure) return { state: 'failed', code: failure.code, resendable: !opened };
  const { judged } = round;
  const slot = judged?.findSlot(sender, salt);
  if (slot === undefined) {
    if (desk?.has(sender, salt) && !judged) return { state: 'pending' };
    const early = desk?.findRejection(sender, salt);
    if (early) return { state: 'rejected', reason: early.reason, node: early.node };
    return { state: 'unknown', resendable: judged !== undefined };
  }
  const rejected = round.state.rejected.get(slot);
  if (rejected)
    return { state: 'rejected', reason: rejected.reason, node: ringEntry(round.facts.info.team, rejected.position) };
  return { state: round.stage === 'COMPLETED' ? 'mixed' : 'pending' };
}
