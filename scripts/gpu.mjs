// npm run gpu -- [options]: checks and measures a card in one command. Builds the library for it, compares every kernel with host
// lanes bit for bit, runs the engines' compliance suite on it, and measures: rates of instructions, the operations on the card
// alone and with transfers, beside the limits and the cpu engine. It only orchestrates: kernels/dev/check and
// `millrace bench gpu` measure. Status 1 if a check fails, 2 if it cannot run here.
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { buildCuda, checkOf, isCudaBuilt, LIBRARY } from './cuda.mjs';
import { findNvcc, TARGETS } from './kernels/nvcc.mjs';
import { DRIVER_MIN, findCard, runnableTarget } from './lib/card.mjs';
import { commandLine, number, someOf } from './lib/command.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
/** One card, the same for every step: the engine would take all. Without colours: the output is kept in logs. */
const ENVIRONMENT = { CUDA_VISIBLE_DEVICES: '0', ...process.env, NO_COLOR: '1' };
const say = (text) => process.stderr.write(`millrace: ${text}\n`);

/** Shares of the time left after the build: for the check, and the limit of the compliance suite. */
const SHARES = { check: 0.35, compliance: 0.3 };
/** Time of the benchmark beyond its own count: engines that open and close. */
const MARGIN_MINUTES = 0.25;

class CannotRun extends Error {
  constructor(what, hint) {
    super(what);
    this.hint = hint;
  }
}

const minutes = number(0.1, 600, { whole: false });
/** Steps that may be left out. */
const STEPS = ['check', 'compliance'];

const readOptions = () =>
  commandLine('npm run gpu --', 'builds the library for the card of this machine, checks it, and measures it')
    .option(
      '--minutes <minutes>',
      'limit of everything, the build included; measurements that do not fit are left out and named',
      minutes,
      8,
    )
    .option('--quick', 'fewer batches and repeats', false)
    .option('--output <file>', 'file for the JSON (default: bench/results/CARD.json)')
    .option('--widths <list>', 'bits, the most important first (default: 4096,3072,2048)')
    .option('--batches <list>', 'elements of a batch (default: 32,256,1024,4096,16384,65536)')
    .option('--slots <number>', 'slots of the precomputation (default: 1000)')
    .option('--skip <list>', `steps to leave out: ${STEPS.join(', ')}`, someOf(STEPS), [])
    .option('--library <file>', 'use this library, with the check beside it; nothing is built')
    .addHelpText(
      'after',
      '\nEnds with status 0; 1 if a result or a test is wrong; 2 if it cannot run here (no card, no driver, no nvcc).',
    )
    .parse()
    .opts();

/** Runs a program with its output on standard error; returns its status, null if it was ended after `minutes`. */
function runProgram(command, args, minutes, env = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, {
      cwd: root,
      stdio: ['ignore', 2, 2],
      env: { ...ENVIRONMENT, ...env },
      timeout: Math.max(1000, Math.ceil(minutes * 60_000)),
      killSignal: 'SIGKILL',
    });
    child.on('error', reject);
    child.on('close', resolve);
  });
}

/** The library for this machine's card, built if it is missing. @throws CannotRun */
async function libraryForCard() {
  const nvcc = findNvcc();
  const { target, why } = findCard(nvcc);
  if (!target)
    throw new CannotRun(`no card: ${why}`, `install an NVIDIA card and a driver of branch ${DRIVER_MIN} or newer`);
  const runnable = runnableTarget(target, TARGETS);
  if (!runnable) throw new CannotRun(`this card (${target}) is too old`, `kernels need ${TARGETS[0]} or newer`);
  if (isCudaBuilt(root, runnable)) return join(root, LIBRARY);
  if (!nvcc)
    throw new CannotRun(
      'no nvcc, and no library that is up to date',
      'install the CUDA toolkit (13.0), or name its nvcc with NVCC=',
    );
  say(`compiling the kernels for ${runnable} …`);
  return buildCuda(root, nvcc, { targets: [runnable] });
}

/** Checks that the library finds a usable card; otherwise gives its reason: the driver may be too old for it. @throws CannotRun */
async function requireCard(library) {
  const { probeCards } = await import(join(root, 'dist/engine/cuda/library.js'));
  const { namedGroup } = await import(join(root, 'dist/math/group.js'));
  const { devices, reason } = probeCards(namedGroup('MODP-4096'), library);
  if (devices.length === 0)
    throw new CannotRun(reason, `check the driver (nvidia-smi): it must be of branch ${DRIVER_MIN} or newer`);
  say(`on ${devices[0]}`);
}

