// Key erasure, checked from outside: the search of everything that a core file of a process would hold, after a completed round,
// an aborted round, and the end of a key epoch. While a round is open its secrets are in memory, which shows that the search
// finds what is there.
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { afterAll, expect, it } from 'vitest';
import { nativePaths } from '../native/support.js';
import { describeWith, requireAll } from '../support/requires.js';
import { type Canary, canariesOf, findAll, memoryOf, type Noted, revealed } from './coreSearch.js';

const program = fileURLToPath(new URL('coreProgram.ts', import.meta.url));
const directory = mkdtempSync(join(tmpdir(), 'millrace-core-'));
const children: ChildProcess[] = [];
afterAll(() => {
  for (const child of children) child.kill('SIGKILL');
  rmSync(directory, { recursive: true, force: true });
});

interface Run {
  /** The memory of the process at each stop. */
  readonly memory: ReadonlyMap<string, Buffer>;
  readonly noted: readonly Noted[];
}

async function run(engine: string): Promise<Run> {
  const file = join(directory, engine);
  const child = spawn(process.execPath, ['--expose-gc', '--import', 'tsx', program, engine, file], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  children.push(child);
  const memory = new Map<string, Buffer>();
  for await (const at of createInterface({ input: child.stdout })) {
    memory.set(at, memoryOf(child.pid!));
    child.stdin.write('\n');
  }
  const lines = readFileSync(file, 'utf8').trim().split('\n');
  return { memory, noted: lines.map((line): Noted => JSON.parse(line)) };
}

const shown = (found: Iterable<Canary>) =>
  [...new Set([...found].map(({ phase, what, form }) => `${phase}: ${what}, as ${form}`))].toSorted();

/**
 * Canaries of the secrets, without what a node sends to others: node 1's Enc(r) is the first batch of its ring, and D_i and the
 * nonce of a completed round were opened.
 */
function secretsOf(noted: readonly Noted[]): Canary[] {
  const canaries = noted
    .filter(({ phase, what }) => phase !== 'sent' && !(phase === 'completed' && what.endsWith('.makeShares')))
    .flatMap(canariesOf);
  const sent = Buffer.concat(noted.filter(({ phase }) => phase === 'sent').map(revealed));
  const told = findAll(sent, canaries);
  return canaries.filter((canary) => !told.has(canary));
}

/** The fastest engine available; all of them if everything is required. */
const engines = ['cpu', 'openssl'].filter((engine) => engine !== 'cpu' || nativePaths().length > 0);

describeWith(process.platform === 'linux' ? undefined : 'no /proc', 'a core file of a process', () => {
  it.each(requireAll ? engines : engines.slice(0, 1))(
    'holds the secrets of a round while it is open, and no secret of any round afterwards, on engine %s',
    { timeout: 120_000 },
    async (engine) => {
      const { memory, noted } = await run(engine);
      expect([...memory.keys()]).toEqual(['live', 'over']);
      // The garbage collector may have copied such bytes, and only the last copy is wiped.
      expect(noted.filter(({ phase }) => phase === 'moved').map(({ what }) => what)).toEqual([]);
      const secrets = secretsOf(noted);
      // r, s, y, y′, π, z, k, Enc, prepared forms of three nodes in each of two rounds, and the keys of the epoch.
      const count = (phase: Noted['phase']) => noted.filter((one) => one.phase === phase).length;
      expect([count('completed') > 100, count('live') > 60, count('aborted') > 10, count('epoch') > 50]).toEqual(
        Array(4).fill(true),
      );
      const open = shown(findAll(memory.get('live')!, secrets));
      for (const what of ['Precompute.generate', 'permutation', 'Precompute.makeShares']) {
        expect(open).toContainEqual(expect.stringMatching(`^(live|aborted): .*${what}`));
      }
      expect(open).toContainEqual(expect.stringMatching('^epoch: SenderSecret'));
      expect(open.filter((line) => line.startsWith('completed'))).toEqual([]);
      expect(shown(findAll(memory.get('over')!, secrets))).toEqual([]);
    },
  );
});
