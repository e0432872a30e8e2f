// Hosts and their manager: adding never overwrites, removal is explicit, the membership list may change while connections are up,
// a failing peer is retried within limits, and nothing is reported before it was measured.

import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { MixError } from '../../src/base/errors.js';
import { createMetrics, type Metrics } from '../../src/base/metrics.js';
import { Membership } from '../../src/protocol/membership.js';
import { CoolOff } from '../../src/transport/calling/coolOff.js';
import { type HostManager, peerFacts } from '../../src/transport/calling/hosts.js';
import { keepWarmMs, slowsDownIdle } from '../../src/transport/calling/slowStart.js';
import { LinkMetrics } from '../../src/transport/linkMetrics.js';
import { OWN_HELLO } from '../../src/transport/versions.js';
import { VirtualClock } from '../support/virtualClock.js';
import { codeOf, hostsOf, identity, Loopback, never, OwnLink } from './support.js';

let loopback: Loopback;
let hosts: HostManager;
let link: OwnLink;
let metrics: Metrics;
beforeEach(async () => {
  loopback = await Loopback.start([await identity('a'), await identity('b'), await identity('c')]);
  metrics = createMetrics();
  hosts = hostsOf(a(), {}, { metrics: new LinkMetrics(metrics) });
  link = new OwnLink(() => loopback.membership, a(), hosts);
});
afterEach(async () => {
  link.close();
  await loopback.close();
});
const a = () => loopback.nodes[0]!;
const b = () => loopback.nodes[1]!;
const c = () => loopback.nodes[2]!;

describe('the manager', () => {
  it('adds a host once: a second call returns the first host unchanged', () => {
    const first = hosts.add(peerFacts(b().member), { sendTimeoutMs: 77 });
    const again = hosts.add({ ...peerFacts(b().member), address: '127.0.0.1:1' }, { sendTimeoutMs: 88 });
    expect(again).toBe(first);
    expect([first.facts.address, first.options.sendTimeoutMs]).toEqual([b().member.address, 77]);
  });

  it('removes a host on request, ends its calls, and returns true if it existed', async () => {
    b().receiver.onMessage = () => new Promise(() => {});
    await link.ping(b().node, never);
    const host = hosts.find(b().node)!;
    const waiting = codeOf(link.transfer(b().node, { ...open(), chunk: () => new Promise(() => {}) }, never));
    await b().receiver.until(() => b().receiver.headers.length === 1);
    expect(hosts.remove(b().node)).toBe(true);
    expect(hosts.remove(b().node)).toBe(false);
    expect(host.state).toBe('closed');
    expect(await waiting).toBe('LINK_DOWN');
    // The next call makes a new host.
    expect(await codeOf(link.ping(b().node, never))).toBe('ok');
    expect(hosts.find(b().node)).not.toBe(host);
  });

  it('disconnects all and keeps the hosts: the next calls dial', async () => {
    for (const { node } of [b(), c()]) await link.ping(node, never);
    const prints = () => hosts.report().map(({ state }) => state);
    expect(prints()).toEqual(['up', 'up']);
    hosts.disconnectAll();
    expect(prints()).toEqual(['down', 'down']);
    for (const { node } of [b(), c()]) await link.ping(node, never);
    expect(prints()).toEqual(['up', 'up']);
  });

  it('follows the list: removed members are gone, changed ones are dialled again, and the others keep their connections', async () => {
    for (const { node } of [b(), c()]) await link.ping(node, never);
    const fingerprint = hosts.find(c().node)!.connections()[0]!.fingerprint;
    loopback.membership = new Membership(1, [a().member, c().member]);
    hosts.follow(loopback.membership);
    expect(hosts.find(b().node)).toBeUndefined();
    expect(await codeOf(link.ping(b().node, never))).toBe('PEER_UNKNOWN');
    expect(hosts.find(c().node)!.connections()[0]!.fingerprint).toBe(fingerprint);
    const moved = { ...c().member, address: '127.0.0.1:1' };
    hosts.follow(new Membership(2, [a().member, moved]));
    expect(hosts.find(c().node)).toBeUndefined();
  });

  it('reports the connected hosts, with their lanes and protocol version', async () => {
    await link.ping(b().node, never);
    await link.transfer(b().node, open(), never);
    const { peer, address, state, lanes, protocolMinor } = hosts.report()[0]!;
    expect([peer, address, state]).toEqual([b().node, b().member.address, 'up']);
    expect([[...lanes].sort(), protocolMinor]).toEqual([['control', 'precompute'], OWN_HELLO.minor]);
  });
});

