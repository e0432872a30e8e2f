// Tests if the time of the native library depends on its secrets. Builds dudect.cpp against the library with the machine's
// compiler, runs it, and prints a table. Exit status 1 if an operation fails, or if a control, which leaks on purpose, passes.
// Needs an x86-64 CPU (its time stamp counter).
//
//   node bench/ct/run.mjs [--bits B] [--samples N] [--power-samples N] [--only TEXT] [--json FILE]
import { spawn, spawnSync } from 'node:child_process';
import { getDiffieHellman } from 'node:crypto';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { Option } from 'commander';
import { commandLine, number } from '../../scripts/lib/command.mjs';
import { buildNative, findCompiler, LIBRARY } from '../../scripts/native.mjs';

const root = fileURLToPath(new URL('../..', import.meta.url));
/** Two means differ beyond this value: the limit of the threat list. */
const T_MAX = 4.5;
const MODULI = { 2048: 'modp14', 3072: 'modp15', 4096: 'modp16' };

const say = (text) => process.stdout.write(`${text}\n`);
function stop(text) {
  process.stderr.write(`millrace: error: ${text}\n`);
  process.exit(2);
}

const SAMPLES_MAX = 1e9 - 1;
const { bits, samples, powerSamples, only, json } = readOptions();
if (process.arch !== 'x64') stop('this test reads the time stamp counter of x86-64');

function readOptions() {
  const options = commandLine(
    'node bench/ct/run.mjs',
    'tests whether the time of the native library depends on its secrets',
  )
    .addOption(new Option('--bits <bits>', 'bits of the group').choices(Object.keys(MODULI)).default('4096'))
    .option('--samples <number>', 'samples of a product', number(10, SAMPLES_MAX), 1_000_000)
    .option('--power-samples <number>', 'samples of a power (default: a hundredth)', number(10, SAMPLES_MAX))
    .option('--only <text>', 'only operations whose names contain this', '')
    .option('--json <file>', 'write the figures to this file, too')
    .parse()
    .opts();
  const hundredth = Math.max(10, Math.min(options.samples, Math.ceil(options.samples / 100)));
  return { powerSamples: hundredth, ...options, bits: Number(options.bits) };
}

/** Compiles the program against the library, which is built if it is missing. */
async function build() {
  const compiler = findCompiler();
  if (!compiler) stop('no C++ compiler: install g++');
  const library = join(root, LIBRARY);
  if (!existsSync(library)) {
    const error = await buildNative(root, compiler);
    if (error) stop(error);
  }
  const directory = join(root, 'build/ct');
  mkdirSync(directory, { recursive: true });
  const program = join(directory, 'dudect');
  const flags = ['-std=c++17', '-O2', '-Wall', '-Wextra', `-Wl,-rpath,${dirname(library)}`];
  const args = [...flags, join(root, 'bench/ct/dudect.cpp'), library, '-o', program];
  const built = spawnSync(compiler, args, { encoding: 'utf8' });
  if (built.status !== 0) stop(built.stderr);
  if (built.stderr) process.stderr.write(built.stderr);
  return program;
}

/** Runs the program and passes every line on as it comes. */
async function measure(program, onLine) {
  const args = ['--bits', bits, '--samples', samples, '--power-samples', powerSamples, '--only', only].map(String);
  const child = spawn(program, args, { stdio: ['pipe', 'pipe', 'inherit'] });
  const ended = new Promise((resolve) => child.on('close', resolve));
  child.stdin.end(Buffer.from(getDiffieHellman(MODULI[bits]).getPrime()).reverse().toString('hex'));
  for await (const line of createInterface({ input: child.stdout })) onLine(JSON.parse(line));
  if ((await ended) !== 0) stop('the measurement ended early');
}

const git = (...args) => spawnSync('git', args, { cwd: root, encoding: 'utf8' }).stdout?.trim() || null;

/**
 * Verdict on a row. One limit for every operation and every class: the processor itself may take less time for zeros
 * (`nothing but multiply-adds` shows it), which explains a difference but does not excuse it.
 */
function judge(row) {
  const differs = Math.abs(row.t) >= T_MAX;
  if (row.kind === 'control') return differs ? 'leak found, as it must be' : 'FAIL: leak not found';
  if (row.kind === 'processor') return differs ? 'the processor is faster on zeros' : 'the processor does not care';
  return differs ? 'FAIL: differs' : 'pass';
}

const program = await build();
const rows = [];
let path;
const columns = (operation, fixed, samples, cycles, t, difference, verdict) =>
  say(
    operation.padEnd(40) +
      fixed.padEnd(22) +
      samples.padStart(9) +
      cycles.padStart(10) +
      t.padStart(10) +
      difference.padStart(11) +
      `  ${verdict}`,
  );
columns('operation', 'fixed class', 'samples', 'cycles', 't', 'difference', 'verdict');
await measure(program, (line) => {
  if (line.path) {
    path = line.path;
    return;
  }
  const verdict = judge(line);
  rows.push({ ...line, verdict });
  const t = Math.abs(line.t) >= 1e6 ? line.t.toExponential(1) : line.t.toFixed(2);
  const difference = `${(100 * line.difference).toFixed(3)}%`;
  columns(line.operation, line.fixed, String(line.samples), String(line.medianCycles), t, difference, verdict);
});
const ok = rows.every(({ verdict }) => !verdict.startsWith('FAIL'));
if (json) {
  const result = {
    what: 'fixed-versus-random timing of the native library (dudect)',
    command: `node bench/ct/run.mjs --bits ${bits} --samples ${samples} --power-samples ${powerSamples}`,
    date: new Date().toISOString(),
    commit: git('rev-parse', 'HEAD'),
    changed: Boolean(git('status', '--porcelain', '--', 'native', 'kernels')),
    cpu: cpus()[0]?.model ?? null,
    cores: cpus().length,
    node: process.version,
    ...{ path, bits, lanes: 8, exponentBits: 256, threshold: T_MAX, ok, rows },
  };
  mkdirSync(dirname(json), { recursive: true });
  writeFileSync(json, `${JSON.stringify(result, null, 2)}\n`);
}
say(ok ? 'every operation passes, every control is found' : 'FAIL');
process.exitCode = ok ? 0 : 1;
