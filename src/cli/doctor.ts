// `millrace doctor`: which engines compute on this machine, why others do not, and how fast each is.
import { availableParallelism } from 'node:os';
import { Command } from 'commander';
import { doctorReport, examineEngines, parseBenchOptions } from '../bench/index.js';

const HELP = `
Every engine that can be opened is: it has to compute each operation like the reference, and then a batch of powers against the
clock. For a comparison that is fair between them see millrace bench compare. Ends with status 1 where no engine computes.

Examples:
  millrace doctor --bits 2048
  millrace doctor --json`;

interface RawDoctorOptions {
  readonly bits: string;
  readonly threads?: string;
  readonly json: boolean;
}

export function doctorCommand(): Command {
  return new Command('doctor')
    .description('list every engine: whether it computes here, why not and what to install, and its speed')
    .option('--bits <n>', 'group: 2048, 3072 or 4096 bits', '4096')
    .option('--threads <n>', 'worker threads (default: one a core)')
    .option('--json', 'end with one line of JSON on standard output', false)
    .addHelpText('after', HELP)
    .action(doctor);
}

async function doctor({ bits, threads, json }: RawDoctorOptions): Promise<void> {
  const shape = { bits, threads: threads ?? `${availableParallelism()}`, exponentBits: '256', batch: '1', repeat: '1' };
  const { group, threads: workers } = parseBenchOptions(shape);
  const engines = await examineEngines(group, workers, (line) => void process.stderr.write(`${line}\n`));
  process.stdout.write(json ? `${JSON.stringify({ engines })}\n` : `${doctorReport(group, engines)}\n`);
  if (!engines.some(({ available }) => available)) process.exitCode = 1;
}
