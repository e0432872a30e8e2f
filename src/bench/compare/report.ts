// A comparison as text: Markdown tables, readable on a terminal and in docs/performance.md.

import type { EngineFigure } from '../engine/engine.js';
import type { Machine } from '../machine.js';
import type { PrecomputeCost } from '../round/precompute.js';
import { figure } from '../stats.js';
import type { Comparison } from './compare.js';
import type { ComparedTable } from './contestants.js';
import type { Target } from './targets.js';

/** Titles of the operations in tables. */
export const TITLES: Record<ComparedTable['op'], string> = {
  pow: 'pow: many bases, an exponent each',
  powShared: 'powShared: many bases, one exponent',
  powFixed: 'powFixed: one base with a table, many exponents',
  mul: 'mul: a product in the group, one operand prepared',
  invertBatch: 'invert: inversion',
  powFull: 'pow: exponents as long as the modulus',
};

/** Formats rows as a Markdown table; the first column to the left, the others to the right. */
export function markdown(header: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = header.map((title, column) => Math.max(3, title.length, ...rows.map((row) => row[column]!.length)));
  const pad = (cell: string, column: number) =>
    column === 0 ? cell.padEnd(widths[column]!) : cell.padStart(widths[column]!);
  const line = (cells: readonly string[]) => `| ${cells.map(pad).join(' | ')} |`;
  const rule = widths.map((width, column) => (column === 0 ? '-'.repeat(width) : `${'-'.repeat(width - 1)}:`));
  return [line(header), `| ${rule.join(' | ')} |`, ...rows.map(line)].join('\n');
}

export function engineReport(figures: readonly EngineFigure[]): string {
  const rows = figures.map(({ op, usPerOp }) => [op, ...[usPerOp.min, usPerOp.median, usPerOp.max].map(figure)]);
  const first = figures[0]!;
  const { engine, path, bits, exponentBits, batch, threads } = first;
  const about = `${engine} (${path}) · ${bits} bits · ${exponentBits}-bit exponents · batch ${batch} · threads ${threads}`;
  return `${about}\nmicroseconds an operation\n\n${markdown(['operation', 'min', 'median', 'max'], rows)}`;
}

export function machineLine(machine: Machine): string {
  const { cpu, cores, features, memoryGiB, system, node, openssl, commit } = machine;
  const kind = machine.virtual ? ', virtual' : '';
  const has = features.length > 0 ? ` (${features.join(', ')})` : '';
  const where = `${cpu}, ${cores} cores${kind}${has}, ${memoryGiB} GiB, ${system}`;
  return `${where} · Node.js ${node}, OpenSSL ${openssl} · commit ${commit ?? 'unknown'}`;
}

function comparedTable({ op, exponentBits, othersCores, rows }: ComparedTable, bits: number): string {
  const header = ['contestant', 'min µs', 'median µs', 'to GMP', 'to openssl'];
  const lines = rows.map(({ contestant, what, usPerOp, toGmp, toOpenssl }) => [
    `${contestant}: ${what}`,
    figure(usPerOp.min),
    figure(usPerOp.median),
    figure(toGmp),
    figure(toOpenssl),
  ]);
  const exponents = exponentBits === undefined ? '' : `, ${exponentBits}-bit exponents`;
  return `### ${TITLES[op]} (${bits} bits${exponents})\n\n${markdown(header, lines)}\n\nCores that other processes used meanwhile: ${othersCores}`;
}

export function precomputeReport(cost: PrecomputeCost): string {
  const { engine, path, slots, bits, exponentBits, steps, cpuMsPerSlot, cpuMsPerSlotMedian } = cost;
  const rows = steps.map(({ what, cpuUsPerSlot }) => [what, figure(cpuUsPerSlot.min), figure(cpuUsPerSlot.median)]);
  rows.push(['**a whole round**', figure(1000 * cpuMsPerSlot), figure(1000 * cpuMsPerSlotMedian)]);
  const about = `${slots} slots, width 1, ${bits} bits, ${exponentBits}-bit exponents, ${engine} (${path})`;
  const header = ['CPU µs a slot', 'min', 'median'];
  return `### Precomputation of one node (${about})\n\n${markdown(header, rows)}`;
}

export function targetTable(targets: readonly Target[]): string {
  const rows = targets.map(({ what, atLeast, atMost, measured, met }) => [
    what,
    atLeast === undefined ? `≤ ${atMost}` : `≥ ${atLeast}`,
    figure(measured),
    met ? 'yes' : 'no',
  ]);
  return `### Targets\n\n${markdown(['what', 'target', 'measured', 'met'], rows)}`;
}

/** Advice on the choice of an engine: figures alone invite the wrong choice. */
const WHICH_WHEN =
  'Which when: `cuda` for large batches where there is an NVIDIA card; `cpu` everywhere else with a C++ compiler, `openssl` without ' +
  'one, `bigint` as the last resort. `tfjs` and `gpujs` compute in one thread and are not constant-time: for a card that CUDA ' +
  'does not reach, or as a second opinion on results; `tfjs` is the faster of the two, and neither is worth it beside `cpu`.';

export function comparisonReport(comparison: Comparison): string {
  const { machine, date, command, rounds, tables, bits, absent, precompute, targets } = comparison;
  const parts = [
    `${machineLine(machine)}\n${date.slice(0, 10)} · \`${command}\` · ${rounds} interleaved rounds`,
    ...absent.map((line) => `Not here: ${line}`),
    ...tables.map((table) => comparedTable(table, bits)),
    precomputeReport(precompute),
  ];
  parts.push(WHICH_WHEN);
  if (bits === 4096) parts.push(targetTable(targets));
  return parts.join('\n\n');
}
