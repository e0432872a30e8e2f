// Signals of a command, from its first line on: before the rest of the program is even loaded, SIGHUP would kill, SIGTERM would be
// ignored by process 1, and SIGUSR1 would open Node.js's debugger, through which another user of the machine reads keys.
import { close, url } from 'node:inspector';

/** What a command does about signals once it can do something. */
interface SignalHandlers {
  /** SIGTERM and SIGINT. */
  readonly stop: (signal: 'SIGTERM' | 'SIGINT') => void;
  /** SIGHUP, where the command reads its files again. */
  readonly reload?: () => void;
}

/** Commands that read their files again at SIGHUP; the others end by it, as programs do whose terminal goes away. */
const RELOADING = ['run', 'scheduler'];
const EXIT_STATUS = { SIGHUP: 129, SIGINT: 130, SIGTERM: 143 } as const;

let current: SignalHandlers | undefined;
let reloadWanted = false;

function onHangUp(): void {
  if (current?.reload) current.reload();
  else if (RELOADING.includes(process.argv[2] ?? '')) reloadWanted = true;
  else process.exit(EXIT_STATUS.SIGHUP);
}

/** Takes all signals; until a command has handlers, those that end a program end it, and a wish to reload is kept. */
export function watchSignals(): void {
  process.on('SIGHUP', onHangUp);
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    process.on(signal, () => (current ? current.stop(signal) : process.exit(EXIT_STATUS[signal])));
  }
  // A listener of our own takes the place of the one that opens the debugger.
  process.on('SIGUSR1', () => {});
  const asked = [...process.execArgv, process.env.NODE_OPTIONS ?? ''].some((option) => option.includes('--inspect'));
  if (!asked && url() !== undefined) close();
}

/** From now on these are called; a reload that was wanted meanwhile is done at once. Returns what gives the signals back. */
export function takeSignals(handlers: SignalHandlers): () => void {
  current = handlers;
  if (reloadWanted) handlers.reload?.();
  reloadWanted = false;
  return () => {
    current = undefined;
  };
}

/** Options for a child that runs this program: where this Node.js has the flag, no moment is left at which SIGUSR1 is its own. */
export const childExecArgv = (): string[] =>
  process.allowedNodeEnvironmentFlags.has('--disable-sigusr1') ? ['--disable-sigusr1'] : [];
