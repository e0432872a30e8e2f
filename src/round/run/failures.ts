// Collects the evidence for a failure that this node has found, from the messages and batches of the round. There is none for
// events that only this node saw (a stream that does not come, a chunk that nobody signed), or if it would exceed
// EVIDENCE_BYTES_MAX.

import type { ErrorCode } from '../../base/index.js';
import {
  type BatchPhase,
  EVIDENCE_BYTES_MAX,
  type Evidence,
  encodeEvidence,
  type FailureReport,
  memberAt,
  messageStatement,
  type PublicFacts,
  proposalStatement,
  readClaim,
  revealStatement,
  STATEMENT_KINDS,
  type Statement,
  type TeamMember,
  type TeamMessage,
} from '../../protocol/index.js';
import { type RoundFailure, type RoundState, saidBy } from '../machine/state.js';

/** Messages and batches of a round. */
interface Heard {
  readonly state: RoundState;
  /** Batch of another member, as far as it is in. */
  readonly batch: (phase: BatchPhase, position: number) => Uint8Array | undefined;
}

/** Failures by which members disagree on common input: the kind of the input messages, and of the messages derived from them. */
const AGREED: ReadonlyMap<ErrorCode, readonly [TeamMessage['kind'], TeamMessage['kind']]> = new Map([
  ['KEY_SHARES_DISAGREE', ['keyShare', 'sharesDigest']],
  ['TABLE_DISAGREE', ['tableVerdict', 'tableSignature']],
  ['OUTPUTS_DISAGREE', ['commitment', 'outputSignature']],
]);

/** Returns the evidence for a failure that this node has found itself, encoded; undefined if there is none. */
export function findEvidence(facts: PublicFacts, failure: RoundFailure, heard: Heard): Uint8Array | undefined {
  const evidence = evidenceFor(facts, failure, heard);
  const encoded = evidence && encodeEvidence(evidence);
  return encoded && encoded.length <= EVIDENCE_BYTES_MAX ? encoded : undefined;
}

function evidenceFor(facts: PublicFacts, { code, culprit }: RoundFailure, heard: Heard): Evidence | undefined {
  const agreed = AGREED.get(code);
  if (agreed) return disagreement(facts, heard, agreed);
  if (culprit === undefined) return undefined;
  switch (code) {
    case 'EQUIVOCATION':
      return equivocation(facts, heard, memberAt(facts, culprit));
    case 'COMMITMENT_OPENING':
    case 'DECRYPTION_PROOF':
      return wrongShare(heard, memberAt(facts, culprit), code);
    default: {
      const [statement] = heard.state.shown;
      return statement && { kind: 'invalidStatement', statement };
    }
  }
}

function said({ state }: Heard, kind: TeamMessage['kind'], { position, node }: TeamMember): Statement | undefined {
  const signed = saidBy(state, kind, position);
  return signed && messageStatement(node, signed.message, signed.signature);
}

function ended({ state }: Heard, { position, node }: TeamMember, phase: BatchPhase): Statement | undefined {
  const trailer = state.batches[phase]?.[position]?.trailer;
  return trailer && { kind: 'batch', from: node, phase, ...trailer };
}

function disagreement(
  { members }: PublicFacts,
  heard: Heard,
  [input, agreed]: readonly [TeamMessage['kind'], TeamMessage['kind']],
): Evidence | undefined {
  const all = (kind: TeamMessage['kind']) => {
    const list = members.map((member) => said(heard, kind, member));
    return list.every((one) => one !== undefined) ? list : undefined;
  };
  const [inputs, words] = [all(input), all(agreed)];
  return inputs && words && { kind: 'disagreement', inputs, said: words };
}

/** Finds two contradicting statements among all that this node holds under the culprit's signature. */
function equivocation(facts: PublicFacts, heard: Heard, culprit: TeamMember): Evidence | undefined {
  const known = new Map<string, { readonly statement: Statement; readonly says: string }>();
  for (const statement of statementsBy(facts, heard, culprit)) {
    const { subject, says } = readClaim(facts, statement);
    const before = known.get(subject);
    if (before && before.says !== says) return { kind: 'equivocation', first: before.statement, second: statement };
    known.set(subject, { statement, says });
  }
  return undefined;
}

function* statementsBy(facts: PublicFacts, heard: Heard, culprit: TeamMember): Iterable<Statement> {
  const { state } = heard;
  yield* state.shown;
  const direct = [
    ...STATEMENT_KINDS.map((kind) => said(heard, kind, culprit)),
    ...(['reveal', 'mixed', 'opening'] as const).map((phase) => ended(heard, culprit, phase)),
  ];
  for (const statement of direct) if (statement) yield statement;
  // The others' messages repeat signed statements of node 1.
  if (culprit.position !== 0) return;
  for (const { position } of facts.members) {
    const commitment = saidBy(state, 'commitment', position)?.message;
    if (commitment) yield revealStatement(facts, commitment.cipherDigest, commitment.revealSignature);
    const verdict = saidBy(state, 'tableVerdict', position)?.message;
    if (verdict) yield proposalStatement(facts, verdict.proposalDigest, verdict.proposalSignature);
  }
  for (const { position } of facts.members) {
    const opening = state.batches.opening?.[position]?.opening;
    if (opening)
      yield messageStatement(culprit.node, { kind: 'mixCommit', digest: opening.mixDigest }, opening.mixSignature);
  }
}

function wrongShare(
  heard: Heard,
  culprit: TeamMember,
  code: 'COMMITMENT_OPENING' | 'DECRYPTION_PROOF',
): Evidence | undefined {
  const commitment = said(heard, 'commitment', culprit);
  const refused = heard.state.shown.find((statement) => statement.kind === 'batch' && statement.phase === 'opening');
  const opening = refused ?? ended(heard, culprit, 'opening');
  const shares = heard.batch('opening', culprit.position);
  if (!commitment || !opening || !shares) return undefined;
  if (code === 'COMMITMENT_OPENING') return { kind: 'opening', commitment, opening, shares };
  const keyShare = said(heard, 'keyShare', culprit);
  const cipher = heard.batch('reveal', 0);
  return keyShare && cipher && { kind: 'decryptionShare', keyShare, commitment, opening, shares, cipher };
}

/** Returns a failure as its report has it: members by id instead of ring position. */
export function failureReport(facts: PublicFacts, failure: RoundFailure): FailureReport {
  const { code, culprit, accused, reporter, detail } = failure;
  const member = (position: number | undefined) => (position === undefined ? undefined : facts.info.team[position]);
  const { node } = memberAt(facts, reporter);
  return { code, culprit: member(culprit), accused: member(accused), reporter: node, detail };
}
