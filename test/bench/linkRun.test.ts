// `millrace bench link` as a whole, over a short link of its own, if the machine permits: all cases arrive as sent, over the
// windows that they state, and nothing is left behind. Times are checked to be numbers, never to be good.
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, expect, it } from 'vitest';
import { Forwarder } from '../../src/bench/link/forwarder.js';
import type { LinkResult, LinkRun } from '../../src/bench/link/link.js';
import { describeWith } from '../support/requires.js';

const MAIN = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));
const directory = mkdtempSync(join(tmpdir(), 'millrace-link-'));
const out = join(directory, 'link.json');
afterAll(() => rmSync(directory, { recursive: true }));

const SHORT = ['--rtt-ms', '2', '--mbit-per-s', '200', '--payloads', '40', '--collect-ms', '0', '--out', out];
const args = (...more: string[]) => [MAIN, 'bench', 'link', ...SHORT, ...more];

/** The reason why a link cannot be made here; undefined if it can. */
async function reason(): Promise<string | undefined> {
  try {
    await (await Forwarder.open(1500)).close();
    return undefined;
  } catch (error) {
    return (error as Error).message;
  }
}
const why = await reason();

/** All descendants of a process. */
function below(pid: number): number[] {
  const file = `/proc/${pid}/task/${pid}/children`;
  const children = existsSync(file) ? readFileSync(file, 'utf8').split(' ').filter(Boolean).map(Number) : [];
  return children.flatMap((child) => [child, ...below(child)]);
}

const isAlive = (pid: number): boolean =>
  existsSync(`/proc/${pid}/stat`) && !/^\d+ \(.*\) Z/.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));

describeWith(why, 'a run', () => {
  it('ends with one line of JSON, and writes it to a file with machine and command', () => {
    const { status, stdout, stderr } = spawnSync(process.execPath, args('--repeat', '1', '--json'), {
      encoding: 'utf8',
    });
    expect([status, stderr]).toEqual([0, expect.stringContaining('the forwarder carries')]);
    const result = JSON.parse(stdout.trimEnd().split('\n').at(-1)!) as LinkResult;
    expect(result).toMatchObject({ rttMs: 2, mbitPerS: 200, payloads: 40, idealMs: 2.819, bits: 4096, mtu: 1500 });
    expect(Object.keys(result).slice(0, 5)).toEqual(['rttMs', 'mbitPerS', 'payloads', 'idealMs', 'cases']);
    for (const one of result.cases) {
      expect(Object.keys(one).slice(0, 6)).toEqual(['mode', 'windows', 'state', 'congestion', 'ms', 'ratioToIdeal']);
      expect(Object.keys(one.ms)).toEqual(['min', 'median', 'max']);
      // No transfer can be faster than the ideal.
      expect(one.ratioToIdeal).toBeGreaterThanOrEqual(1);
      expect(one.warmings).toBe(one.state === 'warm' ? 1 : 0);
    }
    expect(new Set(result.cases.map(({ congestion }) => congestion))).toContain('reno');
    expect(result.forwarder.otherDrops).toBe(0);
    const run = JSON.parse(readFileSync(out, 'utf8')) as LinkRun;
    expect(run.results).toEqual([result]);
    expect(run.command).toContain('bench link --rtt-ms 2');
    expect(run.machine.cores).toBeGreaterThan(0);
  });

  it.each(['SIGINT', 'SIGKILL'] as const)('leaves no process behind when ended by %s', async (signal) => {
    const child = spawn(process.execPath, args('--repeat', '100'), { stdio: ['ignore', 'ignore', 'pipe'] });
    let said = '';
    child.stderr.on('data', (text) => {
      said += text;
    });
    await expect.poll(() => said).toContain('the forwarder carries');
    const made = below(child.pid!);
    // The forwarder and both ends.
    expect(made.filter(isAlive)).toHaveLength(3);
    child.kill(signal);
    await expect.poll(() => made.filter(isAlive)).toEqual([]);
  });

  it('refuses an unknown kernel setting by name', () => {
    const { status, stderr } = spawnSync(process.execPath, args('--sysctl', 'no_such_setting=1'), { encoding: 'utf8' });
    expect(status).toBe(1);
    expect(stderr).toMatch(/INPUT_INVALID.*no_such_setting/);
  });
});
