// A run of `millrace bench link` as text: a table for each batch size, and the forwarder's delays.
// Apart from link.ts, which only measures.

import { machineLine, markdown, targetTable } from '../compare/report.js';
import { figure } from '../stats.js';
import type { LinkResult, LinkRun } from './link.js';

const HEADER = ['connection, windows, congestion, call', 'min ms', 'median ms', 'max ms', 'to ideal', 'n', 'drops'];

function linkTable({ payloads, bits, idealMs, cases }: LinkResult): string {
  const rows = cases.map(({ state, windows, congestion, mode, ms, ratioToIdeal, samples, drops }) => [
    `${state}, ${windows}, ${congestion}, ${mode}`,
    ...[ms.min, ms.median, ms.max, ratioToIdeal].map(figure),
    String(samples),
    String(drops),
  ]);
  const megabits = figure((payloads * bits) / 1e6);
  const dials = cases.map(({ dialMs }) => dialMs.median);
  const dial = `Dialling, which is not in these times: ${figure(Math.min(...dials))} to ${figure(Math.max(...dials))} ms`;
  const title = `### ${payloads} payloads of ${bits} bits (${megabits} megabits): ideally ${figure(idealMs)} ms`;
  return `${title}\n\n${markdown(HEADER, rows)}\n\n${dial}`;
}

function forwarderLine({ forwarder, pingMs }: LinkResult): string {
  const { carriesMbitPerS, packets, otherDrops, lateP99Us, lateMaxUs, cpuMs } = forwarder;
  return (
    `The forwarder can carry ${figure(carriesMbitPerS)} Mbit/s here; of ${packets} packets it lost ${otherDrops} by its own ` +
    `fault, 99 of 100 left less than ${lateP99Us} µs late, the latest ${lateMaxUs} µs, ${cpuMs} ms of CPU time. ` +
    `A ping of a node takes ${figure(pingMs)} ms.`
  );
}

export function linkReport({ machine, date, command, results }: LinkRun): string {
  const last = results.at(-1)!;
  const { rttMs, mbitPerS, mtu, queueBytes, sysctls } = last;
  const set = Object.entries(sysctls).map(([name, value]) => ` · ${name}=${value}`);
  const queue = figure(queueBytes / 2 ** 20);
  const targets = results.flatMap((result) => result.targets);
  const parts = [
    `${machineLine(machine)}\n${date.slice(0, 10)} · \`${command}\``,
    `${rttMs} ms round trip · ${mbitPerS} Mbit/s · MTU ${mtu} · queue ${queue} MiB${set.join('')}`,
    ...results.map(linkTable),
    forwarderLine(last),
  ];
  if (targets.length > 0) parts.push(targetTable(targets));
  return parts.join('\n\n');
}
