// The numbered variants of the kernels that are timed on a card for tuning: here each is right on host lanes, a wrong one is
// detected, and nvcc compiles them all.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, expect, it } from 'vitest';
import { describeWith } from '../support/requires.js';

interface Kernel {
  readonly name: string;
  readonly spillStores: number;
  readonly spillLoads: number;
}
type Compile = (
  nvcc: string,
  root: string,
  source: string,
  target: string,
  directory: string,
  defines: readonly string[],
) => Promise<{ kernels: readonly Kernel[] }>;

const root = fileURLToPath(new URL('../..', import.meta.url));
const load = async <T>(path: string): Promise<T> =>
  (await import(new URL(`../../scripts/${path}`, import.meta.url).href)) as T;
const { findCompiler } = await load<{ findCompiler(): string | undefined }>('native.mjs');
const { findNvcc, compileFor } = await load<{ findNvcc(): string | undefined; compileFor: Compile }>(
  'kernels/nvcc.mjs',
);
const compiler = findCompiler();
const nvcc = findNvcc();
const BUILD_MS = 300_000;
const VARIANTS = 13;
const directory = mkdtempSync(join(tmpdir(), 'millrace-variants-'));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

/** Builds the program for host lanes: eight limbs on eight lanes, where every choice makes a difference. */
function build(name: string, optimise: '-O0' | '-Og', ...defines: string[]): string {
  const program = join(directory, name);
  const flags = [
    '-std=c++17',
    optimise,
    '-Wall',
    '-Wextra',
    '-Wno-psabi',
    '-DMILLRACE_BITS=2048',
    '-DMILLRACE_LANES=8',
  ];
  const sources = ['variants.cu', 'variantsHost.cpp'].map((file) => join(root, 'kernels/dev', file));
  const built = spawnSync(compiler ?? '', [...flags, ...defines, '-x', 'c++', ...sources, '-o', program], {
    encoding: 'utf8',
  });
  expect(built).toMatchObject({ status: 0, stderr: '' });
  return program;
}
const run = (program: string, ...options: string[]) => spawnSync(program, options, { encoding: 'utf8' });
/** Lines of variants: number, name, result of each kind. */
const linesOf = (stdout: string) => stdout.split('\n').filter((line) => /^ ?\d+ {2}/.test(line));

describeWith(compiler ? undefined : 'no C++ compiler', 'variants of the kernels', () => {
  it(
    'have the result of the reference in every kind of work',
    () => {
      const program = build('sound', '-Og');
      const { status, stdout, stderr } = run(program);
      expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
      const lines = linesOf(stdout);
      expect(lines.map((line) => Number.parseInt(line, 10))).toEqual([...Array(VARIANTS).keys()]);
      for (const line of lines) expect(line).toMatch(/ products same {2}squarings same {2}powers same$/);

      expect(linesOf(run(program, '--list').stdout)).toHaveLength(VARIANTS);
      expect(linesOf(run(program, '--only', '3', '--elements', '5').stdout)).toEqual([lines[3]]);
      for (const wrong of [
        ['--only', `${VARIANTS}`],
        ['--only'],
        ['--elements', 'x'],
        ['--elements', '0'],
        ['--fast', '1'],
      ]) {
        const refused = run(program, ...wrong);
        expect(refused).toMatchObject({ status: 2, stdout: '' });
        expect(refused.stderr).toMatch(/^variants: error: /);
      }
    },
    BUILD_MS,
  );

  it(
    'are detected if they are wrong',
    () => {
      // Not optimized: for five elements, compiling takes far longer than running.
      const { status, stdout } = run(build('broken', '-O0', '-DMILLRACE_FAULT=kDroppedCarry'), '--elements', '5');
      expect(status).toBe(1);
      const lines = linesOf(stdout);
      expect(lines).toHaveLength(VARIANTS);
      for (const line of lines) expect(line).toMatch(/ products WRONG {2}squarings WRONG {2}powers WRONG$/);
    },
    BUILD_MS,
  );
});

describeWith(
  nvcc ? undefined : 'no nvcc',
  'variants of the kernels under nvcc',
  () => {
    it(
      'compile for a card, three kernels each, without a spill',
      async () => {
        const defines = ['MILLRACE_BITS=2048', 'MILLRACE_LANES=32'];
        const { kernels } = await compileFor(nvcc ?? '', root, 'kernels/dev/variants.cu', 'sm_90', directory, defines);
        expect(kernels).toHaveLength(3 * VARIANTS);
        expect(kernels.filter(({ spillStores, spillLoads }) => spillStores + spillLoads > 0)).toEqual([]);
      },
      BUILD_MS,
    );
  },
  true,
);
