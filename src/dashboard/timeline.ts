// Timeline: the work of every node in the last minute, with begin and end as time ago, small enough to be sent twice a second. The live
// page and the demo's terminal draw it. Apart from dashboard.ts, which serves the page.
import { z } from 'zod';
import type { NodeSpan } from '../scheduler/index.js';

/** Most nodes that are drawn: more would be no picture. */
const LANES_MAX = 64;
const TENTH_MS = 100;

/** A round, `p` for precomputing or `r` for realtime, begun and ended so many tenths of a second ago; 0 while it goes on. */
const span = z.tuple([z.number(), z.enum(['p', 'r']), z.number(), z.number()]);

/** Spans by node. */
const timelineSchema = z.record(z.string(), z.array(span));
export type Timeline = z.infer<typeof timelineSchema>;

export function buildTimeline(nodes: readonly string[], spans: readonly NodeSpan[], nowMs: number): Timeline {
  const timeline: Timeline = Object.fromEntries(nodes.slice(0, LANES_MAX).map((node) => [node, []]));
  const ago = (ms: number) => Math.round((nowMs - ms) / TENTH_MS);
  for (const { node, round, kind, fromMs, toMs } of spans) {
    timeline[node]?.push([round, kind === 'precompute' ? 'p' : 'r', ago(fromMs), toMs === undefined ? 0 : ago(toMs)]);
  }
  return timeline;
}
