// Workers that die, and engines that are busy, aborted or closed: always a typed error, and never a hanging promise.
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import type { MixError } from '../../src/base/errors.js';
import { makeRequest } from '../../src/engine/checked/request.js';
import type { Engine } from '../../src/engine/engine.js';
import { pooledEngine } from '../../src/engine/open.js';
import { ChunkPlanner } from '../../src/engine/pool/chunkPlanner.js';
import type { Job } from '../../src/engine/pool/job.js';
import handle from '../../src/engine/pool/worker.js';
import { WorkerPool } from '../../src/engine/pool/workers.js';
import { namedGroup } from '../../src/math/group.js';
import { randomElements, randomExponents } from '../../src/math/sampling.js';
import { SeededRng } from '../support/seededRng.js';

const fixture = fileURLToPath(new URL('fixtureWorker.mjs', import.meta.url));
const group = namedGroup('MODP-2048');
const rng = new SeededRng('pool');

const job = (kernel: string): Job => ({ kind: 'work', kernel, group: 'TEST-64', works: [{}] }) as unknown as Job;
const codeOf = (promise: Promise<unknown>): Promise<string> =>
  promise.then(
    () => 'done',
    (error: MixError) => error.code,
  );

describe('the worker pool', () => {
  it.each(['exit', 'throw'])('reports a worker that dies (%s), and starts another one', async (how) => {
    const pool = new WorkerPool(2, { filename: fixture });
    expect(await codeOf(pool.run(job('fine')))).toBe('done');
    expect(await codeOf(pool.run(job(how)))).toBe('ENGINE_WORKER');
    for (let i = 0; i < 8; i++) expect(await codeOf(pool.run(job('fine')))).toBe('done');
    await pool.close();
  });

  it('fails only jobs of a dying worker, and runs later ones', async () => {
    const pool = new WorkerPool(1, { filename: fixture });
    const codes = await Promise.all([codeOf(pool.run(job('exit'))), codeOf(pool.run(job('fine')))]);
    expect(codes[0]).toBe('ENGINE_WORKER');
    expect(['ENGINE_WORKER', 'done']).toContain(codes[1]);
    expect(await codeOf(pool.run(job('fine')))).toBe('done');
    await pool.close();
  });

  it('reports the error of the failed work in a job, and of no other, and keeps the worker', async () => {
    const pool = new WorkerPool(1, { filename: fixture });
    const failures = await pool.run(job('refuse'));
    expect(failures.map((failure) => (failure?.error as MixError | undefined)?.code)).toEqual(['INTERNAL', undefined]);
    expect(await codeOf(pool.run(job('fine')))).toBe('done');
    await pool.close();
  });

  it('answers a job before its worker begins the next one, even if it was given both at once', async () => {
    const small = namedGroup('TEST-512');
    const outs = [0, 1].map(() => new Uint8Array(new SharedArrayBuffer(small.elementBytes)));
    const give = (out: Uint8Array) => {
      const [a, b] = [randomElements(rng, small, 1), randomElements(rng, small, 1)];
      const works = [makeRequest('mul', { a, b }, out)];
      return handle({ kind: 'work', kernel: 'bigint', group: small.name, works });
    };
    const written = () => outs.map((out) => out.some((byte) => byte !== 0));
    // Like piscina: waits for the first, and hands over the second before anything has run.
    const first = give(outs[0]!).then(written);
    const second = give(outs[1]!).then(written);
    expect(await first).toEqual([true, false]);
    expect(await second).toEqual([true, true]);
  });

  it('reports a missing worker file', async () => {
    const pool = new WorkerPool(1, { filename: `${fixture}.missing` });
    for (let i = 0; i < 4; i++) expect(await codeOf(pool.run(job('fine')))).toBe('ENGINE_WORKER');
    await pool.close();
  });

  it('reports to all waiting jobs that workers cannot be started any more', async () => {
    const pool = new WorkerPool(1, { filename: `${fixture}.missing` });
    const codes = await Promise.all([1, 2, 3].map(() => codeOf(pool.run(job('fine')))));
    expect(codes).toEqual(['ENGINE_WORKER', 'ENGINE_WORKER', 'ENGINE_WORKER']);
    await pool.close();
  });
});

