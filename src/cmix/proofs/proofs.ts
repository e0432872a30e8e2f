// Zero-knowledge proofs of the protocol, made non-interactive by hashing (Fiat and Shamir; the challenge covers the whole
// statement, as Bernhard, Pereira and Warinschi require): Schnorr's proof of knowledge of a key share, and one proof for a whole
// batch that decryption shares are correct (Chaum and Pedersen over random combinations: the small-exponent test of Bellare,
// Garay and Rabin, sound with 128-bit weights because the group has prime order). Nonces are uniform in [0, q).
import { concat, digest, equalBytes, MixError, type Rng, type Secret, wipeAll, xof } from '../../base/index.js';
import type { Engine, WorkOptions } from '../../engine/index.js';
import {
  bigintToBytes,
  bytesToBigint,
  checkElements,
  countElements,
  elementAt,
  type Group,
  randomScalar,
} from '../../math/index.js';
import { checkScalars, type DecryptionProof, type KnowledgeProof, type ShareContext } from './codec.js';
import { proofResponse } from './scalar.js';

export * from './codec.js';

/** Bytes of a weight t_j of the batch proof: a wrong share passes with probability 2^-128. */
const WEIGHT_BYTES = 16;

/** Options of engine work that has several steps. */
export type ProofOptions = Pick<WorkOptions, 'priority' | 'order' | 'signal' | 'inRange'>;

/** Returns the generator as an element. */
export function generatorElement(group: Group): Uint8Array {
  return bigintToBytes(group.g, group.elementBytes);
}

/** Converts a challenge to an exponent: 256 bits unchanged, reduced only if a test group is smaller than that. */
function challengeScalar(group: Group, hash: Uint8Array): Uint8Array {
  if (group.elementBytes > hash.length) return hash;
  return bigintToBytes(bytesToBigint(hash) % group.q, group.elementBytes);
}

function knowledgeChallenge(context: ShareContext, position: number, statement: Uint8Array, first: Uint8Array) {
  const { group, roundDigest, node } = context;
  return challengeScalar(
    group,
    digest('key-share-proof', group.name, roundDigest, node, context.width, position, statement, first),
  );
}

/** Draws `width` full-size nonces, flat. */
function freshNonces(rng: Rng, group: Group, width: number): Uint8Array {
  const nonces = new Uint8Array(width * group.elementBytes);
  for (let e = 0; e < width; e++) {
    const nonce = randomScalar(rng, group);
    elementAt(group, nonces, e).set(nonce);
    nonce.fill(0);
  }
  return nonces;
}

/**
 * Proves knowledge of the exponents of `elements` = g^exponents, one proof per element.
 * @param exponents width × exponentBytes bytes
 */
export async function proveKnowledge(
  engine: Engine,
  rng: Rng,
  context: ShareContext,
  elements: Uint8Array,
  exponents: Secret,
  options: ProofOptions = {},
): Promise<KnowledgeProof[]> {
  const { group, width, exponentBytes } = context;
  const nonces = freshNonces(rng, group, width);
  try {
    const first = await engine.powFixed(generatorElement(group), nonces, {
      ...options,
      exponentBytes: group.elementBytes,
    });
    return Array.from({ length: width }, (_, e) => {
      const commitment = Uint8Array.from(elementAt(group, first, e));
      const challenge = knowledgeChallenge(context, e, elementAt(group, elements, e), commitment);
      const exponent = exponents.reveal().subarray(e * exponentBytes, (e + 1) * exponentBytes);
      return { commitment, response: proofResponse(group, elementAt(group, nonces, e), challenge, exponent) };
    });
  } finally {
    nonces.fill(0);
  }
}

