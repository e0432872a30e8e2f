// `millrace run`: one node in the foreground, until SIGTERM or SIGINT drains it; a second one forces.
import { Command } from 'commander';
import { asMixError } from '../base/index.js';
import { forbidCoreFiles, loadConfig, logOf, sayCoreFiles, startNode } from '../node/index.js';
import { takeSignals } from './signals.js';

interface RunOptions {
  readonly config: string;
  readonly set: readonly string[];
  readonly exitWithParent: boolean;
}

const HELP = `
Every key of the configuration can be set by an environment variable (MILLRACE_LOG_LEVEL for log.level) and by --set,
which wins over both. SIGHUP reads certificate and membership list again, while rounds go on. SIGTERM and SIGINT drain: no new rounds, and an end
when those are over that take messages or mix (limits.drain_ms at the latest); a second one stops at once.

Example:
  millrace run --config /etc/millrace/node.toml --set log.level=debug`;

export function runCommand(): Command {
  return new Command('run')
    .description('run a node in the foreground')
    .requiredOption('-c, --config <file>', 'configuration file (millrace init writes one)')
    .option(
      '--set <key=value>',
      'override a key of the configuration; may be repeated',
      (value, all: string[]) => [...all, value],
      [],
    )
    .option('--exit-with-parent', 'stop when standard input closes', false)
    .addHelpText('after', HELP)
    .action(run);
}

async function run(options: RunOptions): Promise<void> {
  const coreFiles = forbidCoreFiles();
  const config = loadConfig(options.config, options.set);
  const log = logOf(config);
  sayCoreFiles(log, coreFiles);
  const node = await startNode(config, log);
  await new Promise<void>((resolve) => {
    let stopping = false;
    const stop = (reason: string, end: (reason: string) => Promise<void>) => {
      if (stopping) {
        log.warn({ reason }, 'forced');
        process.exit(1);
      }
      stopping = true;
      void end(reason).then(resolve);
    };
    const reload = () => {
      try {
        node.reload();
      } catch (thrown) {
        const { code, message, remedy } = asMixError(thrown);
        log.error({ code, reason: message, hint: remedy }, 'not read again; everything stays as it was');
      }
    };
    takeSignals({ stop: (signal) => stop(signal, node.drain), reload });
    process.on('uncaughtException', (err) => {
      log.error({ err }, 'uncaught exception: the node stops');
      process.exitCode = 1;
      stop('uncaught exception', node.close);
    });
    if (options.exitWithParent) {
      // An error of the pipe is followed by its end.
      process.stdin.on('end', () => stop('the parent process ended', node.close)).on('error', () => {});
      process.stdin.resume();
    }
  });
  process.exit(process.exitCode ?? 0);
}
