// HMAC-SHA256 with a prepared key: equal to node:crypto's, and unusable after a wipe.
import { createHmac } from 'node:crypto';
import { inspect } from 'node:util';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { concat, type DigestPart, framed, toHex, utf8 } from '../../src/base/bytes.js';
import { HmacKey } from '../../src/cmix/hmac.js';

type Parts = readonly DigestPart[];

/** node:crypto's MAC of the frame, and its first block of HKDF-Expand. */
function theirs(key: Uint8Array, domain: string, parts: Parts): readonly string[] {
  const frame = framed(domain, parts);
  return [frame, concat([frame, Uint8Array.of(1)])].map((all) => createHmac('sha256', key).update(all).digest('hex'));
}

const ours = (key: HmacKey, domain: string, parts: Parts) =>
  [key.mac(domain, ...parts), key.expand(domain, ...parts)].map(toHex);

describe('a key of HMAC', () => {
  it("equals node:crypto's HMAC for any key and parts, also for messages of alternating lengths", () => {
    const lengths = [0, 1, 55, 56, 64, 65, 900, 980, 981, 982, 983, 984, 985, 986, 987, 988, 1_024, 5_000];
    const part = fc.oneof(
      fc.uint8Array({ maxLength: 100 }),
      fc.string({ maxLength: 20, unit: 'grapheme' }),
      fc.nat(),
      fc.constantFrom(...lengths).map((length) => new Uint8Array(length).fill(length)),
    );
    const message = fc.tuple(fc.string({ maxLength: 10 }), fc.array(part, { maxLength: 4 }));
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), fc.array(message, { maxLength: 6 }), (bytes, messages) => {
        const key = new HmacKey(bytes);
        for (const [domain, parts] of messages) expect(ours(key, domain, parts)).toEqual(theirs(bytes, domain, parts));
      }),
    );
    for (const length of [0, 31, 32, 63, 64, 65, 128]) {
      const bytes = new Uint8Array(length).fill(length);
      expect(ours(new HmacKey(bytes), 'edge', [])).toEqual(theirs(bytes, 'edge', []));
    }
    const key = utf8('key');
    for (const length of lengths) {
      const parts = [new Uint8Array(length)];
      expect(ours(new HmacKey(key), 'edge', parts)).toEqual(theirs(key, 'edge', parts));
    }
  });

  it('gives each result its own memory: wiping one does not affect the others', () => {
    const key = new HmacKey(utf8('key'));
    const [mac, again] = [key.mac('a'), key.mac('a')];
    const [expanded, more] = [key.expand('a'), key.expand('a')];
    mac.fill(0);
    expanded.fill(0);
    expect([again, more].map(toHex)).toEqual(theirs(utf8('key'), 'a', []));
    expect(ours(key, 'a', [])).toEqual([again, more].map(toHex));
  });

  it('copies the key: wiping the original has no effect, and a wipe removes the copy', () => {
    const bytes = utf8('a key of some length');
    const expected = theirs(bytes, 'm', []);
    const key = new HmacKey(bytes);
    bytes.fill(0);
    expect(ours(key, 'm', [])).toEqual(expected);
    key.wipe();
    for (const [i, result] of ours(key, 'm', []).entries()) expect(result).not.toBe(expected[i]);
  });

  it('prints nothing of the key', () => {
    const key = new HmacKey(utf8('canary'));
    expect(inspect(key, { showHidden: true, depth: 9 })).toBe('HmacKey {}');
    expect(JSON.stringify(key)).toBe('{}');
  });
});