/** Returns the position of the first proof that does not verify, or −1. Elements and proofs are in range already. */
export async function findBadKnowledgeProof(
  engine: Engine,
  context: ShareContext,
  elements: Uint8Array,
  proofs: readonly KnowledgeProof[],
  options: ProofOptions = {},
): Promise<number> {
  const { group } = context;
  const challenges = proofs.map((proof, e) =>
    knowledgeChallenge(context, e, elementAt(group, elements, e), proof.commitment),
  );
  const exponentBytes = challenges[0]!.length;
  const [left, powers] = await Promise.all([
    engine.powFixed(generatorElement(group), concat(proofs.map((proof) => proof.response)), {
      ...options,
      exponentBytes: group.elementBytes,
    }),
    engine.pow(elements, concat(challenges), { ...options, exponentBytes }),
  ]);
  const right = await engine.mul(concat(proofs.map((proof) => proof.commitment)), powers, options);
  return proofs.findIndex((_, e) => !equalBytes(elementAt(group, left, e), elementAt(group, right, e)));
}

/** The statement of a decryption proof. */
export interface DecryptionStatement {
  /** Z_{i,e}: width elements. */
  readonly publicShares: Uint8Array;
  /** First components of the mixed ciphertexts: slots elements. */
  readonly c0: Uint8Array;
  /** D_{i,e} = c0^{z_{i,e}}: slots × width elements. */
  readonly shares: Uint8Array;
  /** H(C), 32 bytes. */
  readonly batchDigest: Uint8Array;
}

interface Combination {
  /** ∏ c0_j^{t_j}: one element. */
  readonly base: Uint8Array;
  /** ∏ D_{j,e}^{t_j}: width elements. */
  readonly combined: Uint8Array;
  /** Digest of the inputs that the challenge covers besides the first messages. */
  readonly statementDigest: Uint8Array;
}

/** Folds the batch into one base and one element per e, with weights that depend on all shares. */
async function combine(
  engine: Engine,
  context: ShareContext,
  statement: DecryptionStatement,
  options: ProofOptions,
): Promise<Combination> {
  const { group, roundDigest, node, width } = context;
  const { publicShares, c0, shares, batchDigest } = statement;
  const slots = c0.length / group.elementBytes;
  const about = [group.name, roundDigest, node, width, batchDigest, publicShares, c0, shares] as const;
  const statementDigest = digest('decryption-statement', ...about);
  const weights = xof(slots * WEIGHT_BYTES, 'decryption-weights', statementDigest);
  const columns = Array.from({ length: width }, (_, e) => takeColumn(group, shares, width, e));
  const powers = await Promise.all(
    [c0, ...columns].map((bases) => engine.multiExp(bases, weights, { ...options, exponentBytes: WEIGHT_BYTES })),
  );
  return { base: powers[0]!, combined: concat(powers.slice(1)), statementDigest };
}

/** Returns element e of every slot: slots × width elements → slots elements. */
export function takeColumn(group: Group, batch: Uint8Array, width: number, e: number): Uint8Array {
  if (width === 1) return batch;
  const slots = batch.length / (width * group.elementBytes);
  const column = new Uint8Array(slots * group.elementBytes);
  for (let slot = 0; slot < slots; slot++) {
    column.set(elementAt(group, batch, slot * width + e), slot * group.elementBytes);
  }
  return column;
}

function decryptionChallenge(group: Group, combination: Combination, first: Uint8Array): Uint8Array {
  const { statementDigest, base, combined } = combination;
  return challengeScalar(group, digest('decryption-proof', group.name, statementDigest, base, combined, first));
}

/** Returns g^{x_1}, A^{x_1}, g^{x_2}, A^{x_2}, … of full-size scalars. */
async function bothPowers(engine: Engine, base: Uint8Array, scalars: Uint8Array, options: ProofOptions) {
  const { group } = engine;
  const work = { ...options, exponentBytes: group.elementBytes };
  const [ofGenerator, ofBase] = await Promise.all([
    engine.powFixed(generatorElement(group), scalars, work),
    engine.powShared(base, scalars, work),
  ]);
  const width = scalars.length / group.elementBytes;
  const pairs = Array.from({ length: width }, (_, e) => [
    elementAt(group, ofGenerator, e),
    elementAt(group, ofBase, e),
  ]);
  return concat(pairs.flat());
}

