// `millrace bench`: the cost of the arithmetic on this machine, of one engine by itself or of all beside other libraries. Progress goes
// to standard error; standard output is the table, or with --json one object a line.
import { mkdirSync, renameSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { Command, InvalidArgumentError } from 'commander';
import { MixError } from '../base/index.js';
import {
  benchEngine,
  benchGpu,
  benchLink,
  benchOptions,
  benchPrecompute,
  type Compliance,
  cardState,
  compare,
  comparisonReport,
  cpuSlug,
  defaultThreads,
  drawPlot,
  engineReport,
  gpuReport,
  gpuShape,
  type LinkOptions,
  type LinkWindows,
  linkPlot,
  linkReport,
  PAYLOADS,
  PAYLOADS_MAX,
  precomputeReport,
  type RawBenchOptions,
  type RawGpuOptions,
  readCheck,
  runLinkEnd,
  WINDOWS,
} from '../bench/index.js';
import { ENGINE_NAMES, OPERATIONS } from '../engine/index.js';
import { decimal, groupBits, listOf, oneOf, whole } from './common/arguments.js';

interface Output {
  readonly json: boolean;
}

const say = (line: string): void => void process.stderr.write(`${line}\n`);
const print = (text: string): void => void process.stdout.write(`${text}\n`);

const ENGINE_HELP = `
Measures microseconds an operation, through the engine's public interface, after a warm-up: the least, the median and the
greatest of all repeats. mul and mulGather have one operand prepared; mul, mulGather, invertBatch and product are measured
with four batches waiting while one is computed.

Examples:
  millrace bench engine --engine cpu --op pow --exponent-bits 256
  millrace bench engine --json`;

const COMPARE_HELP = `
Every contestant takes one sample a round, in turn. gpujs and tfjs take part if their packages are installed, GMP if libgmp and a
C compiler are. The result, with the machine and the commit, is written to bench/results/ or to --out.

Example:
  millrace bench compare --repeat 11 --plot docs/performance.svg`;

const GPU_HELP = `
Measures every operation at every width and batch through the cuda engine, from the host's memory to the host's memory, with the
cpu engine beside it; measurements for which the time is too short are left out and named. \`npm run gpu\` runs it together with
rates of instructions and times on the card itself (--check), the compliance suite (--compliance), limits and targets. The result
is written to bench/results/CARD.json or to --out. Status 1 if anything failed.

Example:
  millrace bench gpu --minutes 5 --quick`;

const LINK_HELP = `
Measures the time of a batch to a node's team listener until it is acknowledged, over a link between two network namespaces: a TUN
device each and a small forwarder in C that delays, serialises and queues packets. stream is a node's own Transfer, unary one
call with the whole batch; wide are this project's windows, default those of grpc-js; cold is the first batch on a new
connection, warm one after a node's warm-ups while it collects messages. Needs Linux, root, a C compiler and /dev/net/tun;
status 2 if one of them is missing. The link is removed at the end. The result, with the machine and the commit, is written to
bench/results/ or to --out.

Examples:
  millrace bench link --rtt-ms 90 --mbit-per-s 1000 --payloads 1000
  millrace bench link --payloads 1000 --sysctl tcp_slow_start_after_idle=0 --plot link.svg`;

const BATCH_MAX = 65_536;
const THREADS_MAX = 1024;
const ENGINES = ['auto', ...ENGINE_NAMES] as const;
const threads = whole(1, THREADS_MAX);
const batch = whole(1, BATCH_MAX);

/** Parses PASSED,FAILED: numbers of a suite's tests. */
function compliance(text: string): Compliance {
  const [, passed, failed] = /^(\d{1,6}),(\d{1,6})$/.exec(text) ?? [];
  if (passed === undefined || failed === undefined) throw new InvalidArgumentError('Expected PASSED,FAILED.');
  return { passed: Number(passed), failed: Number(failed) };
}

/** Parses NAME=VALUE, a kernel setting below net.ipv4; may be repeated. */
function sysctl(text: string, before: Readonly<Record<string, string>> = {}): Record<string, string> {
  const [, name, value] = /^([a-z][a-z0-9_]*)=([a-z0-9 ]+)$/.exec(text) ?? [];
  if (!name || !value) throw new InvalidArgumentError('Expected NAME=VALUE, NAME below net.ipv4.');
  return { ...before, [name]: value };
}

function shaped(command: Command, repeat: number): Command {
  return command
    .option('--bits <n>', 'group: 2048, 3072 or 4096 bits', groupBits, 4096)
    .option('--exponent-bits <n>', 'bits of an exponent, whole bytes', whole(1, 8192), 256)
    .option('--batch <n>', 'elements of a batch', batch, 1000)
    .option('--threads <n>', 'worker threads of an engine', threads, 1)
    .option('--repeat <n>', 'measurements of an operation', whole(1, 10_000), repeat)
    .option('--json', 'end with JSON, one object a line, on standard output', false);
}

export function benchCommand(): Command {
  const bench = new Command('bench').description('measure the arithmetic on this machine');
  shaped(bench.command('engine').description('measure the cost of the operations of one engine'), 7)
    .option('--engine <name>', ENGINES.join(', '), oneOf(ENGINES), 'auto')
    .option('--op <name>', `${OPERATIONS.join(', ')} (default: all)`, oneOf(OPERATIONS))
    .addHelpText('after', ENGINE_HELP)
    .action(engine);
  shaped(bench.command('compare').description('measure engines and other libraries side by side in one run'), 9)
    .option('--out <file>', 'file for the JSON (default: bench/results/DATE-CPU.json)')
    .option('--plot <file>', 'write the plot, an SVG, there')
    .addHelpText('after', COMPARE_HELP)
    .action(compareAll);
  shaped(bench.command('precompute').description("measure the CPU time of one node's precomputation of a batch"), 5)
    .option('--engine <name>', ENGINES.join(', '), oneOf(ENGINES), 'auto')
    .action(precompute);
  bench
    .command('gpu')
    .description('measure a card through the cuda engine, beside its limits and the CPU')
    .option('--minutes <m>', 'limit of the whole time', decimal(0.001, 600), 4)
    .option('--quick', 'fewer batches and repeats', false)
    .option('--widths <list>', 'bits, the most important first (default: 4096,3072,2048)', listOf(groupBits))
    .option('--batches <list>', 'elements of a batch, from small to large (default: 32 to 65536)', listOf(batch))
    .option('--slots <n>', 'slots of the precomputation', batch, 1000)
    .option('--threads <n>', 'worker threads of the CPU beside the card (default: one a core)', threads)
    .option('--library <file>', 'the CUDA library (default: the one of `npm run build:cuda`)')
    .option('--check <file>', 'output of kernels/dev/check --json')
    .option('--compliance <passed,failed>', 'result of the compliance suite', compliance)
    .option('--command <text>', 'command to name in the result (default: this one)')
    .option('--out <file>', 'file for the JSON (default: bench/results/CARD.json)')
    .option('--json', 'end with the result as one line of JSON on standard output', false)
    .addHelpText('after', GPU_HELP)
    .action(gpu);
  bench
    .command('link')
    .description('measure a batch over a link of a chosen round trip and bandwidth, beside the ideal')
    .option('--rtt-ms <ms>', 'round trip of the link', decimal(0, 2_000), 90)
    .option('--mbit-per-s <n>', 'bandwidth of the link', decimal(0.1, 100_000), 1000)
    .option(
      '--payloads <list>',
      `payloads of a batch (default: ${PAYLOADS.join(',')}, each by itself)`,
      listOf(whole(1, PAYLOADS_MAX)),
    )
    .option('--windows <which>', 'wide or default (default: both)', oneOf(WINDOWS))
    .option('--bits <n>', 'bits of a payload: 2048, 3072 or 4096', groupBits, 4096)
    .option('--repeat <n>', 'batches of each case; one if a batch takes over a second', whole(1, 1_000), 3)
    .option('--mtu <bytes>', 'largest packet of the link', whole(576, 65_535), 1500)
    .option('--collect-ms <ms>', 'time of collecting messages before a warm batch', whole(0, 60_000), 1000)
    .option('--idle-ms <ms>', 'idle time of the connection after that', whole(0, 60_000), 0)
    .option('--sysctl <name=value>', 'a kernel setting of both ends, below net.ipv4 (may be repeated)', sysctl)
    .option('--out <file>', 'file for the JSON (default: bench/results/DATE-link-CPU.json)')
    .option('--plot <file>', 'write the plot, an SVG, there')
    .option('--json', 'end with JSON, one object a batch size, on standard output', false)
    .addHelpText('after', LINK_HELP)
    .action(link);
  bench.command('link-end <role>', { hidden: true }).action(linkEnd);
  return bench;
}

interface RawLinkOptions extends Omit<LinkOptions, 'payloads' | 'windows' | 'sysctls'>, Output {
  readonly payloads?: readonly number[];
  readonly windows?: LinkWindows;
  readonly sysctl?: Readonly<Record<string, string>>;
  readonly out?: string;
  readonly plot?: string;
}

async function link({ payloads = PAYLOADS, windows, sysctl: sysctls = {}, ...raw }: RawLinkOptions): Promise<void> {
  const { rttMs, mbitPerS, bits, repeat, mtu, collectMs, idleMs } = raw;
  const wanted = windows === undefined ? WINDOWS : [windows];
  const options = { rttMs, mbitPerS, payloads, windows: wanted, bits, repeat, mtu, collectMs, idleMs, sysctls };
  const command = ['millrace', ...process.argv.slice(2)].join(' ');
  const run = await benchLink(options, command, say).catch((thrown) => {
    // The machine lacks what the measurement needs; the measured code has not failed.
    if (thrown instanceof MixError && thrown.code === 'BENCH_UNAVAILABLE') process.exitCode = 2;
    throw thrown;
  });
  const { date, machine } = run;
  const out = raw.out ?? `bench/results/${date.slice(0, 10)}-link-${cpuSlug(machine.cpu)}.json`;
  write('--out', out, `${JSON.stringify(run, null, 2)}\n`);
  if (raw.plot !== undefined) write('--plot', raw.plot, linkPlot(run));
  print(raw.json ? run.results.map((result) => JSON.stringify(result)).join('\n') : linkReport(run));
}

/** A process at one end of the link; ends with the command that started it. */
async function linkEnd(role: string): Promise<void> {
  await runLinkEnd(role === 'server' ? 'server' : 'client');
  process.exit();
}

interface GpuFiles {
  readonly command?: string;
  readonly library?: string;
  readonly check?: string;
  readonly compliance?: Compliance;
  readonly out?: string;
}

async function gpu(raw: RawGpuOptions & Output & GpuFiles): Promise<void> {
  const { library, check, out } = raw;
  const shape = gpuShape(raw);
  const options = {
    ...shape,
    threads: shape.threads ?? defaultThreads(),
    ...(library !== undefined && { library }),
    ...(check !== undefined && { check: readCheck(check) }),
    compliance: raw.compliance ?? null,
    command: raw.command ?? ['millrace', ...process.argv.slice(2)].join(' '),
    state: cardState(),
  };
  const result = await benchGpu(options, say);
  write('--out', out ?? `bench/results/${cpuSlug(result.card.name)}.json`, `${JSON.stringify(result, null, 2)}\n`);
  print(raw.json ? JSON.stringify(result) : gpuReport(result));
  if (result.faults.length > 0) process.exitCode = 1;
}

async function engine(raw: RawBenchOptions & Output): Promise<void> {
  const options = benchOptions(raw);
  const figures = await benchEngine(options, (figure) => raw.json && print(JSON.stringify(figure)));
  if (!raw.json) print(engineReport(figures));
}

async function precompute(raw: RawBenchOptions & Output): Promise<void> {
  const cost = await benchPrecompute(benchOptions(raw));
  print(raw.json ? JSON.stringify(cost) : precomputeReport(cost));
}

async function compareAll(
  raw: RawBenchOptions & Output & { readonly out?: string; readonly plot?: string },
): Promise<void> {
  const options = benchOptions(raw);
  const command = ['millrace', ...process.argv.slice(2)].join(' ');
  const comparison = await compare(options, command, say);
  const { date, machine } = comparison;
  const out = raw.out ?? `bench/results/${date.slice(0, 10)}-${cpuSlug(machine.cpu)}.json`;
  write('--out', out, `${JSON.stringify(comparison, null, 2)}\n`);
  if (raw.plot !== undefined) write('--plot', raw.plot, drawPlot(comparison));
  print(raw.json ? JSON.stringify(comparison) : comparisonReport(comparison));
}

function write(option: string, file: string, text: string): void {
  try {
    mkdirSync(dirname(file), { recursive: true });
    // Writes beside the file first: a full disk leaves the last good one.
    writeFileSync(`${file}.new`, text);
    renameSync(`${file}.new`, file);
  } catch (cause) {
    throw new MixError('INPUT_INVALID', { option, file, why: (cause as Error).message }, { cause });
  }
  say(`written: ${file}`);
}
