// Evidence: statements that convict their signer. Anyone who knows the RoundInfo and the identity keys can verify it, without trusting
// the node that brings it. One union of kinds, one canonical encoding, one `verifyEvidence`; a new kind is a case in each of the three.
// Words are not evidence: observations of a single member (a chunk out of range, a stream that does not come) have no kind here.
import { asMixError, concat, equalBytes, MixError, type NodeId, toHex } from '../base/index.js';
import { batchRootInTurns, decodeKeyShare, openCommitment, splitCipher, verifyDecryption } from '../cmix/index.js';
import type { Engine } from '../engine/index.js';
import { checkElementsInTurns } from '../math/index.js';
import {
  checkMessage,
  checkTrailer,
  decodeFields,
  decodeStatement,
  encodeFields,
  encodeStatement,
  isLocal,
  isStatement,
  type PublicFacts,
  readClaim,
  type Statement,
  shareContext,
} from './statements.js';

export type Evidence =
  /** Two statements of one member about one subject that differ. */
  | { readonly kind: 'equivocation'; readonly first: Statement; readonly second: Statement }
  /** A statement that is wrong by itself: a share without a proof, a forged signature inside, a slot that does not exist. */
  | { readonly kind: 'invalidStatement'; readonly statement: Statement }
  /** An opening that is not what its member committed to. `shares`: D_i, whose root the opening signs. */
  | {
      readonly kind: 'opening';
      readonly commitment: Statement;
      readonly opening: Statement;
      readonly shares: Uint8Array;
    }
  /** A decryption share whose proof does not hold. `cipher`: the C whose root the commitment names. */
  | {
      readonly kind: 'decryptionShare';
      readonly keyShare: Statement;
      readonly commitment: Statement;
      readonly opening: Statement;
      readonly shares: Uint8Array;
      readonly cipher: Uint8Array;
    }
  /**
   * `said`: what each member has signed and all should agree on. `inputs`: the statements of each from which that value follows. The
   * culprit is a member that differs from more than half of the team, unless it shows that it was given other inputs.
   */
  | { readonly kind: 'disagreement'; readonly inputs: readonly Statement[]; readonly said: readonly Statement[] };

/** Largest evidence that is sent, accepted and stored: enough for a wrong decryption share of 2,700 slots at 4096 bits and width 1. */
export const EVIDENCE_BYTES_MAX = 4 * 1024 * 1024;

const VERSION = 1;
const KINDS = ['equivocation', 'invalidStatement', 'opening', 'decryptionShare', 'disagreement'] as const;

/** Result of verified evidence. */
export interface Finding {
  /** The convicted nodes; if not `certain`, they are convicted unless others show otherwise. */
  readonly culprits: readonly NodeId[];
  readonly certain: boolean;
}

const unproven = (why: string): MixError => new MixError('EVIDENCE_INVALID', { why });

function encodeParts(evidence: Evidence): Uint8Array[] {
  switch (evidence.kind) {
    case 'equivocation':
      return [encodeStatement(evidence.first), encodeStatement(evidence.second)];
    case 'invalidStatement':
      return [encodeStatement(evidence.statement)];
    case 'opening':
      return [encodeStatement(evidence.commitment), encodeStatement(evidence.opening), evidence.shares];
    case 'decryptionShare': {
      const { keyShare, commitment, opening, shares, cipher } = evidence;
      return [...[keyShare, commitment, opening].map(encodeStatement), shares, cipher];
    }
    case 'disagreement':
      return [evidence.inputs, evidence.said].map((list) => encodeFields(list.map(encodeStatement)));
  }
}

export function encodeEvidence(evidence: Evidence): Uint8Array {
  return concat([Uint8Array.of(VERSION, KINDS.indexOf(evidence.kind)), encodeFields(encodeParts(evidence))]);
}

/** Decodes untrusted bytes; only the canonical encoding passes. @throws MixError MESSAGE_MALFORMED, MESSAGE_TOO_LARGE */
export function decodeEvidence(bytes: Uint8Array): Evidence {
  if (bytes.length > EVIDENCE_BYTES_MAX)
    throw new MixError('MESSAGE_TOO_LARGE', { what: 'evidence', most: EVIDENCE_BYTES_MAX });
  const kind = KINDS[bytes[1] ?? KINDS.length];
  if (bytes[0] !== VERSION || !kind) throw new MixError('MESSAGE_MALFORMED', { what: 'evidence' });
  const evidence = decodeParts(kind, bytes.subarray(2));
  if (!equalBytes(encodeEvidence(evidence), bytes)) throw new MixError('MESSAGE_MALFORMED', { what: 'evidence' });
  return evidence;
}

