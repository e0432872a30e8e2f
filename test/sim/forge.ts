// Forgeries of a malicious node: batches with any content, properly signed with its own key, and messages likewise.
import type { SigningKey } from '../../src/cmix/signatures.js';
import { type BatchPhase, encodeOpening, type OpeningExtra } from '../../src/protocol/batchPhases.js';
import type { RoundFacts } from '../../src/protocol/roundInfo.js';
import {
  messageDigest,
  type SignedTeamMessage,
  signTrailer,
  type TeamMessage,
} from '../../src/protocol/teamMessages.js';
import { OutgoingBatch } from '../../src/round/exchange/batches.js';

type Facts = Pick<RoundFacts, 'info' | 'group' | 'digest'>;

/** A whole batch of a phase with a valid root and signature over any content. */
export function forgeBatch(
  facts: Facts,
  key: SigningKey,
  phase: BatchPhase,
  bytes: Uint8Array,
  extra?: Uint8Array,
): OutgoingBatch {
  const batch = new OutgoingBatch(facts.info, facts.group, phase, bytes);
  batch.readyAll();
  batch.finish(signTrailer(key, facts.digest, phase, batch.root(), extra));
  return batch;
}

export function forgeOpening(facts: Facts, key: SigningKey, shares: Uint8Array, extra: OpeningExtra): OutgoingBatch {
  return forgeBatch(facts, key, 'opening', shares, encodeOpening(extra));
}

export function forgeMessage(facts: Facts, key: SigningKey, message: TeamMessage): SignedTeamMessage {
  const signature = key.sign(messageDigest(facts.digest, key.nodeId, message));
  return { round: facts.info.round, from: key.nodeId, message, signature };
}
