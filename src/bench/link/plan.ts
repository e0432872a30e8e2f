// The plan of `millrace bench link`: its options, the cases of a run and their order, and the time of an ideal link. Nothing here
// touches a network.
import { type Spread, significant } from '../stats.js';

/** stream: one Transfer in chunks; unary: one unary call that carries the whole batch. */
export type LinkMode = 'stream' | 'unary';
/** wide: this project's windows on both sides (16 MiB); default: those of grpc-js (64 KiB). */
export type LinkWindows = 'wide' | 'default';
/** cold: the first batch on a new connection; warm: after the warm-up of a connection while a node collects messages. */
type LinkState = 'cold' | 'warm';

export interface LinkCase {
  readonly mode: LinkMode;
  readonly windows: LinkWindows;
  readonly state: LinkState;
  /** Congestion control of the sender's kernel: reno, bbr, cubic. */
  readonly congestion: string;
}

export interface LinkFigure extends LinkCase {
  readonly ms: Spread;
  /** Ratio of the median. */
  readonly ratioToIdeal: number;
  readonly samples: number;
  /** Time to make the connection; not part of ms. */
  readonly dialMs: Spread;
  /** Warm-ups of a connection before its batch, and the time of the last one; 0 if cold. */
  readonly warmings: number;
  readonly lastWarmMs: number;
  /** Packets dropped by the link's full queue, over all samples, dialling and warm-ups included. */
  readonly drops: number;
}

export interface LinkOptions {
  readonly rttMs: number;
  readonly mbitPerS: number;
  readonly payloads: readonly number[];
  readonly windows: readonly LinkWindows[];
  /** Bits of one payload. */
  readonly bits: number;
  readonly repeat: number;
  readonly mtu: number;
  /** Time for which messages are collected, and connections kept warm, before a warm batch. */
  readonly collectMs: number;
  /** Idle time of the connection before that batch: 0 as in a node; more shows the use of keeping it warm. */
  readonly idleMs: number;
  /** Kernel settings of both ends, below net.ipv4. */
  readonly sysctls: Readonly<Record<string, string>>;
}

/** Default batch sizes. */
export const PAYLOADS: readonly number[] = [100, 1_000, 10_000];
/** Below the largest batch of one unary call (comms: 24 MiB), which is 49,152 payloads of 4096 bits. */
export const PAYLOADS_MAX = 40_000;
export const WINDOWS: readonly LinkWindows[] = ['wide', 'default'];

/** Half a round trip for the batch, its bits at the bandwidth, half a round trip for the acknowledgement. */
export function idealMs({ rttMs, mbitPerS, bits }: LinkOptions, payloads: number): number {
  return significant(rttMs + (payloads * bits) / (mbitPerS * 1_000));
}

/** Returns the line of one direction: its queue holds the link's own content once, 1 MiB at least. */
export function planLine({ rttMs, mbitPerS }: Pick<LinkOptions, 'rttMs' | 'mbitPerS'>): {
  readonly delayNs: number;
  readonly bitsPerSecond: number;
  readonly queueBytes: number;
} {
  const queueBytes = Math.max(1 << 20, Math.ceil((rttMs * mbitPerS * 1_000) / 8));
  return { delayNs: Math.round(rttMs * 500_000), bitsPerSecond: Math.round(mbitPerS * 1e6), queueBytes };
}

/** Returns every case once; each repeat goes through all of them, so that a disturbance affects all alike. */
export function planCases(defaultCongestion: string, wanted: readonly LinkWindows[] = WINDOWS): readonly LinkCase[] {
  const cases: LinkCase[] = [];
  for (const congestion of new Set(['reno', defaultCongestion])) {
    for (const windows of wanted) {
      for (const state of ['cold', 'warm'] as const) {
        for (const mode of ['stream', 'unary'] as const) cases.push({ mode, windows, state, congestion });
      }
    }
  }
  return cases;
}

/** A case that takes longer than this is not repeated: 10,000 payloads with windows of 64 KiB are 80 round trips, thrice if warm. */
const SLOW_MS = 1_000;

/** True if a case is measured once more. */
export function isRepeated(samplesMs: readonly number[]): boolean {
  return samplesMs.every((ms) => ms < SLOW_MS);
}
