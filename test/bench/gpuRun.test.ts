// `npm run gpu` from end to end, on host lanes instead of a card: the library and the check are those of cards, only the lanes
// are vectors of the CPU. And its message about missing parts without a card.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parseCheck } from '../../src/bench/gpu/check.js';
import type { GpuResult } from '../../src/bench/gpu/gpu.js';
import { OPERATIONS } from '../../src/engine/operations.js';
import { describeWith } from '../support/requires.js';

const root = fileURLToPath(new URL('../..', import.meta.url));
const load = async <T>(path: string): Promise<T> =>
  (await import(new URL(`../../scripts/${path}`, import.meta.url).href)) as T;
const { findCompiler } = await load<{ findCompiler(): string | undefined }>('native.mjs');
const { buildCudaHost, checkOf } = await load<{
  buildCudaHost(root: string, compiler: string): Promise<string>;
  checkOf(library: string): string;
}>('cuda.mjs');
const { runnableTarget, targetOfCapability } = await load<{
  runnableTarget(target: string, targets: readonly string[]): string | undefined;
  targetOfCapability(text: string): string | undefined;
}>('lib/card.mjs');
const compiler = findCompiler();

const directory = mkdtempSync(join(tmpdir(), 'millrace-gpu-test-'));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

function gpu(args: readonly string[], env: Record<string, string> = {}) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [join(root, 'scripts/gpu.mjs'), ...args], {
    ...{ encoding: 'utf8', timeout: 110_000, cwd: directory },
    env: { ...process.env, ...env },
  });
  return { status, out: stdout, err: stderr };
}

/** A machine with nothing but Node.js. */
const BARE = { PATH: dirname(process.execPath), NVCC: '' };

describeWith(compiler ? undefined : 'no C++ compiler', 'npm run gpu on host lanes', () => {
  let library = '';
  beforeAll(async () => {
    library = await buildCudaHost(root, compiler!);
  }, 300_000);
  const tiny = ['--quick', '--widths', '2048', '--batches', '1', '--slots', '1'];

  it('checks, measures and writes one complete result', { timeout: 120_000 }, () => {
    const output = join(directory, 'results', 'card.json');
    const args = ['--library', library, ...tiny, '--minutes', '3', '--output', output, '--skip', 'compliance'];
    const { status, out, err } = gpu(args);
    expect({ status, err }).toMatchObject({ status: 0 });
    const result: GpuResult = JSON.parse(readFileSync(output, 'utf8'));
    expect(readdirSync(dirname(output))).toEqual(['card.json']);
    expect(result).toMatchObject({
      card: { name: 'host lanes' },
      faults: [],
      skipped: [],
      compliance: null,
      quick: true,
    });
    expect(result.command).toBe(`npm run gpu -- ${args.join(' ')}`);
    expect(result.comparisons?.done).toBeGreaterThan(50);
    expect(result.comparisons?.wrong).toEqual([]);
    expect(result.issue[0]?.perSecond).toBeGreaterThan(0);
    expect(result.limits.map(({ bits }) => bits)).toEqual([2048]);
    for (const figures of [result.resident, result.withTransfers, result.cpu]) {
      expect(new Set(figures.map(({ op }) => op))).toEqual(new Set(OPERATIONS));
      expect(new Set(figures.map(({ exponentBits }) => exponentBits))).toEqual(new Set([0, 256, 2048]));
      for (const { ms } of figures) expect(ms.min).toBeGreaterThan(0);
    }
    expect(result.peer?.threads).toBeGreaterThan(0);
    for (const { toLimit, toCpu } of result.withTransfers) {
      expect(toLimit).toBeGreaterThan(0);
      expect(toCpu).toBeGreaterThan(0);
    }
    expect(result.precompute.map(({ engine, slots, width }) => [engine, slots, width])).toEqual([
      ['cuda', 1, 1],
      ['cpu', 1, 1],
    ]);
    expect(out).toContain('### Limits');
    expect(out).toContain('NOT MEASURED HERE');
  });

  it('reports why the library finds no card, with status 2', () => {
    const { status, out, err } = gpu(['--library', library, ...tiny], { MILLRACE_HOST_DEVICES: '0' });
    expect({ status, out }).toEqual({ status: 2, out: '' });
    expect(err).toMatch(/error: no card: MILLRACE_HOST_DEVICES is 0\n.*hint: check the driver/);
  });

  it('has a check that skips and names cases that do not fit into its time', () => {
    const file = join(directory, 'check.json');
    const args = ['--json', file, '--quick', '--bits', '2048', '--batches', '1', '--minutes', '0.00001'];
    const { status, stdout } = spawnSync(checkOf(library), args, { encoding: 'utf8' });
    expect(status).toBe(0);
    const report = parseCheck(readFileSync(file, 'utf8'));
    expect(report.figures).toEqual([]);
    expect(new Set(report.skipped.map(({ op }) => op))).toEqual(new Set(OPERATIONS));
    for (const { why } of report.skipped) expect(why).toContain('are left');
    expect(stdout).toContain('0 wrong');
  });

  it.each([['--bits', '1024'], ['--batches', '0'], ['--minutes', 'no'], ['--json'], ['--what']])(
    'has a check that refuses %s %s',
    (...args) => {
      const { status, stderr } = spawnSync(checkOf(library), args, { encoding: 'utf8' });
      expect(status).toBe(2);
      expect(stderr).toContain(args[0]);
    },
  );
});

describe('npm run gpu on an unsuitable machine', () => {
  it('reports what is missing and what to do, with status 2, and writes nothing', () => {
    const output = join(directory, 'never.json');
    const { status, out, err } = gpu(['--output', output], BARE);
    expect({ status, out }).toEqual({ status: 2, out: '' });
    expect(err).toMatch(/error: no card: nvidia-smi is not there\n.*hint: install an NVIDIA card and a driver/);
    expect(existsSync(output)).toBe(false);
  });

  it.each([
    [['--minutes', '0'], "'--minutes <minutes>' argument '0'"],
    [['--skip', 'everything'], "'--skip <list>' argument 'everything'"],
    [['--library', 'no-such-file'], 'no-such-file'],
    [['--fast'], '--fast'],
  ])('refuses %j', (args, named) => {
    const { status, err } = gpu(args, BARE);
    expect(status).toBe(2);
    expect(err).toContain(named);
  });

  it('has help', () => {
    const { status, out } = gpu(['--help'], BARE);
    expect(status).toBe(0);
    for (const option of ['--minutes', '--quick', '--output', '--library', '--skip']) expect(out).toContain(option);
  });
});

describe('the target of a card', () => {
  const targets = ['sm_75', 'sm_80', 'sm_86', 'sm_89', 'sm_90'];

  it.each([
    ['9.0', 'sm_90'],
    ['8.6', 'sm_86'],
    ['8.7', 'sm_86'],
    ['8.0', 'sm_80'],
    ['12.0', 'sm_90'],
    ['75', 'sm_75'],
  ])('of compute capability %s is %s: its own, one that it runs, or the newest for its PTX', (capability, target) => {
    expect(runnableTarget(targetOfCapability(capability) ?? '', targets)).toBe(target);
  });

  it('is undefined for a card that is too old, or for no answer', () => {
    expect(runnableTarget('sm_70', targets)).toBeUndefined();
    expect(targetOfCapability('[N/A]')).toBeUndefined();
  });
});
