// Presentation of the rows: a table for people, and each target with its result.
import { markdown } from '../../../src/bench/compare/report.js';
import { figure } from '../../../src/bench/stats.js';
import type { Row } from './rows.js';

const percent = (share: number): string => `${(100 * share).toFixed(1)} %`;
const verdict = (met: boolean): string => (met ? 'met' : 'missed');

const COLUMNS: readonly (readonly [title: string, value: (row: Row) => string])[] = [
  ['nodes', ({ nodes }) => String(nodes)],
  ['rounds/s', ({ pipelining }) => figure(pipelining.on)],
  ['one at a time', ({ pipelining }) => figure(pipelining.off)],
  ['efficiency', ({ pipelining }) => percent(pipelining.efficiency)],
  ['wanted/s', ({ overlap }) => figure(overlap.ratePerS)],
  ['waited', ({ overlap }) => percent(overlap.realtimeWaitedShare)],
  ['without overlap', ({ overlap }) => percent(overlap.waitedShareWithout)],
  ['stock', ({ overlap }) => figure(overlap.stock)],
  ['precompute ms', ({ overlap }) => overlap.precomputeMs.toFixed(0)],
  ['realtime p50 ms', ({ realtime }) => realtime.p50Ms.toFixed(0)],
  ['p95 ms', ({ realtime }) => realtime.p95Ms.toFixed(0)],
  ['engine busy', ({ utilisation }) => percent(utilisation.engine)],
  ['main busy', ({ utilisation }) => percent(utilisation.main)],
  ['uplink busy', ({ utilisation }) => percent(utilisation.uplink)],
];

/** In Markdown. */
export function tableOf(rows: readonly Row[]): string {
  return markdown(
    COLUMNS.map(([title]) => title),
    rows.map((row) => COLUMNS.map(([, value]) => value(row))),
  );
}

export function targetsOf({ nodes, pipelining, overlap, realtime }: Row): string[] {
  const { ratio, bound, serialMs, busiestMs, busiest } = pipelining;
  const alone = `one round alone takes ${serialMs.toFixed(0)} ms, the busiest ${busiest} ${busiestMs.toFixed(0)} ms of it`;
  return [
    `${nodes} nodes:`,
    `  pipelining gains ${figure(ratio)} ×, at least ${figure(bound)}: ${verdict(pipelining.met)} (${alone})`,
    `  ${percent(overlap.realtimeWaitedShare)} of wanted rounds had to wait, under 1 %: ${verdict(overlap.met)}`,
    `  realtime ${realtime.p50Ms.toFixed(0)} ms, ${figure(realtime.ratio)} × the ${realtime.floorMs.toFixed(0)} ms of latency and bandwidth, at most 1.15: ${verdict(realtime.met)}`,
    `  with gRPC and TLS on main threads ${realtime.transport.p50Ms.toFixed(0)} ms, ${figure(realtime.transport.ratio)} ×`,
  ];
}
