// Builds and runs the kernels on host lanes: the same source that nvcc compiles, by a plain C++ compiler, with each lane of a
// warp an entry of a vector. With sanitizers on request.
import { spawnSync } from 'node:child_process';
import { mkdirSync, renameSync } from 'node:fs';
import { cpus } from 'node:os';
import { join } from 'node:path';
import { compileOnce, eachOf, tuned } from '../lib/compile.mjs';

/**
 * Flags of every unit on host lanes, of the library's, too (cuda.mjs), so that units of both are compiled once. With -Og a width takes 3.2 s
 * of CPU to compile, with -O1 7.2; all jobs of the tests take 5.2 s instead of 3.1.
 */
export const HOST_FLAGS = [
  ...['-std=c++17', '-Og', '-fPIC', '-fvisibility=hidden', '-pthread'],
  ...['-Wall', '-Wextra', '-Wno-psabi'],
];
/**
 * MILLRACE_LEAN: the general form only and no broken lanes, because sanitizers triple the time to compile.
 */
export const SANITIZERS = ['-DMILLRACE_LEAN', '-g1', '-fsanitize=address,undefined', '-fno-sanitize-recover=all'];

/** Units of the program: name, source, flags. The longest first. */
const units = (flags) => [
  { name: 'main', source: 'kernels/host/main.cpp', flags: [] },
  ...(flags.includes('-DMILLRACE_LEAN') ? [] : [{ name: 'broken', source: 'kernels/host/broken.cpp', flags: [] }]),
  ...[4096, 3072, 2048].map((bits) => ({
    name: `width${bits}`,
    source: 'kernels/host/width.cpp',
    flags: [`-DMILLRACE_BITS=${bits}`],
  })),
  { name: 'inverse', source: 'native/inverse.cpp', flags: [] },
];

/** Compiles into `directory`; returns the program's path. Throws the compiler's messages. */
export async function buildHost(root, compiler, directory, extra = []) {
  mkdirSync(directory, { recursive: true });
  const flags = [...HOST_FLAGS, ...tuned(compiler), ...extra];
  const object = ({ name }) => join(directory, `${name}.o`);
  const all = units(extra);
  await eachOf(all, cpus().length, (unit) =>
    compileOnce(root, compiler, [...flags, ...unit.flags, '-x', 'c++'], join(root, unit.source), object(unit)),
  );
  const program = join(directory, 'kernels-host');
  const link = spawnSync(compiler, ['-pthread', ...extra, ...all.map(object), '-o', `${program}.new`], {
    encoding: 'utf8',
  });
  if (link.status !== 0) throw new Error(link.stderr.slice(0, 2000));
  renameSync(`${program}.new`, program);
  return program;
}

/** Runs jobs of cases.mjs; returns the names of those with a wrong result. Throws if the program did not end normally. */
export function runHost(program, jobs) {
  const { status, signal, stdout, stderr } = spawnSync(program, {
    input: jobs.map(({ line }) => `${line}\n`).join(''),
    encoding: 'utf8',
    maxBuffer: 1 << 29,
  });
  if (status !== 0 || stderr !== '')
    throw new Error(`kernels on the host: ${signal ?? status}: ${stderr.slice(0, 2000)}`);
  const answers = stdout.split('\n');
  if (answers.length !== jobs.length + 1)
    throw new Error(`kernels on the host: ${answers.length - 1} answers to ${jobs.length} jobs`);
  return jobs.flatMap(({ name, expected }, i) =>
    answers[i] === expected ? [] : [`${name}${answers[i].startsWith('error') ? `: ${answers[i]}` : ''}`],
  );
}
