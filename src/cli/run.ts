// `millrace run`: one node in the foreground, until SIGTERM or SIGINT drains it; a second one forces.
import { Command } from 'commander';
import { forbidCoreFiles, loadConfig, openLog, sayCoreFiles, startNode } from '../node/index.js';
import { type ForegroundOptions, runInForeground, withForegroundOptions } from './common/foreground.js';

interface RunOptions extends ForegroundOptions {
  readonly config: string;
}

const HELP = `
An environment variable overrides a key of the configuration (MILLRACE_LOG_LEVEL for log.level), --set overrides both. SIGHUP reads
certificate and membership list again, while rounds go on. SIGTERM and SIGINT drain: the node takes no new rounds, and ends when the
rounds that take messages or mix are over (limits.drain_ms at the latest); a second one stops at once.

Example:
  millrace run --config /etc/millrace/node.toml --set log.level=debug`;

export function runCommand(): Command {
  const command = new Command('run')
    .description('run a node in the foreground')
    .requiredOption('-c, --config <file>', 'configuration file (millrace init writes one)');
  return withForegroundOptions(command).addHelpText('after', HELP).action(run);
}

async function run({ config: file, set, exitWithParent }: RunOptions): Promise<void> {
  const coreFiles = forbidCoreFiles();
  const config = loadConfig(file, set);
  const log = openLog(config);
  sayCoreFiles(log, coreFiles);
  const node = await startNode(config, log);
  await runInForeground({
    ...{ log, exitWithParent },
    stop: node.drain,
    close: node.close,
    reload: node.reload,
  });
}
