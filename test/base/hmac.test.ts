// HMAC-SHA256 under a key that is kept ready: the same as node:crypto's, and gone when it is wiped.
import { createHmac } from 'node:crypto';
import { inspect } from 'node:util';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { toHex, utf8 } from '../../src/base/bytes.js';
import { HmacKey } from '../../src/base/hmac.js';

const theirs = (key: Uint8Array, message: Uint8Array) => createHmac('sha256', key).update(message).digest('hex');
const both = (key: HmacKey, message: Uint8Array) => [toHex(key.mac(message)), toHex(key.derive(message))];

describe('a key of HMAC', () => {
  it("gives node:crypto's MAC for any key and message, also where messages of many lengths take turns", () => {
    const lengths = [0, 1, 55, 56, 64, 65, 1_023, 1_024, 1_025, 5_000];
    const message = fc.oneof(
      fc.uint8Array({ maxLength: 300 }),
      fc.constantFrom(...lengths).map((length) => new Uint8Array(length).fill(length)),
    );
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), fc.array(message, { maxLength: 6 }), (bytes, messages) => {
        const key = new HmacKey(bytes);
        for (const one of messages) expect(both(key, one)).toEqual([theirs(bytes, one), theirs(bytes, one)]);
      }),
    );
    for (const length of [31, 32, 63, 64, 65, 128]) {
      const bytes = new Uint8Array(length).fill(length);
      expect(both(new HmacKey(bytes), utf8('edge'))[0]).toBe(theirs(bytes, utf8('edge')));
    }
  });

  it('gives the MACs of RFC 4231', () => {
    const jefe = '5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843';
    expect(both(new HmacKey(utf8('Jefe')), utf8('what do ya want for nothing?'))).toEqual([jefe, jefe]);
    const long = '60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54';
    const message = utf8('Test Using Larger Than Block-Size Key - Hash Key First');
    expect(both(new HmacKey(new Uint8Array(131).fill(0xaa)), message)).toEqual([long, long]);
  });

  it('gives each MAC bytes of its own, which a wipe of one leaves to the others', () => {
    const key = new HmacKey(utf8('key'));
    const [first, second] = [key.derive(utf8('a')), key.mac(utf8('a'))];
    first.fill(0);
    expect(toHex(second)).toBe(theirs(utf8('key'), utf8('a')));
    expect(toHex(key.mac(utf8('a')))).toBe(toHex(second));
  });

  it('keeps a copy of the key: what its maker wipes is not missed, and what it wipes is gone', () => {
    const bytes = utf8('a key of some length');
    const expected = theirs(bytes, utf8('m'));
    const key = new HmacKey(bytes);
    bytes.fill(0);
    expect(toHex(key.mac(utf8('m')))).toBe(expected);
    key.wipe();
    // Both blocks are zeros, which is no key's.
    expect(both(key, utf8('m'))).not.toContain(expected);
    expect(both(key, utf8('m'))).not.toContain(theirs(bytes, utf8('m')));
  });

  it('prints nothing of the key', () => {
    const key = new HmacKey(utf8('canary'));
    expect(inspect(key, { showHidden: true, depth: 9 })).toBe('HmacKey {}');
    expect(JSON.stringify(key)).toBe('{}');
  });
});
