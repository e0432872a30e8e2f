// What `millrace bench link` measures: its options, the cases of a run and their order, and the time that an ideal link would
// take. Nothing here touches a network.
import { type Spread, significant } from '../stats.js';

/** stream: one Transfer in chunks; unary: one unary call that carries the whole batch. */
export type LinkMode = 'stream' | 'unary';
/** wide: both sides as they are here (16 MiB); default: both as grpc-js has them (64 KiB). */
export type LinkWindows = 'wide' | 'default';
/** cold: the first batch on a new connection; warm: after what a node does to a connection while it collects messages. */
type LinkState = 'cold' | 'warm';

export interface LinkCase {
  readonly mode: LinkMode;
  readonly windows: LinkWindows;
  readonly state: LinkState;
  /** Of the sender's kernel: reno, bbr, cubic. */
  readonly congestion: string;
}

export interface LinkFigure extends LinkCase {
  readonly ms: Spread;
  /** Of the median. */
  readonly ratioToIdeal: number;
  readonly samples: number;
  /** Making the connection, which is not part of ms. */
  readonly dialMs: Spread;
  /** Warmings of a connection before its batch, and how long the last one took; 0 where cold. */
  readonly warmings: number;
  readonly lastWarmMs: number;
  /** Packets that the queue of the link had no room for, over all samples: dialling and warming included. */
  readonly drops: number;
}

export interface LinkOptions {
  readonly rttMs: number;
  readonly mbitPerS: number;
  readonly payloads: readonly number[];
  readonly windows: readonly LinkWindows[];
  /** Of one payload. */
  readonly bits: number;
  readonly repeat: number;
  readonly mtu: number;
  /** How long messages are collected, and connections kept warm, before a batch of state warm. */
  readonly collectMs: number;
  /** How long the connection is then left alone before that batch: 0 as a node has it, more to see what keeping warm is for. */
  readonly idleMs: number;
  /** Kernel settings of both ends, below net.ipv4. */
  readonly sysctls: Readonly<Record<string, string>>;
}

/** Batches that are measured where none are named. */
export const PAYLOADS: readonly number[] = [100, 1_000, 10_000];
/** The largest batch that one unary call may carry (comms: 24 MiB) is 49,152 payloads of 4096 bits. */
export const PAYLOADS_MAX = 40_000;
export const WINDOWS: readonly LinkWindows[] = ['wide', 'default'];

/** Half a round trip for the batch, its bits at the bandwidth, half a round trip for the acknowledgement. */
export function idealMs({ rttMs, mbitPerS, bits }: LinkOptions, payloads: number): number {
  return significant(rttMs + (payloads * bits) / (mbitPerS * 1_000));
}

/** What one direction of the link is: the queue before the line holds the link's own content once, 1 MiB at least. */
export function planLine({ rttMs, mbitPerS }: Pick<LinkOptions, 'rttMs' | 'mbitPerS'>): {
  readonly delayNs: number;
  readonly bitsPerSecond: number;
  readonly queueBytes: number;
} {
  const queueBytes = Math.max(1 << 20, Math.ceil((rttMs * mbitPerS * 1_000) / 8));
  return { delayNs: Math.round(rttMs * 500_000), bitsPerSecond: Math.round(mbitPerS * 1e6), queueBytes };
}

/** Every case once; each repeat goes through all of them, so that a disturbance meets all alike. */
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

/** A case that takes longer than this is not repeated: 10,000 payloads by windows of 64 KiB are 80 round trips, thrice if warm. */
const SLOW_MS = 1_000;

/** Whether a case is measured once more. */
export function isRepeated(samplesMs: readonly number[]): boolean {
  return samplesMs.every((ms) => ms < SLOW_MS);
}
