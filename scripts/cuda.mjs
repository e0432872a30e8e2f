// npm run build:cuda -- [--targets sm_80,sm_90] [--jobs N]: builds the CUDA library behind kernels/api.h with nvcc, by default
// for all targets and PTX, and kernels/dev/check, which shares its kernels. That takes minutes, so only `npm run gpu` runs it as
// well. The same units over host lanes make the library that tests load (kernels/library/host.cpp) and a check with host lanes as
// its card; tests build them if they are missing.
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { HOST_FLAGS } from './kernels/host.mjs';
import { findNvcc, PTX, TARGETS, WIDTHS } from './kernels/nvcc.mjs';
import { compileOnce, eachOf, HARDENING, NVCC_LINK_HARDENING, run, tuned } from './lib/compile.mjs';

export const LIBRARY = 'build/cuda/libmillrace_cuda.so';
export const HOST_LIBRARY = 'build/cuda-host/libmillrace_cuda_host.so';

/** Path of the check that is built with a library. */
export const checkOf = (library) => join(dirname(library), 'check');
const stampOf = (library) => `${library}.stamp`;

const widest = [...WIDTHS].sort((a, b) => b - a);

/**
 * Units of the library and the check of a side: name, source, defines, and use: `kernels` are for both. `lanes`: compiled for the
 * host on either side. The longest first.
 */
function units(side) {
  const widths = widest.map((bits) => ({
    name: `width${bits}`,
    source: side === 'cuda' ? 'kernels/card.cu' : 'kernels/host/width.cpp',
    defines: [`-DMILLRACE_BITS=${bits}`],
    use: 'kernels',
  }));
  // The check's reference is host lanes; if those are the side, it has them already.
  const truth = widest.map((bits) => ({
    name: `lanes${bits}`,
    source: 'kernels/host/width.cpp',
    defines: [`-DMILLRACE_BITS=${bits}`],
    use: 'check',
    lanes: true,
  }));
  const check = ['check.cu', 'checkHost.cpp', 'checkReport.cpp'].map((file) => ({
    name: file.split('.')[0],
    source: `kernels/dev/${file}`,
    defines: ['-DMILLRACE_LINKED'],
    use: 'check',
    lanes: file === 'checkHost.cpp',
  }));
  const library = ['group', 'reduce', 'resident', 'abi', 'pipeline', 'device', side].map((name) => ({
    name,
    source: `kernels/library/${name}.cpp`,
    // Tests have small batches, and must cover copies that several threads share.
    defines: side === 'host' && name === 'pipeline' ? ['-DMILLRACE_COPY_BYTES=1024'] : [],
    use: 'library',
  }));
  const inverse = { name: 'inverse', source: 'native/inverse.cpp', defines: [], use: 'both' };
  return [...widths, ...(side === 'cuda' ? truth : []), ...check, ...library, inverse];
}

/**
 * Compiles the units of a side, `jobs` at a time, and links library and check; both are put in place one after the other at the
 * end.
 */
