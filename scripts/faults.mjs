// `npm run faults [-- --repeat N]`: every test of a fault on the wire (test/comms/faults), N times each, and each time it must
// hold. `npm test` runs them once.
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const HELP = `Usage: npm run faults -- [--repeat N] [--only TEXT]

  --repeat N    how often each test is run (default 100)
  --only TEXT   only tests whose names contain TEXT`;

const args = process.argv.slice(2);
const value = (flag) => (args.includes(flag) ? args[args.indexOf(flag) + 1] : undefined);
const fail = (message) => {
  process.stderr.write(`error: ${message}\nhint: npm run faults -- --help\n`);
  process.exit(2);
};

if (args.includes('--help')) {
  process.stdout.write(`${HELP}\n`);
  process.exit(0);
}
const known = ['--repeat', '--only'];
for (let i = 0; i < args.length; i += 2) if (!known.includes(args[i])) fail(`unknown option ${args[i]}`);
const repeat = value('--repeat') ?? '100';
if (!/^[1-9]\d{0,5}$/.test(repeat)) fail('--repeat takes a whole number from 1');

const root = fileURLToPath(new URL('..', import.meta.url));
const only = value('--only');
const vitest = ['node_modules/vitest/vitest.mjs', 'run', 'test/comms/faults', ...(only ? ['-t', only] : [])];
const env = { ...process.env, MILLRACE_REPEAT: repeat };
const { status } = spawnSync(process.execPath, vitest, { cwd: root, stdio: 'inherit', env });
process.exit(status ?? 1);
