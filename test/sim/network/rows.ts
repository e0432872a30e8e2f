// The figures of one network: for scripts, with the targets met or missed, and as a row of the table.
import { takeMedian } from '../../../src/base/clock.js';
import { significant } from '../../../src/bench/stats.js';
import { busiestOf, capacityOf, type Resource } from './loads.js';
import { floorMs, loaded, roundAlone, type Setting, saturated, wholeLoads } from './measure.js';

/**
 * Required share of the ideal gain by pipelining; the ideal is limited by the nodes of a team, which bound the rounds in
 * progress, and is never reached.
 */
const PIPELINING_SHARE = 0.9;
const PIPELINED_MAX = 5;
const WAITED_SHARE_MAX = 0.01;
const REALTIME_RATIO_MAX = 1.15;

export interface Row {
  readonly nodes: number;
  readonly teamSize: number;
  readonly pipelining: {
    /** Rounds per second with permanent demand: with several rounds of a node in progress, and with one. */
    readonly on: number;
    readonly off: number;
    readonly ratio: number;
    readonly bound: number;
    readonly met: boolean;
    /** Time of one round alone, and of its busiest part within it. */
    readonly serialMs: number;
    readonly busiestMs: number;
    readonly busiest: Resource;
    /** Rounds per second, relative to the capacity of the nodes' busiest part. */
    readonly efficiency: number;
  };
  readonly overlap: {
    readonly realtimeWaitedShare: number;
    readonly met: boolean;
    /** `realtimeWaitedShare` if no node precomputes while it is in realtime. */
    readonly waitedShareWithout: number;
    readonly ratePerS: number;
    readonly stock: number;
    readonly precomputeMs: number;
  };
  readonly realtime: {
    readonly p50Ms: number;
    readonly p95Ms: number;
    readonly floorMs: number;
    readonly ratio: number;
    readonly met: boolean;
    readonly p50MsWithoutOverlap: number;
    /** With gRPC and TLS work on the main threads. */
    readonly transport: { readonly p50Ms: number; readonly ratio: number; readonly mainBusy: number };
  };
  readonly utilisation: Readonly<Record<Resource, number>>;
  readonly virtualS: number;
}

export function rowOf(setting: Setting): Row {
  const serialMs = roundAlone(setting);
  const loads = wholeLoads(setting);
  const [busiest, capacityPerS] = [busiestOf(loads), capacityOf(loads, setting.nodes)];
  const [on, off] = [saturated(setting, true), saturated(setting, false)];
  const bound = PIPELINING_SHARE * Math.min(PIPELINED_MAX, serialMs / busiest.ms);
  const [busy, apart] = [loaded(setting, true), loaded(setting, false)];
  const carried = loaded({ ...setting, pricing: setting.pricing.withTransport() }, true);
  const [p50Ms, carriedMs] = [takeMedian(busy.realtimeMs), takeMedian(carried.realtimeMs)];
  const floor = floorOf(
    setting,
    busy.lives.map(({ team }) => team),
  );
  const sorted = [...busy.realtimeMs].sort((a, b) => a - b);
  const figures = (record: Readonly<Record<Resource, number>>) =>
    Object.fromEntries(Object.entries(record).map(([name, share]) => [name, significant(share)])) as typeof record;
  return {
    nodes: setting.nodes,
    teamSize: setting.teamSize,
    pipelining: {
      on: significant(on),
      off: significant(off),
      ratio: significant(on / off),
      bound: significant(bound),
      met: on / off >= bound,
      serialMs: significant(serialMs),
      busiestMs: significant(busiest.ms),
      busiest: busiest.resource,
      efficiency: significant(on / capacityPerS),
    },
    overlap: {
      realtimeWaitedShare: significant(busy.waitedShare),
      met: busy.waitedShare < WAITED_SHARE_MAX,
      waitedShareWithout: significant(apart.waitedShare),
      ratePerS: significant(busy.ratePerS),
      stock: significant(busy.stock),
      precomputeMs: significant(busy.precomputeMs),
    },
    realtime: {
      p50Ms: significant(p50Ms),
      p95Ms: significant(sorted[Math.floor(sorted.length * 0.95)]!),
      floorMs: significant(floor),
      ratio: significant(p50Ms / floor),
      met: p50Ms / floor <= REALTIME_RATIO_MAX,
      p50MsWithoutOverlap: significant(takeMedian(apart.realtimeMs)),
      transport: {
        p50Ms: significant(carriedMs),
        ratio: significant(carriedMs / floor),
        mainBusy: significant(carried.utilisation.main),
      },
    },
    utilisation: figures(busy.utilisation),
    virtualS: significant(busy.virtualMs / 1_000),
  };
}

/** Median over the teams that mixed; if all links are equal, one team stands for all. */
function floorOf(setting: Setting, teams: readonly (readonly number[])[]): number {
  if (!setting.reportsRoundTrips) return floorMs(setting, teams[0]!);
  const rings = new Map(teams.map((team) => [team.join(), team]));
  const floors = new Map([...rings].map(([name, team]) => [name, floorMs(setting, team)]));
  return takeMedian(teams.map((team) => floors.get(team.join())!));
}
