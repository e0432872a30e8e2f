// Bytes, and the one digest of the whole protocol: no two different lists of parts have the same hash.
import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  concat,
  type DigestPart,
  digest,
  equalBytes,
  framed,
  fromHex,
  sha256Into,
  toHex,
  uint64,
  utf8,
  xof,
  xofInto,
} from '../../src/base/bytes.js';
import { isBootId, isNodeId, isRoundId, isSenderId } from '../../src/base/ids.js';

const part: fc.Arbitrary<DigestPart> = fc.oneof(
  fc.uint8Array({ maxLength: 12 }),
  fc.string({ maxLength: 8 }),
  fc.nat(300),
  fc.bigInt({ min: 0n, max: (1n << 64n) - 1n }),
);
const parts = fc.array(part, { maxLength: 5 });

/** The bytes of each part: two lists with equal bytes have the same meaning. */
const meaning = (list: readonly DigestPart[]): string =>
  JSON.stringify(
    list.map((one) => toHex(one instanceof Uint8Array ? one : typeof one === 'string' ? utf8(one) : uint64(one))),
  );

describe('the framing of parts', () => {
  it('is injective: different lists give different bytes', () => {
    const property = fc.property(
      parts,
      parts,
      fc.string({ maxLength: 5 }),
      fc.string({ maxLength: 5 }),
      (a, b, x, y) => {
        const same = x === y && meaning(a) === meaning(b);
        expect(toHex(framed(x, a)) === toHex(framed(y, b))).toBe(same);
        expect(equalBytes(digest(x, ...a), digest(y, ...b))).toBe(same);
      },
    );
    fc.assert(property, { numRuns: 500 });
  });

  it('distinguishes lists that differ only in a boundary, or in a part moved into the domain', () => {
    const variants = [
      framed('ab', ['c']),
      framed('a', ['bc']),
      framed('a', ['b', 'c']),
      framed('a', ['bc', '']),
      framed('a', ['', 'bc']),
      framed('abc', []),
      framed('', ['abc']),
    ];
    expect(new Set(variants.map(toHex)).size).toBe(variants.length);
  });

  it('is the input of the digest and the XOF, piece by piece or at once', () => {
    const list = ['text', Uint8Array.of(1, 2), 7, 1n << 60n] as const;
    const whole = createHash('sha256').update(framed('domain', list)).digest();
    expect(toHex(digest('domain', ...list))).toBe(whole.toString('hex'));
    // Pinned: the signed and hashed encodings on the wire must never change by accident.
    const known = 'f6f26ca49d1712f5ba6b95fd2ed8b530454680a34452cc7c869304229051c7d7';
    expect(toHex(digest('known', 'answer', 42))).toBe(known);
    const spelled = Buffer.concat([...frame('millrace/v1/known'), ...frame('answer'), uint64(8), uint64(42)]);
    expect(createHash('sha256').update(spelled).digest('hex')).toBe(known);
    expect(xof(300, 'x', 1).length).toBe(300);
    expect(toHex(xof(300, 'x', 1))).toContain(toHex(xof(20, 'x', 1)));
  });

  it('puts each piece after its length, for any text, number and bytes, also for long ones', () => {
    const long = fc
      .constantFrom(4_000, 4_070, 4_096, 4_097, 9_000)
      .map((length) => new Uint8Array(length).fill(length));
    const texts = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.constantFrom('é', '\ud800', '\udc00x', '€', '\u007f\u0080'),
    );
    const numbers = fc.oneof(fc.maxSafeNat(), fc.constantFrom(2 ** 31, 2 ** 32 - 1, 2 ** 32, Number.MAX_SAFE_INTEGER));
    const list = fc.array(fc.oneof(part, texts, numbers, long), { maxLength: 5 });
    const property = fc.property(texts, list, (domain, some) => {
      const pieces = [`millrace/v1/${domain}`, ...some].map((one) => {
        if (one instanceof Uint8Array) return Buffer.from(one);
        if (typeof one === 'string') return Buffer.from(one, 'utf8');
        const bytes = Buffer.alloc(8);
        bytes.writeBigUInt64LE(BigInt(one));
        return bytes;
      });
      const lengths = pieces.map(({ length }) => Buffer.from([length & 0xff, length >> 8, 0, 0, 0, 0, 0, 0]));
      const whole = Buffer.concat(pieces.flatMap((piece, i) => [lengths[i]!, piece]));
      expect(toHex(framed(domain, some))).toBe(whole.toString('hex'));
      expect(toHex(digest(domain, ...some))).toBe(createHash('sha256').update(whole).digest('hex'));
      const shake = createHash('shake256', { outputLength: 77 }).update(whole).digest('hex');
      expect(toHex(xof(77, domain, ...some))).toBe(shake);
    });
    fc.assert(property, { numRuns: 300 });
  });

  it('gives each digest its own memory, and writes a digest into a buffer at its place only', () => {
    const [first, second] = [digest('one'), digest('two')];
    expect(first).not.toEqual(second);
    expect([first.constructor, first.byteOffset, first.buffer.byteLength]).toEqual([Uint8Array, 0, 32]);
    const out = Buffer.alloc(96, 7);
    sha256Into(utf8('abc'), out, 32);
    const expected = createHash('sha256').update('abc').digest();
    expect(toHex(out)).toBe('07'.repeat(32) + toHex(expected) + '07'.repeat(32));
  });

  it('fills a buffer with the XOF, and no byte outside of it', () => {
    const around = Buffer.alloc(400, 7);
    xofInto(framed('x', [1]), around.subarray(50, 350));
    expect(toHex(around)).toBe('07'.repeat(50) + toHex(xof(300, 'x', 1)) + '07'.repeat(50));
  });

  const frame = (text: string) => [uint64(text.length), utf8(text)];
});

