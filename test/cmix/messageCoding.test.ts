import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { concat, digest, toHex, utf8, xof } from '../../src/base/bytes.js';
import { decodeMessage, dummySalt, encodeDummy, encodeMessage, messageCapacity } from '../../src/cmix/messageCoding.js';
import { decodeOutputs, outputDigest } from '../../src/cmix/outputs.js';
import { bigintToBytes, checkElements, elementAt, toBigints } from '../../src/math/batch.js';
import { GROUP_NAMES, type Group, namedGroup } from '../../src/math/group.js';
import { randomElements } from '../../src/math/sampling.js';
import { engine, flipped, group, otherRound, outcome, roundDigest } from '../support/cmix.js';
import { SeededRng } from '../support/seededRng.js';

const rng = new SeededRng('messages');

/** A code with a valid hash over any contents after it, as only a dishonest sender makes. */
function rehashed(elements: Uint8Array, change: (code: Uint8Array) => void): Uint8Array {
  const body = group.elementBytes - 1;
  const code = elements.slice(0, body);
  const mask = xof(body - 32, 'message-mask', code.subarray(16, 32));
  const applyMask = (): void => {
    for (const [i, byte] of mask.entries()) code[32 + i]! ^= byte;
  };
  applyMask();
  change(code);
  applyMask();
  code.set(digest('message-code', group.name, 1, code.subarray(16)).subarray(0, 16));
  const out = elements.slice();
  out.set(code);
  return out;
}

/** The elements of a message by the definition of the coding, with the salt of `elements`. */
function defined(some: Group, width: number, elements: Uint8Array, payload: Uint8Array): Uint8Array {
  const body = some.elementBytes - 1;
  const coded = toBigints(some, elements).flatMap((value) => [...bigintToBytes(value, body + 1).subarray(0, body)]);
  const code = new Uint8Array(width * body);
  code.set(coded.slice(16, 32), 16);
  code.set([1, 1, payload.length & 0xff, payload.length >> 8, ...payload], 32);
  for (const [i, byte] of xof(code.length - 32, 'message-mask', code.subarray(16, 32)).entries()) code[32 + i]! ^= byte;
  code.set(digest('message-code', some.name, width, code.subarray(16)).subarray(0, 16));
  return concat(Array.from({ length: width }, (_, e) => Uint8Array.of(...code.subarray(e * body, (e + 1) * body), 1)));
}