const open = () => ({
  header: { round: 1 as never, phase: 'precompDecrypt' as const, slots: 1, elements: 1, chunkSlots: 1 },
  chunks: 1,
  chunk: async () => new Uint8Array(64),
  trailer: async () => ({ root: new Uint8Array(32), extra: new Uint8Array(0), signature: new Uint8Array(64) }),
});

describe('metrics of a link', () => {
  const of = async (name: string) =>
    (await metrics.render()).split('\n').filter((line) => line.startsWith(`millrace_${name}{`));

  it('have no value before a measurement, and none of a removed peer', async () => {
    hosts.add(peerFacts(b().member));
    expect(await of('link_round_trip_ms')).toEqual([]);
    expect(await of('link_connected')).toEqual([]);
    await link.ping(b().node, never);
    await link.warm(b().node, 'realtimeDecrypt', 300_000, never);
    expect((await of('link_round_trip_ms')).length).toBe(1);
    expect(await of('link_window_bytes')).toEqual(
      ['control', 'realtime'].map((lane) => `millrace_link_window_bytes{peer="${b().node}",lane="${lane}"} 16777216`),
    );
    expect((await of('link_throughput_mbit_per_s_count')).map((line) => line.slice(-2))).toEqual([' 1']);
    hosts.remove(b().node);
    expect([...(await of('link_round_trip_ms')), ...(await of('link_window_bytes'))]).toEqual([]);
    expect(await of('link_throughput_mbit_per_s_count')).toEqual([]);
  });

  it('count failed attempts to connect', async () => {
    await b().stop();
    expect(await codeOf(link.ping(b().node, never))).toBe('LINK_DOWN');
    expect(await of('link_dial_failures_total')).toEqual([`millrace_link_dial_failures_total{peer="${b().node}"} 1`]);
    hosts.remove(b().node);
    expect(await of('link_dial_failures_total')).toEqual([]);
  });
});

describe('cooling off', () => {
  const down = new MixError('LINK_DOWN');
  const pass = (clock: VirtualClock, ms: number) => {
    clock.after(ms, () => {});
    clock.step();
  };

  it('allows as many failures as the bucket holds, then one in each share of the window', () => {
    const clock = new VirtualClock();
    const coolOff = new CoolOff({ failures: 3, windowMs: 60_000 }, clock);
    for (let i = 0; i < 3; i++) {
      expect(coolOff.waitMs()).toBe(0);
      coolOff.count(down);
    }
    expect(coolOff.waitMs()).toBe(20_000);
    pass(clock, 19_000);
    expect(coolOff.waitMs()).toBeCloseTo(1_000);
    pass(clock, 1_000);
    expect(coolOff.waitMs()).toBe(0);
    coolOff.count(down);
    expect(coolOff.waitMs()).toBe(20_000);
    pass(clock, 60_000);
    for (let i = 0; i < 2; i++) coolOff.count(down);
    expect(coolOff.waitMs()).toBe(0);
  });

  it('does not count errors that waiting cannot resolve: they are returned every time', () => {
    const coolOff = new CoolOff({ failures: 1, windowMs: 60_000 }, new VirtualClock());
    coolOff.count(new MixError('PEER_UNKNOWN'));
    expect(coolOff.waitMs()).toBe(0);
    coolOff.count(down);
    expect(coolOff.waitMs()).toBe(60_000);
  });
});

describe('keeping warm', () => {
  it('follows the kernel: not needed if idle connections are not slowed down', () => {
    expect(slowsDownIdle(() => '0\n')).toBe(false);
    expect(slowsDownIdle(() => '1\n')).toBe(true);
    const missing = () => {
      throw new Error('ENOENT');
    };
    expect(slowsDownIdle(missing)).toBe(true);
    expect([keepWarmMs(200, true), keepWarmMs(200, false), keepWarmMs(0, true)]).toEqual([200, Infinity, Infinity]);
  });
});
