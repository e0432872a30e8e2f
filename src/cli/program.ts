// The commands of `millrace`, and the output of their errors: two lines, what happened and what to do about it, with status 1; wrong use
// ends with status 2. Apart from main.ts, which loads it when signals have their handlers.
import { readFileSync } from 'node:fs';
import type { Command } from 'commander';
import { asMixError, keepingAlive } from '../base/index.js';
import { benchCommand } from './bench.js';
import { commandLine } from './common/arguments.js';
import { demoCommand } from './demo/command.js';
import { doctorCommand } from './doctor.js';
import { initCommand } from './init.js';
import { keysCommand } from './keys.js';
import { runCommand } from './run.js';
import { schedulerCommand } from './scheduler.js';
import { statusCommand } from './status.js';

const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
  version: string;
};

const program = commandLine(
  'millrace',
  'A cMix mix node: a team of nodes shuffles a batch of messages so that nobody can link an input to an output.',
)
  .version(version, '-V, --version', 'print the version')
  .configureHelp({ showGlobalOptions: false });

program.addCommand(demoCommand());
program.addCommand(runCommand());
program.addCommand(schedulerCommand());
program.addCommand(statusCommand());
program.addCommand(initCommand());
program.addCommand(keysCommand());
program.addCommand(doctorCommand());
program.addCommand(benchCommand());
program
  .command('version')
  .description('print the version of millrace and of Node.js')
  .action(() => void process.stdout.write(`millrace ${version} (Node.js ${process.versions.node})\n`));

// Commands that are added whole do not inherit the handling of errors.
function inherit(command: Command): void {
  for (const child of command.commands) {
    child.copyInheritedSettings(command);
    inherit(child);
  }
}
inherit(program);

keepingAlive(() => program.parseAsync()).catch((thrown) => {
  const error = asMixError(thrown);
  process.stderr.write(`error: ${error.message}\nhint: ${error.remedy}\n`);
  if (error.code === 'INTERNAL' && thrown instanceof Error) process.stderr.write(`${thrown.stack}\n`);
  // A signal has set its own status already.
  process.exit(process.exitCode ?? ('option' in error.values ? 2 : 1));
});