describe('a coded message', () => {
  test.each([...GROUP_NAMES, 'TEST-512'])('decodes to its payload in %s at every length and width', (name) => {
    const some = namedGroup(name);
    for (const width of [1, 2, 5]) {
      const capacity = messageCapacity(some, width);
      for (const length of [0, 1, capacity - 1, capacity]) {
        const payload = rng.fill(new Uint8Array(length));
        const elements = encodeMessage(some, width, payload, rng);
        checkElements(some, elements, 'message', width);
        expect(decodeMessage(some, width, elements)).toEqual({ kind: 'message', payload });
      }
      const tooLong = new Uint8Array(capacity + 1);
      expect(outcome(() => encodeMessage(some, width, tooLong, rng))).toBe('MESSAGE_TOO_LONG');
    }
  });

  test('carries 475 bytes at 4096 bits, and needs several elements of a tiny group', () => {
    expect(messageCapacity(namedGroup('MODP-4096'), 1)).toBe(475);
    expect(messageCapacity(namedGroup('TEST-64'), 6)).toBe(6);
    expect(outcome(() => messageCapacity(namedGroup('TEST-64'), 5))).toBe('MESSAGE_TOO_LONG');
    expect(outcome(() => messageCapacity(group, 0))).toBe('WIDTH_INVALID');
  });

  test('distinguishes payloads that differ in trailing zeros', () => {
    for (const payload of [Uint8Array.of(0), Uint8Array.of(0, 0), Uint8Array.of(1, 0)]) {
      expect(decodeMessage(group, 1, encodeMessage(group, 1, payload, rng))).toEqual({ kind: 'message', payload });
    }
  });

  test('does not show equal payloads: two codes have no equal element', () => {
    const width = 2;
    const [a, b] = [0, 1].map(() => encodeMessage(group, width, utf8('same'), rng)) as [Uint8Array, Uint8Array];
    for (const e of [0, 1]) expect(elementAt(group, a, e)).not.toEqual(elementAt(group, b, e));
  });

  test('is invalid after multiplication by anything but 1, in any element', async () => {
    for (let round = 0; round < 50; round++) {
      const elements = encodeMessage(group, 2, utf8('mauled'), rng);
      for (const e of [0, 1]) {
        const factor = new Uint8Array(elements.length);
        factor[0] = 1;
        factor[group.elementBytes] = 1;
        factor.set(round === 0 ? Uint8Array.of(2) : randomElements(rng, group, 1), e * group.elementBytes);
        expect(decodeMessage(group, 2, await engine.mul(elements, factor))).toEqual({ kind: 'invalid' });
      }
    }
  });

  test('is invalid after any single bit flips', () => {
    const elements = encodeMessage(group, 2, utf8('flip'), rng);
    for (let at = 0; at < elements.length; at++) {
      for (const bit of [1, 0x80]) {
        expect(decodeMessage(group, 2, flipped(elements, at, bit))).toEqual({ kind: 'invalid' });
      }
    }
  });

  test('is invalid in another group, at another width or with elements of two messages', () => {
    const [a, b] = ['a', 'b'].map((text) => encodeMessage(group, 2, utf8(text), rng)) as [Uint8Array, Uint8Array];
    const mixed = a.slice();
    mixed.set(elementAt(group, b, 1), group.elementBytes);
    expect(decodeMessage(group, 2, mixed)).toEqual({ kind: 'invalid' });
    expect(decodeMessage(group, 1, elementAt(group, a, 0))).toEqual({ kind: 'invalid' });
    const swapped = a.slice();
    swapped.set(elementAt(group, a, 1));
    swapped.set(elementAt(group, a, 0), group.elementBytes);
    expect(decodeMessage(group, 2, swapped)).toEqual({ kind: 'invalid' });
  });

  test('is invalid if its sender hashed contents that the coding does not allow', () => {
    const good = encodeMessage(group, 1, utf8('ok'), rng);
    const invalid = { kind: 'invalid' };
    expect(
      decodeMessage(
        group,
        1,
        rehashed(good, () => {}),
      ).kind,
    ).toBe('message');
    const tricks: ((code: Uint8Array) => void)[] = [
      (code) => (code[32] = 0),
      (code) => (code[32] = 2),
      (code) => (code[32] = 3),
      (code) => (code[33] = 0),
      (code) => (code[34] = 1),
      (code) => (code[34] = messageCapacity(group, 1) + 1),
      (code) => (code[35] = 0xff),
      (code) => (code[code.length - 1] = 1),
    ];
    for (const trick of tricks) expect(decodeMessage(group, 1, rehashed(good, trick))).toEqual(invalid);
  });

  test('is invalid with any nonzero byte after its payload, for any length of the payload', () => {
    const capacity = messageCapacity(group, 1);
    for (let length = 0; length < capacity; length++) {
      const good = encodeMessage(group, 1, new Uint8Array(length).fill(0xff), rng);
      for (let at = 36 + length; at < 36 + capacity; at++) {
        const bad = rehashed(good, (code) => (code[at] = 1 << (at % 8)));
        expect(decodeMessage(group, 1, bad)).toEqual({ kind: 'invalid' });
      }
      expect(decodeMessage(group, 1, good).kind).toBe('message');
    }
  });

  test('equals the definition, after any codings or decodings before it', () => {
    const shapes = [
      [group, 1],
      [group, 2],
      [namedGroup('TEST-64'), 7],
      [namedGroup('MODP-2048'), 1],
      [namedGroup('MODP-3072'), 1],
    ] as const;
    const turn = fc.tuple(fc.constantFrom(...shapes), fc.uint8Array({ maxLength: 13 }), fc.boolean());
    fc.assert(
      fc.property(fc.array(turn, { maxLength: 8 }), (turns) => {
        const kept = turns.map(([[some, width], payload, nonsense]) => {
          const bytes = payload.subarray(0, messageCapacity(some, width));
          const elements = encodeMessage(some, width, bytes, rng);
          expect(toHex(elements)).toBe(toHex(defined(some, width, elements, bytes)));
          if (nonsense) decodeMessage(some, width, flipped(elements, elements.length - 2));
          return { decoded: decodeMessage(some, width, elements), bytes };
        });
        for (const { decoded, bytes } of kept) expect(decoded).toEqual({ kind: 'message', payload: bytes });
      }),
    );
  });

  test('is invalid for arbitrary bytes of the right length, without an exception', () => {
    const length = 2 * group.elementBytes;
    fc.assert(
      fc.property(
        fc.uint8Array({ minLength: length, maxLength: length }),
        (bytes) => decodeMessage(group, 2, bytes).kind === 'invalid',
      ),
    );
    for (const byte of [0, 1, 0xff]) {
      expect(decodeMessage(group, 2, new Uint8Array(length).fill(byte))).toEqual({ kind: 'invalid' });
    }
    expect(outcome(() => decodeMessage(group, 2, new Uint8Array(length - 1)))).toBe('LENGTH_MISMATCH');
  });
});

