import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { concat, digest, xof } from '../../src/base/bytes.js';
import { decryptionShares } from '../../src/cmix/phases.js';
import {
  type DecryptionProof,
  type DecryptionStatement,
  decodeDecryptionProof,
  encodeDecryptionProof,
  proveDecryption,
  takeColumn,
  verifyDecryption,
} from '../../src/cmix/proofs/proofs.js';
import { proofResponse } from '../../src/cmix/proofs/scalar.js';
import { createKeyShare } from '../../src/cmix/teamKey.js';
import { referenceEngine } from '../../src/engine/open.js';
import { invert, multiply, power } from '../../src/math/arithmetic.js';
import { bigintToBytes, bytesToBigint, elementAt, readElement, toBatch, writeElement } from '../../src/math/batch.js';
import { namedGroup } from '../../src/math/group.js';
import { randomElements, randomScalar } from '../../src/math/sampling.js';
import { contextOf, engine, flipped, group, otherRound, outcome, rejection } from '../support/cmix.js';
import { SeededRng } from '../support/seededRng.js';

const slots = 6;

async function caseOf(width: number) {
  const context = contextOf(width);
  const rng = new SeededRng(`decryption ${width}`);
  const { exponents, share } = await createKeyShare(engine, rng, context);
  const c0 = randomElements(rng, group, slots);
  const shares = await decryptionShares(engine, c0, exponents, { exponentBytes: 32 });
  const statement: DecryptionStatement = { publicShares: share.elements, c0, shares, batchDigest: digest('batch', c0) };
  const proof = await proveDecryption(engine, rng, context, { ...statement, exponents });
  return { context, exponents, statement, proof, rng };
}

