// Signals from a process's first moment on, as service managers and operators send them: real processes of the compiled command.
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { freePorts } from '../../src/cli/demo/processes.js';
import { createKeyFiles, keyFilesIn } from '../../src/node/settings/keyFiles.js';
import { membershipEntry } from '../../src/node/settings/membershipFile.js';
import { schedulerConfigFile } from '../../src/node/settings/schedulerConfig.js';
import { identity, memberOf } from '../comms/support.js';
import { describeWith, missingCommand } from '../support/requires.js';

const main = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));
const LIMIT_MS = 60_000;
const directory = mkdtempSync(join(tmpdir(), 'millrace-signals-'));
const children: ChildProcess[] = [];
let config: string;

beforeAll(async () => {
  await createKeyFiles(keyFilesIn(directory), 2);
  const members = [memberOf(await identity('a')), memberOf(await identity('b'))];
  writeFileSync(join(directory, 'membership.toml'), `generation = 1\n\n${members.map(membershipEntry).join('\n')}`);
  config = join(directory, 'scheduler.toml');
  writeFileSync(config, schedulerConfigFile());
});
afterEach(() => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
});
afterAll(() => rmSync(directory, { recursive: true, force: true }));

interface Started {
  readonly child: ChildProcess;
  readonly said: () => string;
  readonly ended: Promise<{ code: number | null; signal: NodeJS.Signals | null }>;
  /** Resolves when the process has printed this. */
  says(words: string): Promise<void>;
}

async function scheduler(command: readonly string[] = []): Promise<Started> {
  const [nodes, http] = await freePorts(2);
  const flags = [
    '--set',
    `listen.nodes="127.0.0.1:${nodes}"`,
    '--set',
    `listen.http="127.0.0.1:${http}"`,
    '--set',
    'log.format="json"',
  ];
  const [program = process.execPath, ...before] = [...command, process.execPath];
  const child = spawn(program, [...before, main, 'scheduler', '--config', config, ...flags], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  children.push(child);
  let text = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream!.on('data', (part) => {
      text += part;
    });
  }
  const ended = new Promise<{ code: number | null; signal: NodeJS.Signals | null }>((resolve) =>
    child.once('exit', (code, signal) => resolve({ code, signal })),
  );
  const says = (words: string) =>
    expect.poll(() => text, { timeout: LIMIT_MS }).toContain(words) as unknown as Promise<void>;
  return { child, said: () => text, ended, says };
}

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

/** Time that Node.js itself takes before it runs a program's first line, during which no program can handle signals. */
const BOOT_MS = 60;

/** Waits until the program's first line has run: `/proc` shows its handlers as caught signals. */
async function hasHandlers(pid: number): Promise<void> {
  await expect
    .poll(
      () => {
        try {
          const caught = /SigCgt:\s*([0-9a-f]+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? '0';
          return Number(BigInt(`0x${caught}`) & 1n);
        } catch {
          return 0;
        }
      },
      { interval: 1, timeout: LIMIT_MS },
    )
    .toBe(1);
}

it('SIGHUP in the first moment does not kill, and is not lost: files are read again', {
  timeout: LIMIT_MS,
}, async () => {
  const { child, says } = await scheduler();
  await hasHandlers(child.pid!);
  // Before the program is loaded, with its native code.
  expect(readFileSync(`/proc/${child.pid}/maps`, 'utf8')).not.toMatch(/\.node$/m);
  child.kill('SIGHUP');
  await says('scheduler is up');
  await says('parameters and membership list read again');
  child.kill('SIGHUP');
  expect(child.exitCode).toBe(null);
});

it('SIGTERM in the first moment ends the process', { timeout: LIMIT_MS }, async () => {
  const { child, ended, said } = await scheduler();
  await hasHandlers(child.pid!);
  child.kill('SIGTERM');
  expect(await ended).toEqual({ code: 143, signal: null });
  expect(said()).not.toContain('scheduler is up');
});

it('SIGUSR1 opens no debugger, in the first moment or later', { timeout: LIMIT_MS }, async () => {
  const { child, says, said } = await scheduler();
  await hasHandlers(child.pid!);
  child.kill('SIGUSR1');
  await says('scheduler is up');
  child.kill('SIGUSR1');
  await pause(500);
  expect(said()).not.toMatch(/debugger listening/i);
  const open = await new Promise((resolve) => {
    const socket = connect(9229, '127.0.0.1', () => resolve(true)).on('error', () => resolve(false));
    socket.unref();
  });
  expect(open).toBe(false);
});

describeWith(missingCommand('unshare', ['-pf', '--mount-proc', 'true']), 'process 1 of a container', () => {
  it('ends by SIGTERM while it starts, and when it is up', { timeout: LIMIT_MS }, async () => {
    for (const isUp of [false, true]) {
      const { child, says, ended } = await scheduler(['unshare', '-pf', '--kill-child', '--mount-proc']);
      await expect
        .poll(() => execFileSync('pgrep', ['-P', String(child.pid)], { encoding: 'utf8' }).trim())
        .toMatch(/^\d+$/);
      const inside = Number(execFileSync('pgrep', ['-P', String(child.pid)], { encoding: 'utf8' }).trim());
      await hasHandlers(inside);
      if (isUp) await says('scheduler is up');
      else await pause(BOOT_MS);
      process.kill(inside, 'SIGTERM');
      expect((await ended).code).toBe(isUp ? 0 : 143);
    }
  });
});
