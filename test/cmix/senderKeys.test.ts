import { createHmac } from 'node:crypto';
import { inspect } from 'node:util';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { concat, framed, toHex, xof } from '../../src/base/bytes.js';
import { isSenderId } from '../../src/base/ids.js';
import type { Rng } from '../../src/base/rng.js';
import {
  blindMessage,
  EpochKey,
  payloadDigest,
  SenderKey,
  slotKeys,
  submissionMac,
  verifyMac,
} from '../../src/cmix/senderKeys.js';
import { bigintToBytes, bytesToBigint, checkElements, elementAt } from '../../src/math/batch.js';
import { randomElements } from '../../src/math/sampling.js';
import { engine, flipped, group, hex, otherRound, outcome, rejection, roundDigest, secretOf } from '../support/cmix.js';
import { SeededRng } from '../support/seededRng.js';

/** HKDF as RFC 5869 defines it, on HMAC alone. */
function hkdf(ikm: Uint8Array, salt: Uint8Array, info: Uint8Array, length: number): Uint8Array {
  const hmac = (key: Uint8Array, data: Uint8Array) => new Uint8Array(createHmac('sha256', key).update(data).digest());
  const prk = hmac(salt.length === 0 ? new Uint8Array(32) : salt, ikm);
  let block = new Uint8Array(0);
  const out: Uint8Array[] = [];
  for (let i = 1; out.length * 32 < length; i++) {
    block = Uint8Array.from(hmac(prk, concat([block, info, Uint8Array.of(i)])));
    out.push(block);
  }
  return concat(out).subarray(0, length);
}

const fixed = (bytes: Uint8Array): Rng => ({
  fill: (out) => {
    out.set(bytes);
    return out;
  },
});

// RFC 7748, 6.1.
const alice = '77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a';
const alicePublic = '8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a';
const bob = '5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb';
const bobPublic = 'de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f';
const aliceBob = '4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742';

const sender = SenderKey.generate(new SeededRng('sender'));
const node = EpochKey.generate(new SeededRng('node'), 7);
const secret = sender.agree(node.publicKey, 7);
const salt = hex('00112233445566778899aabbccddeeff');

describe('the secret of a sender and a node', () => {
  test('is HKDF (RFC 5869) of the X25519 output (RFC 7748), bound to both keys and the epoch', () => {
    // RFC 5869, A.1: a test vector for the test's own HKDF.
    const okm = hkdf(new Uint8Array(22).fill(0x0b), hex('000102030405060708090a0b0c'), hex('f0f1f2f3f4f5f6f7f8f9'), 42);
    expect(toHex(okm)).toBe('3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865');
    const aliceKey = SenderKey.fromSeed(secretOf(alice));
    const bobKey = EpochKey.generate(fixed(hex(bob)), 3);
    expect(toHex(aliceKey.publicKey)).toBe(alicePublic);
    expect(toHex(bobKey.publicKey)).toBe(bobPublic);
    const info = framed('sender-secret', [hex(bobPublic), hex(alicePublic), 3]);
    const expected = hkdf(hex(aliceBob), new Uint8Array(0), info, 32);
    expect(aliceKey.agree(hex(bobPublic), 3).reveal()).toEqual(expected);
    expect(bobKey.agree(hex(alicePublic)).reveal()).toEqual(expected);
  });

  test('is the same on both sides and differs by epoch, node and sender', () => {
    expect(node.agree(sender.publicKey).reveal()).toEqual(secret.reveal());
    expect(sender.agree(node.publicKey, 8).reveal()).not.toEqual(secret.reveal());
    expect(node.agree(SenderKey.generate(new SeededRng('x')).publicKey).reveal()).not.toEqual(secret.reveal());
    expect(JSON.stringify({ secret })).toBe('{"secret":"[secret]"}');
  });

  test('is refused if it would be all zero: public keys of low order', () => {
    // The points of order 1, 2, 4 and 8 on curve and twist (Bernstein, "Curve25519", and RFC 7748, 6.1).
    const low = [
      '00'.repeat(32),
      `01${'00'.repeat(31)}`,
      'e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800',
      '5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157',
      `ec${'ff'.repeat(30)}7f`,
      `ed${'ff'.repeat(30)}7f`,
      `ee${'ff'.repeat(30)}7f`,
    ];
    for (const key of low) {
      expect(outcome(() => node.agree(hex(key)))).toBe('DH_SECRET_ZERO');
      expect(outcome(() => sender.agree(hex(key), 7))).toBe('DH_SECRET_ZERO');
    }
  });

  test('is refused for anything that is not 32 bytes, with a typed error', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 80 }), (bytes) => {
        const result = outcome(() => node.agree(bytes));
        return bytes.length === 32 || result === 'LENGTH_MISMATCH';
      }),
    );
  });

  test('appears in no text, and neither do the keys derived from it', () => {
    const texts = [`${secret}`, inspect(secret, { showHidden: true, depth: 9 }), JSON.stringify([secret])];
    expect(texts).toEqual(['[secret]', '[secret]', '["[secret]"]']);
    expect(Object.getOwnPropertyNames(secret)).toEqual([]);
  });

  test('is unusable after it is wiped: zeros would be a key as well', () => {
    const wiped = sender.agree(node.publicKey, 7);
    const bytes = wiped.reveal();
    wiped.wipe();
    wiped.wipe();
    expect(bytes).toEqual(new Uint8Array(32));
    const fields = { roundDigest, sender: sender.senderId, salt, payloadDigest: payloadDigest(hex('01')) };
    expect(outcome(() => slotKeys(group, wiped, roundDigest, salt, 1))).toBe('EPOCH_EXPIRED');
    expect(outcome(() => submissionMac(wiped, fields))).toBe('EPOCH_EXPIRED');
    expect(outcome(() => verifyMac(wiped, fields, new Uint8Array(32)))).toBe('EPOCH_EXPIRED');
    // Another instance of the same secret is not affected.
    expect(secret.wiped).toBe(false);
    expect(slotKeys(group, secret, roundDigest, salt, 1)).toHaveLength(group.elementBytes);
  });

  test('is unavailable after the epoch key is wiped', () => {
    const old = EpochKey.generate(new SeededRng('old'), 1);
    old.wipe();
    expect(outcome(() => old.agree(sender.publicKey))).toBe('EPOCH_EXPIRED');
  });

  test('belongs to a sender id that is the hash of the key', () => {
    expect(isSenderId(sender.senderId)).toBe(true);
  });
});

