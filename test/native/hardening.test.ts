// Link options of the native libraries built here, as `readelf` reports them.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { describeWith, missingCommand } from '../support/requires.js';
import { nativePaths } from './support.js';

const root = fileURLToPath(new URL('../..', import.meta.url));
const missing =
  process.platform !== 'linux'
    ? 'not Linux'
    : nativePaths().length === 0
      ? 'the native library is not built'
      : missingCommand('readelf');
// The library for cards is built on request only.
const libraries = ['build/native/libmillrace_cpu.so', 'build/cuda/libmillrace_cuda.so'];
const built = libraries.filter((library) => existsSync(join(root, library)));

describeWith(missing, 'native libraries', () => {
  const said = (library: string, ...args: string[]): string =>
    spawnSync('readelf', ['-W', ...args, join(root, library)], { encoding: 'utf8' }).stdout;

  it.each(built)('%s has no writable table of addresses and no executable stack', (library) => {
    expect(said(library, '-d')).toMatch(/BIND_NOW|FLAGS.*NOW/);
    const segments = said(library, '-l');
    expect(segments).toContain('GNU_RELRO');
    expect(segments).toMatch(/GNU_STACK.*RW /);
    expect(segments).not.toMatch(/GNU_STACK.*RWE/);
  });

  it.each(built)('%s has stack protection', (library) => {
    expect(said(library, '--dyn-syms')).toContain('__stack_chk_fail');
  });
});
