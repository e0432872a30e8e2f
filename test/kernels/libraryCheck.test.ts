// The device library under AddressSanitizer and UndefinedBehaviorSanitizer, on host lanes: libraryCheck.cpp makes memory,
// launches and whole devices fail at every possible place, and computes from many threads at once.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { describeWith } from '../support/requires.js';

interface Scripts {
  findCompiler(): string | undefined;
  buildCudaHost(
    root: string,
    compiler: string,
    options: { library: string; extra: readonly string[] },
  ): Promise<string>;
  SANITIZERS: readonly string[];
}
const root = fileURLToPath(new URL('../..', import.meta.url));
const script = async (name: string) =>
  (await import(new URL(`../../scripts/${name}.mjs`, import.meta.url).href)) as Scripts;
const { findCompiler } = await script('native');
const { buildCudaHost } = await script('cuda');
const { SANITIZERS } = await script('kernels/host');
/** Long enough for a cold build on a busy machine. */
const BUILD_MS = 600_000;
const LIBRARY = 'build/cuda-host-sanitized/libmillrace_cuda_host.so';

const directory = mkdtempSync(join(tmpdir(), 'millrace-library-'));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

/** The reason why a sanitized build is not possible here; undefined if it is. */
function unavailable(compiler: string | undefined): string | undefined {
  if (!compiler) return 'no C++ compiler';
  const [source, program] = [join(directory, 'empty.cpp'), join(directory, 'empty')];
  writeFileSync(source, 'int main() { return 0; }\n');
  const built = spawnSync(compiler, [...SANITIZERS, source, '-o', program]).status === 0;
  return built && spawnSync(program).status === 0 ? undefined : 'no sanitizer runtime';
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

describeWith(reason, 'the device library under failures', () => {
  const program = join(directory, 'check');
  beforeAll(async () => {
    const library = await buildCudaHost(root, compiler!, { library: LIBRARY, extra: SANITIZERS });
    const source = join(root, 'test/kernels/libraryCheck.cpp');
    const flags = ['-std=c++17', '-Wall', '-Wextra', '-pthread', ...SANITIZERS, `-Wl,-rpath,${dirname(library)}`];
    const built = spawnSync(compiler!, [...flags, source, library, '-o', program], { encoding: 'utf8' });
    expect(built).toMatchObject({ status: 0, stderr: '' });
  }, BUILD_MS);

  it(
    'returns a status and a text, leaks nothing, wipes everything, and is right again with the next call',
    () => {
      const { status, stdout, stderr } = run(program);
      expect({ status, stderr, stdout }).toEqual({
        status: 0,
        stderr: '',
        stdout: expect.stringMatching(/^ok with \d{3}/),
      });
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
