// Calls of compilers by scripts: in parallel, each failure or warning with the compiler's messages; and compilation once of units
// that several tests link.
import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

/** Runs a compiler; returns its messages. Throws if it failed, or warned without permission. */
export function run(command, args, { mayWarn = false } = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { stdio: ['ignore', 'ignore', 'pipe'] });
    let said = '';
    child.stderr.on('data', (text) => {
      said += text;
    });
    child.on('error', reject);
    child.on('close', (code) =>
      code === 0 && (mayWarn || !/\bwarning\b/.test(said))
        ? resolve(said)
        : reject(new Error(`${command} ${args.join(' ')}: ${said.slice(0, 4000)}`)),
    );
  });
}

/** Directory of compiled objects below the root, by the hash of all inputs. */
const OBJECTS = 'build/objects';
const WAIT_MS = 100;
/** Age after which objects of older sources are removed, at the next compilation. */
const UNUSED_MS_MAX = 7 * 24 * 3_600_000;

/**
 * Compiles a unit to `object`, unless the same unit was compiled before: several tests link the same ones, and two may come at
 * the same time. Its inputs are the compiler, its flags, and the output of its preprocessor, headers included (0.3 s a unit).
 */
export async function compileOnce(root, compiler, args, source, object, options = {}) {
  const directory = join(root, OBJECTS);
  mkdirSync(directory, { recursive: true });
  const kept = join(directory, `${hashOfUnit(compiler, args, source)}.o`);
  while (!existsSync(kept)) {
    if (!takes(`${kept}.lock`)) {
      await sleep(WAIT_MS);
      continue;
    }
    try {
      const fresh = `${kept}.${process.pid}`;
      await run(compiler, [...args, '-c', source, '-o', fresh], options);
      renameSync(fresh, kept);
      removeUnused(directory);
    } finally {
      rmSync(`${kept}.lock`, { force: true });
    }
  }
  const now = new Date();
  utimesSync(kept, now, now);
  copyFileSync(kept, object);
}

function removeUnused(directory) {
  for (const file of readdirSync(directory).map((name) => join(directory, name))) {
    const { mtimeMs } = statSync(file, { throwIfNoEntry: false }) ?? { mtimeMs: Infinity };
    if (Date.now() - mtimeMs > UNUSED_MS_MAX) rmSync(file, { force: true });
  }
}

function hashOfUnit(compiler, args, source) {
  const version = spawnSync(compiler, ['--version'], { encoding: 'utf8' }).stdout;
  const { status, stdout, stderr } = spawnSync(compiler, [...args, '-E', source], { maxBuffer: 1 << 28 });
  if (status !== 0) throw new Error(`${compiler} ${source}: ${String(stderr).slice(0, 4000)}`);
  return createHash('sha256').update(version).update(args.join('\0')).update(stdout).digest('hex').slice(0, 32);
}

/** Takes a lock: a file with the id of the process that holds it. A lock of an ended process is removed. */
function takes(lock) {
  try {
    writeFileSync(lock, String(process.pid), { flag: 'wx' });
    return true;
  } catch (error) {
    if (error.code !== 'EEXIST') throw error;
  }
  if (!isRunning(holderOf(lock))) rmSync(lock, { force: true });
  return false;
}

/** The process that holds a lock; this one if it is unknown because the file is being written. */
function holderOf(lock) {
  try {
    return Number(readFileSync(lock, 'utf8')) || process.pid;
  } catch {
    // The lock was just released: the next attempt takes it.
    return process.pid;
  }
}

function isRunning(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error.code === 'EPERM';
  }
}

/** Runs `work` on every item, `jobs` at a time, in order of the items. */
export async function eachOf(items, jobs, work) {
  const pending = [...items];
  const lane = async () => {
    for (let item = pending.shift(); item !== undefined; item = pending.shift()) await work(item);
  };
  await Promise.all(Array.from({ length: Math.max(1, jobs) }, lane));
}

/** Flags for wide vectors, if this machine's compiler accepts them. */
export function tuned(compiler) {
  const probe = spawnSync(compiler, ['-march=native', '-E', '-x', 'c++', '-'], { input: '', stdio: 'pipe' });
  return probe.status === 0 ? ['-march=native'] : [];
}

/**
 * A fault in native code that processes strangers' bytes must end in an abort and not in a jump: canaries on the stack, checked
 * copies, and tables of addresses that are read-only once they are filled. Compilers of other systems do not accept all of these
 * flags.
 */
const hardened = process.platform === 'linux';
export const HARDENING = hardened ? ['-fstack-protector-strong', '-U_FORTIFY_SOURCE', '-D_FORTIFY_SOURCE=2'] : [];
const LINKER_WORDS = hardened ? ['relro', 'now', 'noexecstack'] : [];
export const LINK_HARDENING = LINKER_WORDS.map((word) => `-Wl,-z,${word}`);
/** The same for nvcc, which passes words to the host's linker one by one. */
export const NVCC_LINK_HARDENING = LINKER_WORDS.flatMap((word) => ['-Xlinker', '-z', '-Xlinker', word]);
