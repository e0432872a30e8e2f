// Starts and stops processes of the compiled command, by SIGTERM first. None outlives the process that started it.
import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { fileURLToPath } from 'node:url';
import { MixError } from '../../base/index.js';
import { childExecArgv } from '../common/signals.js';

/** The compiled command, from src/cli/demo and from dist/cli/demo alike. */
const MAIN = fileURLToPath(new URL('../../../dist/cli/main.js', import.meta.url));
const STOP_LIMIT_MS = 6_000;
/** Limits of the end of a log in an error message. */
const TAIL_LINES = 3;
const TAIL_LENGTH = 600;
/** Ports below those that systems take for outgoing connections: 32768 and up on Linux, 49152 elsewhere. */
const FIRST_PORT = 10_000;
const PORTS = 22_000;
/** Ports of one process, before it comes to those of the next. */
const PORT_BLOCK = 100;
let portsTried = 0;

/** Starts `millrace ARGS`; it writes into a log file, and stops when this process is gone, even by kill -9. */
export function startMillrace(args: readonly string[], logFile: string): ChildProcess {
  const log = openSync(logFile, 'a');
  try {
    // By the end of this pipe to its standard input the child learns that this process is gone.
    return spawn(process.execPath, [...childExecArgv(), MAIN, ...args, '--exit-with-parent'], {
      stdio: ['pipe', 'ignore', log],
    });
  } finally {
    closeSync(log);
  }
}

/** Keys of a configuration as flags that override them. */
export function settingFlags(settings: Readonly<Record<string, string | number>>): string[] {
  return Object.entries(settings).flatMap(([key, value]) => ['--set', `${key}=${JSON.stringify(value)}`]);
}

/** Sends SIGTERM, and SIGKILL to a process that does not end in time. */
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
export function readTail(logFile: string): string {
  return readFileSync(logFile, 'utf8').trim().split('\n').slice(-TAIL_LINES).join(' | ').slice(-TAIL_LENGTH);
}

/**
 * Finds loopback ports that nobody listens on, for other processes that bind them a while later. None of them is a port that the system
 * gives to outgoing connections. Each process searches a block of its own, in which hardly any other searches, and gives no port twice.
 * @throws MixError LINK_DOWN if there are too few
 */
export async function freePorts(count: number): Promise<number[]> {
  const ports: number[] = [];
  for (let tries = 0; ports.length < count && tries < PORTS; tries++) {
    const port = FIRST_PORT + ((process.pid * PORT_BLOCK + portsTried++) % PORTS);
    if (await isFree(port)) ports.push(port);
  }
  if (ports.length < count) throw new MixError('LINK_DOWN', { address: '127.0.0.1', reason: 'no port is free' });
  return ports;
}

function isFree(port: number): Promise<boolean> {
  const server = createServer();
  return new Promise((resolve) => {
    server.once('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });
}
