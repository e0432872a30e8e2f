// The cuda engine on the CUDA library's host lanes: the library, the calls and the engine are those that run on a card, only the
// lanes are vectors of the CPU. The compliance suite; lifetime of resident operands and tables; a card that fails, gives wrong
// results or is lost in the middle of work; and the choice between card and CPU.
import { copyFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import koffi from 'koffi';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { createLog } from '../../src/base/log.js';
import { crossing, findCrossing } from '../../src/engine/cuda/crossover.js';
import { probeCards } from '../../src/engine/cuda/library.js';
import type { Engine } from '../../src/engine/engine.js';
import { bindLibrary } from '../../src/engine/kernels/native/library.js';
import { readExponents } from '../../src/engine/kernels/reference.js';
import { cudaEngine, degradedBy, selectEngine } from '../../src/engine/open.js';
import { operations } from '../../src/engine/operations.js';
import { toBatch, toBigints } from '../../src/math/batch.js';
import { namedGroup } from '../../src/math/group.js';
import { randomElements, randomExponents } from '../../src/math/sampling.js';
import { engineCompliance } from '../engine.compliance.js';
import { root } from '../kernels/librarySupport.js';
import { describeWith } from '../support/requires.js';
import { SeededRng } from '../support/seededRng.js';
import { VirtualClock } from '../support/virtualClock.js';

interface Scripts {
  findCompiler(): string | undefined;
  buildCudaHost(root: string, compiler: string): Promise<string>;
}
const script = async (name: string) =>
  (await import(new URL(`../../scripts/${name}.mjs`, import.meta.url).href)) as Scripts;
const { findCompiler } = await script('native');
const { buildCudaHost } = await script('cuda');
const compiler = findCompiler();
const missing = compiler ? undefined : 'no C++ compiler';
const BUILD_MS = 300_000;

const group = namedGroup('MODP-2048');
const settings = { threads: 2, queueLimit: 64 };
/** All work goes to the cards. */
const always = { products: 1, powers: 1 };
const rng = new SeededRng('cuda');

let library = '';
beforeAll(async () => {
  if (compiler) library = await buildCudaHost(root, compiler);
}, BUILD_MS);

describeWith(missing, 'the cuda engine on host lanes', () => {
  engineCompliance(
    'cuda',
    (inGroup) => cudaEngine({ ...settings, group: inGroup, library, crossover: always, checkRate: 0.25 }),
    ['MODP-2048'],
  );
});

describeWith(missing, 'cards behind the cuda engine', () => {
  const engines: Engine[] = [];
  const lines: { level: number; msg: string; device?: string }[] = [];
  const sick: string[] = [];
  let fault: (kind: string | null, after: number) => number;
  let count: (what: string) => number;

  let directory = '';
  /** A copy of the library for each test: a lost card stays lost while its library is loaded. */
  let own = '';
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'millrace-cuda-'));
    own = join(directory, 'libmillrace_cuda_host.so');
    copyFileSync(library, own);
    const loaded = koffi.load(own);
    fault = loaded.func('int32_t millrace_host_fault(const char *, uint32_t)');
    const counted = loaded.func('uint64_t millrace_host_count(const char *)') as (what: string) => number | bigint;
    count = (what) => Number(counted(what));
  });
  afterEach(async () => {
    for (const engine of engines.splice(0)) await engine.close();
    rmSync(directory, { recursive: true, force: true });
    lines.length = 0;
    sick.length = 0;
  });

  async function open(options: Partial<Parameters<typeof cudaEngine>[0]> = {}): Promise<Engine> {
    const destination = { write: (line: string) => void lines.push(JSON.parse(line)) };
    const log = createLog({ name: 'test', level: 'info', format: 'json', destination });
    const onSick = (device: string) => void sick.push(device);
    const rest = { ...settings, group, library: own, crossover: always, checkRate: 0, log, onSick };
    const engine = await cudaEngine({ ...rest, ...options });
    engines.push(engine);
    return engine;
  }
  const operands = (units: number) => [randomElements(rng, group, units), randomElements(rng, group, units)] as const;
  const truth = (a: Uint8Array, b: Uint8Array) =>
    operations.mul.reference(group, { a: toBigints(group, a), b: toBigints(group, b) });
  const product = async (engine: Engine, a: Uint8Array, b: Uint8Array) => toBigints(group, await engine.mul(a, b));

  it('names its cards, and the CPU engine beside them', async () => {
    const engine = await open();
    const { devices } = bindLibrary(own, 'gone');
    expect(devices.length).toBeGreaterThan(1);
    for (const device of devices) expect(engine.path).toContain(device);
    expect(probeCards(group, own)).toEqual({ devices, reason: '' });
  });

  it('keeps operands and tables while their handles live, then wipes and frees them', async () => {
    const engine = await open();
    const [a, b] = operands(5);
    const keep = async () => ({
      operand: await engine.prepare(b),
      base: await engine.fixedBase(b.subarray(0, group.elementBytes)),
    });
    const release = async ({ operand, base }: Awaited<ReturnType<typeof keep>>) => {
      operand.release();
      base.release();
      // The requests that free them are in the queues of the cards; these products run after them.
      await Promise.all(Array.from({ length: 8 }, () => engine.mul(a, b)));
    };
    // Once before, so that memory that stays between calls is allocated.
    await release(await keep());
    const before = { bytes: count('liveBytes'), unwiped: count('unwiped') };
    const kept = await keep();
    const { operand } = kept;
    expect(count('liveBytes')).toBeGreaterThanOrEqual(before.bytes + b.length);
    const slice = operand.slice(2, 4);
    const part = a.slice(0, 2 * group.elementBytes);
    const expected = truth(part, b.slice(2 * group.elementBytes, 4 * group.elementBytes));
    expect(toBigints(group, await engine.mul(part, slice))).toEqual(expected);
    await release(kept);
    expect(count('liveBytes')).toBe(before.bytes);
    expect(count('unwiped')).toBe(before.unwiped);
  });

  it.each(['launch', 'lost'])('computes on the CPU if a card fails (%s), and reports it', async (kind) => {
    const engine = await open();
    const [a, b] = operands(3);
    expect(fault(kind, 0)).toBe(0);
    expect(await product(engine, a, b)).toEqual(truth(a, b));
    expect(sick).toHaveLength(1);
    const said = lines.filter(({ level }) => level >= 40);
    expect(said.some(({ device }) => device === sick[0])).toBe(true);
    // The other card goes on, and so do all operands of the failed one.
    const operand = await engine.prepare(b);
    expect(toBigints(group, await engine.mul(a, operand))).toEqual(truth(a, b));
    expect(sick).toHaveLength(1);
  });

  it('keeps a card in service that is only out of memory', async () => {
    const engine = await open();
    const [a, b] = operands(3);
    const memory = koffi.load(own).func('void millrace_host_memory(size_t)') as (bytes: number) => void;
    memory(1);
    expect(await product(engine, a, b)).toEqual(truth(a, b));
    const operand = await engine.prepare(b);
    expect(toBigints(group, await engine.mul(a, operand))).toEqual(truth(a, b));
    expect(sick).toEqual([]);
    memory(2 ** 30);
    const launches = count('launches');
    expect(await product(engine, a, b)).toEqual(truth(a, b));
    expect(count('launches')).toBeGreaterThan(launches);
  });

  it('loses no resident operand of a card that fails', async () => {
    const engine = await open();
    const [a, b] = operands(3);
    const operand = await engine.prepare(b);
    fault('lost', 0);
    expect(toBigints(group, await engine.mul(a, operand))).toEqual(truth(a, b));
    expect(sick).toHaveLength(1);
    expect(toBigints(group, await engine.mul(a, operand))).toEqual(truth(a, b));
  });

  it('takes a card with a wrong result out of service, and returns the right result', async () => {
    const engine = await open({ checkRate: 1 });
    const a = toBatch(group, [toBigints(group, randomElements(rng, group, 1))[0]!]);
    const b = randomElements(rng, group, 1);
    fault('flip', 0);
    expect(await product(engine, a, b)).toEqual(truth(a, b));
    expect(sick).toHaveLength(1);
    expect(lines).toContainEqual(expect.objectContaining({ level: 50, msg: expect.stringContaining('wrong result') }));
  });

  it('checks every card at the start, and leaves out one with wrong results', async () => {
    fault('flip', 0);
    const engine = await open();
    expect(sick).toHaveLength(1);
    expect(lines).toContainEqual(
      expect.objectContaining({ device: sick[0], level: 50, reason: expect.stringContaining('self-check') }),
    );
    const launches = count('launches');
    const [a, b] = operands(3);
    expect(await product(engine, a, b)).toEqual(truth(a, b));
    expect(count('launches')).toBeGreaterThan(launches);
  });

  it('continues without any card', async () => {
    const engine = await open();
    const [a, b] = operands(3);
    for (let i = 0; i < 2; i++) {
      fault('lost', 0);
      expect(await product(engine, a, b)).toEqual(truth(a, b));
    }
    expect(new Set(sick).size).toBe(2);
    const launches = count('launches');
    expect(await product(engine, a, b)).toEqual(truth(a, b));
    expect(count('launches')).toBe(launches);
    // The degraded state names both, with the reasons.
    expect(degradedBy(engine)).toHaveLength(2);
    for (const device of sick) expect(degradedBy(engine).join('; ')).toContain(`${device} is out of service: `);
  });

  it('sends small batches to the CPU and large ones to a card', async () => {
    const engine = await open({ crossover: { products: 4, powers: 2 } });
    const launchesOf = async (work: () => Promise<unknown>) => {
      const before = count('launches');
      await work();
      return count('launches') - before;
    };
    const [a, b] = operands(4);
    const three = a.slice(0, 3 * group.elementBytes);
    const exponents = randomExponents(rng, 4, 8);
    const e8 = { exponentBytes: 8 };
    expect(await launchesOf(() => engine.mul(three, three))).toBe(0);
    expect(await launchesOf(() => engine.mul(a, b))).toBeGreaterThan(0);
    expect(await launchesOf(() => engine.pow(a.slice(0, group.elementBytes), exponents.slice(0, 8), e8))).toBe(0);
    expect(await launchesOf(() => engine.pow(a, exponents, e8))).toBeGreaterThan(0);
  });

  it('keeps one table of a base, for any number of concurrent calls', async () => {
    const engine = await open();
    const base = await engine.fixedBase(randomElements(rng, group, 1));
    const exponents = randomExponents(rng, 3, 8);
    const e8 = { exponentBytes: 8 };
    const results = await Promise.all([1, 2, 3, 4].map(() => engine.powFixed(base, exponents, e8)));
    const expected = operations.powFixed.reference(group, {
      base: toBigints(group, base.element)[0]!,
      exponents: readExponents(exponents, 8),
    });
    for (const result of results) expect(toBigints(group, result)).toEqual(expected);
    base.release();
    await engine.close();
    expect(count('liveBytes')).toBe(0);
  });

  it('measures its crossover on a working card, and is unavailable without one', async () => {
    fault('lost', 0);
    const engine = await open({ crossover: undefined });
    const [a, b] = operands(3);
    expect(await product(engine, a, b)).toEqual(truth(a, b));
    expect(sick).toHaveLength(1);
    expect(lines.some(({ msg }) => msg.startsWith('elements from which on'))).toBe(true);
    fault('lost', 0);
    // The other card is lost as well during the measurement.
    await expect(open({ crossover: undefined })).rejects.toMatchObject({ code: 'ENGINE_UNAVAILABLE' });
  });

  it('keeps nothing of an operand after its preparation was aborted', async () => {
    const engine = await open({ crossover: { products: 1, powers: Infinity } });
    const [a, b] = operands(5);
    const settle = () => Promise.all(Array.from({ length: 8 }, () => engine.mul(a, b)));
    (await engine.prepare(b)).release();
    await settle();
    const before = count('liveBytes');
    for (let turns = 0; turns < 12; turns++) {
      const abort = new AbortController();
      const work = engine.prepare(b, { signal: abort.signal }).then(
        (operand) => operand.release(),
        () => {},
      );
      // At a different moment each time: before, during and after the card's work.
      for (let turn = 0; turn < turns; turn++) await new Promise((resolve) => setImmediate(resolve));
      abort.abort();
      await work;
    }
    await settle();
    expect(count('liveBytes')).toBe(before);
    expect(sick).toEqual([]);
  });

  it('frees everything on its cards when it is closed in the middle of work', async () => {
    const engine = await open();
    const [a, b] = operands(5);
    await engine.fixedBase(b.subarray(0, group.elementBytes));
    const work = [engine.prepare(b), engine.prepare(a), engine.mul(a, b)].map((one) =>
      one.then(
        () => 'done',
        (error: { code: string }) => error.code,
      ),
    );
    await new Promise((resolve) => setImmediate(resolve));
    await engine.close();
    for (const outcome of await Promise.all(work)) expect(['done', 'ENGINE_CLOSED']).toContain(outcome);
    expect(count('liveBytes')).toBe(0);
    expect(count('unwiped')).toBe(0);
    expect(sick).toEqual([]);
  });

  it('does not blame a card for its caller’s abort', async () => {
    const engine = await open();
    const [a, b] = operands(3);
    const abort = new AbortController();
    const work = engine.mul(a, b, { signal: abort.signal });
    abort.abort();
    await expect(work).rejects.toMatchObject({ code: 'ABORTED' });
    expect(sick).toEqual([]);
  });

  it('is chosen first, with a log line that names it', async () => {
    const destination = { write: (line: string) => void lines.push(JSON.parse(line)) };
    const log = createLog({ name: 'test', level: 'info', format: 'json', destination });
    const probe = { name: 'cuda', available: true, reason: '', path: 'a card' } as const;
    const create = () => cudaEngine({ ...settings, group, library: own, crossover: always, checkRate: 1 });
    const engine = await selectEngine({ group, log }, [{ probe, create }]);
    engines.push(engine);
    expect(engine.name).toBe('cuda');
    expect(lines.at(-1)?.msg).toContain('engine cuda');
  });
});