describe('a dummy', () => {
  test('is the same at every node, differs by round and slot, and decodes as a dummy', () => {
    const dummy = encodeDummy(group, 2, roundDigest, 3);
    expect(encodeDummy(group, 2, roundDigest, 3)).toEqual(dummy);
    expect(encodeDummy(group, 2, roundDigest, 4)).not.toEqual(dummy);
    expect(encodeDummy(group, 2, otherRound, 3)).not.toEqual(dummy);
    checkElements(group, dummy, 'dummy', 2);
    expect(decodeMessage(group, 2, dummy)).toEqual({ kind: 'dummy', salt: dummySalt(roundDigest, 3) });
  });
});

describe('outputs', () => {
  test('are sorted into messages, dummies and invalid slots', () => {
    const width = 2;
    const slotBytes = width * group.elementBytes;
    const outputs = new Uint8Array(5 * slotBytes);
    outputs.set(encodeMessage(group, width, utf8('first'), rng), 0);
    outputs.set(encodeDummy(group, width, roundDigest, 0), slotBytes);
    outputs.set(randomElements(rng, group, width), 2 * slotBytes);
    outputs.set(encodeMessage(group, width, utf8('second'), rng), 4 * slotBytes);
    const decoded = decodeOutputs(group, width, outputs);
    expect(decoded.messages.map((message) => Buffer.from(message).toString())).toEqual(['first', 'second']);
    expect(decoded.dummies).toBe(1);
    expect(decoded.invalidSlots).toEqual([2, 3]);
    expect(outcome(() => decodeOutputs(group, width, outputs.subarray(1)))).toBe('LENGTH_MISMATCH');
    expect(decodeOutputs(group, width, new Uint8Array(0))).toEqual({
      messages: [],
      dummies: 0,
      dummySalts: [],
      invalidSlots: [],
      copies: 0,
    });
  });

  test('have a digest that depends on the round and every byte', () => {
    const outputs = randomElements(rng, group, 2);
    const of = (round: Uint8Array, bytes: Uint8Array) => Buffer.from(outputDigest(round, bytes)).toString('hex');
    const all = [of(roundDigest, outputs), of(otherRound, outputs), of(roundDigest, flipped(outputs, 127))];
    expect(new Set(all).size).toBe(3);
  });
});
