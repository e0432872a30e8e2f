// The network simulation: a round alone takes the time calculated by hand, no resource is busy for longer than the time
// available, and the measurements give answers. `npm run sim -- --network` plays larger ones.
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import type { CostFile, Price } from '../../bench/network/costFile.js';
import { ENGINE_WORK, MAIN_WORK } from '../../bench/network/costFile.js';
import { VirtualClock } from '../support/virtualClock.js';
import { Flows, shapeOf } from './network/flows.js';
import { Uplink } from './network/links.js';
import { capacityOf, RESOURCES } from './network/loads.js';
import { floorMs, loaded, playAlone, roundAlone, type Setting, saturated, wholeLoads } from './network/measure.js';
import { readNetworkOptions } from './network/options.js';
import { PlanBuilder } from './network/plan.js';
import { Pricing } from './network/pricing.js';
import { rowOf } from './network/rows.js';
import { EngineServer } from './network/servers.js';
import { RunningRound, World } from './network/world.js';

const MEASURED = new URL('../../bench/results/costs-cpu-4096.json', import.meta.url);
const measured = JSON.parse(readFileSync(MEASURED, 'utf8')) as CostFile;

/** Costs that are zero except those given. */
function onlyCosts(prices: Readonly<Record<string, Price>>): CostFile {
  const of = (names: object) =>
    Object.fromEntries(Object.keys(names).map((name) => [name, prices[name] ?? { callUs: 0, unitUs: 0 }]));
  const [engineWork, mainWork] = [of(ENGINE_WORK), of(MAIN_WORK)];
  return { ...measured, engineWork, mainWork, threads: 1, overtakeUs: 0, reserveUs: 0 } as CostFile;
}

function setting(changes: Partial<Setting> = {}): Setting {
  return {
    seed: '1',
    nodes: 5,
    teamSize: 5,
    slots: 1_000,
    latencyMs: () => 45,
    schedulerMs: 45,
    reportsRoundTrips: false,
    mbitPerS: 1_000,
    pricing: new Pricing(measured),
    load: 0.8,
    rounds: 150,
    ...changes,
  };
}

const FREE = new Pricing(onlyCosts({}));
const TEAM = [0, 1, 2, 3, 4];

describe('a round alone', () => {
  it('takes as many one-way trips as the protocol has, if nothing else takes time', () => {
    const alone = playAlone(setting({ pricing: FREE, mbitPerS: 1e9 }), TEAM, FREE);
    // Shares, digests, four hops and four back, the reveal, commitments.
    expect(alone.precomputeMs).toBeCloseTo(12 * 45, 2);
    // The table, verdicts, signatures, four hops and four back, H(x′), openings, signatures of the outputs.
    expect(alone.realtimeMs).toBeCloseTo(14 * 45, 2);
  });

  it('takes the bandwidth of every hop in turn, and passes each chunk on as soon as it arrives', () => {
    // Three chunks of two slots from node 1 over node 2 to node 3, 1,024 bytes a millisecond, links of 10 ms.
    const builder = new PlanBuilder(FREE);
    const flows = new Flows(builder, shapeOf(3, 6, 2));
    const doors = flows.positions.map((at) => builder.door(at, [], 'PRECOMPUTING'));
    const first = flows.give(0, 1, [doors[0]!, doors[0]!, doors[0]!]);
    const second = flows.give(1, 1, flows.stream(first, 1, 'realtime').taken);
    const { taken, whole } = flows.stream(second, 2, 'realtime');
    builder.join(2, [taken[0]!], 'STANDBY');
    builder.join(2, [whole], 'COMPLETED');
    const clock = new VirtualClock();
    const world = new World({ clock, nodes: 3, threads: 1, latencyMs: () => 10, mbitPerS: 8.192 });
    const marks: [string, number][] = [];
    const round = new RunningRound(world, builder.build(3, doors, []), [0, 1, 2], (_, mark) =>
      marks.push([mark, clock.nowMs()]),
    );
    round.open(0);
    while (clock.step());
    // A chunk is a millisecond long, up and down: four for the first over two hops, the two others a millisecond later each;
    // behind them the trailer, 144 bytes.
    expect(marks.map(([mark]) => mark)).toEqual(['PRECOMPUTING', 'STANDBY', 'COMPLETED']);
    for (const [index, ms] of [0, 24, 26 + 144 / 1_024].entries()) expect(marks[index]![1]).toBeCloseTo(ms, 6);
  });

  it('has a floor that work does not raise', () => {
    const [cheap, dear] = [setting({ pricing: FREE }), setting()];
    expect(floorMs(dear, TEAM)).toBe(floorMs(cheap, TEAM));
    expect(playAlone(dear, TEAM, dear.pricing).realtimeMs).toBeGreaterThan(floorMs(dear, TEAM));
  });

  it('adds up the work of all nodes in a ring, and takes it once in Generate, where all work at the same time', () => {
    const rings = new Pricing(onlyCosts({ mulGather: { callUs: 1_000_000, unitUs: 0 } }));
    const alone = playAlone(setting({ pricing: rings, latencyMs: () => 0, mbitPerS: 1e9 }), TEAM, rings);
    expect(alone.precomputeMs).toBeCloseTo(5_000, 1);
    expect(alone.realtimeMs).toBeCloseTo(5_000, 1);
    const powers = new Pricing(onlyCosts({ powFixed: { callUs: 0, unitUs: 1_000 } }));
    const generating = playAlone(setting({ pricing: powers, latencyMs: () => 0, mbitPerS: 1e9 }), TEAM, powers);
    // Four powers a slot, a thousand slots, a millisecond each, on one worker.
    expect(generating.precomputeMs).toBeCloseTo(4_000, 0);
    expect(generating.realtimeMs).toBeCloseTo(0, 1);
  });
});