/**
 * Proves that all of a node's decryption shares are correct: 1 + width multi-exponentiations and 2·width full-size powers for a
 * whole batch.
 * @param statement with `exponents`: z_{i,e}, width × exponentBytes bytes
 * @throws MixError LENGTH_MISMATCH, ELEMENT_RANGE
 */
export async function proveDecryption(
  engine: Engine,
  rng: Rng,
  context: ShareContext,
  statement: DecryptionStatement & { readonly exponents: Secret },
  options: ProofOptions = {},
): Promise<DecryptionProof> {
  const { group, width, exponentBytes } = context;
  checkOwn(context, statement, options);
  checkShares(context, statement, options);
  if (statement.exponents.length !== width * exponentBytes) {
    const { length } = statement.exponents;
    throw new MixError('LENGTH_MISMATCH', { what: 'exponents', length, expected: width * exponentBytes });
  }
  // All is checked by now.
  const work = { ...options, inRange: true };
  const combination = await combine(engine, context, statement, work);
  const nonces = freshNonces(rng, group, width);
  try {
    const first = await bothPowers(engine, combination.base, nonces, work);
    const challenge = decryptionChallenge(group, combination, first);
    const responses = Array.from({ length: width }, (_, e) => {
      const exponent = statement.exponents.reveal().subarray(e * exponentBytes, (e + 1) * exponentBytes);
      return proofResponse(group, elementAt(group, nonces, e), challenge, exponent);
    });
    return { first, responses: concat(responses) };
  } finally {
    wipeAll(nonces);
  }
}

/** Counts the elements that a proof is about, and checks their range unless the caller has. @throws MixError LENGTH_MISMATCH, ELEMENT_RANGE */
function checkOwn({ group, width }: ShareContext, statement: DecryptionStatement, { inRange }: ProofOptions): void {
  const check = inRange ? countElements : checkElements;
  check(group, statement.c0, 'c0');
  check(group, statement.publicShares, 'key share', width);
}

/** The same of the shares: for each slot's c0, as many as the width. */
function checkShares({ group, width }: ShareContext, statement: DecryptionStatement, { inRange }: ProofOptions): void {
  const check = inRange ? countElements : checkElements;
  check(group, statement.shares, 'decryption shares', countElements(group, statement.c0, 'c0') * width);
}

/**
 * Verifies a node's batch proof. False for shares or a proof that are malformed, out of range or wrong: in each case the node is
 * to blame. c0 and publicShares are the verifier's own and must be well-formed.
 * @throws MixError LENGTH_MISMATCH, ELEMENT_RANGE for c0 and publicShares; the engine's errors
 */
export async function verifyDecryption(
  engine: Engine,
  context: ShareContext,
  statement: DecryptionStatement & { readonly proof: DecryptionProof },
  options: ProofOptions = {},
): Promise<boolean> {
  const { group, width } = context;
  const { proof } = statement;
  checkOwn(context, statement, options);
  try {
    checkShares(context, statement, options);
    checkElements(group, proof.first, 'first message', 2 * width);
    checkScalars(group, proof.responses, 'response', width);
  } catch {
    // Out of range: no proof.
    return false;
  }
  const work = { ...options, inRange: true };
  const combination = await combine(engine, context, statement, work);
  const challenge = decryptionChallenge(group, combination, proof.first);
  const statements = Array.from({ length: width }, (_, e) => [
    elementAt(group, statement.publicShares, e),
    elementAt(group, combination.combined, e),
  ]);
  const [left, powers] = await Promise.all([
    bothPowers(engine, combination.base, proof.responses, work),
    engine.powShared(concat(statements.flat()), challenge, { ...work, exponentBytes: challenge.length }),
  ]);
  return equalBytes(left, await engine.mul(proof.first, powers, work));
}
