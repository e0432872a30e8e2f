// Whether this machine's clock is right, by what others say: certificates have times, and a clock that is hours wrong cuts a node off
// while everything on it looks well. What it is compared with is the median of the team, which no single member can move.
import type { NodeId } from '../../base/index.js';

/** A certificate's time, milliseconds since 1970. */
export interface ValidTime {
  readonly node: NodeId;
  readonly fromMs: number;
  readonly toMs: number;
}

/** A fault of the clock, and whether a node can mix with it. */
interface ClockTrouble {
  readonly reason: string;
  readonly fatal: boolean;
}

/** Clocks that are kept by NTP differ by milliseconds; beyond the first bound one is not, beyond the second certificates are at risk. */
const SAID_MS = 10_000;
const FATAL_MS = 5 * 60_000;
/** Members whose clocks are known, below which a median is one voice. */
const KNOWN_MIN = 2;

/**
 * How far this clock is ahead of the median of all that are known, its own included; undefined where too few are known.
 * @param offsetsMs by how much each other member's clock is ahead of this one
 */
export function clockErrorMs(offsetsMs: readonly number[]): number | undefined {
  if (offsetsMs.length < KNOWN_MIN) return undefined;
  const sorted = [0, ...offsetsMs].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const median = sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
  return -median;
}

/** @param others the certificates of the other members, as this node pins them */
export function clockTrouble(
  wallMs: number,
  offsetsMs: readonly number[],
  others: readonly ValidTime[],
): ClockTrouble | undefined {
  const clock = new Date(wallMs).toISOString();
  const early = others.filter(({ fromMs }) => wallMs < fromMs).length;
  const late = others.filter(({ toMs }) => wallMs > toMs).length;
  // All certificates of a network are not wrong at the same time: the clock is.
  for (const [count, what] of [
    [early, 'before'],
    [late, 'after'],
  ] as const) {
    if (others.length > 0 && 2 * count >= others.length) {
      const reason = `clock: it says ${clock}, ${what} the time of the certificates of ${count} of ${others.length} members`;
      return { reason, fatal: true };
    }
  }
  const errorMs = clockErrorMs(offsetsMs);
  if (errorMs === undefined || Math.abs(errorMs) < SAID_MS) return undefined;
  const way = errorMs > 0 ? 'ahead of' : 'behind';
  const reason = `clock: it says ${clock}, ${Math.round(Math.abs(errorMs) / 1000)} s ${way} the median of the members`;
  return { reason, fatal: Math.abs(errorMs) >= FATAL_MS };
}
