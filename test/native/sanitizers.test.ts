// The native library under AddressSanitizer and UndefinedBehaviorSanitizer: check.cpp calls every function on every path, with
// buffers of the exact length required.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { beforeAll, expect, it } from 'vitest';
import { describeWith } from '../support/requires.js';

const root = fileURLToPath(new URL('../..', import.meta.url));
const FLAGS = ['-Og', '-g1', '-fsanitize=address,undefined', '-fno-sanitize-recover=all'];
/** Long enough for a cold build on a busy machine. */
const BUILD_MS = 300_000;

interface NativeScript {
  findCompiler(): string | undefined;
  buildNative(root: string, compiler: string, library: string, extra: readonly string[]): Promise<string | undefined>;
}
const script = new URL('../../scripts/native.mjs', import.meta.url).href;
const { findCompiler, buildNative } = (await import(script)) as NativeScript;

/** The reason why a sanitized build is not possible here; undefined if it is. */
function unavailable(compiler: string | undefined): string | undefined {
  if (!compiler) return 'no C++ compiler';
  const directory = mkdtempSync(join(tmpdir(), 'millrace-sanitizer-'));
  try {
    const [source, program] = [join(directory, 'empty.cpp'), join(directory, 'empty')];
    writeFileSync(source, 'int main() { return 0; }\n');
    const built = spawnSync(compiler, [...FLAGS, source, '-o', program]).status === 0;
    return built && spawnSync(program).status === 0 ? undefined : 'no sanitizer runtime';
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

/** Builds the program; returns its path. */
async function build(compiler: string): Promise<string> {
  const directory = 'build/sanitized';
  const library = `${directory}/libmillrace_cpu.so`;
  expect(await buildNative(root, compiler, library, FLAGS)).toBeUndefined();
  const program = join(root, directory, 'check');
  const sources = [join(root, 'test/native/check.cpp'), join(root, library)];
  const args = ['-std=c++17', '-Wall', '-Wextra', ...FLAGS, ...sources, '-Wl,-rpath,$ORIGIN', '-o', program];
  const built = spawnSync(compiler, args, { encoding: 'utf8' });
  expect(built).toMatchObject({ status: 0, stderr: '' });
  return program;
}

/** Runs the program with the leak check, or without if the machine forbids it. */
function run(program: string, args: readonly string[] = []) {
  const attempt = (leaks: string) => {
    const env = { ...process.env, ASAN_OPTIONS: `detect_leaks=${leaks}`, UBSAN_OPTIONS: 'print_stacktrace=1' };
    return spawnSync(program, args, { encoding: 'utf8', env });
  };
  const first = attempt('1');
  return first.stderr.includes('LeakSanitizer has encountered a fatal error') ? attempt('0') : first;
}

const compiler = findCompiler();
const reason = unavailable(compiler);

describeWith(reason, 'the native library under sanitizers', () => {
  let program = '';
  beforeAll(async () => {
    program = await build(compiler!);
  }, BUILD_MS);

  it(
    'overruns no buffer, has no undefined behaviour, leaks nothing, and computes the same on every path',
    () => {
      const { status, stdout, stderr } = run(program);
      expect({ status, stderr, stdout }).toEqual({ status: 0, stderr: '', stdout: expect.stringMatching(/^ok on \d/) });
    },
    BUILD_MS,
  );

  it('would detect a buffer that is one byte too short', () => {
    const { status, stdout, stderr } = run(program, ['short']);
    expect(status).not.toBe(0);
    expect(stderr).toMatch(/heap-buffer-overflow|insufficient space/);
    expect(stdout).toBe('');
  });
});
