// A card's benchmark without a card: limits, the order of cases under a budget, the validation of the check's report, targets and
// tables. The figures are invented; nothing here is timed.
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { madsPerSecond, parseCheck } from '../../src/bench/gpu/check.js';
import { type GpuFigure, type GpuResult, related } from '../../src/bench/gpu/gpu.js';
import { cardLimits, countWork, DOCUMENTED, gpuTargets, operationLimit } from '../../src/bench/gpu/limits.js';
import { Budget, planCases, SHORT_BITS } from '../../src/bench/gpu/plan.js';
import { gpuReport, rate } from '../../src/bench/gpu/report.js';
import { describeMachine, parseCardState } from '../../src/bench/machine.js';
import { OPERATIONS } from '../../src/engine/operations.js';

/** An H200 that issues 32 wide multiply-adds per clock and multiprocessor. */
const H200_MADS = 32 * 132 * 1.98e9;

describe('limits', () => {
  it('are those of the documented H200 at its documented rate', () => {
    const limits = cardLimits(H200_MADS, 4096);
    expect(limits.multiplicationsPerSecond / 1e6).toBeCloseTo(255.2, 0);
    expect(limits.squaringsPerSecond / 1e6).toBeCloseTo(339.5, 0);
    // 256 squarings and 79 products: windows of four bits with their table.
    expect(limits.powersPerSecond / 1e6).toBeCloseTo(0.95, 1);
    // 43 digits of six bits, a product each.
    expect(limits.fixedBasePowersPerSecond).toBeCloseTo(limits.multiplicationsPerSecond / 43, -4);
  });

  it('fall with the square of the width, and with the length of exponents', () => {
    expect(operationLimit(1e12, 'mul', 2048, 0) / operationLimit(1e12, 'mul', 4096, 0)).toBeCloseTo(4, 6);
    const ratio = operationLimit(1e12, 'pow', 4096, 256) / operationLimit(1e12, 'pow', 4096, 4096);
    expect(ratio).toBeGreaterThan(14);
    expect(ratio).toBeLessThan(16);
  });

  it('use the constants of the kernels: windows, digits, and elements of one instance', () => {
    const read = (file: string, pattern: RegExp) =>
      Number(pattern.exec(readFileSync(new URL(`../../${file}`, import.meta.url), 'utf8'))?.[1]);
    const window = read('kernels/shape.h', /kWindow = (\d+);/);
    const digit = read('src/engine/cuda/calls.ts', /TABLE_DIGIT_BITS = (\d+);/);
    const [fan, share, bases] = [
      read('kernels/invert.h', /kFan = (\d+);/),
      read('kernels/product.h', /kShare = (\d+);/),
      read('kernels/product.h', /kBases = (\d+);/),
    ];
    const rows = 240 / window;
    expect(countWork('pow', 240)).toEqual({ multiplications: 2 ** window - 1 + rows, squarings: window * (rows - 1) });
    expect(countWork('powFixed', 120 * digit).multiplications).toBe(120);
    expect(countWork('invertBatch', 0).multiplications).toBeCloseTo((3 * fan) / (fan - 1), 9);
    expect(countWork('product', 0).multiplications).toBeCloseTo(2 + 1 / (share - 1), 9);
    expect(countWork('multiExp', 240).squarings).toBe((window * rows) / bases);
  });

  it('count work for every operation, and powers of a fixed base without squarings', () => {
    for (const op of OPERATIONS) expect(countWork(op, 256).multiplications, op).toBeGreaterThanOrEqual(1);
    expect(countWork('powFixed', 256).squarings).toBe(0);
    expect(countWork('pow', 256)).toEqual({ multiplications: 79, squarings: 252 });
  });
});

