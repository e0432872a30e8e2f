// The command line as a user sees it: real processes of the compiled program, their output and exit status.
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';

const MAIN = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));
/** Limit of tests with whole networks: longer than all waits of a demo. */
const LIMIT_MS = 180_000;
const directory = mkdtempSync(join(tmpdir(), 'millrace-cli-'));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

function millrace(...args: string[]) {
  const result = spawnSync(process.execPath, [MAIN, ...args], { encoding: 'utf8', timeout: LIMIT_MS, cwd: directory });
  return { status: result.status, out: result.stdout, err: result.stderr };
}

describe('help', () => {
  it('lists every command, and every command has help of its own', () => {
    const { status, out } = millrace('--help');
    expect(status).toBe(0);
    for (const command of ['demo', 'run', 'init', 'keys', 'version']) {
      expect(out).toContain(command);
      const help = millrace(command, '--help');
      expect(help.status).toBe(0);
      expect(help.out).toContain('Usage: millrace');
    }
  });

  it('answers wrong usage with status 2 and a pointer to help', () => {
    const { status, err } = millrace('demo', '--no-such-option');
    expect(status).toBe(2);
    expect(err).toContain('--help');
  });
});

describe('the demo refuses before it starts anything', () => {
  it.each([
    [['--nodes', '1'], '--nodes'],
    [['--batch', '0'], '--batch'],
    [['--bits', '1024'], '--bits'],
    [['--width', '16'], '--width'],
    [['--engine', 'abacus'], '--engine'],
    [['--team-size', '9'], '--team-size'],
    [['--teams', '1'], '--teams'],
    [['--duration', 'soon'], '--duration'],
    [['--duration', '0s'], '--duration'],
    [['--input', 'no-such-file'], '--input'],
  ])('%j', (args, named) => {
    const { status, err } = millrace('demo', ...args);
    expect(status).toBe(2);
    expect(err).toMatch(/^error: (INPUT_INVALID|option)/);
    expect(err).toContain(named);
    expect(err).toMatch(/^hint: |see --help/m);
    expect(err).not.toContain('starting');
  });

  it('a line that no slot can carry, naming its number', () => {
    const file = join(directory, 'long.txt');
    writeFileSync(file, `short\n${'x'.repeat(300)}\n`);
    const { status, err } = millrace('demo', '--bits', '2048', '--input', file);
    expect(status).toBe(1);
    expect(err).toContain('MESSAGE_TOO_LONG');
    expect(err).toContain('line=2');
  });
});

