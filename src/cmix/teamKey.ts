// The team key of one round: every node picks fresh exponents z_{i,e}, publishes Z_{i,e} = g^{z_{i,e}} with proofs of knowledge,
// and Z_e = ∏ Z_{i,e} encrypts element e of every message. The proofs prevent that a node chooses its share as a function of the
// others' (rogue key); fresh shares prevent that a later round asks for this one's decryption.
import { digest, MixError, type Rng, Secret, toHex } from '../base/index.js';
import type { Engine } from '../engine/index.js';
import { checkElements, checkWidth, elementAt, type Group, randomExponents } from '../math/index.js';
import { checkScalars, type KeyShare, type KnowledgeProof, type ShareContext } from './proofs/codec.js';
import { findBadKnowledgeProof, generatorElement, type ProofOptions, proveKnowledge } from './proofs/proofs.js';

export { decodeKeyShare, encodeKeyShare, type KeyShare, keyShareBytes, type ShareContext } from './proofs/codec.js';

/** True for the identity of the group, the number 1. */
function isIdentity(element: Uint8Array): boolean {
  return element[0] === 1 && element.every((byte, index) => index === 0 || byte === 0);
}

function findIdentity(group: Group, elements: Uint8Array, count: number): number {
  for (let e = 0; e < count; e++) if (isIdentity(elementAt(group, elements, e))) return e;
  return -1;
}

/**
 * Creates a fresh share of the round's team key.
 * @returns exponents: width × exponentBytes bytes, the caller's to wipe; share: for publication
 * @throws MixError WIDTH_INVALID, EXPONENT_RANGE
 */
export async function createKeyShare(
  engine: Engine,
  rng: Rng,
  context: ShareContext,
  options: ProofOptions = {},
): Promise<{ exponents: Secret; share: KeyShare }> {
  const { group, width, exponentBytes } = context;
  checkWidth(width);
  for (;;) {
    const exponents = new Secret(randomExponents(rng, width, exponentBytes));
    try {
      const elements = await engine.powFixed(generatorElement(group), exponents.reveal(), {
        ...options,
        exponentBytes,
      });
      // An exponent of 0 mod q: never in a production group, sometimes in a tiny test group.
      if (findIdentity(group, elements, width) < 0) {
        const proofs = await proveKnowledge(engine, rng, context, elements, exponents, options);
        return { exponents, share: { elements, proofs } };
      }
    } catch (error) {
      exponents.wipe();
      throw error;
    }
    exponents.wipe();
  }
}

function checkShare(share: KeyShare, { group, node, width }: ShareContext): void {
  try {
    checkElements(group, share.elements, 'key share', width);
    if (share.proofs.length !== width) {
      throw new MixError('LENGTH_MISMATCH', { what: 'proofs', length: share.proofs.length, expected: width });
    }
    for (const proof of share.proofs) checkElements(group, proof.commitment, 'first message', 1);
  } catch (error) {
    if (error instanceof MixError) throw new MixError(error.code, { ...error.values, node }, { cause: error });
    throw error;
  }
}

function responseInRange(group: Group, proof: KnowledgeProof): boolean {
  try {
    checkScalars(group, proof.response, 'response', 1);
    return true;
  } catch {
    // Out of range: no proof.
    return false;
  }
}

/**
 * Verifies a node's share: every element in range, none the identity, each with a proof of knowledge for this round, node and
 * position. A response of q or more is refused like a wrong one.
 * @throws MixError LENGTH_MISMATCH, ELEMENT_RANGE, KEY_SHARE_IDENTITY, KEY_SHARE_PROOF; values name the node
 */
export async function verifyKeyShare(
  engine: Engine,
  share: KeyShare,
  context: ShareContext,
  options: ProofOptions = {},
): Promise<void> {
  const { group, node, width } = context;
  checkShare(share, context);
  const identity = findIdentity(group, share.elements, width);
  if (identity >= 0) throw new MixError('KEY_SHARE_IDENTITY', { node, element: identity });
  let bad = share.proofs.findIndex((proof) => !responseInRange(group, proof));
  if (bad < 0) bad = await findBadKnowledgeProof(engine, context, share.elements, share.proofs, options);
  if (bad >= 0) throw new MixError('KEY_SHARE_PROOF', { node, element: bad });
}

/** H(list of shares), proofs included, in team order; all nodes compare it before Generate. */
export function keyShareListDigest(roundDigest: Uint8Array, shares: readonly KeyShare[]): Uint8Array {
  const parts = shares.flatMap((share) => [
    share.proofs.length,
    share.elements,
    ...share.proofs.flatMap((proof) => [proof.commitment, proof.response]),
  ]);
  return digest('key-share-list', roundDigest, shares.length, ...parts);
}

/**
 * Computes Z_e = ∏ over nodes of Z_{i,e}: width elements. The shares are verified already.
 * @throws MixError LENGTH_MISMATCH; KEY_SHARE_DUPLICATE if any element appears twice, with the positions of the two shares in the
 *   list
 *   (`first`, `second`); KEY_SHARE_IDENTITY if the product is the identity
 */
export async function combineTeamKey(
  engine: Engine,
  shares: readonly KeyShare[],
  width: number,
  options: ProofOptions = {},
): Promise<Uint8Array> {
  const { group } = engine;
  checkWidth(width);
  const seen = new Map<string, number>();
  const flat = engine.allocate(shares.length, width);
  for (const [index, share] of shares.entries()) {
    checkElements(group, share.elements, 'key share', width);
    for (let e = 0; e < width; e++) {
      const name = toHex(elementAt(group, share.elements, e));
      const first = seen.get(name);
      if (first !== undefined) throw new MixError('KEY_SHARE_DUPLICATE', { first, second: index, element: e });
      seen.set(name, index);
    }
    flat.set(share.elements, index * width * group.elementBytes);
  }
  const key = await engine.product(flat, { ...options, width });
  const identity = findIdentity(group, key, width);
  if (identity >= 0) throw new MixError('KEY_SHARE_IDENTITY', { what: 'team key', element: identity });
  return key;
}
