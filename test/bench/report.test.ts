// Reports of a comparison: tables, targets and a plot. The figures are invented; nothing here is timed.
import { describe, expect, it } from 'vitest';
import type { Comparison } from '../../src/bench/compare/compare.js';
import type { ComparedRow, ComparedTable } from '../../src/bench/compare/contestants.js';
import { drawPlot, escapeXml } from '../../src/bench/compare/plot.js';
import { comparisonReport, markdown } from '../../src/bench/compare/report.js';
import { checkTargets } from '../../src/bench/compare/targets.js';
import { cpuSlug, describeMachine } from '../../src/bench/machine.js';

const row = (contestant: string, us: number, gmpUs: number | undefined, threads = 1): ComparedRow => ({
  ...{ contestant, what: `what <${contestant}> & more`, threads, count: 8 },
  usPerOp: { min: us, median: us, max: us },
  ...(gmpUs !== undefined && { toGmp: gmpUs / us }),
});

const tables: ComparedTable[] = [
  {
    op: 'pow',
    exponentBits: 256,
    othersCores: 0.1,
    rows: [row('cpu', 100, 800), row('openssl', 1000, 800), row('GMP', 800, 800)],
  },
  {
    op: 'mul',
    othersCores: 0,
    rows: [row('cpu', 0.5, 2), row('cpu × 2', 0.26, 2, 2), row('bare product, kernel', 0.4, 2), row('GMP', 2, 2)],
  },
  { op: 'invertBatch', othersCores: 0, rows: [row('bigint', 900, undefined)] },
];
const precompute = {
  ...{
    engine: 'cpu',
    path: 'ifma',
    slots: 1000,
    width: 1 as const,
    bits: 4096,
    exponentBits: 256,
    threads: 1,
    rounds: 2,
  },
  steps: [{ what: 'powFixed', cpuUsPerSlot: { min: 100, median: 110, max: 120 } }],
  ...{ cpuMsPerSlot: 0.41, cpuMsPerSlotMedian: 0.42, wallMs: { min: 3, median: 4, max: 5 } },
};
const comparison: Comparison = {
  ...{ date: '2030-01-02T03:04:05.000Z', command: 'millrace bench compare', bits: 4096, exponentBits: 256 },
  ...{ batch: 8, rounds: 2, absent: ['GMP: a & b'], tables, precompute, targets: checkTargets({ tables, precompute }) },
  machine: describeMachine(),
};

/** Names of elements that are not closed, or closed in the wrong order. */
function unbalanced(xml: string): string[] {
  const open: string[] = [];
  for (const [, slash, name, rest] of xml.matchAll(/<(\/?)([a-z]+)((?:\s+[\w:-]+="[^"<]*")*\s*\/?)>/g)) {
    if (slash) {
      if (open.pop() !== name) return [`/${name}`];
    } else if (!rest!.endsWith('/')) open.push(name!);
  }
  return open;
}

describe('the plot', () => {
  const svg = drawPlot(comparison);

  it('is one well-formed element', () => {
    expect(svg.startsWith('<svg xmlns="http://www.w3.org/2000/svg"')).toBe(true);
    expect(svg.trimEnd().endsWith('</svg>')).toBe(true);
    expect(unbalanced(svg)).toEqual([]);
    const outside = svg.replaceAll(/<(\/?)([a-z]+)((?:\s+[\w:-]+="[^"<]*")*\s*\/?)>/g, '');
    expect(outside).not.toMatch(/[<>]/);
    expect(outside).not.toMatch(/&(?!amp;|lt;|gt;|quot;)/);
    expect(svg).not.toMatch(/NaN|undefined|Infinity/);
  });

  it('has a bar for every contestant compared with GMP, within its width', () => {
    const bars = [...svg.matchAll(/<rect x="(\d+)" y="\d+" width="([\d.]+)"/g)];
    expect(bars).toHaveLength(7);
    for (const [, x, width] of bars) expect(Number(x) + Number(width)).toBeLessThanOrEqual(860);
  });

  it('escapes quoted text', () => expect(escapeXml('a<b>&"')).toBe('a&lt;b&gt;&amp;&quot;'));
});

describe('the targets', () => {
  const found = new Map(comparison.targets.map((target) => [target.what, target]));

  it('are compared with the ratios of this run', () => {
    expect(found.get('pow, cpu to GMP mpz_powm')).toMatchObject({ atLeast: 6.5, measured: 8, met: true });
    const slow = 'pow, openssl (the portable path) to GMP mpz_powm';
    expect(found.get(slow)).toMatchObject({ measured: 0.8, met: false });
    const product = 'mul prepared through the engine to the bare Montgomery product, time';
    expect(found.get(product)).toMatchObject({ atMost: 1.3, measured: 1.25, met: true });
    expect(found.get('mul, twice the workers to one')).toMatchObject({ measured: 1.923, met: true });
    expect(found.get('precomputation, CPU ms a slot')).toMatchObject({ measured: 0.41, met: false });
  });

  it('are left out if the run has no figure for them', () => {
    expect([...found.keys()].filter((what) => what.startsWith('powFixed'))).toEqual([]);
  });
});

describe('the report', () => {
  it('is Markdown tables with as many cells in each row as in their head', () => {
    const text = comparisonReport(comparison);
    for (const block of text.split('\n\n').filter((part) => part.startsWith('|'))) {
      const cells = block.split('\n').map((line) => line.split('|').length);
      expect(new Set(cells).size).toBe(1);
    }
    expect(text).toContain('Not here: GMP: a & b');
    expect(text).toContain('### Targets');
  });

  it('pads to the widest cell', () => {
    expect(markdown(['a', 'b'], [['long', '1']])).toBe('| a    |   b |\n| ---- | --: |\n| long |   1 |');
  });

  it('names files after the processor', () => {
    expect(cpuSlug('Intel(R) Xeon(R) CPU @ 2.70GHz')).toBe('intel-xeon-cpu');
    expect(cpuSlug('AMD EPYC')).toBe('amd-epyc');
    expect(cpuSlug('')).toBe('cpu');
  });
});
