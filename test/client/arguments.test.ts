// A Client reports wrong options at once; floors hold for any signed round; a membership list may change while a client lives.
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { Client, type ClientOptions } from '../../src/client/client.js';
import { GatewayClient } from '../../src/comms/gateway/client.js';
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

describe('arguments of the methods of a Client', () => {
  type Any = never;
  const bytes = new Uint8Array(4);
  const submission = { sender: 'ab', salt: bytes, payload: bytes, macs: [bytes] };
  const info = () => ({
    ...{ network: 'test', round: 7, membership: 1, team: [good.membership.members[0]!.node], group: 'TEST-512' },
    ...{ slots: 4, width: 1, chunkSlots: 1, exponentBytes: 32, minSenders: 1, quotaPerSender: 1 },
    deadlines: {
      ...{ precomputeMs: 1, standbyMs: 1, collectMs: 1, realtimeMs: 1, precomputePhaseMs: 1, realtimePhaseMs: 1 },
    },
  });
  const signed = () => ({ info: info(), signature: new Uint8Array(64) });
  const calls = ['describe', 'register', 'rounds', 'submit', 'outcome', 'outputs'] as const;

  it.each<[string, string, (client: Client) => Promise<unknown>]>([
    ['register', 'senders', (client) => client.register(null as Any)],
    ['register', 'senders', (client) => client.register(client.createSender() as Any)],
    ['register', 'senders[1]', (client) => client.register([client.createSender(), {}] as Any)],
    // A hole is an entry.
    ['register', 'senders[0]', (client) => client.register(new Array(1) as Any)],
    ['register', 'nodes', (client) => client.register([], 'all' as Any)],
    ['register', 'nodes[0]', (client) => client.register([], [null] as Any)],
    ['rounds', 'node', (client) => client.rounds(undefined as Any)],
    ['compose', 'round', (client) => client.compose(null as Any, [])],
    ['compose', 'round.info', (client) => client.compose({} as Any, [])],
    [
      'compose',
      'round.info.team',
      (client) => client.compose({ ...signed(), info: { ...info(), team: 'a' } } as Any, []),
    ],
    [
      'compose',
      'round.info.slots',
      (client) => client.compose({ ...signed(), info: { ...info(), slots: '4' } } as Any, []),
    ],
    [
      'compose',
      'round.info.group',
      (client) => client.compose({ ...signed(), info: { ...info(), group: {} } } as Any, []),
    ],
    [
      'compose',
      'round.info.deadlines',
      (client) => client.compose({ ...signed(), info: { ...info(), deadlines: 0 } } as Any, []),
    ],
    ['compose', 'round.signature', (client) => client.compose({ ...signed(), signature: 'ab' } as Any, [])],
    ['compose', 'messages', (client) => client.compose(signed() as Any, null as Any)],
    ['compose', 'messages[0]', (client) => client.compose(signed() as Any, [null] as Any)],
    ['compose', 'messages[0].sender', (client) => client.compose(signed() as Any, [{ payload: bytes }] as Any)],
    [
      ...(['compose', 'messages[0].payload'] as const),
      (client) => client.compose(signed() as Any, [{ sender: client.createSender(), payload: 'text' }] as Any),
    ],
    ['submit', 'info', (client) => client.submit(null as Any, [])],
    ['submit', 'info.round', (client) => client.submit({ ...info(), round: Number.NaN } as Any, [])],
    ['submit', 'info.team', (client) => client.submit({ ...info(), team: [] } as Any, [])],
    ['submit', 'info.team[0]', (client) => client.submit({ ...info(), team: [7] } as Any, [])],
    ['submit', 'submissions', (client) => client.submit(info() as Any, submission as Any)],
    ['submit', 'submissions[1]', (client) => client.submit(info() as Any, [submission, undefined] as Any)],
    [
      'submit',
      'submissions[0].sender',
      (client) => client.submit(info() as Any, [{ ...submission, sender: 7 }] as Any),
    ],
    ['submit', 'submissions[0].salt', (client) => client.submit(info() as Any, [{ ...submission, salt: 'ab' }] as Any)],
    [
      'submit',
      'submissions[0].payload',
      (client) => client.submit(info() as Any, [{ ...submission, payload: [1] }] as Any),
    ],
    [
      'submit',
      'submissions[0].macs',
      (client) => client.submit(info() as Any, [{ ...submission, macs: bytes }] as Any),
    ],
    [
      'submit',
      'submissions[0].macs[0]',
      (client) => client.submit(info() as Any, [{ ...submission, macs: ['ab'] }] as Any),
    ],
    ['submit', 'onTaken', (client) => client.submit(info() as Any, [], 7 as Any)],
    ['outcome', 'info', (client) => client.outcome(undefined as Any, submission as Any)],
    ['outcome', 'submission', (client) => client.outcome(info() as Any, null as Any)],
    ['outcome', 'submission.salt', (client) => client.outcome(info() as Any, { ...submission, salt: 7 } as Any)],
    ['outcome', 'node', (client) => client.outcome(info() as Any, submission as Any, 7 as Any)],
    ['outputs', 'round', (client) => client.outputs('7' as Any, good.membership.members[0]!.node)],
    ['outputs', 'node', (client) => client.outputs(7 as Any, null as Any)],
  ])('%s rejects a wrong %s by its name, before anything is sent', async (_, argument, call) => {
    const sent = calls.map((name) => vi.spyOn(GatewayClient.prototype, name));
    const client = new Client(good);
    try {
      await expect(call(client)).rejects.toMatchObject({ code: 'ARGUMENT_INVALID', values: { argument } });
      for (const spy of sent) expect(spy).not.toHaveBeenCalled();
    } finally {
      for (const spy of sent) spy.mockRestore();
      client.close();
    }
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
