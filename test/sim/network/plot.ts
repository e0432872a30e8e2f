// The plot of a run over networks of several sizes: rounds per second, with pipelining and one at a time, a bar each, as a plain
// SVG that follows the reader's light or dark theme.
import { escapeXml, STYLE } from '../../../src/bench/compare/plot.js';
import { figure } from '../../../src/bench/stats.js';
import type { Row } from './rows.js';

const WIDTH = 860;
const LABEL = 150;
const VALUE = 260;
const BAR = 14;
const LINE = 19;
const GROUP = 2 * LINE + 14;
const TOP = 66;

const text = (x: number, y: number, words: string, name = ''): string =>
  `<text x="${x}" y="${y}"${name && ` class="${name}"`}>${escapeXml(words)}</text>`;

/** Bars have a logarithmic scale: rates differ by up to a hundred. */
export function networkPlot(rows: readonly Row[], about: string): string {
  const rates = rows.flatMap(({ pipelining }) => [pipelining.on, pipelining.off]);
  const least = Math.min(...rates) / 2;
  const scale = (WIDTH - LABEL - VALUE) / Math.log2(Math.max(...rates) / least);
  const bar = (y: number, rate: number, name: string, words: string): string => {
    const length = Math.log2(rate / least) * scale;
    const rect = `<rect x="${LABEL}" y="${y}" width="${length.toFixed(1)}" height="${BAR}" rx="2" class="${name}"/>`;
    return `${rect}\n${text(Math.round(LABEL + length) + 6, y + 11, words, 'small')}`;
  };
  const groups = rows.map(({ nodes, pipelining, realtime }, index) => {
    const y = TOP + index * GROUP;
    const { on, off, efficiency } = pipelining;
    const share = `${(100 * efficiency).toFixed(0)} % of what nodes can do`;
    return [
      text(0, y + 11, `${nodes} nodes`, 'title'),
      bar(y, on, 'ours', `${figure(on)} rounds/s · ${share}`),
      bar(y + LINE, off, 'peer', `${figure(off)} one at a time · realtime ${realtime.p50Ms.toFixed(0)} ms`),
    ].join('\n');
  });
  const height = TOP + rows.length * GROUP;
  const title = 'Rounds a second, by the number of nodes; longer is more';
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}" role="img">
<title>${escapeXml(title)}</title>
<style>${STYLE}
</style>
${text(0, 20, title, 'head')}
${text(0, 42, `${about} · logarithmic`, 'small')}
${groups.join('\n')}
</svg>
`;
}