function decodeParts(kind: Evidence['kind'], bytes: Uint8Array): Evidence {
  const parts = (count: number) => decodeFields(bytes, count, kind);
  switch (kind) {
    case 'equivocation': {
      const [first, second] = parts(2).map(decodeStatement);
      return { kind, first: first!, second: second! };
    }
    case 'invalidStatement':
      return { kind, statement: decodeStatement(parts(1)[0]!) };
    case 'opening': {
      const [commitment, opening, shares] = parts(3);
      return { kind, commitment: decodeStatement(commitment!), opening: decodeStatement(opening!), shares: shares! };
    }
    case 'decryptionShare': {
      const [keyShare, commitment, opening, shares, cipher] = parts(5);
      const statements = [keyShare, commitment, opening].map((part) => decodeStatement(part!));
      const [first, second, third] = statements;
      return { kind, keyShare: first!, commitment: second!, opening: third!, shares: shares!, cipher: cipher! };
    }
    case 'disagreement': {
      const [inputs, said] = parts(2).map((list) => decodeFields(list, -1, kind).map(decodeStatement));
      return { kind, inputs: inputs!, said: said! };
    }
  }
}

/** All statements in a piece of evidence: their signers have made them, whatever the evidence proves. */
export function statementsIn(evidence: Evidence): readonly Statement[] {
  switch (evidence.kind) {
    case 'equivocation':
      return [evidence.first, evidence.second];
    case 'invalidStatement':
      return [evidence.statement];
    case 'opening':
      return [evidence.commitment, evidence.opening];
    case 'decryptionShare':
      return [evidence.keyShare, evidence.commitment, evidence.opening];
    case 'disagreement':
      return [...evidence.inputs, ...evidence.said];
  }
}

/**
 * Verifies evidence and names the nodes that it convicts: none for a disagreement without a majority.
 * @throws MixError EVIDENCE_INVALID if it proves nothing, so that the node that brought it has lied; errors of the engine
 */
export async function verifyEvidence(facts: PublicFacts, engine: Engine, evidence: Evidence): Promise<Finding> {
  try {
    return await examine(facts, engine, evidence);
  } catch (thrown) {
    const error = asMixError(thrown);
    if (isLocal(error.code) || error.code === 'EVIDENCE_INVALID') throw error;
    throw unproven(error.code);
  }
}

async function examine(facts: PublicFacts, engine: Engine, evidence: Evidence): Promise<Finding> {
  const statements = statementsIn(evidence);
  if (!statements.every((statement) => isStatement(facts, statement))) throw unproven('a signature does not verify');
  const [{ from }] = statements as [Statement];
  switch (evidence.kind) {
    case 'equivocation':
      checkEquivocation(facts, evidence.first, evidence.second);
      return { culprits: [from], certain: true };
    case 'invalidStatement':
      if (!(await isInvalid(facts, engine, evidence.statement))) throw unproven('nothing is wrong with the statement');
      return { culprits: [from], certain: true };
    case 'opening':
      await checkOpening(facts, evidence);
      return { culprits: [from], certain: true };
    case 'decryptionShare':
      await checkDecryptionShare(facts, engine, evidence);
      return { culprits: [from], certain: true };
    case 'disagreement':
      return { culprits: dissenters(facts, evidence), certain: false };
  }
}

function checkEquivocation(facts: PublicFacts, first: Statement, second: Statement): void {
  const [a, b] = [readClaim(facts, first), readClaim(facts, second)];
  if (first.from !== second.from || a.subject !== b.subject)
    throw unproven('not about one thing, or not of one member');
  if (a.says === b.says) throw unproven('both statements say the same');
}

/** True if a statement fails a check that needs nothing besides the statement and public facts. */
async function isInvalid(facts: PublicFacts, engine: Engine, statement: Statement): Promise<boolean> {
  try {
    if (statement.kind === 'batch') checkTrailer(facts, statement.phase, statement.extra);
    else await checkMessage(facts, engine, statement.from, statement.message);
    return false;
  } catch (thrown) {
    const error = asMixError(thrown);
    if (isLocal(error.code)) throw error;
    return true;
  }
}