describe('a pooled engine', () => {
  const open = (queueLimit: number): Engine => pooledEngine('bigint', 'bigint', { group, threads: 1, queueLimit });
  const powers = (engine: Engine, count: number, signal?: AbortSignal) =>
    engine.pow(randomElements(rng, group, count), randomExponents(rng, count, 32), {
      exponentBytes: 32,
      ...(signal && { signal }),
    });

  it('is busy beyond its queue limit, in each priority separately', async () => {
    const engine = open(1);
    const first = powers(engine, 1);
    expect(await codeOf(powers(engine, 1))).toBe('ENGINE_BUSY');
    const a = randomElements(rng, group, 1);
    await engine.mul(a, a, { priority: 'realtime' });
    await first;
    await powers(engine, 1);
    await engine.close();
  });

  it('aborts a long operation between chunks and continues with its workers', async () => {
    const engine = open(4);
    const abort = new AbortController();
    // Hundreds of chunks of milliseconds each: without a check between them, this test would time out.
    const long = powers(engine, 50_000, abort.signal);
    setImmediate(() => abort.abort());
    expect(await codeOf(long)).toBe('ABORTED');
    expect(await codeOf(powers(engine, 2))).toBe('done');
    await engine.close();
  });

  it('refuses waiting work when it is closed, and lets running work end', async () => {
    const engine = open(4);
    const work = [powers(engine, 1), powers(engine, 50_000), powers(engine, 1)].map(codeOf);
    await new Promise((resolve) => setImmediate(resolve));
    await engine.close();
    expect(await Promise.all(work)).toEqual(['done', 'ENGINE_CLOSED', 'ENGINE_CLOSED']);
  });

  it('returns the memory of a result only when nothing writes to it any more', async () => {
    const engine = open(4);
    const abort = new AbortController();
    const out = engine.allocate(2000);
    const count = 2000;
    const work = engine.pow(randomElements(rng, group, count), randomExponents(rng, count, 32), {
      exponentBytes: 32,
      out,
      signal: abort.signal,
    });
    setImmediate(() => abort.abort());
    expect(await codeOf(work)).toBe('ABORTED');
    out.fill(0);
    // Chunks that ran at the abort have written by the end of this work.
    await powers(engine, 4);
    expect(out.every((byte) => byte === 0)).toBe(true);
    await engine.close();
  });

  it('lets the process exit after close, without a warning of unhandled rejections', () => {
    const index = new URL('../../dist/index.js', import.meta.url).href;
    const program = `
      import { openEngine } from ${JSON.stringify(index)};
      const engine = await openEngine({ engine: 'auto', group: 'TEST-512', threads: 2 });
      const a = engine.allocate(1); a[0] = 3;
      engine.mul(a, a).catch(() => {});
      await engine.close();
      process.stdout.write('closed');`;
    const child = spawnSync(process.execPath, ['--input-type=module', '-e', program], { encoding: 'utf8' });
    expect(child).toMatchObject({ status: 0, stdout: 'closed', stderr: '' });
  });
});

describe('the plan of chunks', () => {
  it.each(['words', 'bigint'] as const)('covers every unit once and in order (%s)', (kernel) => {
    const plan = new ChunkPlanner(kernel, group, 2);
    for (const units of [0, 1, 2, 7, 1000, 12_345]) {
      for (const products of [1, 80, 5000]) {
        const ranges = plan.ranges(units, products);
        expect(ranges.flat().filter((_, i) => i % 2 === 0)).toEqual(
          [0, ...ranges.map(([, to]) => to)].slice(0, ranges.length),
        );
        expect(ranges.at(-1)?.[1] ?? 0).toBe(units);
        expect(ranges.every(([from, to]) => from < to)).toBe(true);
      }
    }
  });

  it('does not split small work, splits large work, and respects the minimal size', () => {
    const plan = new ChunkPlanner('words', namedGroup('MODP-4096'), 4);
    expect(plan.ranges(32, 1)).toHaveLength(1);
    expect(plan.ranges(1000, 1).length).toBeGreaterThanOrEqual(4);
    expect(plan.ranges(1000, 256).length).toBeGreaterThan(100);
    expect(plan.ranges(15, 1000, 8)).toEqual([[0, 15]]);
  });
});
