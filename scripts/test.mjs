// The command `npm test`, after scripts/setup.mjs has installed and compiled missing parts: lint, types of the tests, tests.
// Stops at the first failure. With arguments it passes them to vitest and runs nothing else: `npm test -- test/comms`,
// `npm test -- -t "windows"`.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const args = process.argv.slice(2);
const say = (text) => process.stderr.write(`millrace: ${text}\n`);

/** Runs a script of node_modules with this Node.js; returns true if it succeeded. */
function succeeds(what, script, options) {
  say(what);
  const command = [join(root, 'node_modules', script), ...options];
  const result = spawnSync(process.execPath, command, { cwd: root, stdio: 'inherit' });
  if (result.error) say(`error: ${result.error.message}`);
  return result.status === 0;
}

function stop(what, remedy) {
  say(`error: ${what} failed`);
  say(`hint: ${remedy}`);
  process.exit(1);
}

/** Counts of the JSON report, undefined if vitest wrote none. */
function countsOf(report) {
  try {
    const { numPassedTests, numFailedTests, numFailedTestSuites } = JSON.parse(readFileSync(report, 'utf8'));
    // A file that does not load has no tests that could fail: it counts as one.
    return { passed: numPassedTests, failed: Math.max(numFailedTests, numFailedTestSuites > 0 ? 1 : 0) };
  } catch {
    return undefined;
  }
}

if (args.length === 0) {
  if (!succeeds('lint (biome check) …', '@biomejs/biome/bin/biome', ['check', '.'])) {
    stop('lint', '`npm run format` corrects most of it');
  }
  if (!succeeds('types of the tests (tsc) …', 'typescript/bin/tsc', ['-p', 'tsconfig.test.json'])) {
    stop('the type check', 'see the lines above');
  }
}

const directory = mkdtempSync(join(tmpdir(), 'millrace-test-'));
const report = join(directory, 'report.json');
const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${report}`];
const passed = succeeds('tests (vitest) …', 'vitest/vitest.mjs', ['run', ...reporters, ...args]);
const counts = countsOf(report);
rmSync(directory, { recursive: true, force: true });
if (counts) process.stdout.write(`${counts.passed} passed, ${counts.failed} failed\n`);
else say('error: vitest wrote no report');
process.exit(passed && counts ? 0 : 1);
