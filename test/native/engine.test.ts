// The cpu engine under failures: without the library everything still works, on OpenSSL, with a warning that names what to
// install; a worker that dies is a typed error and the next one computes.
import { spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Worker } from 'node:worker_threads';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { concat } from '../../src/base/bytes.js';
import type { MixError } from '../../src/base/errors.js';
import { pooledEngine, referenceEngine } from '../../src/engine/open.js';
import { bigintToBytes } from '../../src/math/batch.js';
import { namedGroup } from '../../src/math/group.js';
import { randomElements, randomExponents, randomScalar } from '../../src/math/sampling.js';
import { SeededRng } from '../support/seededRng.js';
import { nativePaths } from './support.js';

const root = fileURLToPath(new URL('../..', import.meta.url));
const paths = nativePaths();

describe('a package without the native library', () => {
  let home = '';
  beforeAll(() => {
    // The compiled package without build/: as on a machine without a compiler.
    home = mkdtempSync(join(tmpdir(), 'millrace-bare-'));
    cpSync(join(root, 'dist'), join(home, 'dist'), { recursive: true });
    cpSync(join(root, 'package.json'), join(home, 'package.json'));
    symlinkSync(join(root, 'node_modules'), join(home, 'node_modules'), 'junction');
  });
  afterAll(() => rmSync(home, { recursive: true, force: true }));

  /** Runs a module in that package; returns the value that it passes to `tell`. */
  function run(body: string): unknown {
    const file = join(home, 'program.mjs');
    writeFileSync(
      file,
      `import { openEngine } from './dist/engine/open.js';
      import { createLog } from './dist/base/log.js';
      const tell = (value) => process.stdout.write(JSON.stringify(value));
      ${body}`,
    );
    const { status, stdout, stderr } = spawnSync(process.execPath, [file], { cwd: home, encoding: 'utf8' });
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    return JSON.parse(stdout);
  }

  it('computes on OpenSSL, and warns with what to install', () => {
    const told = run(`
      const lines = [];
      const destination = { write: (line) => void lines.push(JSON.parse(line)) };
      const log = createLog({ name: 'test', level: 'info', format: 'json', destination });
      const engine = await openEngine({ group: 'TEST-512', threads: 1, log });
      const a = engine.allocate(1).fill(0);
      a[0] = 5;
      const product = await engine.mul(a, a);
      await engine.close();
      tell({ engine: engine.name, product: product[0], lines: lines.map(({ level, msg }) => ({ level, msg })) });`);
    expect(told).toMatchObject({ engine: expect.not.stringMatching(/^cpu$/), product: 25 });
    const { lines } = told as { lines: { level: number; msg: string }[] };
    expect(lines).toHaveLength(1);
    expect(lines[0]).toMatchObject({ level: 40, msg: expect.stringContaining('a fallback') });
    expect(lines[0]?.msg).toContain('install a C++ compiler (g++) and run `npm run build`');
  });

  it('refuses the cpu engine by name, with that reason', () => {
    const told = run(`
      await openEngine({ engine: 'cpu', group: 'TEST-512', threads: 1 }).then(
        () => tell('opened'),
        ({ code, message }) => tell({ code, message }),
      );`);
    expect(told).toEqual({
      code: 'ENGINE_UNAVAILABLE',
      message: expect.stringContaining('install a C++ compiler (g++) and run `npm run build`'),
    });
  });
});

describe('the search for a compiler', () => {
  it('finds none if there is none, and builds nothing', async () => {
    const script = new URL('../../scripts/native.mjs', import.meta.url).href;
    const program = `import { findCompiler } from ${JSON.stringify(script)};
      process.stdout.write(String(findCompiler()));`;
    const env = { PATH: join(root, 'nowhere'), CXX: '' };
    const child = spawnSync(process.execPath, ['--input-type=module', '-e', program], { env, encoding: 'utf8' });
    expect(child).toMatchObject({ status: 0, stdout: 'undefined' });
  });
});

describe.each(paths)('a worker of the cpu engine on the %s path', (path) => {
  it('that dies is a typed error, and a new one computes', async () => {
    const group = namedGroup('MODP-2048');
    const rng = new SeededRng('crash');
    const workers: Worker[] = [];
    const note = (worker: Worker) => void workers.push(worker);
    process.on('worker', note);
    const engine = pooledEngine('cpu', path, { group, threads: 1, queueLimit: 8 });
    try {
      const [bases, exponents] = [randomElements(rng, group, 4000), randomExponents(rng, 4000, 32)];
      const [few, fewExponents] = [bases.subarray(0, 256 * 8), exponents.subarray(0, 32 * 8)];
      const truth = await referenceEngine(group).pow(few, fewExponents, { exponentBytes: 32 });
      const levels = (['realtime', 'precompute'] as const).map((priority) => ({ exponentBytes: 32, priority }));
      // One for each level. Both have bound the library: a thread that is terminated during binding takes the process down.
      for (const level of levels) expect(await engine.pow(few, fewExponents, level)).toEqual(truth);
      expect(workers).toHaveLength(2);
      const doomed = levels.map((level) => engine.pow(bases, exponents, level).catch((error: MixError) => error.code));
      for (const worker of [...workers]) await worker.terminate();
      expect(await Promise.all(doomed)).toEqual(['ENGINE_WORKER', 'ENGINE_WORKER']);
      for (const level of levels) expect(await engine.pow(few, fewExponents, level)).toEqual(truth);
      expect(workers).toHaveLength(4);
    } finally {
      process.off('worker', note);
      await engine.close();
    }
  });
});

describe.each(paths)('powers of the generator by exponents of full size (%s)', (path) => {
  const group = namedGroup('MODP-2048');
  const full = { exponentBytes: group.elementBytes };
  const open = () => pooledEngine('cpu', path, { group, threads: 2, queueLimit: 8 });

  it('equal the reference, from a table that is made once, also at the edges', async () => {
    const engine = open();
    const rng = new SeededRng('full size');
    const { g, q, elementBytes } = group;
    const edges = [0n, 1n, 2n, q - 1n, (1n << BigInt(8 * elementBytes)) - 1n];
    const exponents = concat([
      ...edges.map((value) => bigintToBytes(value, elementBytes)),
      ...[1, 2, 3].map(() => randomScalar(rng, group)),
    ]);
    const generator = bigintToBytes(g, elementBytes);
    const expected = await referenceEngine(group).powFixed(generator, exponents, full);
    expect(await engine.powFixed(generator, exponents, full)).toEqual(expected);
    // One at a time, as in proofs, and of another base, which has no such table.
    const last = exponents.subarray(-elementBytes);
    expect(await engine.powFixed(generator, last, full)).toEqual(expected.subarray(-elementBytes));
    const other = randomElements(rng, group, 1);
    const ofOther = await referenceEngine(group).powFixed(other, last, full);
    expect(await engine.powFixed(other, last, full)).toEqual(ofOther);
    await engine.close();
  });

  it('survive the abort of the call that began the table', async () => {
    const engine = open();
    const rng = new SeededRng('given up');
    const generator = bigintToBytes(group.g, group.elementBytes);
    const exponent = randomScalar(rng, group);
    const stop = new AbortController();
    const begun = engine.powFixed(generator, exponent, { ...full, signal: stop.signal });
    const waiting = engine.powFixed(generator, exponent, full);
    stop.abort();
    await expect(begun).rejects.toMatchObject({ code: 'ABORTED' });
    const expected = await referenceEngine(group).powFixed(generator, exponent, full);
    expect(await waiting).toEqual(expected);
    expect(await engine.powFixed(generator, exponent, full)).toEqual(expected);
    await engine.close();
  });
});
