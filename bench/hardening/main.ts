// Measures the cost of the native library's hardening (scripts/lib/compile.mjs): the library is built a second time without it, and the
// time of products and powers with it is divided by the time without, in pairs of one run, each the other way round than the last.
//
//   node --import tsx bench/hardening/main.ts [--bits B] [--repeat N]
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { takeMedian } from '../../src/base/clock.js';
import { randomBytes, systemRng } from '../../src/base/rng.js';
import { describeMachine } from '../../src/bench/machine.js';
import { significant } from '../../src/bench/stats.js';
import { commandLine, groupBits, whole } from '../../src/cli/common/arguments.js';
import { bindLibrary } from '../../src/engine/kernels/native/library.js';
import { toAddress } from '../../src/engine/kernels/openssl/library.js';
import { allocateBatch } from '../../src/math/batch.js';
import { groupOfBits } from '../../src/math/group.js';
import { randomElements } from '../../src/math/sampling.js';

const root = fileURLToPath(new URL('../..', import.meta.url));
const scripts = (await import(join(root, 'scripts/native.mjs'))) as {
  LIBRARY: string;
  findCompiler(): string | undefined;
  buildNative(root: string, compiler: string, library: string, extra: string[]): Promise<string | undefined>;
};
/** Flags that undo the hardening; they come after it. */
const SOFT = ['-fno-stack-protector', '-U_FORTIFY_SOURCE', '-Wl,-z,norelro', '-Wl,-z,lazy'];
const ELEMENTS = 64;
const EXPONENT_BYTES = 32;
/** Calls of one sample: some tens of milliseconds each. */
const MULS = 400;

const { bits, repeat } = commandLine('node --import tsx bench/hardening/main.ts', 'measures the cost of hardening')
  .option('--bits <bits>', 'group: 2048, 3072 or 4096', groupBits, 4_096)
  .option('--repeat <number>', 'pairs of samples', whole(3, 1_000), 21)
  .parse()
  .opts<{ bits: number; repeat: number }>();

const compiler = scripts.findCompiler();
if (!compiler) throw new Error('no C++ compiler');
const directory = mkdtempSync(join(tmpdir(), 'millrace-hardening-'));
process.once('exit', () => rmSync(directory, { recursive: true, force: true }));
const build = async (name: string, extra: string[]) => {
  const file = join(directory, name, 'library.so');
  const failure = await scripts.buildNative(root, compiler, relative(root, file), extra);
  if (failure !== undefined) throw new Error(failure);
  return bindLibrary(file, 'it was not built');
};
const group = groupOfBits(bits);
const a = randomElements(systemRng, group, ELEMENTS);
const b = randomElements(systemRng, group, ELEMENTS);
const exponents = new Uint8Array(new SharedArrayBuffer(ELEMENTS * EXPONENT_BYTES));
exponents.set(randomBytes(systemRng, exponents.length));
const [operand, out] = [allocateBatch(group, ELEMENTS), allocateBatch(group, ELEMENTS)];

/** CPU microseconds of an operation on one path. */
type Sample = (path: string, operation: 'mul' | 'pow') => number;

async function samples(name: string, extra: string[]): Promise<{ devices: readonly string[]; sample: Sample }> {
  const { library, devices, create } = await build(name, extra);
  const handles = new Map(devices.map((path, device) => [path, create(device, group)]));
  const sample: Sample = (path, operation) => {
    const g = handles.get(path)!;
    const [to, x, y, with_] = [out, a, operand, exponents].map(toAddress) as [number, number, number, number];
    library.millrace_prepare(g, y, toAddress(b), ELEMENTS);
    const { user } = process.cpuUsage();
    if (operation === 'mul') for (let i = 0; i < MULS; i++) library.millrace_mul(g, to, x, y, 1, ELEMENTS);
    else library.millrace_pow(g, to, x, with_, EXPONENT_BYTES, ELEMENTS);
    return process.cpuUsage().user - user;
  };
  return { devices, sample };
}

const hard = await samples('hard', []);
const soft = await samples('soft', SOFT);
process.stdout.write(`${JSON.stringify(describeMachine())}\n`);
for (const path of hard.devices) {
  for (const operation of ['mul', 'pow'] as const) {
    const ratios: number[] = [];
    for (let pair = -1; pair < repeat; pair++) {
      const order = pair % 2 === 0 ? [hard, soft] : [soft, hard];
      const took = new Map(order.map((each) => [each, each.sample(path, operation)]));
      // The first pair warms up.
      if (pair >= 0) ratios.push(took.get(hard)! / took.get(soft)!);
    }
    const [least, most] = [Math.min(...ratios), Math.max(...ratios)];
    const said = [takeMedian(ratios), least, most].map((ratio) => significant(ratio));
    process.stdout.write(
      `${path} ${operation}, ${bits} bits: hardened / not: median ${said[0]}, ${said[1]} to ${said[2]}\n`,
    );
  }
}