async function build(root, library, side, jobs, compile, link) {
  const directory = join(root, dirname(library));
  // A directory of its own: concurrent builds do not conflict.
  const work = join(directory, `objects-${process.pid}`);
  mkdirSync(work, { recursive: true });
  try {
    const all = units(side).map((unit) => ({ ...unit, object: join(work, `${unit.name}.o`) }));
    await eachOf(all, jobs, compile);
    const objects = (but) => all.filter(({ use }) => use !== but).map(({ object }) => object);
    const fresh = { library: join(work, 'library.so'), check: join(work, 'check') };
    await link(['-shared'], objects('check'), fresh.library);
    await link([], objects('library'), fresh.check);
    renameSync(fresh.check, join(root, checkOf(library)));
    renameSync(fresh.library, join(root, library));
    return join(root, library);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

function filesUnder(path) {
  if (!statSync(path).isDirectory()) return [path];
  return readdirSync(path)
    .sort()
    .flatMap((name) => filesUnder(join(path, name)));
}

/** Hash of all inputs of a library and its check. */
function hashOf(root, compiler, flags) {
  const hash = createHash('sha256').update(compiler).update(flags.join(' '));
  const inputs = ['kernels', 'native/inverse.h', 'native/inverse.cpp', 'native/group.h', 'scripts/cuda.mjs'];
  for (const path of inputs) {
    for (const file of filesUnder(join(root, path))) {
      const name = relative(root, file);
      // Of the files in kernels/dev, only those of the check are inputs.
      if (!/^kernels.dev.(?!check)/.test(name)) hash.update(name).update(readFileSync(file));
    }
  }
  return hash.digest('hex');
}

/** Contents of the stamp beside a library; undefined if the library, its check or its stamp is missing. */
function stamped(root, library) {
  const files = [library, checkOf(library), stampOf(library)].map((file) => join(root, file));
  return files.every((file) => existsSync(file)) ? readFileSync(files[2], 'utf8') : undefined;
}

/** True if the library for cards matches the sources and has machine code for a target. */
export function isCudaBuilt(root, target, library = LIBRARY) {
  const [hash, ...targets] = (stamped(root, library) ?? '').split(' ');
  return hash === hashOf(root, 'nvcc', []) && targets.includes(target);
}

/** Builds the library for cards, and the check. `targets`: those of nvcc.mjs; PTX of the newest goes with the newest. */
export async function buildCuda(root, nvcc, { library = LIBRARY, targets = TARGETS, jobs = cpus().length } = {}) {
  const code = targets.map((target) => `-gencode=arch=${target.replace('sm', 'compute')},code=${target}`);
  if (targets.includes(TARGETS.at(-1))) code.push(`-gencode=arch=${PTX},code=${PTX}`);
  // Units without a kernel are the same for all cards.
  const plain = [`-arch=${targets[0]}`];
  const host = ['-Xcompiler', ['-fPIC', '-fvisibility=hidden', '-Wno-psabi', ...HARDENING].join(',')];
  const language = (unit) => {
    if (unit.lanes) return ['-O1', '-x', 'c++', '-Xcompiler', tuned('g++').join(',') || '-O1'];
    return ['-O3', '-x', 'cu', ...(unit.source.endsWith('.cu') ? code : plain)];
  };
  rmSync(join(root, stampOf(library)), { force: true });
  const path = await build(
    root,
    library,
    'cuda',
    jobs,
    (unit) => {
      const args = ['-std=c++17', ...language(unit), ...host, ...unit.defines];
      return run(nvcc, [...args, '-c', join(root, unit.source), '-o', unit.object]);
    },
    // CUDA's runtime is linked statically and hidden: another copy of it in the process must not be mistaken for ours.
    (kind, objects, out) =>
      run(nvcc, [
        ...kind,
        '-cudart',
        'static',
        '-Xcompiler',
        '-pthread',
        ...plain,
        '-Xlinker',
        '--exclude-libs,ALL',
        ...NVCC_LINK_HARDENING,
        ...objects,
        '-o',
        out,
      ]),
  );
  writeFileSync(join(root, stampOf(library)), [hashOf(root, 'nvcc', []), ...targets].join(' '));
  return path;
}

/**
 * Builds the library over host lanes, and its check, unless they are up to date. `extra`: flags for every unit and the link
 * (sanitizers).
 */
export async function buildCudaHost(root, compiler, { library = HOST_LIBRARY, extra = [], jobs = cpus().length } = {}) {
  const flags = [...HOST_FLAGS, ...tuned(compiler), ...extra];
  const hash = hashOf(root, compiler, flags);
  if (stamped(root, library) === hash) return join(root, library);
  rmSync(join(root, stampOf(library)), { force: true });
  const path = await build(
    root,
    library,
    'host',
    jobs,
    ({ source, defines, object }) =>
      compileOnce(root, compiler, [...flags, ...defines, '-x', 'c++'], join(root, source), object),
    (kind, objects, out) => run(compiler, [...kind, '-pthread', ...extra, ...objects, '-o', out]),
  );
  writeFileSync(join(root, stampOf(library)), hash);
  return path;
}

async function main() {
  const options = { targets: { type: 'string' }, jobs: { type: 'string', default: String(cpus().length) } };
  const { values } = parseArgs({ options });
  const targets = (values.targets ?? process.env.MILLRACE_CUDA_TARGETS ?? TARGETS.join(',')).split(',');
  const unknown = targets.filter((target) => !TARGETS.includes(target));
  if (unknown.length > 0) throw new Error(`no target ${unknown.join(', ')}; there are ${TARGETS.join(', ')}`);
  if (!/^[1-9]\d?$/.test(values.jobs)) throw new Error(`--jobs ${values.jobs}: not a number from 1 to 99`);
  const nvcc = findNvcc();
  if (!nvcc) throw new Error('no nvcc: install the CUDA toolkit (13.0), or name it with NVCC=');
  const startedMs = Date.now();
  console.log(`compiling for ${targets.join(', ')} …`);
  const root = fileURLToPath(new URL('..', import.meta.url));
  const path = await buildCuda(root, nvcc, { targets, jobs: Number(values.jobs) });
  const seconds = ((Date.now() - startedMs) / 1000).toFixed(0);
  console.log(`${LIBRARY}: ${(statSync(path).size / 2 ** 20).toFixed(1)} MiB in ${seconds} s`);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  try {
    await main();
  } catch (error) {
    console.error(`millrace: error: ${error.message}`);
    process.exit(1);
  }
}
