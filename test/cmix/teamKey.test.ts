import { modInv } from 'bigint-crypto-utils';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { concat, digest } from '../../src/base/bytes.js';
import type { Rng } from '../../src/base/rng.js';
import { type KeyShare, proveKnowledge } from '../../src/cmix/proofs/proofs.js';
import {
  combineTeamKey,
  createKeyShare,
  decodeKeyShare,
  encodeKeyShare,
  keyShareListDigest,
  verifyKeyShare,
} from '../../src/cmix/teamKey.js';
import { referenceEngine } from '../../src/engine/open.js';
import { invert, multiply, power } from '../../src/math/arithmetic.js';
import { bigintToBytes, bytesToBigint, elementAt, toBigints } from '../../src/math/batch.js';
import { namedGroup } from '../../src/math/group.js';
import { randomElements } from '../../src/math/sampling.js';
import { contextOf, engine, flipped, group, otherRound, outcome, rejection } from '../support/cmix.js';
import { SeededRng } from '../support/seededRng.js';

const width = 2;
const context = contextOf(width);
const made = await createKeyShare(engine, new SeededRng('share'), context);
const { share } = made;
const element = (value: bigint) => bigintToBytes(value, group.elementBytes);
const codeOf = async (changed: KeyShare, about = context) =>
  (await rejection(verifyKeyShare(engine, changed, about)))?.code;
const withProof = (change: Partial<KeyShare['proofs'][number]>): KeyShare => ({
  elements: share.elements,
  proofs: [{ ...share.proofs[0]!, ...change }, share.proofs[1]!],
});

