// Signals from a process's first moment on, as service managers and operators send them: real processes of the compiled command.
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { toHex } from '../../src/base/bytes.js';
import { freePorts } from '../../src/cli/demo/processes.js';
import { createKeyFiles, keyFilesIn } from '../../src/node/settings/keyFiles.js';
import { membershipEntry } from '../../src/node/settings/membershipFile.js';
import { nodeConfigFile } from '../../src/node/settings/nodeConfig.js';
import { schedulerConfigFile } from '../../src/node/settings/schedulerConfig.js';
import { identity, memberOf } from '../comms/support.js';
import { describeWith, missingCommand } from '../support/requires.js';

const main = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));
const LIMIT_MS = 60_000;
const directory = mkdtempSync(join(tmpdir(), 'millrace-signals-'));
const children: ChildProcess[] = [];

beforeAll(async () => {
  const files = keyFilesIn(directory);
  const { nodeId, publicKey } = await createKeyFiles(files, 2);
  const certificate = readFileSync(files.certificateFile, 'utf8');
  const own = { ...memberOf(await identity('a')), node: nodeId, identityKey: publicKey, certificate };
  const members = [own, memberOf(await identity('b'))];
  writeFileSync(join(directory, 'membership.toml'), `generation = 1\n\n${members.map(membershipEntry).join('\n')}`);
  writeFileSync(join(directory, 'scheduler.toml'), schedulerConfigFile());
  // The scheduler of this node is away.
  writeFileSync(join(directory, 'scheduler.pem'), certificate);
  const scheduler = { address: '127.0.0.1:1', certificate_file: 'scheduler.pem', key: toHex(publicKey) };
  writeFileSync(join(directory, 'node.toml'), nodeConfigFile({ scheduler }));
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

/** Commands that run until a signal ends them: their files, what they listen on, and their lines in the log. */
const SERVICES = {
  scheduler: {
    file: 'scheduler.toml',
    listens: ['nodes', 'http'],
    settings: [],
    up: 'scheduler is up',
    reread: 'parameters and membership list read again',
  },
  run: {
    file: 'node.toml',
    listens: ['team', 'gateway', 'http'],
    settings: ['engine.name="reference"'],
    up: 'node is up',
    reread: 'certificate and membership list read again',
  },
} as const;
type Service = keyof typeof SERVICES;
const services = Object.entries(SERVICES).map(([service, facts]) => [service as Service, facts] as const);

/** Starts a command, by another program if one is given. */
async function start(service: Service, by: readonly string[] = []): Promise<Started> {
  const { file, listens, settings } = SERVICES[service];
  const ports = await freePorts(listens.length);
  const addresses = listens.map((name, i) => `listen.${name}="127.0.0.1:${ports[i]}"`);
  const flags = ['log.format="json"', ...settings, ...addresses].flatMap((setting) => ['--set', setting]);
  const [program = process.execPath, ...before] = [...by, process.execPath];
  const child = spawn(program, [...before, main, service, '--config', join(directory, file), ...flags], {
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

describe.each(services)('%s', (service, { up, reread }) => {
  it('SIGHUP in the first moment does not kill, and is not lost: files are read again', {
    timeout: LIMIT_MS,
  }, async () => {
    const { child, says } = await start(service);
    await hasHandlers(child.pid!);
    // Before the program is loaded, with its native code.
    expect(readFileSync(`/proc/${child.pid}/maps`, 'utf8')).not.toMatch(/\.node$/m);
    child.kill('SIGHUP');
    await says(up);
    await says(reread);
    child.kill('SIGHUP');
    expect(child.exitCode).toBe(null);
  });

  it('SIGTERM in the first moment ends the process', { timeout: LIMIT_MS }, async () => {
    const { child, ended, said } = await start(service);
    await hasHandlers(child.pid!);
    child.kill('SIGTERM');
    expect(await ended).toEqual({ code: 143, signal: null });
    expect(said()).not.toContain(up);
  });

  it.each(['SIGTERM', 'SIGINT'] as const)(
    '%s ends the process in order when it is up',
    {
      timeout: LIMIT_MS,
    },
    async (signal) => {
      const { child, ended, says } = await start(service);
      await says(up);
      child.kill(signal);
      expect(await ended).toEqual({ code: 0, signal: null });
    },
  );

  it('SIGUSR1 opens no debugger, in the first moment or later', { timeout: LIMIT_MS }, async () => {
    const { child, says, said } = await start(service);
    await hasHandlers(child.pid!);
    child.kill('SIGUSR1');
    await says(up);
    child.kill('SIGUSR1');
    await pause(500);
    expect(said()).not.toMatch(/debugger listening/i);
    const open = await new Promise((resolve) => {
      const socket = connect(9229, '127.0.0.1', () => resolve(true)).on('error', () => resolve(false));
      socket.unref();
    });
    expect(open).toBe(false);
  });

  it('says at its start how many descriptors it may have (RLIMIT_NOFILE), and its shares of them', {
    timeout: LIMIT_MS,
  }, async () => {
    const { says, said } = await start(service, ['sh', '-c', 'ulimit -n 700; exec "$@"', 'sh']);
    await says(up);
    const lines = said().split('\n');
    const line = lines.find((each) => each.includes('limit of descriptors')) ?? '{}';
    const { limit, team } = JSON.parse(line) as { limit?: number; team?: number };
    expect(limit).toBe(700);
    expect(team).toBeGreaterThan(0);
    expect(team).toBeLessThan(700);
  });
});

describeWith(missingCommand('unshare', ['-pf', '--mount-proc', 'true']), 'process 1 of a container', () => {
  it.each(services)(
    'ends by SIGTERM while it starts, and when it is up: %s',
    {
      timeout: LIMIT_MS,
    },
    async (service, { up }) => {
      for (const isUp of [false, true]) {
        const { child, says, ended } = await start(service, ['unshare', '-pf', '--kill-child', '--mount-proc']);
        await expect
          .poll(() => execFileSync('pgrep', ['-P', String(child.pid)], { encoding: 'utf8' }).trim())
          .toMatch(/^\d+$/);
        const inside = Number(execFileSync('pgrep', ['-P', String(child.pid)], { encoding: 'utf8' }).trim());
        await hasHandlers(inside);
        if (isUp) await says(up);
        else await pause(BOOT_MS);
        process.kill(inside, 'SIGTERM');
        expect((await ended).code).toBe(isUp ? 0 : 143);
      }
    },
  );
});
