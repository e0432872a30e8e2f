// First step of `npm start` and `npm test`: installs the dependencies if the lockfile changed since the last install, and
// compiles if a source changed since the last build. Plain Node.js, because nothing is installed yet when it runs. Options:
// --force compiles even if nothing changed.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { buildNative, findCompiler } from './native.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const force = process.argv.includes('--force');
/** Directory of a build before it is put in place. */
const FRESH = 'dist.new-';
const say = (text) => process.stderr.write(`millrace: ${text}\n`);

function requireNode() {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  if (major > 20 || (major === 20 && minor >= 19)) return;
  say(`error: Node.js ${process.versions.node} is too old`);
  say('hint: install Node.js 20.19 or newer');
  process.exit(1);
}

function filesUnder(directory) {
  const entries = readdirSync(join(root, directory), { withFileTypes: true });
  return entries.flatMap((entry) => {
    const path = join(directory, entry.name);
    return entry.isDirectory() ? filesUnder(path) : [path];
  });
}

function hashOf(paths) {
  const hash = createHash('sha256');
  for (const path of [...paths].sort())
    hash
      .update(relative('.', path))
      .update('\0')
      .update(readFileSync(join(root, path)));
  return hash.update(process.version.split('.')[0]).digest('hex');
}

/** Runs `work` unless `stampFile` records that it was done for the same inputs. */
function whenStale(stampFile, stamp, what, work, always = false) {
  const path = join(root, stampFile);
  if (!always && existsSync(path) && readFileSync(path, 'utf8') === stamp) return;
  say(what);
  const startedMs = Date.now();
  rmSync(path, { force: true });
  work();
  mkdirSync(join(path, '..'), { recursive: true });
  writeFileSync(path, stamp);
  say(`done in ${((Date.now() - startedMs) / 1000).toFixed(1)} s`);
}

/** Removes the remains of interrupted or failed builds. */
function clean() {
  for (const entry of readdirSync(root)) {
    if (entry.startsWith(FRESH)) rmSync(join(root, entry), { recursive: true, force: true });
  }
}

function run(command, args) {
  // Standard output belongs to the command that follows (its --json line): all output here goes to standard error.
  const result = spawnSync(command, args, { cwd: root, stdio: ['ignore', 2, 2], shell: process.platform === 'win32' });
  if (result.status === 0) return;
  clean();
  say(`error: \`${command} ${args.join(' ')}\` failed${result.error ? `: ${result.error.message}` : ''}`);
  process.exit(1);
}

requireNode();
whenStale('node_modules/.millrace-stamp', hashOf(['package-lock.json']), 'installing dependencies (npm ci) …', () =>
  // No install script of any dependency is needed, so none is allowed to run.
  run('npm', ['ci', '--include=dev', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error']),
);
whenStale(
  'dist/.millrace-stamp',
  hashOf([...filesUnder('src'), 'tsconfig.json', 'package-lock.json']),
  'compiling TypeScript …',
  () => {
    // Compiled to another directory and then renamed, so that a failing or interrupted build keeps the last good one.
    const fresh = `${FRESH}${process.pid}`;
    run(process.execPath, [join(root, 'node_modules/typescript/bin/tsc'), '-p', 'tsconfig.json', '--outDir', fresh]);
    rmSync(join(root, 'dist'), { recursive: true, force: true });
    renameSync(join(root, fresh), join(root, 'dist'));
  },
  force,
);

/** Builds the native library, which is optional: without a compiler, or if it does not compile, other engines compute. */
async function native() {
  const stampFile = join(root, 'build/native/.stamp');
  const compiler = findCompiler();
  if (!compiler) {
    say(
      'no C++ compiler: the cpu engine is not built, the openssl engine is used (install g++ for about 7 times the speed)',
    );
    return;
  }
  const inputs = [...filesUnder('native'), ...filesUnder('kernels'), 'scripts/native.mjs', 'scripts/lib/compile.mjs'];
  const stamp = `${compiler} ${hashOf(inputs)}`;
  if (!force && existsSync(stampFile) && readFileSync(stampFile, 'utf8') === stamp) return;
  say(`compiling the native library (${compiler}) …`);
  const startedMs = Date.now();
  const error = await buildNative(root, compiler);
  mkdirSync(join(stampFile, '..'), { recursive: true });
  // Also after a failure: the same sources and compiler would only fail again.
  writeFileSync(stampFile, stamp);
  if (error) say(`the native library does not compile here, other engines are used: ${error}`);
  else say(`done in ${((Date.now() - startedMs) / 1000).toFixed(1)} s`);
}

await native();
