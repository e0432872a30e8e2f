// Common to the commands that run a node or a scheduler in the foreground: flags that override settings, the ways of ending, and reading
// files again.
import { type Command, Option } from 'commander';
import { asMixError, systemClock } from '../../base/index.js';
import type { Logger } from '../../base/log.js';
import { gathered } from './arguments.js';
import { takeSignals } from './signals.js';

export interface ForegroundOptions {
  /** section.key=value each. */
  readonly set: readonly string[];
  readonly exitWithParent: boolean;
}

/** Adds the options that {@link ForegroundOptions} come from. */
export function withForegroundOptions(command: Command): Command {
  return command
    .addOption(
      new Option('--set <key=value>', 'override a key of the configuration; may be repeated')
        .argParser(gathered)
        .default([], 'none'),
    )
    .option('--exit-with-parent', 'stop when standard input closes', false);
}

/** Longest time of closing after an uncaught exception. */
const CLOSE_MS = 10_000;

interface Foreground {
  readonly log: Logger;
  readonly exitWithParent: boolean;
  /** Ends it in order; called once. `reason`: a signal's name, or another cause. */
  readonly stop: (reason: string) => Promise<void>;
  /** Ends it at once. */
  readonly close: (reason: string) => Promise<void>;
  /** Reads its files again. @throws MixError; everything stays as it was then */
  readonly reload: () => void | Promise<void>;
}

/** Runs until it is told to end: SIGTERM and SIGINT end it in order, a second one at once; SIGHUP makes it read its files again. */
export async function runInForeground({ log, exitWithParent, stop, close, reload }: Foreground): Promise<never> {
  await new Promise<void>((resolve) => {
    let stopping = false;
    const end = (reason: string, how: (reason: string) => Promise<void>) => {
      if (stopping) {
        log.warn({ reason }, 'forced');
        process.exit(1);
      }
      stopping = true;
      void how(reason).then(resolve);
    };
    takeSignals({
      stop: (signal) => end(signal, stop),
      reload: () => {
        Promise.resolve()
          .then(reload)
          .catch((thrown) => {
            const { code, message, remedy } = asMixError(thrown);
            log.error({ code, reason: message, hint: remedy }, 'reload refused: nothing has changed');
          });
      },
    });
    process.on('uncaughtException', (err) => {
      log.error({ err }, 'uncaught exception: stopping');
      process.exitCode = 1;
      // Closing may wait for the very part that is broken, so bound it.
      systemClock.after(CLOSE_MS, () => process.exit(1));
      end('uncaught exception', close);
    });
    if (exitWithParent) {
      // An error of the pipe is followed by its end.
      process.stdin.on('end', () => end('the parent process ended', close)).on('error', () => {});
      process.stdin.resume();
    }
  });
  process.exit(process.exitCode ?? 0);
}
