// README's programs, word for word, as processes of their own: each runs to its end and prints what the README promises.
import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';
import { DemoNetwork } from '../../src/cli/demo/network.js';
import { Client } from '../../src/client/client.js';
import { SAFE_FLOORS } from '../../src/protocol/floors.js';

const root = fileURLToPath(new URL('../..', import.meta.url));
const LIMIT_MS = 120_000;
const directories: string[] = [];
afterAll(() => {
  for (const directory of directories) rmSync(directory, { recursive: true, force: true });
});

/** The program of README that contains these words. */
function programWith(words: string): string {
  const programs = [...readFileSync(join(root, 'README.md'), 'utf8').matchAll(/```ts\n([\s\S]*?)```/g)];
  const found = programs.map(([, text]) => text!).filter((text) => text.includes(words));
  expect(found).toHaveLength(1);
  return found[0]!;
}

/** Runs a program that imports `millrace`; returns its output and exit status. */
async function run(program: string, cwd?: string): Promise<{ status: number | null; out: string; err: string }> {
  const directory = mkdtempSync(join(tmpdir(), 'millrace-readme-'));
  directories.push(directory);
  mkdirSync(join(directory, 'node_modules'));
  symlinkSync(root, join(directory, 'node_modules', 'millrace'));
  const file = join(directory, 'program.mjs');
  writeFileSync(file, program);
  const child = spawn(process.execPath, [file], { cwd: cwd ?? directory, stdio: ['ignore', 'pipe', 'pipe'] });
  const said = { out: '', err: '' };
  child.stdout.on('data', (text) => {
    said.out += text;
  });
  child.stderr.on('data', (text) => {
    said.err += text;
  });
  const status = await new Promise<number | null>((resolve) => child.on('close', resolve));
  return { status, ...said };
}

describe("README's programs", () => {
  it('compute: the engine is awaited, the product is printed, the process ends', { timeout: LIMIT_MS }, async () => {
    expect(await run(programWith('openEngine'))).toEqual({ status: 0, out: '3 ∘ 3 = 9\n', err: '' });
  });

  it('send: a message is delivered by a process that does nothing else', { timeout: LIMIT_MS }, async () => {
    const slots = SAFE_FLOORS.slots;
    const network = new DemoNetwork({
      nodes: SAFE_FLOORS.team,
      engine: 'auto',
      threads: 1,
      groups: ['MODP-3072'],
      floors: SAFE_FLOORS,
      scheduler: {
        'rounds.team_size': SAFE_FLOORS.team,
        'rounds.group': 'MODP-3072',
        'rounds.slots': slots,
        'rounds.chunk_slots': 8,
        'rounds.min_senders': SAFE_FLOORS.senders,
        'rounds.collect_ms': 10_000,
        'pool.stock_min': 1,
        'pool.stock_max': 1,
      },
    });
    try {
      await network.start();
      const { membership } = network.nodes;
      const client = new Client({ network: network.name, membership, roundAuthority: network.roundAuthority });
      const others = Array.from({ length: slots - 1 }, (_, i) => ({
        sender: client.createSender(),
        payload: Buffer.from(`somebody else ${i}`),
      }));
      const sending = client.send(others);
      const { status, out, err } = await run(programWith('new Client'), network.nodes.nodes[0]!.directory);
      expect({ status, out, err }).toEqual({
        status: 0,
        out: expect.stringMatching(/^came out of round \d+\n$/),
        err: '',
      });
      expect((await sending).filter(({ state }) => state === 'mixed')).toHaveLength(slots - 1);
      client.close();
    } finally {
      await network.stop();
    }
  });
});
