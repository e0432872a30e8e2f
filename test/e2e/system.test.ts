// A network on failing machines: disks that are full for a while, logs included, and a clock that is two hours back. Real
// processes, a real file system of a few MiB, and Debian's faketime.
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, rmSync, statfsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, expect, it } from 'vitest';
import { DemoNetwork } from '../../src/cli/demo/network.js';
import { Client } from '../../src/client/client.js';
import { NO_FLOORS } from '../../src/protocol/floors.js';
import { describeWith, missingCommand } from '../support/requires.js';

const LIMIT_MS = 180_000;
const POLL = { timeout: 90_000, interval: 500 };
const TEAM = 3;
const BATCH = 6;
const GROUP = 'MODP-2048';
const LIBRARIES = ['x86_64', 'aarch64'].map((arch) => `/usr/lib/${arch}-linux-gnu/faketime/libfaketime.so.1`);
const faketime = LIBRARIES.find((file) => existsSync(file));

let network: DemoNetwork;
const closers: (() => unknown)[] = [];
afterEach(async () => {
  await network.stopProcesses();
  for (const close of closers.splice(0).reverse()) await close();
  network.nodes.removeFiles();
});

function aNetwork(nodes: number): DemoNetwork {
  return new DemoNetwork({
    nodes,
    engine: 'auto',
    threads: 1,
    groups: [GROUP],
    floors: NO_FLOORS,
    logLevel: 'debug',
    settings: { 'limits.peer_lost_ms': 4_000 },
    scheduler: {
      'floors.slots': 1,
      'floors.senders': 1,
      'floors.group_bits': 2048,
      'rounds.team_size': TEAM,
      'rounds.group': GROUP,
      'rounds.slots': BATCH,
      'rounds.chunk_slots': 2,
      'rounds.min_senders': 2,
      'rounds.quota_per_sender': BATCH,
      'rounds.collect_ms': 4_000,
      'pool.stock_min': 1,
      'pool.stock_max': 2,
      'log.level': 'debug',
    },
  });
}

/** Sends a batch; returns the outcome of each message. */
async function mix(word: string): Promise<string[]> {
  const { membership } = network.nodes;
  const { roundAuthority, name } = network;
  const client = new Client({ network: name, membership, roundAuthority, floors: NO_FLOORS });
  closers.push(() => client.close());
  const senders = [client.createSender(), client.createSender(), client.createSender()];
  const text = (i: number) => Buffer.from(`${word} ${i}`);
  const messages = Array.from({ length: BATCH }, (_, i) => ({ sender: senders[i % 3]!, payload: text(i) }));
  return (await client.send(messages)).map(({ state }) => state);
}

async function readiness(address: string): Promise<{ status: number; reasons: string }> {
  const response = await fetch(`http://${address}/readyz`);
  const { reasons } = (await response.json()) as { reasons: string[] };
  return { status: response.status, reasons: reasons.join('; ') };
}

const everybody = () => [...network.nodes.nodes.map(({ httpAddress }) => httpAddress), new URL(network.page).host];
const processes = () => [...network.nodes.nodes.map(({ process }) => process), network.schedulerProcess!];
const exits = () => processes().flatMap(({ exitCode, signalCode }) => exitCode ?? signalCode ?? []);
const logOf = (index: number) => readFileSync(join(network.nodes.nodes[index]!.directory, 'node.log'), 'utf8');
const mixed = Array(BATCH).fill('mixed');

const noMount = process.getuid?.() === 0 ? missingCommand('mount', ['--version']) : 'not root: nothing can be mounted';

describeWith(noMount, 'a disk that is full, under stores and logs alike', () => {
  it('stops no process: all report it, and continue when there is room', { timeout: LIMIT_MS }, async () => {
    network = aNetwork(TEAM);
    const { directory } = network.nodes;
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=24m,mode=700', 'tmpfs', directory]);
    closers.push(() => execFileSync('umount', ['-l', directory]));
    await network.start();
    expect(await mix('before')).toEqual(mixed);

    const filler = join(directory, 'filler');
    const fill = () => {
      const { bavail, bsize } = statfsSync(directory);
      if (bavail > 0) writeFileSync(filler, new Uint8Array(bavail * bsize), { flag: 'a' });
    };
    const filling = setInterval(fill, 200);
    closers.push(() => clearInterval(filling));
    fill();
    // Nodes and scheduler report it by themselves, with or without a round.
    const full = { status: 503, reasons: expect.stringMatching(/store: .*/) };
    for (const address of everybody()) await expect.poll(() => readiness(address), POLL).toEqual(full);
    // A line at each signal, until the log's last block is full as well.
    const [first] = network.nodes.nodes;
    const dropped = async () => {
      first!.process.kill('SIGHUP');
      const metrics = await (await fetch(`http://${first!.httpAddress}/metrics`)).text();
      return Number(/millrace_log_lines_dropped (\d+)/.exec(metrics)?.[1]);
    };
    await expect.poll(dropped, POLL).toBeGreaterThan(0);
    expect(exits()).toEqual([]);
    clearInterval(filling);
    rmSync(filler);
    for (const address of everybody()) await expect.poll(async () => (await readiness(address)).status, POLL).toBe(200);
    expect(await mix('after')).toEqual(mixed);
    expect(exits()).toEqual([]);
  });
});

describeWith(faketime ? undefined : 'no libfaketime (Debian: faketime)', 'a clock that is two hours back', () => {
  it('is reported by that node and to its peers, asks nobody to renew, and stops no network', {
    timeout: LIMIT_MS,
  }, async () => {
    network = aNetwork(TEAM + 1);
    await network.start();
    expect(await mix('before')).toEqual(mixed);
    const victim = network.nodes.nodes.at(-1)!;
    const ended = new Promise((resolve) => victim.process.once('exit', resolve));
    victim.process.kill('SIGKILL');
    await ended;
    const wrong = { LD_PRELOAD: faketime, FAKETIME: '-2h', FAKETIME_DONT_FAKE_MONOTONIC: '1' };
    Object.assign(process.env, wrong);
    try {
      network.nodes.restart(victim);
    } finally {
      for (const name of Object.keys(wrong)) delete process.env[name];
    }
    const reasons = expect.stringMatching(/clock: it says .*, before the time of the certificates of 3 of 3 members/);
    // It listens a moment after its start.
    await expect
      .poll(() => readiness(victim.httpAddress).catch(() => undefined), POLL)
      .toEqual({ status: 503, reasons });
    await expect.poll(() => logOf(TEAM), POLL).toMatch(/something is wrong with this machine/);
    // A peer that dials it is refused, and gets both clocks; no certificate needs renewal.
    await expect
      .poll(() => [0, 1, 2].map(logOf).join(''), POLL)
      .toMatch(/CERTIFICATE_NOT_YET_VALID.*clockSays=.*ownClockSays/);
    expect([0, 1, 2, TEAM].map(logOf).join('')).not.toContain('CERTIFICATE_EXPIRED');
    expect(await mix('without it')).toEqual(mixed);
  });
});
