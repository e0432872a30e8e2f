// Tests of bench/ct itself: it builds, measures every secret operation, and detects the operations that leak on purpose. Its
// verdict on the others needs `node bench/ct/run.mjs` with enough samples: no test asserts on a time.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { describeWith } from '../support/requires.js';
import { nativePaths } from './support.js';

const root = fileURLToPath(new URL('../..', import.meta.url));

interface Row {
  readonly operation: string;
  readonly kind: string;
  readonly samples: number;
  readonly verdict: string;
  readonly t: number;
}

const { findCompiler } = (await import(new URL('../../scripts/native.mjs', import.meta.url).href)) as {
  findCompiler(): string | undefined;
};
/** A run on a busy machine may show anything; the same operation three times is a leak. */
const RUNS_MAX = 3;
const missing = [
  ...(process.arch === 'x64' ? [] : ['not an x86-64 CPU']),
  ...(nativePaths().length > 0 ? [] : ['the native library is not built']),
  ...(findCompiler() ? [] : ['no C++ compiler']),
];

describeWith(missing[0], 'the timing test', () => {
  it('measures every secret operation, and detects intended leaks', () => {
    const directory = mkdtempSync(join(tmpdir(), 'millrace-ct-'));
    try {
      const file = join(directory, 'result.json');
      const args = ['bench/ct/run.mjs', '--bits', '2048', '--samples', '2000', '--power-samples', '60', '--json', file];
      const { stdout, stderr } = spawnSync(process.execPath, args, { cwd: root, encoding: 'utf8' });
      expect(stderr).toBe('');
      const { rows }: { rows: Row[] } = JSON.parse(readFileSync(file, 'utf8'));
      for (const { operation } of rows) expect(stdout).toContain(operation);
      const controls = rows.filter(({ kind }) => kind === 'control');
      expect(controls).toHaveLength(3);
      for (const { verdict } of controls) expect(verdict).toBe('leak found, as it must be');
      const measured = new Set(rows.filter(({ kind }) => kind === 'operation').map(({ operation }) => operation));
      for (const operation of [
        'mul',
        'mulGather',
        'prepare',
        'product',
        'invertBatch',
        'pow',
        'powShared',
        'powFixed',
      ]) {
        expect([...measured].some((name) => name === operation || name.startsWith(`${operation},`))).toBe(true);
      }
      for (const { t, samples } of rows) {
        expect(Number.isFinite(t)).toBe(true);
        expect(samples).toBeGreaterThan(50);
      }
    } finally {
      rmSync(directory, { recursive: true, force: true });
    }
  });

  it('fails if an operation leaks: a leak shows in every run, noise of a busy machine in no two', () => {
    const directory = mkdtempSync(join(tmpdir(), 'millrace-ct-'));
    try {
      const file = join(directory, 'result.json');
      const args = ['--bits', '2048', '--samples', '4000', '--power-samples', '400', '--json', file];
      let suspects: Set<string> | undefined;
      for (let run = 0; run < RUNS_MAX && suspects?.size !== 0; run++) {
        const { status } = spawnSync(process.execPath, ['bench/ct/run.mjs', ...args], { cwd: root, encoding: 'utf8' });
        const { rows }: { rows: Row[] } = JSON.parse(readFileSync(file, 'utf8'));
        const leaking = rows.filter(({ kind, t }) => kind === 'operation' && Math.abs(t) > 4.5);
        // The exit status agrees with the rows.
        expect([status, leaking.length > 0]).toEqual([leaking.length > 0 ? 1 : 0, leaking.length > 0]);
        const names = leaking.map(({ operation }) => operation);
        suspects = new Set(names.filter((name) => suspects?.has(name) ?? true));
      }
      expect([...suspects!]).toEqual([]);
    } finally {
      rmSync(directory, { recursive: true, force: true });
    }
  });

  it('refuses meaningless options', () => {
    for (const args of [
      ['--bits', '1000'],
      ['--samples', '3'],
      ['--samples', 'many'],
    ]) {
      const { status, stderr } = spawnSync(process.execPath, ['bench/ct/run.mjs', ...args], {
        cwd: root,
        encoding: 'utf8',
      });
      expect(status).toBe(2);
      expect(stderr).toContain(`error: option '${args[0]}`);
    }
  });
});