describe.each([1, 2, 3])('a batch proof of decryption at width %i', async (width) => {
  const { context, statement, proof, exponents, rng } = await caseOf(width);
  const holds = (change: Partial<DecryptionStatement & { proof: DecryptionProof }>, about = context) =>
    verifyDecryption(engine, about, { ...statement, proof, ...change });

  test('verifies', async () => {
    expect(await holds({})).toBe(true);
  });

  test('is refused for any one wrong share', async () => {
    for (let index = 0; index < slots * width; index++) {
      const shares = Uint8Array.from(statement.shares);
      writeElement(group, shares, index, multiply(group, readElement(group, shares, index), 3n));
      expect(await holds({ shares })).toBe(false);
    }
  });

  test('is refused if errors of two slots would cancel in a plain product', async () => {
    const shares = Uint8Array.from(statement.shares);
    const t = 5n;
    writeElement(group, shares, 0, multiply(group, readElement(group, shares, 0), t));
    const inverse = bytesToBigint(await engine.invertBatch(bigintToBytes(t, group.elementBytes)));
    writeElement(group, shares, width, multiply(group, readElement(group, shares, width), inverse));
    expect(await holds({ shares })).toBe(false);
    // Not even the prover can prove it: the weights depend on the shares.
    const lie = await proveDecryption(engine, rng, context, { ...statement, shares, exponents });
    expect(await holds({ shares, proof: lie })).toBe(false);
  });

  test('has weights that nobody can know before all shares are fixed', async () => {
    // With weights t that do not depend on D, D_0 ∘ u^{t_1} and D_1 ∘ u^{-t_0} would leave every combination unchanged.
    const { publicShares, c0, batchDigest } = statement;
    const about = [group.name, context.roundDigest, context.node, width, batchDigest, publicShares, c0] as const;
    const weights = xof(slots * 16, 'decryption-weights', digest('decryption-statement', ...about));
    const weight = (slot: number) => bytesToBigint(weights.subarray(slot * 16, (slot + 1) * 16));
    const shares = Uint8Array.from(statement.shares);
    const change = (index: number, factor: bigint) =>
      writeElement(group, shares, index, multiply(group, readElement(group, shares, index), factor));
    change(0, power(group, 7n, weight(1)));
    change(width, invert(group, power(group, 7n, weight(0))));
    expect(await holds({ shares })).toBe(false);
  });

  test('cannot be forged backwards, from responses to first messages', async () => {
    const shares = randomElements(rng, group, slots * width);
    const { publicShares, c0, batchDigest } = statement;
    const about = [
      group.name,
      context.roundDigest,
      context.node,
      width,
      batchDigest,
      publicShares,
      c0,
      shares,
    ] as const;
    const statementDigest = digest('decryption-statement', ...about);
    const weights = xof(slots * 16, 'decryption-weights', statementDigest);
    const fold = (bases: Uint8Array) => engine.multiExp(bases, weights, { exponentBytes: 16 });
    const base = await fold(c0);
    const combined = await Promise.all(
      Array.from({ length: width }, (_, e) => fold(takeColumn(group, shares, width, e))),
    );
    const forgedDigest = digest('decryption-proof', group.name, statementDigest, base, concat(combined));
    const challenge = bytesToBigint(forgedDigest);
    const forged = (of: Uint8Array, result: Uint8Array) =>
      bigintToBytes(
        multiply(
          group,
          power(group, bytesToBigint(of), 99n),
          invert(group, power(group, bytesToBigint(result), challenge)),
        ),
        group.elementBytes,
      );
    const generator = bigintToBytes(group.g, group.elementBytes);
    const first = combined.flatMap((result, e) => [
      forged(generator, elementAt(group, publicShares, e)),
      forged(base, result),
    ]);
    const responses = concat(combined.map(() => bigintToBytes(99n, group.elementBytes)));
    expect(await holds({ shares, proof: { first: concat(first), responses } })).toBe(false);
  });

  test('is refused for shares in another order', async () => {
    const bytes = width * group.elementBytes;
    const shares = concat([statement.shares.subarray(bytes), statement.shares.subarray(0, bytes)]);
    expect(await holds({ shares })).toBe(false);
  });

  test('is bound to round, node, batch and key share', async () => {
    expect(await holds({}, { ...context, roundDigest: otherRound })).toBe(false);
    expect(await holds({}, contextOf(width, 1))).toBe(false);
    expect(await holds({ batchDigest: digest('another batch') })).toBe(false);
    const { share } = await createKeyShare(engine, rng, context);
    expect(await holds({ publicShares: share.elements })).toBe(false);
    expect(await holds({ c0: randomElements(rng, group, slots) })).toBe(false);
  });

  test('is refused with any element or scalar of the proof changed', async () => {
    for (let e = 0; e < 2 * width; e++) {
      const first = flipped(proof.first, e * group.elementBytes);
      expect(await holds({ proof: { ...proof, first } })).toBe(false);
    }
    for (let e = 0; e < width; e++) {
      const responses = flipped(proof.responses, e * group.elementBytes);
      expect(await holds({ proof: { ...proof, responses } })).toBe(false);
    }
  });

  test('is refused, without an exception, if it or the shares are malformed or out of range', async () => {
    const large = bytesToBigint(elementAt(group, proof.responses, 0)) + group.q;
    const responses = Uint8Array.from(proof.responses);
    responses.set(bigintToBytes(large, group.elementBytes));
    expect(await holds({ proof: { ...proof, responses } })).toBe(false);
    expect(await holds({ proof: { ...proof, first: new Uint8Array(proof.first.length) } })).toBe(false);
    expect(await holds({ proof: { ...proof, first: proof.first.subarray(1) } })).toBe(false);
    expect(await holds({ proof: { ...proof, responses: new Uint8Array(0) } })).toBe(false);
    expect(await holds({ shares: statement.shares.subarray(group.elementBytes) })).toBe(false);
    expect(await holds({ shares: new Uint8Array(statement.shares.length) })).toBe(false);
  });

  test('uses fresh nonces: two proofs of one statement differ', async () => {
    const again = await proveDecryption(engine, rng, context, { ...statement, exponents });
    expect(again.first).not.toEqual(proof.first);
    expect(await holds({ proof: again })).toBe(true);
  });
});

