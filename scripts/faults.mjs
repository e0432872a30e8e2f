// `npm run faults [-- --repeat N]`: runs every test of a fault on the wire (test/comms/faults) N times; each run must pass.
// `npm test` runs them once.
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { commandLine, number } from './lib/command.mjs';

const { repeat, only } = commandLine('npm run faults --', 'runs each test of a fault on the wire many times')
  .option('--repeat <number>', 'number of runs of each test', number(1, 999_999), 100)
  .option('--only <text>', 'only tests whose names contain this')
  .parse()
  .opts();

const root = fileURLToPath(new URL('..', import.meta.url));
const vitest = ['node_modules/vitest/vitest.mjs', 'run', 'test/comms/faults', ...(only ? ['-t', only] : [])];
const env = { ...process.env, MILLRACE_REPEAT: String(repeat) };
const { status } = spawnSync(process.execPath, vitest, { cwd: root, stdio: 'inherit', env });
process.exit(status ?? 1);
