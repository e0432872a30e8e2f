import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { toHex } from '../../src/base/bytes.js';
import { isNodeId } from '../../src/base/ids.js';
import { deriveNodeId, SigningKey, verifySignature } from '../../src/cmix/signatures.js';
import { flipped, hex, outcome, secretOf } from '../support/cmix.js';
import { SeededRng } from '../support/seededRng.js';

// RFC 8032, 7.1: TEST 1, 2, 3.
const vectors = [
  {
    seed: '9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60',
    publicKey: 'd75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a',
    message: '',
    signature:
      'e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b',
  },
  {
    seed: '4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb',
    publicKey: '3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c',
    message: '72',
    signature:
      '92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00',
  },
  {
    seed: 'c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7',
    publicKey: 'fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025',
    message: 'af82',
    signature:
      '6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a',
  },
];

describe('signatures', () => {
  test.each(vectors)('are those of RFC 8032 ($message)', ({ seed, publicKey, message, signature }) => {
    const key = SigningKey.fromSeed(secretOf(seed));
    expect(toHex(key.publicKey)).toBe(publicKey);
    expect(toHex(key.sign(hex(message)))).toBe(signature);
    expect(verifySignature(hex(publicKey), hex(message), hex(signature))).toBe(true);
  });

  test('are refused after any change of key, digest or signature', () => {
    const key = SigningKey.generate(new SeededRng(1));
    const digest = createHash('sha256').update('x').digest();
    const signature = key.sign(digest);
    expect(verifySignature(key.publicKey, digest, signature)).toBe(true);
    for (let i = 0; i < 64; i++) expect(verifySignature(key.publicKey, digest, flipped(signature, i))).toBe(false);
    for (let i = 0; i < 32; i++) {
      expect(verifySignature(key.publicKey, flipped(digest, i), signature)).toBe(false);
      expect(verifySignature(flipped(key.publicKey, i), digest, signature)).toBe(false);
    }
    expect(verifySignature(SigningKey.generate(new SeededRng(2)).publicKey, digest, signature)).toBe(false);
  });

  test('are false, never an exception, for bytes of any shape', () => {
    const bytes = fc.oneof(fc.uint8Array({ maxLength: 80 }), fc.constant(undefined as unknown as Uint8Array));
    fc.assert(fc.property(bytes, bytes, bytes, (key, digest, signature) => !verifySignature(key, digest, signature)));
  });

  test('are never accepted under a key of small order, for which one signature fits any message', () => {
    // R = A = the neutral element, S = 0 satisfies the equation for every message.
    const neutral = hex(`01${'00'.repeat(31)}`);
    const forged = new Uint8Array(64);
    forged.set(neutral);
    for (const key of [neutral, hex(`01${'00'.repeat(30)}80`), new Uint8Array(32), hex(`ec${'ff'.repeat(30)}7f`)]) {
      for (let i = 0; i < 16; i++) expect(verifySignature(key, Uint8Array.of(i), forged)).toBe(false);
    }
  });

  test('come from seeds of 32 bytes only', () => {
    expect(outcome(() => SigningKey.fromSeed(secretOf('00')))).toBe('LENGTH_MISMATCH');
  });

  test('name their node by half of the hash of the key', () => {
    const key = SigningKey.generate(new SeededRng(3));
    expect(isNodeId(key.nodeId)).toBe(true);
    expect(key.nodeId).toBe(deriveNodeId(key.publicKey));
    expect(createHash('sha256').update(key.publicKey).digest('hex').startsWith(key.nodeId)).toBe(true);
  });

  test('survive eviction from the verifier’s cache of keys', () => {
    const key = SigningKey.generate(new SeededRng(4));
    const signature = key.sign(key.publicKey);
    for (let i = 0; i < 1100; i++) {
      const unknown = createHash('sha256').update(`${i}`).digest();
      verifySignature(unknown, key.publicKey, signature);
    }
    expect(verifySignature(key.publicKey, key.publicKey, signature)).toBe(true);
  });
});
