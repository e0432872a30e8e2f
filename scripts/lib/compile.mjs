// How scripts call a compiler: side by side, each failing or warning one with what it said.
import { spawn, spawnSync } from 'node:child_process';

/** Runs a compiler; what it said. Throws where it failed, or warned and must not. */
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

/** `work` on every item, `jobs` at a time, in order of the items. */
export async function eachOf(items, jobs, work) {
  const pending = [...items];
  const lane = async () => {
    for (let item = pending.shift(); item !== undefined; item = pending.shift()) await work(item);
  };
  await Promise.all(Array.from({ length: Math.max(1, jobs) }, lane));
}

/** Wide vectors where this machine's compiler can say so. */
export function tuned(compiler) {
  const probe = spawnSync(compiler, ['-march=native', '-E', '-x', 'c++', '-'], { input: '', stdio: 'pipe' });
  return probe.status === 0 ? ['-march=native'] : [];
}

/**
 * A fault in native code that handles strangers' bytes is to end in an abort and not in a jump: canaries on the stack, checked copies,
 * and tables of addresses that nobody can write once they are filled. Other systems' compilers do not take all of these words.
 */
const hardened = process.platform === 'linux';
export const HARDENING = hardened ? ['-fstack-protector-strong', '-U_FORTIFY_SOURCE', '-D_FORTIFY_SOURCE=2'] : [];
const LINKER_WORDS = hardened ? ['relro', 'now', 'noexecstack'] : [];
export const LINK_HARDENING = LINKER_WORDS.map((word) => `-Wl,-z,${word}`);
/** The same for nvcc, which hands words to the host's linker one by one. */
export const NVCC_LINK_HARDENING = LINKER_WORDS.flatMap((word) => ['-Xlinker', '-z', '-Xlinker', word]);
