// Processes that hold keys protect their memory: no core file, no debugger and no /proc/PID/environ for other programs of the
// same user. Real processes of the compiled command.
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { createLog } from '../../src/base/log.js';
import { freePorts } from '../../src/cli/demo/processes.js';
import { forbidCoreFiles, sayCoreFiles } from '../../src/node/process/undumpable.js';
import { createKeyFiles, keyFilesIn } from '../../src/node/settings/keyFiles.js';
import { schedulerConfigFile } from '../../src/node/settings/schedulerConfig.js';
import { Nodes } from '../support/nodes.js';
import { describeWith, missingCommand } from '../support/requires.js';

const main = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));
const LIMIT_MS = 60_000;
/** Root reads everything by its capabilities: both sides drop them, to act like ordinary users. */
const LIKE_A_USER = process.getuid?.() === 0 ? ['setpriv', '--bounding-set=-all'] : [];
const missing =
  process.platform !== 'linux'
    ? `not known how to on ${process.platform}`
    : missingCommand(LIKE_A_USER[0] ?? 'true', [...LIKE_A_USER.slice(1), 'true']);

const nodes = new Nodes();
const children: ChildProcess[] = [];

beforeAll(async () => {
  await nodes.create(2);
  await createKeyFiles(keyFilesIn(nodes.directory), 2);
  writeFileSync(join(nodes.directory, 'scheduler.toml'), schedulerConfigFile());
});
afterEach(() => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
});
afterAll(() => nodes.close());

/** Starts a process that other programs of the user could read by default; resolves when it prints `words`. */
async function start(words: string, ...args: readonly string[]): Promise<number> {
  const [program = process.execPath, ...rest] = [...LIKE_A_USER, process.execPath, ...args];
  const child = spawn(program, rest, { stdio: ['ignore', 'pipe', 'pipe'] });
  children.push(child);
  let said = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (part) => (said += part));
  await expect.poll(() => said, { timeout: LIMIT_MS }).toContain(words);
  return child.pid!;
}

const coreLimit = (pid: number) =>
  /^Max core file size\s+(\S+)\s+(\S+)/m.exec(readFileSync(`/proc/${pid}/limits`, 'utf8'))!.slice(1);

/** True if a program without privileges can read files that Linux restricts to those who may attach a debugger. */
function isReadable(pid: number): boolean {
  const [program = 'cat', ...rest] = [...LIKE_A_USER, 'cat', `/proc/${pid}/environ`];
  return spawnSync(program, rest, { stdio: 'ignore' }).status === 0;
}

const SAID = 'memory stays within this process';

describeWith(missing, 'the memory of a process that holds keys', () => {
  it('is open to programs of its user without protection: the test detects that', {
    timeout: LIMIT_MS,
  }, async () => {
    const pid = await start('up', '-e', 'console.log("up"); setTimeout(() => {}, 1e6)');
    expect(isReadable(pid)).toBe(true);
  });

  it.each(['node', 'scheduler'])(
    'of a %s gets into no core file, and no other program can read it',
    { timeout: LIMIT_MS },
    async (kind) => {
      const [port, http] = await freePorts(2);
      const args =
        kind === 'node'
          ? ['run', '--config', join(nodes.at(0), 'node.toml')]
          : ['scheduler', '--config', join(nodes.directory, 'scheduler.toml')];
      const listen = ['--set', `listen.nodes="127.0.0.1:${port}"`, '--set', `listen.http="127.0.0.1:${http}"`];
      const pid = await start(SAID, main, ...args, ...(kind === 'node' ? [] : listen));
      expect(coreLimit(pid)).toEqual(['0', '0']);
      expect(isReadable(pid)).toBe(false);
    },
  );
});

it('on a platform without known protection, the log says so and nothing fails', () => {
  const lines: string[] = [];
  const log = createLog({ name: 'test', level: 'info', destination: { write: (line) => void lines.push(line) } });
  sayCoreFiles(log, forbidCoreFiles('darwin'));
  expect(JSON.parse(lines[0]!)).toMatchObject({ level: 40, why: expect.stringContaining('darwin') });
});
