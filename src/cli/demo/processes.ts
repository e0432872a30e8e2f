// Processes of the compiled command, and how they are stopped: politely first. None outlives the process that started it.
import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { fileURLToPath } from 'node:url';

/** The compiled command, from src/cli/demo and from dist/cli/demo alike. */
const MAIN = fileURLToPath(new URL('../../../dist/cli/main.js', import.meta.url));
const STOP_LIMIT_MS = 6_000;
/** Of the end of a log, in an error message. */
const TAIL_LINES = 3;
const TAIL_LENGTH = 600;

/** Starts `millrace ARGS`; it writes into a log file, and stops when this process is gone, even by kill -9. */
export function startMillrace(args: readonly string[], logFile: string): ChildProcess {
  const log = openSync(logFile, 'a');
  try {
    // The pipe to its standard input is how it learns that this process is gone.
    return spawn(process.execPath, [MAIN, ...args, '--exit-with-parent'], { stdio: ['pipe', 'ignore', log] });
  } finally {
    closeSync(log);
  }
}

/** Keys of a configuration as flags that override them. */
export function settingFlags(settings: Readonly<Record<string, string | number>>): string[] {
  return Object.entries(settings).flatMap(([key, value]) => ['--set', `${key}=${JSON.stringify(value)}`]);
}

/** SIGTERM, and SIGKILL to one that does not go. */
export function stopProcess(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return Promise.resolve();
  return new Promise((resolve) => {
    const force = setTimeout(() => child.kill('SIGKILL'), STOP_LIMIT_MS);
    child.once('exit', () => {
      clearTimeout(force);
      resolve();
    });
    child.kill('SIGTERM');
  });
}

/** The end of a log, for an error message. */
export function tailOf(logFile: string): string {
  return readFileSync(logFile, 'utf8').trim().split('\n').slice(-TAIL_LINES).join(' | ').slice(-TAIL_LENGTH);
}

/** Free loopback ports: held all at once, so that none is given twice. */
export async function freePorts(count: number): Promise<number[]> {
  const servers = await Promise.all(
    Array.from({ length: count }, () => {
      const server = createServer();
      return new Promise<typeof server>((resolve) => server.listen(0, '127.0.0.1', () => resolve(server)));
    }),
  );
  const ports = servers.map((server) => (server.address() as { port: number }).port);
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}
