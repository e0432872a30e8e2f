// What a node can show of a failure that it has found: the evidence, put together from what it has heard. It gives none where it has
// only seen something (a stream that does not come, a chunk that nobody signed), or where it would be larger than is taken.

import type { NodeId } from '../../base/index.js';
import {
  type BatchPhase,
  type BatchTrailer,
  claimOf,
  EVIDENCE_BYTES_MAX,
  type Evidence,
  encodeEvidence,
  type FailureReport,
  messageStatement,
  type PublicFacts,
  proposalStatement,
  revealStatement,
  type SignedTeamMessage,
  STATEMENT_KINDS,
  type Statement,
  type TeamMessage,
} from '../../protocol/index.js';
import type { RoundFailure } from '../machine/state.js';

/** What has been heard in a round, by position. */
interface Heard {
  message<K extends TeamMessage['kind']>(
    kind: K,
    position: number,
  ): (SignedTeamMessage & { message: TeamMessage & { kind: K } }) | undefined;
  trailer(phase: BatchPhase, position: number): BatchTrailer | undefined;
  /** A batch that is in, or this node's own. */
  batch(phase: BatchPhase, position: number): Uint8Array | undefined;
  /** What a position said besides, of which it had said something else before. */
  second(position: number): Statement | undefined;
  /** What a position said that is wrong by itself. */
  invalid(position: number): Statement | undefined;
  readonly mixCommits: readonly { readonly digest: Uint8Array; readonly signature: Uint8Array }[];
}

const AGREED = {
  KEY_SHARES_DISAGREE: ['keyShare', 'sharesDigest'],
  TABLE_DISAGREE: ['tableVerdict', 'tableSignature'],
  OUTPUTS_DISAGREE: ['commitment', 'outputSignature'],
} as const;

/** The evidence for a failure that this node has found itself, encoded; undefined where it has none. */
export function findEvidence(facts: PublicFacts, failure: RoundFailure, heard: Heard): Uint8Array | undefined {
  const evidence = evidenceFor(facts, failure, heard);
  const encoded = evidence && encodeEvidence(evidence);
  return encoded && encoded.length <= EVIDENCE_BYTES_MAX ? encoded : undefined;
}

function evidenceFor(facts: PublicFacts, { code, culprit }: RoundFailure, heard: Heard): Evidence | undefined {
  if (code in AGREED) return disagreement(facts, heard, AGREED[code as keyof typeof AGREED]);
  if (culprit === undefined) return undefined;
  const node = facts.info.team[culprit]!;
  switch (code) {
    case 'EQUIVOCATION':
      return equivocation(facts, heard, culprit);
    case 'COMMITMENT_OPENING':
    case 'DECRYPTION_PROOF':
      return wrongShare(heard, culprit, node, code);
    default: {
      const statement = heard.invalid(culprit);
      return statement && { kind: 'invalidStatement', statement };
    }
  }
}

const said = (heard: Heard, kind: TeamMessage['kind'], position: number): Statement | undefined => {
  const signed = heard.message(kind, position);
  return signed && messageStatement(signed.from, signed.message, signed.signature);
};

function opened(heard: Heard, position: number, from: NodeId, phase: BatchPhase): Statement | undefined {
  const trailer = heard.trailer(phase, position);
  return trailer && { kind: 'batch', from, phase, ...trailer };
}

function disagreement(
  { info }: PublicFacts,
  heard: Heard,
  [input, agreed]: readonly [TeamMessage['kind'], TeamMessage['kind']],
): Evidence | undefined {
  const all = (kind: TeamMessage['kind']) => {
    const list = info.team.map((_, position) => said(heard, kind, position));
    return list.every((one) => one !== undefined) ? list : undefined;
  };
  const [inputs, words] = [all(input), all(agreed)];
  return inputs && words && { kind: 'disagreement', inputs, said: words };
}

/** Two that contradict each other, of all that this node holds under the culprit's signature. */
function equivocation(facts: PublicFacts, heard: Heard, culprit: number): Evidence | undefined {
  const known = new Map<string, { readonly statement: Statement; readonly says: string }>();
  for (const statement of statementsOf(facts, heard, culprit)) {
    const { subject, says } = claimOf(facts, statement);
    const before = known.get(subject);
    if (before && before.says !== says) return { kind: 'equivocation', first: before.statement, second: statement };
    known.set(subject, { statement, says });
  }
  return undefined;
}

function* statementsOf(facts: PublicFacts, heard: Heard, culprit: number): Iterable<Statement> {
  const from = facts.info.team[culprit]!;
  const direct = [
    heard.second(culprit),
    ...STATEMENT_KINDS.map((kind) => said(heard, kind, culprit)),
    ...(['reveal', 'mixed', 'opening'] as const).map((phase) => opened(heard, culprit, from, phase)),
  ];
  for (const statement of direct) if (statement) yield statement;
  // Node 1 repeats itself in what the others say.
  if (culprit !== 0) return;
  for (const position of facts.info.team.keys()) {
    const commitment = heard.message('commitment', position)?.message;
    if (commitment) yield revealStatement(facts, commitment.cipherDigest, commitment.revealSignature);
    const verdict = heard.message('tableVerdict', position)?.message;
    if (verdict) yield proposalStatement(facts, verdict.proposalDigest, verdict.proposalSignature);
  }
  for (const { digest, signature } of heard.mixCommits) {
    yield messageStatement(from, { kind: 'mixCommit', digest }, signature);
  }
}

function wrongShare(
  heard: Heard,
  culprit: number,
  node: NodeId,
  code: 'COMMITMENT_OPENING' | 'DECRYPTION_PROOF',
): Evidence | undefined {
  const commitment = said(heard, 'commitment', culprit);
  const opening = opened(heard, culprit, node, 'opening');
  const shares = heard.batch('opening', culprit);
  if (!commitment || !opening || !shares) return undefined;
  if (code === 'COMMITMENT_OPENING') return { kind: 'opening', commitment, opening, shares };
  const keyShare = said(heard, 'keyShare', culprit);
  const cipher = heard.batch('reveal', 0);
  return keyShare && cipher && { kind: 'decryptionShare', keyShare, commitment, opening, shares, cipher };
}

/** A failure as its report has it: members by their ids and not by their places in the ring. */
export function failureReport(failure: RoundFailure, team: readonly NodeId[]): FailureReport {
  const { code, culprit, accused, reporter, detail } = failure;
  const member = (position: number | undefined) => (position === undefined ? undefined : team[position]);
  return { code, culprit: member(culprit), accused: member(accused), reporter: team[reporter]!, detail };
}
