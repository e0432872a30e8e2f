// Builds the native CPU library from native/ with the machine's C++ compiler; called by setup.mjs. Nothing is downloaded, no
// Node.js header is needed: it is a plain shared library behind kernels/api.h, loaded by koffi.
import { spawnSync } from 'node:child_process';
import { mkdirSync, renameSync } from 'node:fs';
import { cpus } from 'node:os';
import { join } from 'node:path';
import { compileOnce, eachOf, HARDENING, LINK_HARDENING } from './lib/compile.mjs';

export const LIBRARY = 'build/native/libmillrace_cpu.so';

const COMMON = ['-std=c++17', '-O3', '-fPIC', '-Wall', '-Wextra', '-fvisibility=hidden'];
// GCC 12 attributes the undefined sources inside its own AVX-512 intrinsics to our code.
const QUIET = ['-Wno-uninitialized', '-Wno-maybe-uninitialized'];
const IFMA = ['-mavx512f', '-mavx512bw', '-mavx512ifma', '-mavx512vbmi', '-mbmi2'];

/** The units of the library, each with flags of its own. */
function units() {
  const plain = ['dispatch', 'inverse', 'portableGroup'].map((name) => ({ name, source: `${name}.cpp`, flags: [] }));
  if (process.arch !== 'x64') return plain;
  // One unit per size, so that they compile in parallel.
  const sizes = [20, 40, 60, 80, 160].map((limbs) => ({
    name: `ifmaGroup${limbs}`,
    source: 'ifmaGroup.cpp',
    flags: [...IFMA, `-DMILLRACE_LIMBS=${limbs}`],
  }));
  return [...sizes.reverse(), ...plain];
}

/** The first C++ compiler that answers; undefined if there is none. */
export function findCompiler() {
  for (const name of [process.env.CXX, 'c++', 'g++', 'clang++']) {
    if (name && spawnSync(name, ['--version'], { stdio: 'ignore' }).status === 0) return name;
  }
  return undefined;
}

/**
 * Compiles and links. `extra`: flags for every unit and the link (sanitizers). Returns undefined on success, else the compiler's
 * messages.
 */
export async function buildNative(root, compiler, library = LIBRARY, extra = []) {
  const directory = join(root, library, '..');
  mkdirSync(directory, { recursive: true });
  const object = ({ name }) => join(directory, `${name}.o`);
  const all = units();
  try {
    await eachOf(all, cpus().length, (unit) => {
      const args = [...COMMON, ...HARDENING, ...QUIET, ...unit.flags, ...extra];
      // A warning of an unknown compiler is no reason to have no library.
      return compileOnce(root, compiler, args, join(root, 'native', unit.source), object(unit), { mayWarn: true });
    });
  } catch (error) {
    return error.message.slice(0, 2000);
  }
  // Linked to another file and then renamed: a process that has loaded the old one keeps it.
  const fresh = join(root, `${library}.new`);
  // The plain units first: of an inline function in several units the linker keeps the first, and that one must not need AVX-512
  // if the portable path calls it.
  const objects = all.map(object).reverse();
  const link = spawnSync(compiler, ['-shared', ...LINK_HARDENING, ...extra, ...objects, '-o', fresh]);
  if (link.status !== 0) return String(link.stderr ?? link.error).slice(0, 2000);
  renameSync(fresh, join(root, library));
  return undefined;
}