describe('the plan', () => {
  it('has every operation with short exponents, and those with exponents also with long ones, small batches first', () => {
    const short = planCases(4096, SHORT_BITS, [32, 1024]);
    expect([...new Set(short.map(({ op }) => op))]).toEqual([...OPERATIONS]);
    expect(short.filter(({ op }) => op === 'pow').map(({ batch }) => batch)).toEqual([32, 1024]);
    expect(short.find(({ op }) => op === 'mul')?.exponentBits).toBe(0);
    const full = planCases(4096, 4096, [32]);
    expect(full.map(({ op }) => op).sort()).toEqual(['multiExp', 'pow', 'powFixed', 'powShared']);
    for (const { exponentBits } of full) expect(exponentBits).toBe(4096);
  });

  it('leaves out cases that would not fit, with the reason, and continues with those that fit', () => {
    let now = 0;
    const budget = new Budget(10_000, () => now);
    const [small, large] = planCases(4096, SHORT_BITS, [32, 65_536]).filter(({ op }) => op === 'pow');
    expect(budget.why('card', large!)).toBeUndefined();
    budget.took('card', small!, 2);
    // 2 ms for 32 numbers are 4.1 s for 65,536, and three runs of that exceed 10 s.
    expect(budget.why('card', large!)).toMatch(/^a run may take 4\.1 s, 10\.0 s are left$/);
    expect(budget.why('card', small!)).toBeUndefined();
    // Each place has estimates of its own.
    expect(budget.why('cpu', large!)).toBeUndefined();
    const full = { ...small!, exponentBits: 4096 };
    expect(budget.expectedMs('card', full)).toBeCloseTo(32, 6);
    now = 10_000;
    expect(budget.leftMs).toBe(0);
    expect(budget.why('cpu', small!)).toContain('0.0 s are left');
  });
});

const card = {
  ...{ name: 'NVIDIA H200', multiprocessors: 132, memoryBytes: 1e11, computeCapability: '9.0' },
  ...{ driver: '13.0', runtime: '13.0', clockMHz: 1980 },
};
const spread = { min: 1, median: 2, max: 3 };
const measured = { op: 'pow', bits: 4096, lanes: 8, batch: 65_536, exponentBits: 256, repeats: 3, ms: spread };
const report = {
  card,
  issue: [
    { what: 'wide multiply-adds, in chains with carry', perSecond: 8e12, perClock: 31, clockMHz: 1950 },
    { what: 'wide multiply-adds', perSecond: 9e12, perClock: 32, clockMHz: 1950 },
    { what: 'shuffles', perSecond: 9e13, perClock: 32, clockMHz: 1950 },
  ],
  ...{ comparisons: 3, wrong: [], figures: [measured], skipped: [], error: '' },
};

describe("the check's report", () => {
  it('is accepted unchanged, and the best rate of multiply-adds counts', () => {
    const parsed = parseCheck(JSON.stringify(report));
    expect(parsed).toEqual(report);
    expect(madsPerSecond(parsed)).toBe(9e12);
  });

  it.each([
    ['no JSON', '{'],
    ['a rate that is none', JSON.stringify({ ...report, issue: [{ ...report.issue[0], perSecond: -1 }] })],
    ['no rate', JSON.stringify({ ...report, issue: [] })],
    ['an operation that there is not', JSON.stringify({ ...report, figures: [{ ...measured, op: 'sqrt' }] })],
    ['a field that nobody knows', JSON.stringify({ ...report, more: 1 })],
  ])('is refused with %s', (_, text) => {
    expect(() => parseCheck(text)).toThrow(expect.objectContaining({ code: 'INPUT_INVALID' }));
  });
});

const figure = (over: Partial<GpuFigure>): GpuFigure => ({
  ...{ op: 'pow', bits: 4096, batch: 1024, exponentBits: 256, repeats: 3, ms: spread, perSecond: 1000 },
  ...over,
});