describe('an engine', () => {
  it('suspends precomputation while realtime work has its cores, and loses none of it', () => {
    const clock = new VirtualClock();
    const engine = new EngineServer(1, clock);
    const ended: string[] = [];
    const submit = (name: string, priority: 'realtime' | 'precompute', chunks: number) =>
      engine.submit({ chunks, chunkUs: 4_000, estimatedUs: 4_000 }, priority, () =>
        ended.push(`${name} ${clock.nowMs()}`),
      );
    submit('long', 'precompute', 5);
    submit('short', 'precompute', 1);
    submit('realtime', 'realtime', 1);
    while (clock.step());
    expect(ended).toEqual(['realtime 4', 'short 16', 'long 28']);
    expect(engine.busyUs).toBe(28_000);
  });

  it('shares the cores that realtime work leaves among precomputation, and delays realtime work for a busy core', () => {
    const clock = new VirtualClock();
    const engine = new EngineServer(2, clock, 100);
    const ended: string[] = [];
    const submit = (name: string, priority: 'realtime' | 'precompute', us: number) =>
      engine.submit({ chunks: 1, chunkUs: us, estimatedUs: us }, priority, () =>
        ended.push(`${name} ${clock.nowMs().toFixed(2)}`),
      );
    submit('free', 'realtime', 1_000);
    while (clock.step());
    submit('a', 'precompute', 3_000);
    submit('b', 'precompute', 4_000);
    submit('overtakes', 'realtime', 2_000);
    while (clock.step());
    // For 2.1 ms a and b share one core; each has done 1.05 ms of its work by then.
    expect(ended).toEqual(['free 1.00', 'overtakes 3.10', 'a 5.05', 'b 6.05']);
    expect(engine.busyUs).toBe(10_000);
  });
});

describe('an uplink', () => {
  it('serves connections in turn: later packets of another connection do not wait for all earlier ones', () => {
    const clock = new VirtualClock();
    const link = new Uplink(clock);
    const sent: string[] = [];
    const send = (connection: string, name: string) =>
      link.send(connection, { ms: 1, arrived: () => sent.push(`${name} ${clock.nowMs()}`) });
    for (let i = 1; i <= 4; i++) send('1 precompute', `p${i}`);
    send('1 realtime', 'r1');
    while (clock.step());
    expect(sent).toEqual(['p1 1', 'r1 2', 'p2 3', 'p3 4', 'p4 5']);
  });
});

