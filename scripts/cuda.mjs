// npm run build:cuda -- [--targets sm_80,sm_90] [--jobs N]: builds the CUDA library behind kernels/api.h with nvcc, for all targets and PTX
// unless it is told otherwise. That takes minutes, so nothing else runs it. The same units over host lanes make the library that tests
// load (kernels/library/host.cpp); they build it when it is not there.
import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { findNvcc, PTX, TARGETS, WIDTHS } from './kernels/nvcc.mjs';

export const LIBRARY = 'build/cuda/libmillrace_cuda.so';
export const HOST_LIBRARY = 'build/cuda-host/libmillrace_cuda_host.so';

const FLAGS = ['-std=c++17', '-fPIC', '-fvisibility=hidden'];
const WARNINGS = ['-Wall', '-Wextra', '-Wno-psabi'];

/** What either library is made of: name, source, defines, whether it holds kernels. The longest first. */
function units(side) {
  const widths = [...WIDTHS]
    .sort((a, b) => b - a)
    .map((bits) => ({
      name: `width${bits}`,
      source: side === 'cuda' ? 'kernels/card.cu' : 'kernels/host/width.cpp',
      defines: [`-DMILLRACE_BITS=${bits}`],
      kernels: true,
    }));
  const library = ['group', 'reduce', 'kept', 'abi', 'pipeline', 'device', side].map((name) => ({
    name,
    source: `kernels/library/${name}.cpp`,
    defines: [],
    kernels: false,
  }));
  return [...widths, ...library, { name: 'inverse', source: 'native/inverse.cpp', defines: [], kernels: false }];
}

/** Runs a compiler; what it said. Throws where it failed or warned. */
function run(command, args) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { stdio: ['ignore', 'ignore', 'pipe'] });
    let said = '';
    child.stderr.on('data', (text) => {
      said += text;
    });
    child.on('error', reject);
    child.on('close', (code) =>
      code === 0 && !/\bwarning\b/.test(said)
        ? resolve(said)
        : reject(new Error(`${command} ${args.join(' ')}: ${said.slice(0, 4000)}`)),
    );
  });
}

/** Compiles the units of a side, `jobs` at a time, and links them to `library`; put in place in one step at the end. */
async function build(root, library, side, jobs, compile, link) {
  const directory = join(root, dirname(library));
  // A directory of its own: two builds at the same time do not meet.
  const work = join(directory, `objects-${process.pid}`);
  mkdirSync(work, { recursive: true });
  try {
    const all = units(side).map((unit) => ({ ...unit, object: join(work, `${unit.name}.o`) }));
    const pending = [...all];
    const lane = async () => {
      for (let unit = pending.shift(); unit; unit = pending.shift()) await compile(unit);
    };
    await Promise.all(Array.from({ length: Math.max(1, jobs) }, lane));
    const fresh = join(work, 'library.so');
    await link(
      all.map(({ object }) => object),
      fresh,
    );
    renameSync(fresh, join(root, library));
    return join(root, library);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

/** The library for cards. `targets`: those of nvcc.mjs; PTX of the newest goes with the newest. */
export function buildCuda(root, nvcc, { library = LIBRARY, targets = TARGETS, jobs = cpus().length } = {}) {
  const code = targets.map((target) => `-gencode=arch=${target.replace('sm', 'compute')},code=${target}`);
  if (targets.includes(TARGETS.at(-1))) code.push(`-gencode=arch=${PTX},code=${PTX}`);
  // What holds no kernel is the same for all cards.
  const plain = [`-arch=${targets[0]}`];
  const host = ['-Xcompiler', '-fPIC,-fvisibility=hidden,-Wno-psabi'];
  return build(
    root,
    library,
    'cuda',
    jobs,
    ({ source, defines, kernels, object }) =>
      run(nvcc, [
        ...['-std=c++17', '-O3', '-x', 'cu', ...(kernels ? code : plain), ...host, ...defines],
        ...['-c', join(root, source), '-o', object],
      ]),
    // CUDA's runtime goes in, and stays inside: nobody else's copy of it may be mistaken for ours.
    (objects, out) =>
      run(nvcc, ['-shared', '-cudart', 'static', ...plain, '-Xlinker', '--exclude-libs,ALL', ...objects, '-o', out]),
  );
}

/** Wide vectors where this machine's compiler can say so. */
function tuned(compiler) {
  const probe = spawnSync(compiler, ['-march=native', '-E', '-x', 'c++', '-'], { input: '', stdio: 'pipe' });
  return probe.status === 0 ? ['-march=native'] : [];
}

function filesUnder(path) {
  if (!statSync(path).isDirectory()) return [path];
  return readdirSync(path)
    .sort()
    .flatMap((name) => filesUnder(join(path, name)));
}

/** Everything that the library on host lanes is made of. */
function stampOf(root, compiler, flags) {
  const hash = createHash('sha256').update(compiler).update(flags.join(' '));
  for (const path of ['kernels', 'native/inverse.h', 'native/inverse.cpp', 'native/group.h', 'scripts/cuda.mjs']) {
    for (const file of filesUnder(join(root, path))) hash.update(file).update(readFileSync(file));
  }
  return hash.digest('hex');
}

/** The library over host lanes, built unless it is there already. `extra`: flags for every unit and the link (sanitizers). */
export async function buildCudaHost(root, compiler, { library = HOST_LIBRARY, extra = [], jobs = cpus().length } = {}) {
  const flags = [...FLAGS, ...WARNINGS, '-O1', '-pthread', ...tuned(compiler), ...extra];
  const stampFile = join(root, `${library}.stamp`);
  const stamp = stampOf(root, compiler, flags);
  if (existsSync(join(root, library)) && existsSync(stampFile) && readFileSync(stampFile, 'utf8') === stamp) {
    return join(root, library);
  }
  rmSync(stampFile, { force: true });
  const path = await build(
    root,
    library,
    'host',
    jobs,
    ({ source, defines, object }) => run(compiler, [...flags, ...defines, '-c', join(root, source), '-o', object]),
    (objects, out) => run(compiler, ['-shared', '-pthread', ...extra, ...objects, '-o', out]),
  );
  writeFileSync(stampFile, stamp);
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