/** Checks that commitment and opening are of one member, and that the opening signs the shares. */
async function committedAndOpened(
  { info }: PublicFacts,
  { commitment, opening, shares }: Evidence & { kind: 'opening' | 'decryptionShare' },
) {
  if (commitment.kind !== 'message' || commitment.message.kind !== 'commitment') throw unproven('no commitment');
  if (opening.kind !== 'batch' || opening.phase !== 'opening') throw unproven('no opening');
  if (commitment.from !== opening.from) throw unproven('commitment and opening are of two members');
  if (
    shares.length % info.slots !== 0 ||
    !equalBytes(opening.root, await batchRootInTurns('opening', shares, info.slots))
  )
    throw unproven('not the shares that were signed');
  return { committed: commitment.message, extra: opening.extra, node: opening.from };
}

async function checkOpening(facts: PublicFacts, evidence: Evidence & { kind: 'opening' }): Promise<void> {
  const { committed, extra, node } = await committedAndOpened(facts, evidence);
  const opening = checkTrailer(facts, 'opening', extra);
  const { commitment, cipherDigest } = committed;
  const { shares } = evidence;
  const opened = { roundDigest: facts.digest, node, cipherDigest, shares, ...opening! };
  if (openCommitment(commitment, opened)) throw unproven('the opening is what was committed to');
}

async function checkDecryptionShare(
  facts: PublicFacts,
  engine: Engine,
  evidence: Evidence & { kind: 'decryptionShare' },
): Promise<void> {
  const { info, group } = facts;
  const { keyShare, cipher, shares } = evidence;
  const { committed, extra, node } = await committedAndOpened(facts, evidence);
  const { cipherDigest } = committed;
  if (keyShare.kind !== 'message' || keyShare.message.kind !== 'keyShare' || keyShare.from !== node)
    throw unproven('no key share of the same member');
  const length = info.slots * (info.width + 1) * group.elementBytes;
  if (cipher.length !== length || !equalBytes(cipherDigest, await batchRootInTurns('reveal', cipher, info.slots)))
    throw unproven('not the C that was committed over');
  await checkElementsInTurns(group, cipher, 'C');
  const { elements: publicShares } = decodeKeyShare(group, info.width, keyShare.message.share);
  const { c0 } = splitCipher(group, cipher, info.width);
  const { proof } = checkTrailer(facts, 'opening', extra)!;
  const statement = { publicShares, c0, shares, batchDigest: cipherDigest, proof };
  if (await verifyDecryption(engine, shareContext(facts, node), statement, { priority: 'precompute' }))
    throw unproven('the decryption share is right');
}

/** Kinds of statement on which all must agree, each with the kind that it is computed from. */
const MADE_OF = { sharesDigest: 'keyShare', tableSignature: 'tableVerdict', outputSignature: 'commitment' } as const;

/** Members that differ from more than half of the team; none if no such majority exists. */
function dissenters(facts: PublicFacts, { inputs, said }: Evidence & { kind: 'disagreement' }): readonly NodeId[] {
  const { team } = facts.info;
  const statementKind = (statement: Statement | undefined) =>
    statement?.kind === 'message' ? statement.message.kind : undefined;
  const about = statementKind(said[0]);
  const from = about !== undefined && about in MADE_OF ? MADE_OF[about as keyof typeof MADE_OF] : undefined;
  const isList = (list: readonly Statement[], kind: string | undefined) =>
    list.length === team.length && list.every((one, i) => one.from === team[i] && statementKind(one) === kind);
  if (from === undefined || !isList(said, about) || !isList(inputs, from)) throw unproven('not one statement of each');
  const digests = said.map((one) => contentDigest(one));
  const votes = (digest: string) => digests.filter((one) => one === digest).length;
  if (votes(digests[0]!) === team.length) throw unproven('all say the same');
  const most = digests.find((digest) => 2 * votes(digest) > team.length);
  return most === undefined ? [] : team.filter((_, i) => digests[i] !== most);
}

const contentDigest = (statement: Statement): string =>
  statement.kind === 'message' && 'digest' in statement.message ? toHex(statement.message.digest) : '';