describe('a key share', () => {
  test('is g to fresh exponents and verifies', async () => {
    const exponents = [0, 1].map((e) => bytesToBigint(made.exponents.reveal().subarray(e * 32, (e + 1) * 32)));
    expect(toBigints(group, share.elements)).toEqual(exponents.map((z) => power(group, group.g, z)));
    expect(`${made.exponents}`).toBe('[secret]');
    await verifyKeyShare(engine, share, context);
    const again = await createKeyShare(engine, new SeededRng('another'), context);
    expect(again.share.elements).not.toEqual(share.elements);
  });

  test('is bound to its round, node, width and position', async () => {
    expect(await codeOf(share, { ...context, roundDigest: otherRound })).toBe('KEY_SHARE_PROOF');
    expect(await codeOf(share, contextOf(width, 1))).toBe('KEY_SHARE_PROOF');
    const swapped = {
      elements: concat([elementAt(group, share.elements, 1), elementAt(group, share.elements, 0)]),
      proofs: [share.proofs[1]!, share.proofs[0]!],
    };
    expect(await codeOf(swapped)).toBe('KEY_SHARE_PROOF');
    const narrow = { elements: elementAt(group, share.elements, 0), proofs: [share.proofs[0]!] };
    expect(await codeOf(narrow, contextOf(1))).toBe('KEY_SHARE_PROOF');
  });

  test('is refused with any bit of element, first message or response changed', async () => {
    for (const at of [0, 17, 62]) {
      expect(await codeOf({ ...share, elements: flipped(share.elements, at) })).toBe('KEY_SHARE_PROOF');
      const { commitment, response } = share.proofs[0]!;
      expect(await codeOf(withProof({ commitment: flipped(commitment, at) }))).toBe('KEY_SHARE_PROOF');
      expect(await codeOf(withProof({ response: flipped(response, at) }))).toBe('KEY_SHARE_PROOF');
    }
  });

  test('is refused with a response of q or more, even one that satisfies the equation', async () => {
    const response = bytesToBigint(share.proofs[0]!.response) + group.q;
    expect(await codeOf(withProof({ response: element(response) }))).toBe('KEY_SHARE_PROOF');
  });

  test('is refused if it is the identity, out of range, or short, and names the node', async () => {
    const second = elementAt(group, share.elements, 1);
    const replaced = (value: bigint) => ({ ...share, elements: concat([element(value), second]) });
    expect(await codeOf(replaced(1n))).toBe('KEY_SHARE_IDENTITY');
    for (const value of [0n, group.q + 1n, group.p, (1n << 512n) - 1n]) {
      expect(await codeOf(replaced(value))).toBe('ELEMENT_RANGE');
    }
    expect(await codeOf({ ...share, elements: share.elements.subarray(1) })).toBe('LENGTH_MISMATCH');
    expect(await codeOf({ ...share, proofs: share.proofs.slice(1) })).toBe('LENGTH_MISMATCH');
    const error = await rejection(verifyKeyShare(engine, replaced(0n), context));
    expect(error?.values.node).toBe(context.node);
  });

  test('is never the identity, even if exponents of 0 mod q are frequent', async () => {
    const zero = bigintToBytes(namedGroup('TEST-64').q, 8);
    const rest = new SeededRng('rest');
    let draws = 0;
    const rng: Rng = {
      fill: (out) => {
        rest.fill(out);
        if (draws++ === 0) out.set(zero);
        return out;
      },
    };
    const small = { ...contextOf(1), group: namedGroup('TEST-64'), exponentBytes: 8 };
    const smallEngine = referenceEngine(small.group);
    const { share: fresh } = await createKeyShare(smallEngine, rng, small);
    expect(draws).toBeGreaterThan(1);
    await verifyKeyShare(smallEngine, fresh, small);
  });

  test('cannot be forged backwards, from a response to a first message: the challenge covers the first message', async () => {
    // With a challenge known before g^w is sent, any response s fits with g^w = g^s ∘ Z^-c.
    const { name } = group;
    const statements = [0, 1].map((e) => elementAt(group, share.elements, e));
    const proofs = statements.map((statement, e) => {
      const about = [name, context.roundDigest, context.node, width, e, statement] as const;
      const challenge = bytesToBigint(digest('key-share-proof', ...about));
      const response = element(BigInt(e) + 12345n);
      const inversePower = invert(group, power(group, bytesToBigint(statement), challenge));
      const commitment = multiply(group, power(group, group.g, bytesToBigint(response)), inversePower);
      return { commitment: element(commitment), response };
    });
    expect(await codeOf({ ...share, proofs })).toBe('KEY_SHARE_PROOF');
  });

  test('cannot be fitted to a proof made first: the challenge covers the share', async () => {
    // Without the share in the challenge c, Z = (g^s ∘ R⁻¹)^(1/c) fits any R and s, and nobody knows its exponent.
    const forged = [0, 1].map((e) => {
      const commitment = randomElements(new SeededRng(e), group, 1);
      const about = [group.name, context.roundDigest, context.node, width, e, commitment] as const;
      const challenge = bytesToBigint(digest('key-share-proof', ...about)) % group.q;
      const quotient = multiply(group, power(group, group.g, 5n), invert(group, bytesToBigint(commitment)));
      const fitted = power(group, quotient, modInv(challenge, group.q));
      return { element: element(fitted), proof: { commitment, response: element(5n) } };
    });
    const elements = concat(forged.map((part) => part.element));
    expect(await codeOf({ elements, proofs: forged.map((part) => part.proof) })).toBe('KEY_SHARE_PROOF');
  });

  test('cannot be made from another node’s share without its exponent', async () => {
    // A rogue key: the inverse of another's share, with any available proof.
    const inverse = await engine.invertBatch(share.elements);
    expect(await codeOf({ elements: inverse, proofs: share.proofs })).toBe('KEY_SHARE_PROOF');
    const guessed = await proveKnowledge(engine, new SeededRng('guess'), context, inverse, made.exponents);
    expect(await codeOf({ elements: inverse, proofs: guessed })).toBe('KEY_SHARE_PROOF');
  });
});