/** Runs kernels/dev/check; returns the file of its report, undefined if it wrote none. */
async function check(library, directory, minutes, { quick, widths, batches }) {
  const file = join(directory, 'check.json');
  const sizes = [...(widths ? ['--bits', widths] : []), ...(batches ? ['--batches', batches] : [])];
  const args = ['--json', file, '--minutes', minutes.toFixed(3), ...(quick ? ['--quick'] : []), ...sizes];
  say(`the kernels against host lanes, and on the card alone: up to ${minutes.toFixed(1)} minutes …`);
  // A card that hangs must not stop the rest; the program normally ends by itself well before.
  const status = await runProgram(checkOf(library), args, 1.2 * minutes + 0.5);
  if (status !== 0) say(`error: the check ended with status ${status}`);
  return { report: existsSync(file) ? file : undefined, failed: status !== 0 };
}

/** Runs the compliance suite through the engine; returns the numbers of passed and failed tests. */
async function compliance(library, directory, minutes, widths) {
  const vitest = join(root, 'node_modules/vitest/vitest.mjs');
  if (!existsSync(vitest)) {
    say('warning: the compliance suite is left out: vitest is not installed (npm install)');
    return undefined;
  }
  say('the compliance suite on the card …');
  const file = join(directory, 'compliance.json');
  const args = [
    vitest,
    'run',
    '--reporter=dot',
    '--reporter=json',
    `--outputFile.json=${file}`,
    'test/engine/card.test.ts',
  ];
  const env = { MILLRACE_GPU_LIBRARY: library, ...(widths && { MILLRACE_GPU_WIDTHS: widths }) };
  const status = await runProgram(process.execPath, args, minutes, env);
  if (!existsSync(file)) {
    say(`error: the compliance suite ended with status ${status} and no report`);
    return { passed: 0, failed: 1 };
  }
  const { numPassedTests, numFailedTests, numFailedTestSuites } = JSON.parse(readFileSync(file, 'utf8'));
  // A suite that cannot open the engine has no tests that could fail.
  const failed = Math.max(numFailedTests, numFailedTestSuites > 0 || numPassedTests === 0 ? 1 : 0);
  return { passed: numPassedTests, failed };
}

async function main() {
  const startedMs = Date.now();
  const options = readOptions();
  const main = join(root, 'dist/cli/main.js');
  if (!existsSync(main)) throw new CannotRun('the program is not compiled', 'npm run build');
  const library = options.library ?? (await libraryForCard());
  if (!existsSync(library)) throw new CannotRun(`there is no library ${library}`, 'npm run build:cuda');
  await requireCard(library);
  const leftMinutes = () => options.minutes - (Date.now() - startedMs) / 60_000;
  const minutes = leftMinutes();
  const directory = mkdtempSync(join(tmpdir(), 'millrace-gpu-'));
  try {
    const { skip, quick, output, widths, batches, slots } = options;
    const checked = skip.includes('check') ? {} : await check(library, directory, SHARES.check * minutes, options);
    const suite = skip.includes('compliance')
      ? undefined
      : await compliance(library, directory, SHARES.compliance * minutes, widths);
    const left = Math.max(0.1, leftMinutes() - MARGIN_MINUTES);
    say(`the operations through the engine: up to ${left.toFixed(1)} minutes …`);
    const command = ['npm run gpu --', ...process.argv.slice(2)].join(' ');
    const named = { library, check: checked.report, out: output, widths, batches, slots, command };
    const values = Object.entries(named).flatMap(([name, value]) => (value === undefined ? [] : [`--${name}`, value]));
    if (suite) values.push('--compliance', `${suite.passed},${suite.failed}`);
    const args = [main, 'bench', 'gpu', '--minutes', left.toFixed(3), ...(quick ? ['--quick'] : []), ...values];
    const status = await new Promise((resolve, reject) => {
      const child = spawn(process.execPath, args, {
        cwd: root,
        stdio: ['ignore', 'inherit', 'inherit'],
        env: ENVIRONMENT,
      });
      child.on('error', reject).on('close', resolve);
    });
    return status === 0 && !checked.failed ? 0 : 1;
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

try {
  process.exitCode = await main();
} catch (error) {
  say(`error: ${error.message}`);
  if (error.hint) say(`hint: ${error.hint}`);
  process.exitCode = error instanceof CannotRun ? 2 : 1;
}
