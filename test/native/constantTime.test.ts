// That bench/ct works: it builds, it measures every secret operation, and it finds the operations that leak on purpose. What
// it says about the others is for `node bench/ct/run.mjs` with enough samples: no test asserts on a time.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
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
const missing = [
  ...(process.arch === 'x64' ? [] : ['not an x86-64 CPU']),
  ...(nativePaths().length > 0 ? [] : ['the native library is not built']),
  ...(findCompiler() ? [] : ['no C++ compiler']),
];

describe.skipIf(missing.length > 0)(`the timing test${missing.map((why) => ` (skipped: ${why})`).join('')}`, () => {
  it('measures every secret operation, and finds what leaks on purpose', () => {
    const directory = mkdtempSync(join(tmpdir(), 'millrace-ct-'));
    try {
      const file = join(directory, 'result.json');
      const args = ['bench/ct/run.mjs', '--bits', '2048', '--samples', '2000', '--power-samples', '60', '--json', file];
      const { status, stdout, stderr } = spawnSync(process.execPath, args, { cwd: root, encoding: 'utf8' });
      expect(stderr).toBe('');
      // 1: few samples on a busy machine may show anything for the operations proper.
      expect([0, 1]).toContain(status);
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

  it('refuses options that make no sense', () => {
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
      expect(stderr).toContain('millrace: error: ');
    }
  });
});
