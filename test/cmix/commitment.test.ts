import { expect, test } from 'vitest';
import { digest } from '../../src/base/bytes.js';
import { randomBytes } from '../../src/base/rng.js';
import {
  type CommitmentOpening,
  NONCE_BYTES,
  openCommitment,
  shareCommitment,
} from '../../src/cmix/proofs/commitment.js';
import { contextOf, flipped, group, otherRound, outcome, roundDigest } from '../support/cmix.js';
import { SeededRng } from '../support/seededRng.js';

const rng = new SeededRng('commitment');
const opening: CommitmentOpening = {
  roundDigest,
  node: contextOf(1).node,
  cipherDigest: digest('batch'),
  shares: randomBytes(rng, 3 * group.elementBytes),
  proof: { first: randomBytes(rng, 2 * group.elementBytes), responses: randomBytes(rng, group.elementBytes) },
  nonce: randomBytes(rng, NONCE_BYTES),
};
const commitment = shareCommitment(opening);

test('a share commitment opens to its own inputs', () => {
  expect(commitment).toHaveLength(32);
  expect(openCommitment(commitment, { ...opening })).toBe(true);
});

test('a share commitment opens to no other input: every field is covered', () => {
  const changes: Partial<CommitmentOpening>[] = [
    { roundDigest: otherRound },
    { node: contextOf(1, 1).node },
    { cipherDigest: digest('another batch') },
    { shares: flipped(opening.shares, 100) },
    { shares: opening.shares.subarray(group.elementBytes) },
    { proof: { ...opening.proof, first: flipped(opening.proof.first) } },
    { proof: { ...opening.proof, responses: flipped(opening.proof.responses) } },
    { nonce: flipped(opening.nonce, 31) },
    { nonce: opening.nonce.subarray(1) },
  ];
  for (const change of changes) expect(openCommitment(commitment, { ...opening, ...change })).toBe(false);
  expect(openCommitment(flipped(commitment), opening)).toBe(false);
  expect(openCommitment(commitment.subarray(1), opening)).toBe(false);
});

test('a share commitment does not open if bytes are moved from the shares to the proof', () => {
  const moved = {
    ...opening,
    shares: opening.shares.subarray(0, -1),
    proof: { ...opening.proof, first: Uint8Array.of(opening.shares.at(-1)!, ...opening.proof.first) },
  };
  expect(openCommitment(commitment, moved)).toBe(false);
});

test('a share commitment hides equal shares behind its nonce of fixed length', () => {
  expect(shareCommitment({ ...opening, nonce: randomBytes(rng, NONCE_BYTES) })).not.toEqual(commitment);
  const { roundDigest: round, node, cipherDigest, shares, proof } = opening;
  const bare = digest(
    'share-commitment',
    round,
    node,
    cipherDigest,
    shares,
    proof.first,
    proof.responses,
    Uint8Array.of(),
  );
  expect(openCommitment(bare, { ...opening, nonce: Uint8Array.of() })).toBe(false);
  expect(outcome(() => shareCommitment({ ...opening, nonce: new Uint8Array(0) }))).toBe('LENGTH_MISMATCH');
});