describe('hex', () => {
  it('round-trips, and refuses text that is not hex of whole bytes', () => {
    fc.assert(fc.property(fc.uint8Array(), (bytes) => equalBytes(fromHex(toHex(bytes))!, bytes)));
    for (const text of ['0', 'xyz', '0g', ' 00', '00 ', '0x00']) expect(fromHex(text)).toBeUndefined();
    expect(toHex(new Uint8Array([1, 2, 3]).subarray(1))).toBe('0203');
  });
});

describe('bytes', () => {
  it('are concatenated in order and compared as a whole', () => {
    expect(concat([Uint8Array.of(1), new Uint8Array(0), Uint8Array.of(2, 3)])).toEqual(Uint8Array.of(1, 2, 3));
    expect(equalBytes(Uint8Array.of(1, 2), Uint8Array.of(1, 2))).toBe(true);
    expect(equalBytes(Uint8Array.of(1, 2), Uint8Array.of(1, 3))).toBe(false);
    expect(equalBytes(Uint8Array.of(1, 2), Uint8Array.of(1))).toBe(false);
    expect(uint64(258)).toEqual(Uint8Array.of(2, 1, 0, 0, 0, 0, 0, 0));
  });
});

describe('ids', () => {
  it('are recognised by their form', () => {
    const hex = (length: number) => 'a'.repeat(length);
    expect([isNodeId(hex(32)), isBootId(hex(32)), isSenderId(hex(64))]).toEqual([true, true, true]);
    for (const check of [isNodeId, isBootId, isSenderId]) {
      for (const wrong of [
        '',
        hex(31),
        hex(33),
        hex(63),
        hex(65),
        `${hex(31)}G`,
        hex(32).toUpperCase(),
        `${hex(32)}\n`,
        5,
        null,
      ]) {
        expect(check(wrong)).toBe(false);
      }
    }
    for (const wrong of [0, -1, 1.5, 2 ** 53, Number.NaN, '1', null]) expect(isRoundId(wrong)).toBe(false);
    expect(isRoundId(2 ** 53 - 1)).toBe(true);
  });
});