describe('a whole demo at 2048 bits', { timeout: LIMIT_MS }, () => {
  it('mixes the lines of a file, repeated to fill the rounds, and ends with one line of JSON', () => {
    const input = join(directory, 'in.txt');
    const lines = ['the first', '', 'a third one', 'und noch eine: äöü'];
    writeFileSync(input, `${lines.join('\n')}\n`);
    const output = join(directory, 'deep', 'out.txt');
    const options = ['--rounds', '2', '--batch', '6', '--nodes', '3', '--bits', '2048', '--width', '2'];
    const { status, out, err } = millrace('demo', ...options, '--input', input, '--output', output, '--json');
    expect(err).not.toContain('error');
    expect(status).toBe(0);
    const result = JSON.parse(out.trim().split('\n').at(-1)!);
    expect(result).toMatchObject({ ok: true, bits: 2048 });
    expect(result.rounds).toHaveLength(2);
    for (const round of result.rounds) {
      expect(round).toMatchObject({ messagesIn: 6, messagesOut: 6, equal: true });
      const phases = 'generate precompDecrypt precompPermute reveal realtimeDecrypt realtimePermute identify';
      expect(Object.keys(round.phaseMs)).toEqual(phases.split(' '));
    }
    const written = readFileSync(output, 'utf8').split('\n').slice(0, -1);
    const expected = Array.from({ length: 12 }, (_, i) => lines[i % lines.length]!);
    expect([...written].sort()).toEqual([...expected].sort());
  });

  it('mixes for the given duration, with overlapping teams of a larger pool', () => {
    const options = ['--duration', '6s', '--batch', '20', '--nodes', '5', '--team-size', '3', '--teams', '3'];
    const { status, out, err } = millrace('demo', ...options, '--bits', '2048', '--json');
    expect(err).not.toContain('error');
    expect(status).toBe(0);
    expect(err).toMatch(/live page: http:\/\/127\.0\.0\.1:\d+\//);
    // A pipe gets lines: one a round, with its team by numbers.
    expect(err).toMatch(/round {3}1 {2}team [1-5] [1-5] [1-5] {2}precompute .* s {2}realtime .* s {2}20 in, 20 out/);
    const { ok, rounds, undelivered, scheduler } = JSON.parse(out.trim().split('\n').at(-1)!);
    expect({ ok, undelivered }).toEqual({ ok: true, undelivered: 0 });
    expect(rounds.length).toBeGreaterThanOrEqual(1);
    expect(rounds.map(({ round }: { round: number }) => round)).toEqual(rounds.map((_: unknown, i: number) => i + 1));
    expect(new Set(rounds.map(({ id }: { id: number }) => id)).size).toBe(rounds.length);
    expect(scheduler).toMatchObject({ failed: 0 });
  });
});

describe('a demo that is disturbed', { timeout: LIMIT_MS }, () => {
  const options = ['--batch', '10', '--bits', '2048', '--output', join(directory, 'disturbed.txt')];

  /** Starts a demo; calls `until` with its output so far, until that returns true. */
  async function disturbed(args: readonly string[], until: (said: string, demo: ChildProcess) => boolean) {
    const demo = spawn(process.execPath, [MAIN, 'demo', ...options, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
    const said = { out: '', err: '' };
    let done = false;
    demo.stdout.on('data', (part) => {
      said.out += part;
    });
    demo.stderr.on('data', (part) => {
      said.err += part;
      if (!done) done = until(said.err, demo);
    });
    const [status] = await once(demo, 'close');
    return { status, ...said };
  }
  const processesOf = (demo: ChildProcess) =>
    spawnSync('ps', ['-eo', 'pid,ppid,args'], { encoding: 'utf8' })
      .stdout.split('\n')
      .map((line) => line.trim().split(/\s+/))
      .filter(([, parent]) => Number(parent) === demo.pid);

  it('continues without a killed node, reports it, and reports the end of every message', async () => {
    const { out, err } = await disturbed(
      ['--nodes', '4', '--team-size', '3', '--rounds', '4', '--json'],
      (said, demo) => {
        if (!said.includes('round   1')) return false;
        const victim = processesOf(demo).find((words) => words.some((word) => word.endsWith('node-2/node.toml')));
        if (!victim) return false;
        process.kill(Number(victim[0]), 'SIGKILL');
        return true;
      },
    );
    expect(err).toContain('node 2 has ended (SIGKILL)');
    expect(err).not.toContain('error:');
    const { rounds, undelivered } = JSON.parse(out.trim().split('\n').at(-1)!);
    expect(rounds.every(({ equal }: { equal: boolean }) => equal)).toBe(true);
    expect(out).toContain(undelivered === 0 ? 'exactly once' : 'their senders were told');
  });

  it('that stays up ends in order at Ctrl+C, with the status of its rounds, and leaves nothing behind', async () => {
    let children: string[] = [];
    const { status, err } = await disturbed(['--nodes', '2', '--rounds', '1', '--keep'], (said, demo) => {
      if (!said.includes('/node-2\n')) return false;
      children = processesOf(demo).map(([pid]) => pid!);
      demo.kill('SIGINT');
      return true;
    });
    expect(status).toBe(0);
    expect(err).not.toContain('error:');
    expect(children).toHaveLength(3);
    for (const pid of children) expect(() => process.kill(Number(pid), 0)).toThrow('ESRCH');
    const files = /(\S+)\/node-2\n/.exec(err)![1]!;
    expect(existsSync(files)).toBe(false);
  });
});

describe('init and keys', () => {
  it('write a configuration that lacks only the network, and never overwrite', () => {
    const dir = join(directory, 'node');
    expect(millrace('init', '--dir', dir).status).toBe(0);
    for (const file of ['node.toml', 'membership.toml', 'identity.key', 'certificate.pem', 'certificate.key']) {
      expect(existsSync(join(dir, file))).toBe(true);
    }
    expect(statSync(join(dir, 'identity.key')).mode & 0o077).toBe(0);
    const seed = readFileSync(join(dir, 'identity.key'), 'utf8').trim();
    const again = millrace('init', '--dir', dir);
    expect(again.status).toBe(1);
    expect(again.err).toContain('overwrites nothing');
    const shown = millrace('keys', 'show', '--dir', dir, '--address', '192.0.2.1:7411');
    expect(shown.out).toContain('address = "192.0.2.1:7411"');
    expect(shown.out + shown.err).not.toContain(seed);
  });

  it('run names the key of a wrong configuration', () => {
    const dir = join(directory, 'wrong');
    millrace('init', '--dir', dir);
    const config = join(dir, 'node.toml');
    const unknown = millrace('run', '--config', config, '--set', 'log.colour=true');
    expect(unknown.status).toBe(1);
    expect(unknown.err).toContain('log.colour');
    const bad = millrace('run', '--config', config, '--set', 'limits.slots=0');
    expect(bad.err).toContain('limits.slots');
    const missing = millrace('run', '--config', join(dir, 'none.toml'));
    expect(missing.err).toContain('there is no such file');
  });
});
