// A Client reports wrong options at once; floors hold for any signed round; a membership list may change while a client lives.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Client, type ClientOptions } from '../../src/client/client.js';
import { checkFloors, NO_FLOORS, SAFE_FLOORS } from '../../src/protocol/floors.js';
import { Membership } from '../../src/protocol/membership.js';
import { identity, memberOf } from '../comms/support.js';

let good: ClientOptions;
beforeAll(async () => {
  const membership = new Membership(1, [memberOf(await identity('a')), memberOf(await identity('b'))]);
  good = { network: 'test', membership, roundAuthority: new Uint8Array(32) };
});

describe('options of a Client', () => {
  it.each<[string, (options: ClientOptions) => unknown]>([
    ['options', () => undefined],
    ['options', () => 'test'],
    ['options.network', (options) => ({ ...options, network: '' })],
    ['options.network', (options) => ({ ...options, network: 7 })],
    ['options.membership', (options) => ({ ...options, membership: 'membership.toml' })],
    ['options.membership', (options) => ({ ...options, membership: { members: [] } })],
    ['options.roundAuthority', (options) => ({ ...options, roundAuthority: 'ab'.repeat(32) })],
    ['options.roundAuthority', (options) => ({ ...options, roundAuthority: new Uint8Array(31) })],
    ['options.roundAuthority', (options) => ({ ...options, roundAuthority: undefined })],
    ['options.engine', (options) => ({ ...options, engine: 'auto' })],
    ['options.rng', (options) => ({ ...options, rng: Math })],
    ['options.floors.slots', (options) => ({ ...options, floors: { slots: '1' } })],
    ['options.floors.slot', (options) => ({ ...options, floors: { slot: 1 } })],
  ])('a wrong %s is named by the constructor', (argument, change) => {
    expect(() => new Client(change(good) as ClientOptions)).toThrow(
      expect.objectContaining({ code: 'ARGUMENT_INVALID', values: expect.objectContaining({ argument }) }),
    );
    new Client(good).close();
  });
});

describe('floors', () => {
  const round = { team: Array(5).fill('x'), slots: 1_000, minSenders: 100, group: 'MODP-4096' } as never;

  it.each([
    ['team', { team: ['a', 'b'] }, 2],
    ['slots', { slots: 31 }, 31],
    ['senders', { minSenders: 1 }, 1],
    ['groupBits', { group: 'MODP-2048' }, 2048],
    ['groupBits', { group: 'TEST-512' }, 512],
  ])('by default refuse a round for its %s', (field, change, has) => {
    expect(() => checkFloors(round, SAFE_FLOORS)).not.toThrow();
    const low = { ...(round as object), ...change } as never;
    expect(() => checkFloors(low, SAFE_FLOORS)).toThrow(
      expect.objectContaining({ code: 'ROUND_BELOW_FLOOR', values: expect.objectContaining({ field, has }) }),
    );
    expect(() => checkFloors(low, NO_FLOORS)).not.toThrow();
  });
});

describe('a membership list that changes while a client lives', () => {
  let client: Client;
  afterAll(() => client.close());

  it('is used from then on', async () => {
    client = new Client(good);
    const joined = memberOf(await identity('c'));
    const next = new Membership(2, [...good.membership.members, joined]);
    await expect(client.rounds(joined.node)).rejects.toMatchObject({ code: 'PEER_UNKNOWN' });
    client.follow(next);
    expect(client.membership.generation).toBe(2);
    // Nothing listens there: the member is known, and dialled.
    await expect(client.rounds(joined.node)).rejects.toMatchObject({ code: 'LINK_DOWN' });
    expect(() => client.follow({} as Membership)).toThrow(expect.objectContaining({ code: 'ARGUMENT_INVALID' }));
  });
});
