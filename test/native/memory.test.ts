// The memory of a process that computes for long stays flat: 10^4 small batches of every operation through the cpu engine, with
// handles made and released, and large batches between them. In a process of its own, so that only this engine allocates.
import { spawn } from 'node:child_process';
import { expect, it } from 'vitest';
import { describeWith } from '../support/requires.js';
import { nativePaths } from './support.js';

const missing = nativePaths().length > 0 ? undefined : 'the native library is not built';
const BATCHES = 10_000;
/** Noise of garbage collection and the allocator; a leak of 4 KiB a batch exceeds it within half of the batches. */
const NOISE_MIB = 16;

const index = new URL('../../dist/index.js', import.meta.url).href;
const PROGRAM = `
import { randomFillSync } from 'node:crypto';
import { openEngine } from ${JSON.stringify(index)};
const engine = await openEngine({ engine: 'cpu', group: 'MODP-2048', threads: 1 });
const bytes = 256;
const elements = (count) => {
  const out = engine.allocate(count);
  for (let i = 0; i < count; i++) {
    randomFillSync(out, i * bytes, bytes - 1);
    out[i * bytes] |= 1;
  }
  return out;
};
const options = { exponentBytes: 4 };
const exponents = new Uint8Array(64 * 4).fill(3);
async function batch(count) {
  const [a, b, own] = [elements(count), elements(count), exponents.subarray(0, 4 * count)];
  const operand = await engine.prepare(b);
  await engine.mul(a, operand);
  operand.release();
  await engine.mulGather(a, Uint32Array.from({ length: count }, (_, i) => count - 1 - i), b);
  await engine.pow(a, own, options);
  await engine.powShared(a, own.subarray(0, 4), options);
  await engine.product(a);
  await engine.multiExp(a, own, options);
}
const samples = [];
const operations = 7;
for (let done = 0; done < ${BATCHES}; done += operations) {
  await batch(1 + (done % 20));
  if (done % (operations * 20) === 0) {
    const base = await engine.fixedBase(elements(1));
    await engine.powFixed(base, exponents, options);
    base.release();
    await engine.invertBatch(elements(9));
  }
  if (done % (operations * 200) === 0) {
    const large = elements(4000);
    await engine.mul(large, large);
  }
  if (done % (operations * 20) === 0) {
    globalThis.gc();
    samples.push(process.memoryUsage.rss() / 2 ** 20);
  }
}
await engine.close();
process.stdout.write(JSON.stringify(samples));
`;

function run(): Promise<{ code: number | null; stdout: string; stderr: string }> {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, ['--expose-gc', '--input-type=module', '-e', PROGRAM]);
    let [stdout, stderr] = ['', ''];
    child.stdout.on('data', (text) => {
      stdout += text;
    });
    child.stderr.on('data', (text) => {
      stderr += text;
    });
    child.on('close', (code) => resolve({ code, stdout, stderr }));
  });
}

const median = (values: readonly number[]) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)]!;

describeWith(missing, 'memory of the cpu engine', () => {
  it(`is flat over ${BATCHES} batches`, async () => {
    const { code, stdout, stderr } = await run();
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    const samples: number[] = JSON.parse(stdout);
    expect(samples.length).toBeGreaterThan(60);
    // The first quarter is warm-up: compiled code, heaps, tables.
    const quarter = Math.floor(samples.length / 4);
    const [before, after] = [median(samples.slice(quarter, 2 * quarter)), median(samples.slice(-quarter))];
    expect(after - before, `MiB, by sample: ${samples.map(Math.round)}`).toBeLessThan(NOISE_MIB);
  }, 120_000);
});
