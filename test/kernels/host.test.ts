// The CUDA kernels without a card: their source runs on vectors of lanes, and BigInt gives every expected result. The same under
// AddressSanitizer and UBSan; and lanes broken on purpose must be detected, to show that these tests can fail.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { describeWith } from '../support/requires.js';

interface Job {
  readonly name: string;
  readonly line: string;
  readonly expected: string;
}
type Field = Record<string, unknown>;
interface Cases {
  allJobs(options?: { seed?: number; quick?: boolean }): Job[];
  mulJobs(field: Field, tpi: number, random: unknown, fault?: string): Job[];
  powJobs(field: Field, tpi: number, random: unknown, exponentBytes?: number, fault?: string): Job[];
  fieldOf(bits: number, form: string, p: bigint): Field;
  specialModulus(bits: number): bigint;
  seeded(seed: number): unknown;
}
interface HostKernels {
  readonly SANITIZERS: readonly string[];
  buildHost(root: string, compiler: string, directory: string, extra?: readonly string[]): Promise<string>;
  runHost(program: string, jobs: readonly Job[]): string[];
}

const root = fileURLToPath(new URL('../..', import.meta.url));
const load = async <T>(path: string): Promise<T> =>
  (await import(new URL(`../../scripts/${path}`, import.meta.url).href)) as T;
const { findCompiler } = await load<{ findCompiler(): string | undefined }>('native.mjs');
const cases = await load<Cases>('kernels/cases.mjs');
const { SANITIZERS, buildHost, runHost } = await load<HostKernels>('kernels/host.mjs');
const { namedGroup } = await import('../../src/math/group.js');

const compiler = findCompiler();
const BUILD_MS = 300_000;
const FAULTS = ['shuffleOffByOne', 'droppedCarry', 'deafBallot', 'lostCarryOut', 'stuckLane'];

it('are tested on the primes of the named groups', () => {
  for (const bits of [2048, 3072, 4096]) expect(cases.specialModulus(bits)).toBe(namedGroup(`MODP-${bits}`).p);
});

describeWith(compiler ? undefined : 'no C++ compiler', 'the kernels on host lanes', () => {
  const directory = mkdtempSync(join(tmpdir(), 'millrace-kernels-'));
  let program = '';
  beforeAll(async () => {
    program = await buildHost(root, compiler ?? '', join(directory, 'plain'));
  }, BUILD_MS);
  afterAll(() => rmSync(directory, { recursive: true, force: true }));

  it('compute every operation like BigInt, at every width and number of lanes, for any batch', () => {
    const jobs = cases.allJobs();
    expect(jobs.length).toBeGreaterThan(900);
    expect(runHost(program, jobs)).toEqual([]);
  });

  it('are right for any modulus that ends in 64 one-bits: R − 1, the smallest of a width, runs of ones and of zeros', () => {
    const random = cases.seeded(4);
    const jobs = [2048, 3072, 4096].flatMap((bits) => {
      const [low, high, r] = [(1n << 64n) - 1n, 1n << BigInt(bits - 1), 1n << BigInt(bits)];
      const gap = ((1n << BigInt(bits / 2)) - 1n) << BigInt(bits / 4);
      return [r - 1n, high + low, r - 1n - gap, gap | low, r - 1n - (1n << BigInt(bits - 64))].flatMap((p) =>
        [8, 16, 32].flatMap((tpi) => {
          const field = cases.fieldOf(bits, 'special', p);
          return [...cases.mulJobs(field, tpi, random), ...cases.powJobs(field, tpi, random, 1)];
        }),
      );
    });
    expect(runHost(program, jobs)).toEqual([]);
  });

  it.each(FAULTS)('are detected with a broken lane: %s', (fault) => {
    const field = cases.fieldOf(2048, 'special', cases.specialModulus(2048));
    const jobs = [
      ...cases.mulJobs(field, 16, cases.seeded(3), fault),
      ...cases.powJobs(field, 16, cases.seeded(3), 2, fault),
    ];
    const wrong = runHost(program, jobs);
    expect(wrong.filter((name) => name.includes('error'))).toEqual([]);
    // A ballot is needed for carries through a whole lane, which random numbers almost never have.
    expect(wrong.some((name) => name.startsWith('mul '))).toBe(true);
    expect(wrong.length).toBeGreaterThan(fault === 'deafBallot' ? 0 : jobs.length / 2);
    // The same jobs are right on sound lanes.
    const sound = jobs.map((job) => ({ ...job, line: job.line.replace(fault, 'none') }));
    expect(runHost(program, sound)).toEqual([]);
  });

  it('report an invalid job instead of computing it', () => {
    const [job] = cases.mulJobs(cases.fieldOf(2048, 'special', cases.specialModulus(2048)), 8, cases.seeded(1));
    const odd = [
      ['2048 8', '1024 8'],
      ['2048 8', '2048 12'],
      [' mul ', ' none '],
      ['none mul', 'some mul'],
    ].map(([from, to]) => ({ ...job, line: job?.line.replace(from ?? '', to ?? '') ?? '' }) as Job);
    const wrong = runHost(program, odd);
    expect(wrong).toHaveLength(odd.length);
    for (const name of wrong) expect(name).toContain('error: ');
  });
});

/** Half a minute of a core; a busy machine is no failure. */
const LONG_MS = 300_000;

describeWith(compiler ? undefined : 'no C++ compiler', 'the kernels on host lanes, sanitized', () => {
  const directory = mkdtempSync(join(tmpdir(), 'millrace-kernels-'));
  let program = '';
  beforeAll(async () => {
    program = await buildHost(root, compiler ?? '', directory, SANITIZERS);
  }, BUILD_MS);
  afterAll(() => rmSync(directory, { recursive: true, force: true }));

  it(
    'touch no memory but their own and have no undefined behaviour',
    () => {
      expect(runHost(program, cases.allJobs({ seed: 2, quick: true }))).toEqual([]);
    },
    LONG_MS,
  );
});