describe('the crossover from CPU to card', () => {
  it('is the intersection of two measured lines', () => {
    // Card: 1 ms and 1 µs each; CPU: nothing and 11 µs each.
    expect(findCrossing([100, 1100], [1.1, 2.1], [1.1, 12.1])).toBe(100);
    expect(findCrossing([100, 1100], [1.1, 12.1], [1.1, 2.1])).toBe(Infinity);
    expect(findCrossing([10, 20], [1, 1], [5, 5])).toBe(1);
    expect(findCrossing([10, 20], [0.1, 0.2], [1, 2])).toBe(1);
  });

  it('is measured by the clock, as the fastest of several runs', async () => {
    const clock = new VirtualClock();
    let calls = 0;
    const wait = (ms: number) =>
      new Promise<void>((resolve) => {
        clock.after(ms, resolve);
        clock.step();
      });
    const result = await crossing(clock, {
      sizes: [10, 110],
      onDevice: (elements) => wait(50 + elements + (calls++ === 0 ? 1000 : 0)),
      onCpu: (elements) => wait(2 * elements),
    });
    expect(result).toBe(50);
  });
});

describe('a machine without a card', () => {
  it('reports if the library or the card is missing', () => {
    const none = probeCards(group, '/nowhere/libmillrace_cuda.so');
    expect(none).toMatchObject({ devices: [], built: false, reason: expect.stringContaining('npm run build:cuda') });
  });
});
