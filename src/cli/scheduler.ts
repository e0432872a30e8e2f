// `millrace scheduler`: a scheduler in the foreground, until SIGTERM or SIGINT; SIGHUP makes it go by its file as it is now.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { Command } from 'commander';
import { asMixError, MixError, toHex } from '../base/index.js';
import { createLog } from '../base/log.js';
import { Dashboard } from '../dashboard/index.js';
import {
  createCodes,
  createKeyFiles,
  forbidCoreFiles,
  keyFilesIn,
  loadSchedulerConfig,
  makePrivateDirectory,
  SCHEDULER_TEMPLATE,
  sayCoreFiles,
  startScheduler,
  writePrivate,
} from '../node/index.js';
import { takeSignals } from './signals.js';

const HELP = `
Nodes follow its numbered, signed updates and report back; it draws teams, keeps a stock of precomputed rounds, and lets them take
messages one after another. It can be killed and started again at any moment.

Examples:
  millrace scheduler --init /etc/millrace-scheduler
  millrace scheduler --config scheduler.toml --set rounds.slots=200
  millrace scheduler --config scheduler.toml --new-codes 8`;

interface SchedulerOptions {
  readonly config?: string;
  readonly init?: string;
  readonly set: readonly string[];
  readonly newCodes?: string;
  readonly exitWithParent: boolean;
}

export function schedulerCommand(): Command {
  return new Command('scheduler')
    .description('run a scheduler in the foreground')
    .option('-c, --config <file>', 'configuration file')
    .option('--init <directory>', 'write a commented scheduler.toml and keys into a new directory')
    .option('--new-codes <n>', 'make registration codes for nodes and print them; the scheduler must not be running')
    .option(
      '--set <key=value>',
      'override a key of the configuration; may be repeated',
      (value, all: string[]) => [...all, value],
      [],
    )
    .option('--exit-with-parent', 'stop when standard input closes', false)
    .addHelpText('after', HELP)
    .action(scheduler);
}

async function scheduler(options: SchedulerOptions): Promise<void> {
  const coreFiles = forbidCoreFiles();
  if (options.init !== undefined) return init(options.init);
  const file = options.config;
  if (file === undefined) throw new MixError('INPUT_INVALID', { option: '--config', why: 'it is missing' });
  const config = loadSchedulerConfig(file, options.set);
  if (options.newCodes !== undefined) {
    const count = Number(options.newCodes);
    if (!Number.isInteger(count) || count < 1 || count > 10_000) {
      throw new MixError('INPUT_INVALID', { option: '--new-codes', got: options.newCodes, expected: '1 to 10000' });
    }
    process.stdout.write(`${(await createCodes(config, count)).join('\n')}\n`);
    return;
  }
  const log = createLog({ name: 'millrace', ...config.log });
  sayCoreFiles(log, coreFiles);
  const running = await startScheduler(config, log, (scheduler) => new Dashboard(scheduler));
  log.info({ page: `http://127.0.0.1:${running.httpPort}/` }, 'live page');
  const reload = () => {
    Promise.resolve()
      .then(() => running.reload(loadSchedulerConfig(file, options.set)))
      .catch((thrown) => {
        const { code, message, remedy } = asMixError(thrown);
        log.error({ code, reason: message, hint: remedy }, 'not read again; everything stays as it was');
      });
  };
  await new Promise<void>((resolve) => {
    let stopping = false;
    const stop = () => {
      if (stopping) process.exit(1);
      stopping = true;
      void running.close().then(resolve);
    };
    takeSignals({ stop, reload });
    if (options.exitWithParent) {
      process.stdin.on('end', stop).on('error', () => {});
      process.stdin.resume();
    }
  });
  process.exit(process.exitCode ?? 0);
}

const CERTIFICATE_DAYS = 365;

async function init(directory: string): Promise<void> {
  const configFile = join(directory, 'scheduler.toml');
  if (existsSync(configFile)) {
    throw new MixError('INPUT_INVALID', { file: configFile, why: 'it exists; init overwrites nothing' });
  }
  makePrivateDirectory(directory);
  const key = await createKeyFiles(keyFilesIn(directory), CERTIFICATE_DAYS);
  writePrivate(configFile, SCHEDULER_TEMPLATE);
  process.stdout.write(
    [
      `wrote ${configFile} and keys`,
      `[scheduler] key of every node: ${toHex(key.publicKey)}`,
      `[scheduler] certificate_file of every node: a copy of ${join(directory, 'certificate.pem')}`,
      '',
    ].join('\n'),
  );
}
