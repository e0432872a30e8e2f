// The parts of `millrace bench link` that need no link: cases, the ideal, targets, messages about missing parts, table and plot;
// and the line of its forwarder on virtual time. The figures are invented; nothing here is timed.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { buildForwarder, findMissing, type Surroundings, surroundings } from '../../src/bench/link/forwarder.js';
import type { LinkResult, LinkRun } from '../../src/bench/link/link.js';
import {
  idealMs,
  isRepeated,
  type LinkFigure,
  type LinkOptions,
  planCases,
  planLine,
} from '../../src/bench/link/plan.js';
import { linkPlot } from '../../src/bench/link/plot.js';
import { linkReport } from '../../src/bench/link/report.js';
import { linkTargets } from '../../src/bench/link/targets.js';
import { describeMachine } from '../../src/bench/machine.js';
import { describeWith } from '../support/requires.js';

const MAIN = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));
const OPTIONS: LinkOptions = {
  ...{ rttMs: 90, mbitPerS: 1000, payloads: [100, 1000, 10_000], windows: ['wide', 'default'], bits: 4096 },
  ...{ repeat: 3, mtu: 1500, collectMs: 1000, idleMs: 0, sysctls: {} },
};

describe('the plan', () => {
  it('compares a batch with a round trip plus its bits at the bandwidth', () => {
    expect(idealMs(OPTIONS, 1000)).toBeCloseTo(94.1, 1);
    expect(idealMs(OPTIONS, 10_000)).toBeCloseTo(131, 0);
    expect(idealMs({ ...OPTIONS, mbitPerS: 1 }, 1000)).toBe(4186);
  });

  it('gives the link half a round trip each way, and a queue of the bytes that it holds', () => {
    expect(planLine(OPTIONS)).toEqual({ delayNs: 45e6, bitsPerSecond: 1e9, queueBytes: 11_250_000 });
    expect(planLine({ rttMs: 1, mbitPerS: 10 }).queueBytes).toBe(1 << 20);
  });

  it("has every case once, with reno and the kernel's own congestion control", () => {
    const cases = planCases('bbr');
    expect(new Set(cases.map((one) => JSON.stringify(one))).size).toBe(16);
    expect(cases[0]).toEqual({ mode: 'stream', windows: 'wide', state: 'cold', congestion: 'reno' });
    expect(planCases('reno')).toHaveLength(8);
    expect(planCases('reno', ['wide'])).toHaveLength(4);
  });

  it('repeats no case that takes seconds', () => {
    expect([[], [100, 999], [100, 1000]].map(isRepeated)).toEqual([true, true, false]);
  });
});

const figureOf = (changes: Partial<LinkFigure>): LinkFigure => ({
  ...{ mode: 'stream', windows: 'wide', state: 'warm', congestion: 'reno', ratioToIdeal: 1.2, samples: 3, drops: 0 },
  ...{ ms: { min: 100, median: 110, max: 120 }, dialMs: { min: 450, median: 460, max: 470 } },
  ...{ warmings: 3, lastWarmMs: 180 },
  ...changes,
});
const facts: Omit<LinkResult, 'targets'> = {
  ...{ rttMs: 90, mbitPerS: 1000, payloads: 1000, idealMs: 94.1, bits: 4096, mtu: 1500, queueBytes: 11_250_000 },
  ...{ collectMs: 1000, idleMs: 0, sysctls: { tcp_rmem: '1 2 3' }, defaultCongestion: 'bbr', pingMs: 91 },
  cases: [
    figureOf({}),
    figureOf({ windows: 'default', ms: { min: 800, median: 990, max: 1000 }, ratioToIdeal: 10.5 }),
    figureOf({ congestion: 'bbr', ratioToIdeal: 1.7 }),
    figureOf({ congestion: 'bbr', windows: 'default', ms: { min: 1, median: 770, max: 1000 }, ratioToIdeal: 8.2 }),
    figureOf({ state: 'cold', mode: 'unary', ratioToIdeal: 6, drops: 12 }),
  ],
  forwarder: { carriesMbitPerS: 1650, packets: 9, otherDrops: 0, lateP99Us: 128, lateMaxUs: 400, cpuMs: 80 },
};