describe('targets', () => {
  const rates = (perSecond: number | undefined) => () => perSecond;

  it('are met or missed by the rates of the run, and name the card for which they are set', () => {
    const found = gpuTargets('NVIDIA H200', { resident: rates(0.8e6), withTransfers: rates(0.6e6) });
    expect(found.map(({ met }) => met)).toEqual([true, false, true, false, false, false]);
    expect(found.every(({ setForThisCard }) => setForThisCard)).toBe(true);
    expect(gpuTargets('Tesla T4', { resident: rates(1), withTransfers: rates(undefined) })).toHaveLength(3);
    expect(gpuTargets('Tesla T4', { resident: rates(1), withTransfers: rates(1) })[0]?.setForThisCard).toBe(false);
  });

  it("stand beside others' figures that are marked as not measured here", () => {
    expect(DOCUMENTED.length).toBeGreaterThan(0);
    for (const { source } of DOCUMENTED) expect(source).toContain('NOT MEASURED HERE');
    const held = gpuTargets('NVIDIA H200', { resident: rates(1e6), withTransfers: rates(1e6) });
    for (const { what } of held.filter((one) => one.what.includes('CGBN'))) expect(what).toContain('not measured here');
  });
});

describe('the tables', () => {
  const cpu = [figure({ perSecond: 500 })];
  const resident = related([figure({ lanes: 8, perSecond: 4000 }), figure({ lanes: 32, perSecond: 2000 })], 9e12, cpu);
  const withTransfers = related([figure({}), figure({ op: 'mul', exponentBits: 0 })], 9e12, cpu);
  const result: GpuResult = {
    ...{
      date: '2030-01-02T03:04:05.000Z',
      machine: describeMachine(),
      command: 'npm run gpu',
      minutes: 8,
      quick: false,
    },
    ...{ card, state: parseCardState('580.1, 1950, 1980, 3201, 700, 40, 5, 16\n'), issue: report.issue },
    ...{ comparisons: { done: 3, wrong: ['pow, 4096 bits'] }, compliance: { passed: 5, failed: 0 } },
    ...{
      limits: [cardLimits(9e12, 4096)],
      resident,
      withTransfers,
      cpu,
      peer: { engine: 'cpu', path: 'ifma', threads: 16 },
      precompute: [],
      faults: ['wrong: pow'],
    },
    skipped: [{ where: 'card', op: 'pow', bits: 4096, batch: 65_536, exponentBits: 4096, why: 'no time' }],
    ...{ documented: DOCUMENTED, targets: gpuTargets(card.name, { resident: () => 4000, withTransfers: () => 1000 }) },
  };
  const text = gpuReport(result);

  it('show the best number of lanes, the limit, the transfers and the CPU side by side', () => {
    const [row] = text.match(/^\| pow \(powers\) .*$/m) ?? [];
    expect(row?.split('|').map((cell) => cell.trim())).toEqual([
      '',
      'pow (powers)',
      '1024',
      '2.00',
      '4.00 k',
      '0%',
      '8',
      '2.00',
      '1.00 k',
      '2.00',
      '',
    ]);
    expect(text).toMatch(/^\| mul \(results\) +\| +1024 \| +– \|/m);
  });

  it('name the card, its clock, wrong results and omitted cases', () => {
    for (const said of [
      'NVIDIA H200, 132',
      'driver 580.1, clock 1950 of 1980 MHz',
      '1 wrong',
      'wrong: pow',
      'no time',
    ]) {
      expect(text).toContain(said);
    }
    expect(text).not.toMatch(/NaN|undefined|Infinity/);
    for (const block of text.split('\n\n').filter((part) => part.startsWith('|'))) {
      expect(new Set(block.split('\n').map((line) => line.split('|').length)).size).toBe(1);
    }
  });

  it('write rates in millions and thousands', () => {
    expect([254e6, 0.94e6, 5000, 3].map(rate)).toEqual(['254 M', '0.940 M', '5.00 k', '3.00']);
  });
});

describe("the driver's report", () => {
  it('is parsed, with unknown numbers as 0', () => {
    const state = parseCardState('580.159.04, 345, 1980, 2619, [N/A], 31, 5, 16');
    expect(state).toMatchObject({
      driver: '580.159.04',
      clockMHz: 345,
      clockMaxMHz: 1980,
      powerLimitW: 0,
      pcie: '5 × 16',
    });
  });
  it('is null for any other text', () => expect(parseCardState('No devices were found')).toBeNull());
});
