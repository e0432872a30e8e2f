// A card's result as text: limits beside measured rates, in Markdown tables.

import { machineLine, markdown } from '../compare/report.js';
import { figure } from '../stats.js';
import type { GpuFigure, GpuResult } from './gpu.js';
import { unitName } from './limits.js';

/** Formats a rate for a table: in millions, or in thousands if small. */
export function rate(perSecond: number): string {
  if (perSecond >= 1e5) return `${figure(perSecond / 1e6)} M`;
  return perSecond >= 100 ? `${figure(perSecond / 1e3)} k` : figure(perSecond);
}

const share = (value: number | undefined): string => (value === undefined ? '–' : `${(100 * value).toFixed(0)}%`);

function cardLine({ card, state, machine, date, command, issue }: GpuResult): string {
  const facts = 'driver' in card ? [`${card.multiprocessors} multiprocessors`, `driver for CUDA ${card.driver}`] : [];
  const said = state === null ? [] : [`driver ${state.driver}`, `clock ${state.clockMHz} of ${state.clockMaxMHz} MHz`];
  const rates = issue.map(
    ({ what, perSecond, perClock, clockMHz }) =>
      `- ${what}: ${rate(perSecond)}/s, ${figure(perClock)} a clock and multiprocessor at ${clockMHz.toFixed(0)} MHz`,
  );
  const lines = [
    [card.name, ...facts, ...said].join(', '),
    machineLine(machine),
    `${date.slice(0, 10)} · \`${command}\``,
  ];
  return `${lines.join('\n')}${rates.length > 0 ? `\n\n### Rates of instructions\n\n${rates.join('\n')}` : ''}`;
}

function verdict({ comparisons, compliance, peer }: GpuResult): string {
  const bits =
    comparisons === null
      ? 'The kernels were not compared with the host.'
      : `${comparisons.done} comparisons of kernels with host lanes, ${comparisons.wrong.length} wrong.`;
  const suite =
    compliance === null
      ? 'The compliance suite did not run.'
      : `Compliance suite on the card: ${compliance.passed} passed, ${compliance.failed} failed.`;
  const beside = peer === null ? [] : [`Beside it: ${peer.engine} (${peer.path}), ${peer.threads} threads.`];
  return [bits, suite, ...beside].join('\n');
}

function limitsTable({ limits }: GpuResult): string {
  const header = ['bits', 'multiplications', 'squarings', 'powers, 256 bits', 'fixed-base powers, 256 bits'];
  const rows = limits.map((one) => [
    String(one.bits),
    rate(one.multiplicationsPerSecond),
    rate(one.squaringsPerSecond),
    rate(one.powersPerSecond),
    rate(one.fixedBasePowersPerSecond),
  ]);
  return `### Limits, a second, at the measured rate of wide multiply-adds\n\n${markdown(header, rows)}`;
}

const sameCase = (a: GpuFigure) => (b: GpuFigure) =>
  a.op === b.op && a.bits === b.bits && a.batch === b.batch && a.exponentBits === b.exponentBits;

/** Formats one table per width and length of exponents: on the card alone (the best number of lanes) and with transfers. */
function figureTables(result: GpuResult): string[] {
  const { resident, withTransfers } = result;
  const all = [...withTransfers, ...resident.filter((one) => !withTransfers.some(sameCase(one)))];
  const bestResident = (one: GpuFigure): GpuFigure | undefined =>
    resident.filter(sameCase(one)).sort((a, b) => b.perSecond - a.perSecond)[0];
  const header = [
    'operation',
    'batch',
    'card ms',
    'card, a s',
    'of the limit',
    'lanes',
    'with transfers ms',
    'a s',
    'to cpu',
  ];
  const titles = [...new Set(all.map(({ bits, exponentBits }) => `${bits} ${exponentBits}`))];
  return titles.map((title) => {
    const [bits, exponentBits] = title.split(' ').map(Number);
    const cases = all.filter((one) => one.bits === bits && one.exponentBits === exponentBits);
    const seen = cases.filter((one, i) => cases.findIndex(sameCase(one)) === i);
    const rows = seen.map((one) => {
      const card = bestResident(one);
      const through = withTransfers.find(sameCase(one));
      return [
        `${one.op} (${unitName(one.op)})`,
        String(one.batch),
        figure(card?.ms.median),
        card ? rate(card.perSecond) : '–',
        share(card?.toLimit),
        String(card?.lanes ?? '–'),
        figure(through?.ms.median),
        through ? rate(through.perSecond) : '–',
        figure(through?.toCpu),
      ];
    });
    const exponents = exponentBits === 0 ? 'no exponents' : `${exponentBits}-bit exponents`;
    return `### ${bits} bits, ${exponents}\n\n${markdown(header, rows)}`;
  });
}

function precomputeTable({ precompute }: GpuResult): string {
  const rows = precompute.map(({ engine, path, slots, bits, wallMs, cpuMsPerSlot }) => [
    `${engine} (${path}), ${slots} slots, ${bits} bits`,
    figure(wallMs.min),
    figure(wallMs.median),
    figure(wallMs.max),
    figure(cpuMsPerSlot * slots),
  ]);
  const header = ['precomputation of one node, width 1', 'min ms', 'median ms', 'max ms', 'CPU ms'];
  return `### Precomputation\n\n${markdown(header, rows)}`;
}

function targetTable({ targets, documented }: GpuResult): string {
  const rows = targets.map(({ what, atLeast, measured, met, setForThisCard }) => [
    what,
    `≥ ${atLeast}`,
    figure(measured),
    met ? 'met' : 'missed',
    setForThisCard ? 'yes' : 'no: for an H200',
  ]);
  const others = documented.map(({ what, perSecond, source }) => `- ${what}: ${rate(perSecond)}/s. ${source}`);
  const table = markdown(['target', 'at least', 'measured', 'is', 'set for this card'], rows);
  return `### Targets\n\n${table}\n\nFigures of others:\n\n${others.join('\n')}`;
}

function faultLines({ faults }: GpuResult): string {
  return faults.length === 0 ? 'No faults.' : `Faults:\n\n${faults.map((one) => `- ${one}`).join('\n')}`;
}

function skippedLines({ skipped }: GpuResult): string {
  if (skipped.length === 0) return 'Nothing was left out.';
  const lines = skipped.map(
    ({ where, op, bits, batch, exponentBits, why }) =>
      `- ${where}: ${op}, ${bits} bits, batch ${batch}${exponentBits > 0 ? `, ${exponentBits}-bit exponents` : ''}: ${why}`,
  );
  return `Left out for want of time:\n\n${lines.join('\n')}`;
}

export function gpuReport(result: GpuResult): string {
  return [
    cardLine(result),
    verdict(result),
    ...(result.limits.length > 0 ? [limitsTable(result)] : []),
    ...figureTables(result),
    precomputeTable(result),
    targetTable(result),
    skippedLines(result),
    faultLines(result),
  ].join('\n\n');
}
