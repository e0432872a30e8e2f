// Tokens: the guarantees of a store, and tokens that never print.
import { inspect } from 'node:util';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createLog } from '../../src/base/log.js';
import { TokenStore } from '../../src/transport/serving/tokenStore.js';
import { LiveToken, Token } from '../../src/transport/tokens.js';
import { outcome } from '../support/cmix.js';
import { SeededRng } from '../support/seededRng.js';
import { VirtualClock } from '../support/virtualClock.js';

const rng = new SeededRng('tokens');
const storeOf = (clock: VirtualClock, perOwnerMax = 3, totalMax = 5) =>
  new TokenStore<string>({ clock, rng, lifetimeMs: 1_000, perOwnerMax, totalMax });
const pass = (clock: VirtualClock, ms: number) => {
  clock.after(ms, () => {});
  clock.step();
};

describe('a token', () => {
  it('is 32 bytes, survives its metadata encoding, and equals no other token', () => {
    const token = Token.random(rng);
    expect(Token.parse(token.toMetadata()).equals(token)).toBe(true);
    expect(Token.of(token.reveal()).equals(token)).toBe(true);
    expect(Token.random(rng).equals(token)).toBe(false);
  });

  it('is refused in any other form', () => {
    const wrong = ['', 'ab', 'zz'.repeat(32), 'ab'.repeat(33), 7, undefined, Buffer.alloc(32)];
    for (const text of wrong) expect(outcome(() => Token.parse(text))).toBe('TOKEN_REFUSED');
    for (const length of [0, 31, 33]) expect(outcome(() => Token.of(new Uint8Array(length)))).toBe('TOKEN_REFUSED');
  });

  it('never prints, by any way of printing', () => {
    const token = Token.random(rng);
    const lines: string[] = [];
    const log = createLog({ name: 'x', level: 'trace', destination: { write: (line) => void lines.push(line) } });
    log.info({ token, wire: { token }, list: [token] }, `${token}`);
    const printed = [lines.join(''), inspect({ token }), JSON.stringify({ token }), String(token)].join('\n');
    expect(printed).not.toContain(token.toMetadata());
    expect(printed).not.toContain(token.selector);
    expect(printed).toContain('[secret]');
  });

  it('lives until that token is refused', () => {
    const live = new LiveToken();
    const [first, second] = [Token.random(rng), Token.random(rng)];
    expect(live.clearIf(undefined)).toBe(false);
    live.set(first);
    live.set(second);
    // A late refusal of the previous token changes nothing.
    expect(live.clearIf(first)).toBe(false);
    expect(live.present).toBe(true);
    expect(live.clearIf(second)).toBe(true);
    expect(live.present).toBe(false);
  });
});

describe('a token store', () => {
  it('keeps a value until it is taken, once', () => {
    const store = storeOf(new VirtualClock());
    const token = store.issue('a', 'value');
    expect(store.find(token)).toMatchObject({ owner: 'a', value: 'value' });
    expect(store.take(token)?.value).toBe('value');
    expect(store.take(token)).toBeUndefined();
    expect(store.size).toBe(0);
  });

  it('compares all bytes of a token', () => {
    const store = storeOf(new VirtualClock());
    const token = store.issue('a', 'value');
    const near = token.reveal().slice();
    near[31]! ^= 1;
    expect(store.find(Token.of(near))).toBeUndefined();
    expect(store.find(token)).toBeDefined();
  });

  it('forgets expired tokens, by the monotonic clock', () => {
    const clock = new VirtualClock();
    const store = storeOf(clock);
    const old = store.issue('a', 'old');
    pass(clock, 600);
    const young = store.issue('a', 'young');
    pass(clock, 400);
    expect([store.find(old), store.find(young)?.value]).toEqual([undefined, 'young']);
    pass(clock, 600);
    expect(store.owners()).toEqual([]);
  });

  it('stays within its limits for any requests, and evicts tokens of the owner that asks for more', () => {
    const ask = fc.array(fc.tuple(fc.constantFrom('a', 'b', 'c', 'd'), fc.nat(400)), { maxLength: 60 });
    fc.assert(
      fc.property(ask, (asks) => {
        const clock = new VirtualClock();
        const store = storeOf(clock);
        const quiet = store.issue('quiet', 'kept');
        let elapsedMs = 0;
        for (const [owner, ms] of asks) {
          store.issue(owner, owner);
          expect(store.size).toBeLessThanOrEqual(5);
          expect(store.countTokens(owner)).toBeLessThanOrEqual(3);
          expect(store.owners().reduce((sum, one) => sum + store.countTokens(one), 0)).toBe(store.size);
          pass(clock, ms);
          elapsedMs += ms;
        }
        // Four loud owners fill the store; the quiet owner's only token expires by age alone, unless all have just one.
        const loud = new Set(asks.map(([owner]) => owner)).size;
        if (loud < 4) expect(store.find(quiet) !== undefined).toBe(elapsedMs < 1_000);
      }),
    );
  });

  it('forgets all tokens of an owner', () => {
    const store = storeOf(new VirtualClock());
    store.issue('a', 'one');
    store.issue('a', 'two');
    const other = store.issue('b', 'three');
    store.dropOwner('a');
    expect([store.size, store.find(other)?.value]).toEqual([1, 'three']);
    store.dropWhere((_owner, value) => value === 'three');
    expect(store.size).toBe(0);
  });
});