describe('targets', () => {
  it('are those of warm streams: relative to the ideal, and to default windows', () => {
    expect(linkTargets(facts).map(({ measured, met }) => [measured, met])).toEqual([
      [1.2, true],
      [9, true],
      [1.7, false],
      [7, false],
    ]);
    expect(linkTargets({ ...facts, payloads: 10_000 }).map(({ atMost }) => atMost)).toEqual([2, 2]);
  });

  it('apply to one link only', () => {
    expect(linkTargets({ ...facts, rttMs: 49 })).toEqual([]);
    expect(linkTargets({ ...facts, payloads: 100 })).toEqual([]);
  });
});

describe('a run', () => {
  const result = { ...facts, targets: linkTargets(facts) };
  const run: LinkRun = {
    date: '2030-01-02T03:04:05Z',
    command: 'a <b>',
    machine: describeMachine(),
    results: [result],
  };

  it('is a table with as many cells in each row as in its head', () => {
    const text = linkReport(run);
    for (const block of text.split('\n\n').filter((part) => part.startsWith('|'))) {
      expect(new Set(block.split('\n').map((line) => line.split('|').length)).size).toBe(1);
    }
    expect(text).toMatch(/^\| cold, wide, reno, unary +\|.* 12 \|$/m);
    expect(text).toContain('tcp_rmem=1 2 3');
    expect(text).toContain('1650 Mbit/s');
  });

  it('is a plot with a bar for each case, within its width', () => {
    const svg = linkPlot(run);
    const bars = [...svg.matchAll(/<rect x="(\d+)" y="\d+" width="([\d.]+)"/g)];
    expect(bars).toHaveLength(result.cases.length);
    for (const [, x, width] of bars) expect(Number(x) + Number(width)).toBeLessThanOrEqual(860);
    expect(svg).not.toMatch(/NaN|undefined|Infinity/);
  });
});

describe('what is missing', () => {
  const all: Surroundings = { platform: 'linux', hasSource: true, compiler: 'cc', tun: 'usable' };

  it.each([
    [{ platform: 'darwin' }, 'Linux'],
    [{ hasSource: false }, 'bench/link/forwarder.c'],
    [{ compiler: undefined }, 'a C compiler'],
    [{ tun: 'missing' }, '/dev/net/tun'],
    [{ tun: 'forbidden' }, 'the right to open /dev/net/tun'],
  ] as const)('is reported, with the way to get it: %o', (changes, missing) => {
    const found = findMissing({ ...all, ...changes });
    expect(found).toEqual({ missing, get: expect.stringMatching(/\S{3}/) });
    expect(() => buildForwarder({ ...all, ...changes })).toThrowError(/^BENCH_UNAVAILABLE/);
  });

  it('is nothing if all is there', () => expect(findMissing(all)).toBeUndefined());

  it('ends the command with status 2 before anything is created', () => {
    const env = { ...process.env, PATH: '', CC: '' };
    const { status, stdout, stderr } = spawnSync(process.execPath, [MAIN, 'bench', 'link', '--json'], {
      ...{ env, encoding: 'utf8' },
    });
    expect([status, stdout]).toEqual([2, '']);
    expect(stderr).toMatch(/^error: BENCH_UNAVAILABLE: .*missing=\S/m);
    expect(stderr).toMatch(/^hint: /m);
  });
});

const { compiler } = surroundings();

describeWith(compiler ? undefined : 'no C compiler', 'the forwarder', () => {
  it('delays, serialises, drops and keeps order on virtual time', () => {
    const directory = mkdtempSync(join(tmpdir(), 'millrace-line-'));
    try {
      const program = join(directory, 'line');
      const source = fileURLToPath(new URL('linkLine.c', import.meta.url));
      const built = spawnSync(compiler!, ['-std=c11', '-O1', '-Wall', '-Wextra', '-Werror', source, '-o', program]);
      expect(String(built.stderr)).toBe('');
      const { status, stderr } = spawnSync(program, { encoding: 'utf8' });
      expect([stderr, status]).toEqual(['', 0]);
    } finally {
      rmSync(directory, { recursive: true });
    }
  });
});
