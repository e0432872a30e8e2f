// A scheduler's clock against the median of its nodes' clocks, as they say them in their reports: nodes whose clocks lead by a given time
// report over real connections to a scheduler as its process runs it.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { systemClock } from '../../src/base/clock.js';
import type { BootId } from '../../src/base/ids.js';
import { createLog } from '../../src/base/log.js';
import { SchedulerClient } from '../../src/comms/scheduler/client.js';
import { type RunningScheduler, startScheduler } from '../../src/node/schedulerProcess.js';
import { createKeyFiles, keyFilesIn } from '../../src/node/settings/keyFiles.js';
import { membershipEntry } from '../../src/node/settings/membershipFile.js';
import { loadSchedulerConfig, schedulerConfigFile } from '../../src/node/settings/schedulerConfig.js';
import type { HostManager } from '../../src/transport/calling/hosts.js';
import { hostsOf, type Identity, identity, memberOf, NETWORK } from '../comms/support.js';

const LIMIT_MS = 60_000;
const POLL = { timeout: LIMIT_MS / 2, interval: 100 };
const TEAM = 3;

let directory: string;
let running: RunningScheduler;
let nodes: Identity[];
let schedulerKey: Uint8Array;
let lines: string[];
const hosts: HostManager[] = [];

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'millrace-scheduler-'));
  schedulerKey = (await createKeyFiles(keyFilesIn(directory), 2)).publicKey;
  nodes = await Promise.all(Array.from({ length: TEAM }, (_, i) => identity(`timed ${i}`)));
  const entries = nodes.map((node) => membershipEntry(memberOf(node)));
  writeFileSync(join(directory, 'membership.toml'), `generation = 1\n\n${entries.join('\n')}`);
  const file = join(directory, 'scheduler.toml');
  writeFileSync(file, schedulerConfigFile());
  const settings = [
    `network="${NETWORK}"`,
    'listen.nodes="127.0.0.1:0"',
    'listen.http="127.0.0.1:0"',
    `rounds.team_size=${TEAM}`,
  ];
  lines = [];
  const destination = { write: (line: string) => void lines.push(line) };
  running = await startScheduler(
    loadSchedulerConfig(file, settings),
    createLog({ name: 'x', level: 'info', format: 'json', destination }),
  );
});
afterEach(async () => {
  for (const each of hosts.splice(0)) each.close();
  await running.close();
  rmSync(directory, { recursive: true, force: true });
});

/** A node whose clock leads by this time comes online. */
async function report(node: Identity, leadMs: number): Promise<void> {
  const clock = { ...systemClock, wallMs: () => systemClock.wallMs() + leadMs };
  const own = hostsOf(node, {}, { clock });
  hosts.push(own);
  const certificate = readFileSync(keyFilesIn(directory).certificateFile, 'utf8');
  const client = new SchedulerClient({ address: `127.0.0.1:${running.port}`, certificate, key: schedulerKey }, own);
  const bootId = node.node.slice(0, 32) as BootId;
  await client.report({ kind: 'online', bootId, engine: 'x', enginePath: 'x' });
}

const page = (path: string) => fetch(`http://127.0.0.1:${running.httpPort}/${path}`);

async function readiness(): Promise<{ status: number; reasons: string }> {
  const response = await page('readyz');
  const { reasons } = (await response.json()) as { reasons: string[] };
  return { status: response.status, reasons: reasons.join('; ') };
}

async function clockError(): Promise<number> {
  return Number(/^millrace_clock_error_seconds (\S+)$/m.exec(await (await page('metrics')).text())?.[1]);
}

describe("a scheduler's clock", () => {
  it("is compared with the median of its nodes' clocks: the metric, /readyz and the log say its error", {
    timeout: LIMIT_MS,
  }, async () => {
    expect(await clockError()).toBe(0);
    for (const node of nodes) await report(node, 20_000);
    expect(await clockError()).toBeCloseTo(-20, 0);
    const reasons = expect.stringMatching(/^clock: it says .* (19|20) s behind the median of the members$/);
    await expect.poll(readiness, POLL).toEqual({ status: 200, reasons });
    await expect.poll(() => lines.join(''), POLL).toMatch(/behind the median.*something is wrong with this machine/);
    for (const node of nodes) await report(node, 0);
    expect(Math.abs(await clockError())).toBeLessThan(2);
    expect(await readiness()).toEqual({ status: 200, reasons: '' });
    await expect.poll(() => lines.join(''), POLL).toContain('this machine is in order again');
  });

  it('that is minutes wrong makes it not ready; one node alone cannot say so', { timeout: LIMIT_MS }, async () => {
    const [first, second, third] = nodes as [Identity, Identity, Identity];
    await report(first, -1e10);
    await report(second, 0);
    await report(third, 0);
    expect(await readiness()).toEqual({ status: 200, reasons: '' });
    for (const node of nodes) await report(node, -400_000);
    const reasons = expect.stringMatching(/^clock: it says .* 400 s ahead of the median of the members$/);
    expect(await readiness()).toEqual({ status: 503, reasons });
  });
});