describe('slot keys', () => {
  test('are elements of the group, different for every element, salt, round, sender and width-independent', () => {
    const keys = slotKeys(group, secret, roundDigest, salt, 3);
    checkElements(group, keys, 'keys', 3);
    const other = SenderKey.generate(new SeededRng('other')).agree(node.publicKey, 7);
    const all = [
      ...[0, 1, 2].map((e) => elementAt(group, keys, e)),
      slotKeys(group, secret, otherRound, salt, 1),
      slotKeys(group, secret, roundDigest, flipped(salt), 1),
      slotKeys(group, other, roundDigest, salt, 1),
    ].map(toHex);
    expect(new Set(all).size).toBe(6);
    expect(slotKeys(group, secret, roundDigest, salt, 1)).toEqual(elementAt(group, keys, 0));
    expect(outcome(() => slotKeys(group, secret, roundDigest, salt.subarray(1), 1))).toBe('LENGTH_MISMATCH');
  });

  test('equal the definition', () => {
    const info = framed('slot-keys', [group.name, roundDigest, salt]);
    const submissionKey = hkdf(secret.reveal(), new Uint8Array(0), info, 32);
    const expected = [0, 1].map((e) => {
      const wide = xof(group.elementBytes + 16, 'slot-key', submissionKey, e);
      return bigintToBytes((bytesToBigint(wide) % group.q) + 1n, group.elementBytes);
    });
    expect(toHex(slotKeys(group, secret, roundDigest, salt, 2))).toBe(toHex(concat(expected)));
  });

  test('of all nodes remove the blinding: M ∘ ∏ k_i = m', async () => {
    const rng = new SeededRng('blind');
    const plain = randomElements(rng, group, 6);
    const keys = [0, 1, 2].map(() => randomElements(rng, group, 6));
    const before = keys.map((batch) => toHex(batch));
    let opened = await blindMessage(engine, plain, keys);
    expect(opened).not.toEqual(plain);
    for (const batch of keys) opened = await engine.mul(opened, batch);
    expect(opened).toEqual(plain);
    expect(keys.map((batch) => toHex(batch))).toEqual(before);
    expect(await engine.mul(await blindMessage(engine, plain, keys.slice(1, 2)), keys[1]!)).toEqual(plain);
    expect((await rejection(blindMessage(engine, plain, [])))?.code).toBe('LENGTH_MISMATCH');
  });
});

describe('the MAC of a submission', () => {
  const fields = { roundDigest, sender: sender.senderId, salt, payloadDigest: payloadDigest(hex('01')) };
  const mac = submissionMac(secret, fields);

  test('is HMAC under a key derived for MACs', () => {
    const key = hkdf(secret.reveal(), new Uint8Array(0), framed('mac-key', []), 32);
    const covered = framed('submission-mac', [roundDigest, sender.senderId, salt, payloadDigest(hex('01'))]);
    const expected = createHmac('sha256', key).update(covered).digest('hex');
    expect(toHex(mac)).toBe(expected);
  });

  test('verifies on the other side', () => {
    expect(verifyMac(node.agree(sender.publicKey), fields, mac)).toBe(true);
  });

  test('is refused after any change of its inputs, of the MAC, or of the key', () => {
    const changes = [
      { roundDigest: otherRound },
      { sender: SenderKey.generate(new SeededRng('y')).senderId },
      { salt: flipped(salt, 15) },
      { payloadDigest: payloadDigest(hex('02')) },
    ];
    for (const change of changes) expect(verifyMac(secret, { ...fields, ...change }, mac)).toBe(false);
    for (let i = 0; i < 32; i++) expect(verifyMac(secret, fields, flipped(mac, i, 0x80))).toBe(false);
    expect(verifyMac(sender.agree(node.publicKey, 8), fields, mac)).toBe(false);
    fc.assert(fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => !verifyMac(secret, fields, bytes)));
  });
});
