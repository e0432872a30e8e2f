// `millrace bench link`: the time of a batch from one node to the next, until it is acknowledged, over a link of a chosen round
// trip and bandwidth. Streamed and unary, with wide and with default windows, on a cold and on a warm connection, with reno and
// with the kernel's own congestion control: all in one run, repeat by repeat, beside the time of an ideal link.

import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { MixError, timestamp } from '../../base/index.js';
import { WINDOW_BYTES } from '../../transport/index.js';
import { describeMachine, type Machine } from '../machine.js';
import { significant, takeSpread } from '../stats.js';
import { type Carried, CLIENT_ADDRESS, Forwarder } from './forwarder.js';
import { End, type Measured } from './messages.js';
import { idealMs, isRepeated, type LinkCase, type LinkFigure, type LinkOptions, planCases, planLine } from './plan.js';
import { type LinkTarget, linkTargets } from './targets.js';
import { DEFAULT_WINDOW_BYTES } from './windows.js';

const MAIN = fileURLToPath(new URL('../../../dist/cli/main.js', import.meta.url));
const BLAST_MS = 500;
/** Faster than any forwarder, so that the forwarder's own limit is measured. */
const BLAST_LINE = { delayNs: 0, bitsPerSecond: 0, queueBytes: 1 << 26 };
/** Least ratio of the forwarder's limit to the line's rate: a line that only just keeps up delays bursts. */
const MARGIN = 1.25;

/** The result of one batch size. Scripts read the names up to `cases`, so these are fixed. */
export interface LinkResult {
  readonly rttMs: number;
  readonly mbitPerS: number;
  readonly payloads: number;
  readonly idealMs: number;
  readonly cases: readonly LinkFigure[];
  readonly bits: number;
  readonly mtu: number;
  readonly queueBytes: number;
  readonly collectMs: number;
  readonly idleMs: number;
  readonly sysctls: Readonly<Record<string, string>>;
  readonly defaultCongestion: string;
  /** Round trip of a small call, measured as a node does: the link's own and the time of both ends. */
  readonly pingMs: number;
  /** The forwarder's capacity here, and its delays over the whole run. */
  readonly forwarder: ForwarderFigure;
  readonly targets: readonly LinkTarget[];
}

interface ForwarderFigure {
  /** Rate of plain TCP, without delay or limit. */
  readonly carriesMbitPerS: number;
  readonly packets: number;
  /** Packets lost by its own fault. */
  readonly otherDrops: number;
  readonly lateP99Us: number;
  readonly lateMaxUs: number;
  readonly cpuMs: number;
}

export interface LinkRun {
  readonly date: string;
  readonly command: string;
  readonly machine: Machine;
  readonly results: readonly LinkResult[];
}

/** Settings that make samples equal: no memory of earlier connections to the same address. */
const OWN_SYSCTLS = { tcp_no_metrics_save: '1' };

function defaultCongestion(): string {
  try {
    return readFileSync('/proc/sys/net/ipv4/tcp_congestion_control', 'utf8').trim();
  } catch (cause) {
    throw new MixError(
      'BENCH_UNAVAILABLE',
      { missing: 'net.ipv4.tcp_congestion_control', get: 'mount /proc' },
      { cause },
    );
  }
}

/** The link with both ends running. */
class Bench {
  readonly options: LinkOptions;
  readonly #forwarder: Forwarder;
  readonly #server: End;
  readonly #client: End;
  /** Sums and maxima over the whole run. */
  #late: Pick<Carried, 'packets' | 'otherDrops' | 'lateP99Us' | 'lateMaxUs' | 'cpuMs'>;
  carriesMbitPerS = 0;
  pingMs = 0;

  constructor(options: LinkOptions, forwarder: Forwarder) {
    this.options = options;
    this.#forwarder = forwarder;
    const end = (role: 'client' | 'server') => new End(role, forwarder.spawn(role, [MAIN, 'bench', 'link-end', role]));
    this.#server = end('server');
    this.#client = end('client');
    this.#late = { packets: 0, otherDrops: 0, lateP99Us: 0, lateMaxUs: 0, cpuMs: 0 };
  }

