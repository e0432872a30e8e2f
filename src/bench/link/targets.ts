// Targets of a warm stream over 90 ms and 1 Gbit/s, compared with measurements of the same run: multiples of the ideal, and of
// the time with grpc-js's own windows. Apart from link.ts, like the targets of `millrace bench compare`.

import type { Target } from '../compare/targets.js';
import { significant } from '../stats.js';
import type { LinkFigure, LinkOptions } from './plan.js';

export type LinkTarget = Target;

interface Facts extends Pick<LinkOptions, 'rttMs' | 'mbitPerS'> {
  readonly payloads: number;
  readonly cases: readonly LinkFigure[];
  readonly defaultCongestion: string;
}

/** The link for which the targets are set. */
const RTT_MS = 90;
const MBIT_PER_S = 1_000;

/** Largest multiples of the ideal, by payloads: with reno, and with the kernel's own congestion control. */
const AT_MOST: Readonly<Record<number, { readonly reno: number; readonly own: number }>> = {
  1000: { reno: 1.25, own: 1.6 },
  10000: { reno: 2, own: 2 },
};
const FASTER_THAN_DEFAULT = 8;

/** Returns the targets that a result can decide; none for another link. */
export function linkTargets({ payloads, cases, rttMs, mbitPerS, defaultCongestion }: Facts): LinkTarget[] {
  const bounds = AT_MOST[payloads];
  if (!bounds || rttMs !== RTT_MS || mbitPerS !== MBIT_PER_S) return [];
  const found: LinkTarget[] = [];
  const warm = (congestion: string, windows: LinkFigure['windows']) =>
    cases.find(
      (one) =>
        one.mode === 'stream' && one.state === 'warm' && one.congestion === congestion && one.windows === windows,
    );
  for (const congestion of new Set(['reno', defaultCongestion])) {
    const atMost = congestion === 'reno' ? bounds.reno : bounds.own;
    const [wide, narrow] = [warm(congestion, 'wide'), warm(congestion, 'default')];
    if (!wide) continue;
    const about = `${payloads} payloads, warm, ${congestion}`;
    found.push({
      what: `${about}: to the ideal`,
      atMost,
      measured: wide.ratioToIdeal,
      met: wide.ratioToIdeal <= atMost,
    });
    if (payloads !== 1_000 || !narrow) continue;
    const measured = significant(narrow.ms.median / wide.ms.median);
    found.push({
      ...{ what: `${about}: times as fast as with default windows`, atLeast: FASTER_THAN_DEFAULT },
      ...{ measured, met: measured >= FASTER_THAN_DEFAULT },
    });
  }
  return found;
}
