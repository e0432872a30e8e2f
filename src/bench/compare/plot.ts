// The plot of a comparison: a bar of speed relative to GMP for every contestant, one panel per operation, as a plain SVG that
// follows the reader's light or dark theme.

import { figure } from '../stats.js';
import type { Comparison } from './compare.js';
import type { ComparedRow, ComparedTable } from './contestants.js';
import { TITLES } from './report.js';

const WIDTH = 860;
const LABEL = 230;
const VALUE = 130;
const BAR = 16;
const ROW = 22;
const TITLE = 34;
const TOP = 58;

export const STYLE = `
  text { font: 12px system-ui, sans-serif; fill: #1f2328 }
  .title { font-weight: 600; font-size: 13px }
  .head { font-weight: 600; font-size: 16px }
  .small { fill: #59636e }
  .ours { fill: #0969da }
  .peer { fill: #9aa4ae }
  .one { stroke: #59636e; stroke-dasharray: 3 3 }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3 }
    .small { fill: #9198a1 }
    .ours { fill: #4493f8 }
    .peer { fill: #656c76 }
  }`;

export function escapeXml(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');
}

const text = (x: number, y: number, words: string, name = ''): string =>
  `<text x="${x}" y="${y}"${name && ` class="${name}"`}>${escapeXml(words)}</text>`;

const makeLabel = ({ contestant, what }: ComparedRow): string => (contestant === 'GMP' ? `GMP ${what}` : contestant);

const isOurs = ({ contestant }: ComparedRow): boolean => /^(cpu|openssl|bigint$|bare)/.test(contestant);

/** Draws one panel: bars to the scale of its greatest ratio, and a line at GMP's speed. */
function panel({ op, exponentBits, rows }: ComparedTable, top: number): string {
  const shown = rows.filter(({ toGmp }) => toGmp !== undefined);
  const scale = (WIDTH - LABEL - VALUE) / Math.max(1, ...shown.map(({ toGmp }) => toGmp!));
  const exponents = exponentBits === undefined ? '' : `, ${exponentBits}-bit exponents`;
  const parts = [text(0, top + 20, `${TITLES[op]}${exponents}`, 'title')];
  for (const [index, row] of shown.entries()) {
    const y = top + TITLE + index * ROW;
    const length = Math.max(1, row.toGmp! * scale).toFixed(1);
    const end = LABEL + Number(length) + 6;
    parts.push(
      text(0, y + 12, makeLabel(row)),
      `<rect x="${LABEL}" y="${y}" width="${length}" height="${BAR}" rx="2" class="${isOurs(row) ? 'ours' : 'peer'}"/>`,
      text(end, y + 12, `${figure(row.toGmp)} × · ${figure(row.usPerOp.min)} µs`, 'small'),
    );
  }
  const [x, bottom] = [(LABEL + scale).toFixed(1), top + TITLE + shown.length * ROW];
  parts.push(`<line x1="${x}" y1="${top + TITLE - 4}" x2="${x}" y2="${bottom - 2}" class="one"/>`);
  return parts.join('\n');
}

/** Draws the whole plot; operations without GMP are left out. */
export function drawPlot({ tables, machine, bits, date }: Comparison): string {
  const shown = tables.filter(({ rows }) => rows.some(({ toGmp }) => toGmp !== undefined));
  let top = TOP;
  const panels = shown.map((table) => {
    const drawn = panel(table, top);
    top += TITLE + table.rows.length * ROW + 14;
    return drawn;
  });
  const about = `${machine.cpu} · ${machine.cores} cores · ${date.slice(0, 10)} · dashed line: GMP`;
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${top}" width="${WIDTH}" height="${top}" role="img">
<title>Speed relative to GMP at ${bits} bits</title>
<style>${STYLE}
</style>
${text(0, 20, `Speed relative to GMP at ${bits} bits; longer is faster`, 'head')}
${text(0, 40, about, 'small')}
${panels.join('\n')}
</svg>
`;
}
