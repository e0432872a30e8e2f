// Signals of a command, from its first line on: before the rest of the program is even loaded, SIGHUP would kill, SIGTERM would be
// ignored by process 1, and SIGUSR1 would open Node.js's debugger, through which another user of the machine reads keys. Apart because
// main.ts loads it before everything else.
import { close, url } from 'node:inspector';

/** A command's handlers of signals. */
interface SignalHandlers {
  /** SIGTERM and SIGINT. */
  readonly stop: (signal: 'SIGTERM' | 'SIGINT') => void;
  /** SIGHUP, if the command reads its files again. */
  readonly reload?: () => void;
}

/** Commands that read their files again at SIGHUP; the others end by it, as programs do when their terminal goes away. */
const RELOADING = ['run', 'scheduler'];
const EXIT_STATUS = { SIGHUP: 129, SIGINT: 130, SIGTERM: 143 } as const;

let current: SignalHandlers | undefined;
let reloadWanted = false;

function onHangUp(): void {
  if (current?.reload) current.reload();
  else if (RELOADING.includes(process.argv[2] ?? '')) reloadWanted = true;
  else process.exit(EXIT_STATUS.SIGHUP);
}

/**
 * Takes all signals. Until a command has handlers, signals that end a program end it, and a SIGHUP for a command that reloads is
 * remembered.
 */
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

/** Sets the handlers; a remembered reload is done at once. Returns a function that removes the handlers. */
export function takeSignals(handlers: SignalHandlers): () => void {
  current = handlers;
  if (reloadWanted) handlers.reload?.();
  reloadWanted = false;
  return () => {
    current = undefined;
  };
}

/**
 * Options for a child that runs this program: --disable-sigusr1, if this Node.js has it, so that SIGUSR1 never opens the child's
 * debugger.
 */
export const childExecArgv = (): string[] =>
  process.allowedNodeEnvironmentFlags.has('--disable-sigusr1') ? ['--disable-sigusr1'] : [];