describe('a batch proof', () => {
  test('blames nobody for the verifier’s own malformed batch', async () => {
    const { context, statement, proof } = await caseOf(1);
    const own = verifyDecryption(engine, context, { ...statement, proof, c0: new Uint8Array(group.elementBytes) });
    expect((await rejection(own))?.code).toBe('ELEMENT_RANGE');
  });

  test('works in a group smaller than its challenge, and for an empty batch', async () => {
    const small = namedGroup('TEST-64');
    const smallEngine = referenceEngine(small);
    const context = { ...contextOf(2), group: small, exponentBytes: 16 };
    for (const count of [0, 3]) {
      const rng = new SeededRng(count);
      const { exponents, share } = await createKeyShare(smallEngine, rng, context);
      const c0 = randomElements(rng, small, count);
      const shares = await decryptionShares(smallEngine, c0, exponents, { exponentBytes: 16 });
      const statement = { publicShares: share.elements, c0, shares, batchDigest: digest('small') };
      const proof = await proveDecryption(smallEngine, rng, context, { ...statement, exponents });
      expect(await verifyDecryption(smallEngine, context, { ...statement, proof })).toBe(true);
    }
  });

  test('decodes to itself, and from hostile bytes to typed errors only', async () => {
    const { proof } = await caseOf(2);
    const good = encodeDecryptionProof(proof);
    expect(encodeDecryptionProof(decodeDecryptionProof(group, 2, good))).toEqual(good);
    const codes = new Set(['MESSAGE_MALFORMED', 'LENGTH_MISMATCH', 'ELEMENT_RANGE', 'EXPONENT_RANGE', 'WIDTH_INVALID']);
    const bytes = fc.oneof(
      fc.uint8Array({ minLength: good.length, maxLength: good.length }),
      fc.uint8Array({ maxLength: 600 }),
      fc.anything() as fc.Arbitrary<Uint8Array>,
    );
    fc.assert(
      fc.property(bytes, fc.integer({ min: -1, max: 17 }), (input, width) => {
        const result = outcome(() => decodeDecryptionProof(group, width, input));
        return typeof result !== 'string' || codes.has(result);
      }),
    );
    const broken = Uint8Array.from(good);
    broken.set(bigintToBytes(group.q, group.elementBytes), 5 * group.elementBytes);
    expect(outcome(() => decodeDecryptionProof(group, 2, broken))).toBe('EXPONENT_RANGE');
    broken.fill(0, 0, group.elementBytes);
    expect(outcome(() => decodeDecryptionProof(group, 2, broken))).toBe('ELEMENT_RANGE');
  });
});

describe('a proof response', () => {
  test.each(['TEST-64', 'TEST-512', 'MODP-2048'])('is w + e·z mod q in %s', (name) => {
    const some = namedGroup(name);
    const rng = new SeededRng(name);
    fc.assert(
      fc.property(
        fc.uint8Array({ minLength: 8, maxLength: 33 }),
        fc.uint8Array({ minLength: 1, maxLength: 33 }),
        (e, z) => {
          const nonce = randomScalar(rng, some);
          const expected = (bytesToBigint(nonce) + bytesToBigint(e) * bytesToBigint(z)) % some.q;
          return bytesToBigint(proofResponse(some, nonce, e, z)) === expected;
        },
      ),
    );
  });

  test('is reduced at the edges: sums of q − 1, q and 2^k − 1', () => {
    const top = bigintToBytes(group.q - 1n, group.elementBytes);
    const one = Uint8Array.of(1);
    const full = new Uint8Array(32).fill(0xff);
    expect(bytesToBigint(proofResponse(group, top, one, Uint8Array.of(0)))).toBe(group.q - 1n);
    expect(bytesToBigint(proofResponse(group, top, one, one))).toBe(0n);
    const product = ((1n << 256n) - 1n) ** 2n;
    expect(bytesToBigint(proofResponse(group, top, full, full))).toBe((group.q - 1n + product) % group.q);
  });
});

test('a column of a batch is one element of every slot', () => {
  const batch = toBatch(group, [1n, 2n, 3n, 4n, 5n, 6n]);
  expect([0, 1, 2].map((slot) => readElement(group, takeColumn(group, batch, 2, 1), slot))).toEqual([2n, 4n, 6n]);
});
