// Checks this machine's clock by other members: certificates have validity times, and a clock that is hours wrong cuts a node off while
// everything on it looks well. The reference is the median of the members' clocks: a single member cannot
// raise a false alarm, and with four clocks or more it cannot hide a true error.
import { type Clock, type NodeId, takeMedian } from '../../base/index.js';
import type { Metrics } from '../../base/metrics.js';
import type { Member } from '../../protocol/index.js';
import { readValidTime } from '../../transport/index.js';
import type { Fault } from './faults.js';

/** A certificate's validity time, ms since 1970. */
interface ValidTime {
  readonly node: NodeId;
  readonly fromMs: number;
  readonly toMs: number;
}

/**
 * Clock errors that are reported, and that are fatal. Clocks that NTP keeps differ by milliseconds: beyond the first bound a clock is not
 * kept by NTP, beyond the second certificates are at risk.
 */
const SAID_MS = 10_000;
const FATAL_MS = 5 * 60_000;
/** Least number of members whose clocks are known: with fewer, the median is one member's word. */
const KNOWN_MIN = 2;

/**
 * Lead of this clock over the median of all known clocks, its own included; undefined if too few are known.
 * @param offsetsMs lead of each other member's clock over this one
 */
export function clockErrorMs(offsetsMs: readonly number[]): number | undefined {
  if (offsetsMs.length < KNOWN_MIN) return undefined;
  return -takeMedian([0, ...offsetsMs]);
}

/** @param others the certificates of the other members, as this node pins them */
export function clockTrouble(
  wallMs: number,
  offsetsMs: readonly number[],
  others: readonly ValidTime[],
): Fault | undefined {
  const clock = new Date(wallMs).toISOString();
  const early = others.filter(({ fromMs }) => wallMs < fromMs).length;
  const late = others.filter(({ toMs }) => wallMs > toMs).length;
  // If half of the members' certificates seem out of their time, the clock is wrong and not they.
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

/** The watch over one machine's clock: of a node, or of a scheduler. */
export class ClockWatch {
  readonly #clock: Clock;
  readonly #others: () => readonly Member[];
  readonly #leadMs: (node: NodeId) => number | undefined;

  /**
   * @param others the other members
   * @param leadMs lead of a member's clock over this one, if it is known
   */
  constructor(
    clock: Clock,
    metrics: Metrics,
    others: () => readonly Member[],
    leadMs: (node: NodeId) => number | undefined,
  ) {
    this.#clock = clock;
    this.#others = others;
    this.#leadMs = leadMs;
    metrics.observed(
      'clock_error_seconds',
      'Lead of this clock over the median of the members',
      () => Math.round(clockErrorMs(this.#offsetsMs()) ?? 0) / 1_000,
    );
  }

  get fault(): Fault | undefined {
    const certificates = this.#others().map(({ node, certificate }) => ({ node, ...readValidTime(certificate) }));
    return clockTrouble(this.#clock.wallMs(), this.#offsetsMs(), certificates);
  }

  #offsetsMs(): readonly number[] {
    return this.#others().flatMap(({ node }) => this.#leadMs(node) ?? []);
  }
}
