// `millrace scheduler`: a scheduler in the foreground, until SIGTERM or SIGINT; SIGHUP makes it read its file again.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { Command } from 'commander';
import { MixError, toHex } from '../base/index.js';
import { createLog } from '../base/log.js';
import { Dashboard } from '../dashboard/index.js';
import {
  createCodes,
  createKeyFiles,
  forbidCoreFiles,
  keyFilesIn,
  loadSchedulerConfig,
  makePrivateDirectory,
  sayCoreFiles,
  schedulerConfigFile,
  startScheduler,
  writePrivate,
} from '../node/index.js';
import { whole } from './common/arguments.js';
import { type ForegroundOptions, runInForeground, withForegroundOptions } from './common/foreground.js';

const HELP = `
A scheduler draws teams, keeps a stock of precomputed rounds, and lets them take messages one after another; nodes follow its
numbered, signed updates and report back. It can be killed and started again at any moment. An environment variable overrides a key of
the configuration (MILLRACE_SCHEDULER_LOG_LEVEL for log.level), --set overrides both. SIGHUP reads parameters and membership list
again.

Examples:
  millrace scheduler --init /etc/millrace-scheduler
  millrace scheduler --config scheduler.toml --set rounds.slots=200
  millrace scheduler --config scheduler.toml --new-codes 8`;

interface SchedulerOptions extends ForegroundOptions {
  readonly config?: string;
  readonly init?: string;
  readonly newCodes?: number;
}

const CODES_MAX = 10_000;

export function schedulerCommand(): Command {
  const command = new Command('scheduler')
    .description('run a scheduler in the foreground')
    .option('-c, --config <file>', 'configuration file')
    .option('--init <directory>', 'write a commented scheduler.toml and keys into a new directory')
    .option(
      '--new-codes <n>',
      'make registration codes for nodes and print them; the scheduler must not be running',
      whole(1, CODES_MAX),
    );
  return withForegroundOptions(command).addHelpText('after', HELP).action(scheduler);
}

async function scheduler(options: SchedulerOptions): Promise<void> {
  const coreFiles = forbidCoreFiles();
  if (options.init !== undefined) return init(options.init);
  const file = options.config;
  if (file === undefined) throw new MixError('INPUT_INVALID', { option: '--config', why: 'it is missing' });
  const config = loadSchedulerConfig(file, options.set);
  if (options.newCodes !== undefined) {
    process.stdout.write(`${(await createCodes(config, options.newCodes)).join('\n')}\n`);
    return;
  }
  const log = createLog({ name: 'millrace', ...config.log });
  sayCoreFiles(log, coreFiles);
  const running = await startScheduler(config, log, (scheduler) => new Dashboard(scheduler));
  log.info({ page: `http://127.0.0.1:${running.httpPort}/` }, 'live page');
  await runInForeground({
    ...{ log, exitWithParent: options.exitWithParent },
    stop: running.close,
    close: running.close,
    reload: () => running.reload(loadSchedulerConfig(file, options.set)),
  });
}

const CERTIFICATE_DAYS = 365;

async function init(directory: string): Promise<void> {
  const configFile = join(directory, 'scheduler.toml');
  if (existsSync(configFile)) {
    throw new MixError('INPUT_INVALID', { file: configFile, why: 'it exists; init overwrites nothing' });
  }
  makePrivateDirectory(directory);
  const key = await createKeyFiles(keyFilesIn(directory), CERTIFICATE_DAYS);
  writePrivate(configFile, schedulerConfigFile());
  process.stdout.write(
    [
      `wrote ${configFile} and keys`,
      `[scheduler] key of every node: ${toHex(key.publicKey)}`,
      `[scheduler] certificate_file of every node: a copy of ${join(directory, 'certificate.pem')}`,
      '',
    ].join('\n'),
  );
}