describe('a network', () => {
  it('keeps no resource busy for longer than the time available, and mixes no more than its nodes can', () => {
    const eight = setting({ nodes: 8, load: 0.95 });
    const { utilisationMost, utilisation } = loaded(eight, true);
    expect(utilisationMost).toBeLessThanOrEqual(1 + 1e-9);
    for (const resource of RESOURCES) expect(utilisation[resource]).toBeGreaterThan(0);
    expect(saturated(eight, true)).toBeLessThanOrEqual(capacityOf(wholeLoads(eight), 8));
  });

  it('without pipelining mixes one round after the other', () => {
    const five = setting({ rounds: 20 });
    // Between one end and the next beginning, the scheduler gets the reports and sends the next round.
    expect(1_000 / saturated(five, false)).toBeGreaterThanOrEqual(0.999 * roundAlone(five));
    expect(1_000 / saturated(five, false)).toBeLessThanOrEqual(roundAlone(five) + 4 * 45);
  });

  it('waits less for precomputations if nodes precompute while they are in realtime', () => {
    const eight = setting({ nodes: 8 });
    expect(loaded(eight, true).waitedShare).toBeLessThan(0.5 * loaded(eight, false).waitedShare);
  });

  it('plays a seed the same way twice, and another seed differently', () => {
    const [one, again, other] = ['1', '1', '2'].map((seed) => rowOf(setting({ nodes: 6, seed, rounds: 40 })));
    expect(again).toEqual(one);
    expect(other).not.toEqual(one);
  });

  it('meets the demand, gains by pipelining at least the bound, and mixes close to the latency floor, at four fifths of its capacity', () => {
    const { pipelining, overlap, realtime } = rowOf(setting({ nodes: 8, rounds: 400 }));
    expect(pipelining.ratio).toBeGreaterThanOrEqual(pipelining.bound);
    expect(overlap.realtimeWaitedShare).toBeLessThan(0.01);
    expect(realtime.ratio).toBeGreaterThanOrEqual(1);
    expect(realtime.ratio).toBeLessThanOrEqual(1.15);
    // gRPC and TLS take additional time, and it shows.
    expect(realtime.transport.ratio).toBeGreaterThan(realtime.ratio);
  });

  it('orders rings by the round trips that nodes have measured', () => {
    // Nodes on a line: going round in order is the shortest ring.
    const latencyMs = (a: number, b: number) => 10 * Math.abs(a - b);
    const { lives } = loaded(setting({ latencyMs, reportsRoundTrips: true, rounds: 20 }), true);
    for (const { team } of lives) {
      const around = team.reduce((sum, node, i) => sum + latencyMs(node, team[(i + 1) % team.length]!), 0);
      expect(around).toBe(80);
    }
  });

  it('plays a thousand nodes', () => {
    const many = setting({ nodes: 1_000, slots: 64, rounds: 100 });
    expect(saturated(many, false)).toBeGreaterThan(1);
  });
});

describe('the options', () => {
  it('accept lists and ranges, and refuse wrong values by name', () => {
    const sizes = (text: string) =>
      readNetworkOptions(['--network', '--nodes', text]).settings.map(({ nodes }) => nodes);
    expect(sizes('8,16')).toEqual([8, 16]);
    expect(sizes('8..1000')).toEqual([8, 16, 64, 250, 1000]);
    expect(sizes('100')).toEqual([100]);
    const refused: readonly (readonly [string, string])[] = [
      ['nodes', '4'],
      ['nodes', '9..8'],
      ['team-size', '1'],
      ['latency', 'far'],
      ['mbit-per-s', '0'],
      ['load', '1'],
      ['rounds', '2.5'],
      ['slots', ''],
      ['engine-cost', 'package.json'],
      ['plot', 'plot.png'],
    ];
    for (const [option, value] of refused) {
      expect(() => readNetworkOptions([`--${option}`, value])).toThrow(option);
    }
  });
});
