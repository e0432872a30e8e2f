// `npm run mutants [-- --only NAME] [--json]`: takes each defence out, one at a time, in a scratch copy of the checkout, and runs
// the test that must then fail. A mutant survives if that test passes without its defence; it is stale if its patch does not
// apply or does not compile, or if its test is not found or does not pass with the defence in place. A mutant whose test is skipped here
// is a failure under MILLRACE_REQUIRE=all.
import { spawn, spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { commandLine, number } from './lib/command.mjs';
import { eachOf } from './lib/compile.mjs';
import { mutantsStatus, readMutants } from './lib/mutants.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
/** Time after which a test that hangs without its defence counts as failed. */
const RUN_MS_MAX = 300_000;
const say = (text) => process.stderr.write(`${text}\n`);

const readOptions = () =>
  commandLine('npm run mutants --', 'takes each defence out and runs the test that must fail without it')
    .option('--only <text>', 'only mutants whose names contain this', '')
    .option('--jobs <number>', 'number of mutants at a time', number(1, 99), Math.min(4, availableParallelism()))
    .option('--json', 'end with one line of JSON: mutants, killed, survived, stale', false)
    .parse()
    .opts();

/** Makes a copy of all files that git tracks or would add, with the build; dependencies are shared. */
function scratchCopy(directory) {
  const listed = spawnSync('git', ['ls-files', '-z', '-co', '--exclude-standard'], { cwd: root, encoding: 'utf8' });
  if (listed.status !== 0) throw new Error(`git ls-files: ${listed.stderr}`);
  for (const file of listed.stdout.split('\0').filter((name) => name !== '' && existsSync(join(root, name)))) {
    mkdirSync(dirname(join(directory, file)), { recursive: true });
    cpSync(join(root, file), join(directory, file));
  }
  copyBuild(directory);
  symlinkSync(join(root, 'node_modules'), join(directory, 'node_modules'));
  return directory;
}

/** Copies the build with all defences: its stamps record its inputs, so that only parts that a patch changes are built again. */
function copyBuild(directory) {
  for (const built of ['dist', 'build']) {
    rmSync(join(directory, built), { recursive: true, force: true });
    if (existsSync(join(root, built))) cpSync(join(root, built), join(directory, built), { recursive: true });
  }
}

/** Runs a command; returns its status and the end of its output. Kills it with its children after RUN_MS_MAX. */
function run(command, args, cwd) {
  return new Promise((resolve) => {
    const child = spawn(command, args, { cwd, stdio: ['ignore', 'pipe', 'pipe'], detached: true });
    let said = '';
    const hear = (text) => {
      said = (said + text).slice(-4000);
    };
    child.stdout.on('data', hear);
    child.stderr.on('data', hear);
    const timer = setTimeout(() => process.kill(-child.pid, 'SIGKILL'), RUN_MS_MAX);
    child.on('close', (status) => {
      clearTimeout(timer);
      resolve({ status, said });
    });
  });
}

const escaped = (text) => text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');

/**
 * Runs the named tests of a file; returns vitest's results: `broken` is the error of a file that does not load, `hung` a run
 * without a report.
 */
async function testsOf(directory, { test, name }) {
  const report = join(directory, `report-${process.pid}.json`);
  rmSync(report, { force: true });
  const reporters = ['--reporter=json', `--outputFile.json=${report}`];
  const { said } = await run(
    process.execPath,
    ['node_modules/vitest/vitest.mjs', 'run', test, '-t', escaped(name), ...reporters],
    directory,
  );
  // A killed run writes no report: with a defence out, that is a failure like any other.
  if (!existsSync(report)) return { hung: true, said };
  const { testResults } = JSON.parse(readFileSync(report, 'utf8'));
  rmSync(report);
  const results = testResults.flatMap(({ assertionResults }) => assertionResults);
  const named = results.filter(({ fullName, status }) => fullName.includes(name) && status !== 'pending');
  const skipped = named.length > 0 && named.every(({ status }) => status === 'skipped' || status === 'todo');
  const broken = results.length === 0 ? testResults.map(({ message }) => message).join('\n') : '';
  return { named, skipped, broken, said };
}

async function build({ build: kind }, directory) {
  if (kind === undefined) return undefined;
  const { status, said } = await run(process.execPath, ['scripts/setup.mjs'], directory);
  return status === 0 ? undefined : said;
}

/** Plays one mutant, from a clean scratch copy and back to it. */
async function play(mutant, directory) {
  const git = (...args) => spawnSync('git', ['apply', ...args, mutant.path], { cwd: directory, encoding: 'utf8' });
  const before = await testsOf(directory, mutant);
  if (before.skipped) return { verdict: 'skipped', why: 'its test is skipped here' };
  if (before.hung || before.broken || before.named.length === 0) {
    return { verdict: 'stale', why: before.broken || `no test of that name: ${mutant.name}` };
  }
  if (before.named.some(({ status }) => status === 'failed')) {
    return { verdict: 'stale', why: `its test fails with the defence in place\n${before.said}` };
  }
  const applied = git();
  if (applied.status !== 0) return { verdict: 'stale', why: applied.stderr };
  try {
    const unbuilt = await build(mutant, directory);
    if (unbuilt) return { verdict: 'stale', why: `does not compile: ${unbuilt}` };
    const after = await testsOf(directory, mutant);
    if (after.hung) return { verdict: 'killed', why: 'its test hung' };
    if (after.broken) return { verdict: 'stale', why: `does not load: ${after.broken}` };
    const failed = after.named.find(({ status }) => status === 'failed');
    if (failed) return { verdict: 'killed', why: (failed.failureMessages[0] ?? '').split('\n')[0] };
    // A process that dies takes its tests' results with it.
    const passed = ({ named }) => named.filter(({ status }) => status === 'passed').length;
    return passed(after) < passed(before)
      ? { verdict: 'killed', why: 'its test ended the process' }
      : { verdict: 'survived', why: mutant.test };
  } finally {
    git('-R');
    if (mutant.build) copyBuild(directory);
  }
}

async function main() {
  const { only, jobs, json } = readOptions();
  const mutants = readMutants(root).filter(({ id }) => id.includes(only));
  if (mutants.length === 0) {
    say(`error: no mutant's name contains ${only}`);
    process.exit(2);
  }
  const scratch = mkdtempSync(join(tmpdir(), 'millrace-mutants-'));
  const verdicts = new Map();
  try {
    const free = Array.from({ length: Math.min(jobs, mutants.length) }, (_, i) => scratchCopy(join(scratch, `${i}`)));
    await eachOf(mutants, free.length, async (mutant) => {
      const directory = free.pop();
      const { verdict, why } = await play(mutant, directory);
      free.push(directory);
      verdicts.set(mutant.id, verdict);
      say(`${verdict.padEnd(9)} ${mutant.id}: ${why.slice(0, verdict === 'killed' ? 160 : 2000)}`);
    });
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
  const named = (verdict) => mutants.map(({ id }) => id).filter((id) => verdicts.get(id) === verdict);
  const [killed, survived, stale, skipped] = ['killed', 'survived', 'stale', 'skipped'].map(named);
  say(
    `${killed.length} of ${mutants.length} killed, ${survived.length} survived, ${stale.length} stale, ${skipped.length} skipped`,
  );
  if (json) {
    const line = {
      mutants: mutants.length,
      killed: killed.length,
      survived,
      stale,
      ...(skipped.length > 0 && { skipped }),
    };
    process.stdout.write(`${JSON.stringify(line)}\n`);
  }
  process.exit(mutantsStatus({ survived, stale, skipped }, process.env));
}

await main();
