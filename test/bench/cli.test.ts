// `millrace bench` as scripts use it: real processes of the compiled program. The line of --json has fixed names; times are
// checked to be numbers, never to be good.
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

const MAIN = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));
const SMALL = ['--bits', '2048', '--batch', '16', '--repeat', '1'];

function bench(...args: string[]) {
  const result = spawnSync(process.execPath, [MAIN, 'bench', ...args], { encoding: 'utf8', timeout: 50_000 });
  return { status: result.status, out: result.stdout, err: result.stderr };
}

const lines = (out: string): string[] => out.trimEnd().split('\n');

describe('bench engine', () => {
  it.each(['pow', 'mul'])('ends with one line of JSON: %s', (op) => {
    const { status, out } = bench(
      'engine',
      '--engine',
      'openssl',
      '--op',
      op,
      '--exponent-bits',
      '64',
      ...SMALL,
      '--json',
    );
    expect(status).toBe(0);
    const figure = JSON.parse(lines(out).at(-1)!);
    expect(Object.keys(figure)).toEqual([
      'engine',
      'op',
      'bits',
      'exponentBits',
      'batch',
      'threads',
      'usPerOp',
      'path',
    ]);
    expect(figure).toMatchObject({ engine: 'openssl', op, bits: 2048, exponentBits: 64, batch: 16, threads: 1 });
    expect(figure.path).toEqual(expect.any(String));
    expect(Object.keys(figure.usPerOp)).toEqual(['min', 'median', 'max']);
    for (const us of Object.values(figure.usPerOp)) expect(us).toBeGreaterThan(0);
  });

  it('measures every operation if none is named, and prints a table', () => {
    const { status, out } = bench('engine', '--engine', 'bigint', '--exponent-bits', '64', ...SMALL);
    expect(status).toBe(0);
    for (const op of ['mul', 'mulGather', 'powFixed', 'powShared', 'pow', 'invertBatch', 'product', 'multiExp']) {
      expect(out).toMatch(new RegExp(`^\\| ${op} +\\|`, 'm'));
    }
  });

  it.each([
    ['--op', 'sqrt'],
    ['--bits', '1000'],
    ['--batch', '0'],
    ['--engine', 'abacus'],
  ])('refuses %s %s before any work', (option, value) => {
    const { status, out, err } = bench('engine', option, value, '--json');
    expect(status).toBe(2);
    expect(out).toBe('');
    expect(err).toContain(option);
    expect(err).toContain('see --help');
  });
});

describe('bench precompute', () => {
  it('lists the parts of the work and their sum', () => {
    const { status, out } = bench('precompute', '--engine', 'openssl', '--exponent-bits', '64', ...SMALL, '--json');
    expect(status).toBe(0);
    const cost = JSON.parse(lines(out).at(-1)!);
    expect(cost).toMatchObject({ engine: 'openssl', slots: 16, width: 1, bits: 2048, exponentBits: 64, rounds: 1 });
    expect(cost.steps.length).toBeGreaterThan(6);
    expect(cost.cpuMsPerSlot).toBeGreaterThan(0);
  });
});
