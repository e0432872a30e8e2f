// `millrace doctor`: which engines compute on this machine, why others do not, and how fast each is.
import { availableParallelism } from 'node:os';
import { Command } from 'commander';
import { doctorReport, examineEngines } from '../bench/index.js';
import { groupOfBits } from '../math/index.js';
import { groupBits, whole } from './common/arguments.js';

const HELP = `
Opens every available engine: it must compute each operation like the reference, and then a batch of powers for the speed.
For a fair comparison of engines use millrace bench compare. Ends with status 1 if no engine computes.

Examples:
  millrace doctor --bits 2048
  millrace doctor --json`;

interface RawDoctorOptions {
  readonly bits: number;
  readonly threads: number;
  readonly json: boolean;
}

export function doctorCommand(): Command {
  return new Command('doctor')
    .description('list every engine: available here or the reason why not, what to install, and its speed')
    .option('--bits <n>', 'group: 2048, 3072 or 4096 bits', groupBits, 4096)
    .option('--threads <n>', 'worker threads, by default one a core', whole(1, 1024), availableParallelism())
    .option('--json', 'end with one line of JSON on standard output', false)
    .addHelpText('after', HELP)
    .action(doctor);
}

async function doctor({ bits, threads, json }: RawDoctorOptions): Promise<void> {
  const group = groupOfBits(bits);
  const engines = await examineEngines(group, threads, (line) => void process.stderr.write(`${line}\n`));
  process.stdout.write(json ? `${JSON.stringify({ engines })}\n` : `${doctorReport(group, engines)}\n`);
  if (!engines.some(({ available }) => available)) process.exitCode = 1;
}