describe('an encoded key share', () => {
  test('decodes to itself', () => {
    const decoded = decodeKeyShare(group, width, encodeKeyShare(share));
    expect(encodeKeyShare(decoded)).toEqual(encodeKeyShare(share));
    expect(decoded.proofs).toHaveLength(width);
  });

  test('of hostile bytes gives typed errors only', () => {
    const codes = new Set(['MESSAGE_MALFORMED', 'LENGTH_MISMATCH', 'ELEMENT_RANGE', 'EXPONENT_RANGE', 'WIDTH_INVALID']);
    const length = encodeKeyShare(share).length;
    const bytes = fc.oneof(
      fc.uint8Array({ maxLength: 64 }),
      fc.uint8Array({ minLength: length, maxLength: length }),
      fc.anything() as fc.Arbitrary<Uint8Array>,
    );
    fc.assert(
      fc.property(bytes, fc.integer({ min: -1, max: 17 }), (input, w) => {
        const result = outcome(() => decodeKeyShare(group, w, input));
        return typeof result !== 'string' || codes.has(result);
      }),
    );
    const good = encodeKeyShare(share);
    const responseAt = (width + 1) * group.elementBytes;
    const broken = Uint8Array.from(good);
    broken.set(element(group.q), responseAt);
    expect(outcome(() => decodeKeyShare(group, width, broken))).toBe('EXPONENT_RANGE');
    broken.set(element(group.q + 1n), 0);
    expect(outcome(() => decodeKeyShare(group, width, broken))).toBe('ELEMENT_RANGE');
    expect(outcome(() => decodeKeyShare(group, width, good.subarray(1)))).toBe('LENGTH_MISMATCH');
    expect(outcome(() => decodeKeyShare(group, width, 'x' as unknown as Uint8Array))).toBe('MESSAGE_MALFORMED');
  });
});

describe('the team key', async () => {
  const shares = [share];
  for (const node of [1, 2]) {
    shares.push((await createKeyShare(engine, new SeededRng(`node ${node}`), contextOf(width, node))).share);
  }

  test('is the product of the shares, element by element', async () => {
    const key = toBigints(group, await combineTeamKey(engine, shares, width));
    const expected = [0, 1].map((e) =>
      shares.map(({ elements }) => toBigints(group, elements)[e]!).reduce((a, b) => multiply(group, a, b)),
    );
    expect(key).toEqual(expected);
  });

  test('is refused with a share, or a single element, that appears twice', async () => {
    const copied = {
      ...shares[2]!,
      elements: concat([elementAt(group, shares[2]!.elements, 0), elementAt(group, share.elements, 0)]),
    };
    for (const list of [
      [share, shares[1]!, share],
      [share, shares[1]!, copied],
    ]) {
      const error = await rejection(combineTeamKey(engine, list, width));
      expect(error?.code).toBe('KEY_SHARE_DUPLICATE');
      expect(error?.values).toMatchObject({ first: 0, second: 2 });
    }
  });

  test('is refused if the shares cancel to the identity', async () => {
    const inverse = { ...share, elements: await engine.invertBatch(share.elements) };
    expect((await rejection(combineTeamKey(engine, [share, inverse], width)))?.code).toBe('KEY_SHARE_IDENTITY');
  });

  test('has a list digest that depends on round, order, elements and proofs', () => {
    const digests = [
      keyShareListDigest(context.roundDigest, shares),
      keyShareListDigest(otherRound, shares),
      keyShareListDigest(context.roundDigest, [...shares].reverse()),
      keyShareListDigest(context.roundDigest, shares.slice(1)),
      keyShareListDigest(context.roundDigest, [
        withProof({ response: shares[1]!.proofs[0]!.response }),
        ...shares.slice(1),
      ]),
      keyShareListDigest(context.roundDigest, [{ ...share, elements: shares[1]!.elements }, ...shares.slice(1)]),
    ].map((bytes) => Buffer.from(bytes).toString('hex'));
    expect(new Set(digests).size).toBe(digests.length);
  });
});
