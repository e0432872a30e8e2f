// Options by which the native libraries built here were compiled and linked, as `readelf` and the compiler show them.
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

  it('of the CPU check copies into buffers of known size (FORTIFY)', () => {
    expect(said(libraries[0]!, '--dyn-syms')).toMatch(/ __mem\w+_chk@/);
  });

  it('are compiled with flags by which this compiler checks such copies', async () => {
    // The library for cards has these flags, too, but need not have such a copy.
    const { HARDENING } = (await import(join(root, 'scripts/lib/compile.mjs'))) as { HARDENING: string[] };
    const { findCompiler } = (await import(join(root, 'scripts/native.mjs'))) as { findCompiler(): string };
    const source = `#include <cstring>
      void use(char*);
      void probe(const char* from, std::size_t length) { char to[8]; std::memcpy(to, from, length); use(to); }`;
    const assembly = (flags: readonly string[]) =>
      spawnSync(findCompiler(), ['-O3', ...flags, '-S', '-x', 'c++', '-', '-o', '-'], {
        input: source,
        encoding: 'utf8',
      }).stdout;
    expect(assembly(HARDENING)).toContain('__memcpy_chk');
    expect(assembly([...HARDENING, '-U_FORTIFY_SOURCE'])).not.toContain('__memcpy_chk');
  });
});
