// The plot of a run of `millrace bench link`: a panel for each batch size, a bar for each case, on one scale of multiples of the
// ideal, as a plain SVG that follows the reader's light or dark theme.

import { escapeXml, STYLE } from '../compare/plot.js';
import { figure } from '../stats.js';
import type { LinkResult, LinkRun } from './link.js';
import type { LinkFigure } from './plan.js';

const WIDTH = 860;
const LABEL = 230;
const VALUE = 150;
const BAR = 14;
const ROW = 19;
const TITLE = 34;
const TOP = 58;

const text = (x: number, y: number, words: string, name = ''): string =>
  `<text x="${x}" y="${y}"${name && ` class="${name}"`}>${escapeXml(words)}</text>`;

const makeLabel = ({ state, windows, congestion, mode }: LinkFigure): string =>
  `${state}, ${windows}, ${congestion}, ${mode}`;

/** The length of a bar is the logarithm of the ratio: cases differ by up to a factor of a hundred. */
function panel({ payloads, bits, idealMs, cases }: LinkResult, top: number): string {
  const most = Math.max(2, ...cases.map(({ ratioToIdeal }) => ratioToIdeal));
  const scale = (WIDTH - LABEL - VALUE) / Math.log2(most);
  const parts = [text(0, top + 20, `${payloads} payloads of ${bits} bits, ideally ${figure(idealMs)} ms`, 'title')];
  for (const [index, one] of cases.entries()) {
    const y = top + TITLE + index * ROW;
    const length = Math.max(1, Math.log2(Math.max(1, one.ratioToIdeal)) * scale);
    const name = one.windows === 'wide' ? 'ours' : 'peer';
    parts.push(
      text(0, y + 11, makeLabel(one)),
      `<rect x="${LABEL}" y="${y}" width="${length.toFixed(1)}" height="${BAR}" rx="2" class="${name}"/>`,
      text(
        Math.round(LABEL + length) + 6,
        y + 11,
        `${figure(one.ratioToIdeal)} × · ${figure(one.ms.median)} ms`,
        'small',
      ),
    );
  }
  const bottom = top + TITLE + cases.length * ROW - 4;
  for (let power = 1; 2 ** power <= most; power++) {
    const x = (LABEL + power * scale).toFixed(1);
    parts.push(`<line x1="${x}" y1="${top + TITLE - 4}" x2="${x}" y2="${bottom}" class="one"/>`);
  }
  return parts.join('\n');
}

export function linkPlot({ results, machine, date }: LinkRun): string {
  let top = TOP;
  const panels = results.map((result) => {
    const drawn = panel(result, top);
    top += TITLE + result.cases.length * ROW + 14;
    return drawn;
  });
  const { rttMs, mbitPerS } = results[0]!;
  const title = `A batch over ${rttMs} ms and ${mbitPerS} Mbit/s, to the ideal; shorter is faster`;
  const about = `${machine.cpu} · ${date.slice(0, 10)} · medians · logarithmic from 1, dashed lines: 2, 4, 8 … times the ideal`;
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${top}" width="${WIDTH}" height="${top}" role="img">
<title>${escapeXml(title)}</title>
<style>${STYLE}
</style>
${text(0, 20, title, 'head')}
${text(0, 40, about, 'small')}
${panels.join('\n')}
</svg>
`;
}