  async start(): Promise<void> {
    const hello = { sysctls: { ...OWN_SYSCTLS, ...this.options.sysctls } };
    const [server, client] = await Promise.all([this.#server.ask('hello', hello), this.#client.ask('hello', hello)]);
    const ports = await this.#server.ask('serve', { client });
    await this.#forwarder.set(BLAST_LINE);
    await this.#client.ask('join', { server, ports });
    const { bytes, ms } = await this.#client.ask('blast', { ms: BLAST_MS });
    this.carriesMbitPerS = significant((bytes * 8) / (ms * 1_000));
    await this.#forwarder.set(planLine(this.options));
    this.pingMs = significant((await this.#client.ask('join', { server, ports })).pingMs);
    await this.#forwarder.carried();
  }

  /** Measures one batch. @throws MixError INTERNAL if it arrived changed, or over other windows */
  async measure(of: LinkCase, payloads: number): Promise<Measured & { readonly drops: number }> {
    const { bits, collectMs, idleMs } = this.options;
    const measured = await this.#client.ask('measure', { of, payloads, bits, collectMs, idleMs });
    const { digest, streamWindow, connectionWindow } = await this.#server.ask('received', {});
    if (digest !== measured.digest) throw new MixError('INTERNAL', { message: 'another batch arrived', ...of });
    const expected = of.windows === 'wide' ? WINDOW_BYTES : DEFAULT_WINDOW_BYTES;
    if (streamWindow !== expected || connectionWindow !== expected) {
      throw new MixError('INTERNAL', { message: 'other windows', ...of, streamWindow, connectionWindow });
    }
    const carried = await this.#forwarder.carried();
    this.#note(carried);
    return { ...measured, drops: carried.queueDrops };
  }

  #note(carried: Carried): void {
    const sum = this.#late;
    this.#late = {
      packets: sum.packets + carried.packets,
      otherDrops: sum.otherDrops + carried.otherDrops,
      lateP99Us: Math.max(sum.lateP99Us, carried.lateP99Us),
      lateMaxUs: Math.max(sum.lateMaxUs, carried.lateMaxUs),
      cpuMs: Math.round(sum.cpuMs + carried.cpuMs),
    };
  }

  get forwarderFigure(): ForwarderFigure {
    return { carriesMbitPerS: this.carriesMbitPerS, ...this.#late };
  }

  async close(): Promise<void> {
    await Promise.all([this.#client.close(), this.#server.close()]);
    await this.#forwarder.close();
  }
}

type Sample = Measured & { readonly drops: number };

function makeFigure(of: LinkCase, samples: readonly Sample[], ideal: number): LinkFigure {
  const ms = takeSpread(samples.map((sample) => sample.ms));
  const last = samples.at(-1)!.warmMs;
  return {
    ...of,
    ms,
    ratioToIdeal: significant(ms.median / ideal),
    samples: samples.length,
    dialMs: takeSpread(samples.map((sample) => sample.dialMs)),
    warmings: last.length,
    lastWarmMs: significant(last.at(-1) ?? 0),
    drops: samples.reduce((sum, { drops }) => sum + drops, 0),
  };
}

/** Measures all cases of one batch size, repeat by repeat. */
async function benchBatch(bench: Bench, payloads: number, say: (line: string) => void): Promise<LinkFigure[]> {
  const { options } = bench;
  const ideal = idealMs(options, payloads);
  const cases = planCases(defaultCongestion(), options.windows);
  const samples = cases.map((): Sample[] => []);
  for (let repeat = 0; repeat < options.repeat; repeat++) {
    for (const [index, of] of cases.entries()) {
      const own = samples[index]!;
      if (isRepeated(own.map(({ ms }) => ms))) own.push(await bench.measure(of, payloads));
    }
    say(`${payloads} payloads: ${repeat + 1} of ${options.repeat} repeats`);
  }
  return cases.map((of, index) => makeFigure(of, samples[index]!, ideal));
}

/** @throws MixError BENCH_UNAVAILABLE, INPUT_INVALID */
export async function benchLink(options: LinkOptions, command: string, say: (line: string) => void): Promise<LinkRun> {
  const forwarder = await Forwarder.open(options.mtu);
  const bench = new Bench(options, forwarder);
  try {
    await bench.start();
    const { rttMs, mbitPerS, bits, mtu, collectMs, idleMs, sysctls } = options;
    say(`${CLIENT_ADDRESS}: a ping takes ${bench.pingMs} ms, the forwarder carries ${bench.carriesMbitPerS} Mbit/s`);
    if (bench.carriesMbitPerS < mbitPerS * MARGIN) {
      say(`note: that is less than ${MARGIN} times the ${mbitPerS} Mbit/s asked for: times are the forwarder's, too`);
    }
    if (!forwarder.realtime) say('note: the forwarder does not run ahead of other processes here, packets may be late');
    const results: LinkResult[] = [];
    for (const payloads of options.payloads) {
      const cases = await benchBatch(bench, payloads, say);
      const result = {
        ...{ rttMs, mbitPerS, payloads, idealMs: idealMs(options, payloads), cases, bits, mtu },
        ...{
          queueBytes: planLine(options).queueBytes,
          collectMs,
          idleMs,
          sysctls,
          defaultCongestion: defaultCongestion(),
        },
        ...{ pingMs: bench.pingMs, forwarder: bench.forwarderFigure },
      };
      results.push({ ...result, targets: linkTargets(result) });
    }
    return { date: timestamp(), command, machine: describeMachine(), results };
  } finally {
    await bench.close();
  }
}
