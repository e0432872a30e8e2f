// The choice of an engine, its log lines, and the refusal of a wrong one.
import { describe, expect, it } from 'vitest';
import { createLog } from '../../src/base/log.js';
import { createMetrics } from '../../src/base/metrics.js';
import { selfCheck } from '../../src/engine/checked/selfCheck.js';
import { ENGINE_NAMES, type Engine, type EngineName } from '../../src/engine/engine.js';
import {
  type Candidate,
  degradedBy,
  openEngine,
  probeEngines,
  referenceEngine,
  selectEngine,
} from '../../src/engine/open.js';
import { OPERATIONS, type OperationName } from '../../src/engine/operations.js';
import { loadPackage, missingPackages } from '../../src/engine/optionalPackages.js';
import { namedGroup } from '../../src/math/group.js';
import { SeededRng } from '../support/seededRng.js';

const group = namedGroup('TEST-64');

/** A log with readable lines, and metrics. */
function observed() {
  const lines: { level: number; msg: string; engine: string }[] = [];
  const destination = { write: (line: string) => void lines.push(JSON.parse(line)) };
  const log = createLog({ name: 'test', level: 'info', format: 'json', destination });
  return { lines, log, metrics: createMetrics() };
}

const WARN = 40;
const INFO = 30;

/** The reference engine, with one operation that returns a wrong last element. */
function wrong(operation: OperationName): Engine {
  return new Proxy(referenceEngine(group), {
    get(target, key) {
      const value: unknown = Reflect.get(target, key, target);
      if (typeof value !== 'function') return value;
      return async (...args: unknown[]) => {
        const result: unknown = await value.apply(target, args);
        if (key === operation && result instanceof Uint8Array) result[result.length - group.elementBytes]! ^= 1;
        return result;
      };
    },
  });
}

function candidate(name: EngineName, create: () => Engine, reason = '', available = true): Candidate {
  return { probe: { name, available, reason, path: available ? 'path' : null }, create };
}

const reference = () => candidate('reference', () => referenceEngine(group));

describe('the self-check', () => {
  it.each(OPERATIONS)('detects a wrong %s', async (operation) => {
    const check = selfCheck(wrong(operation), new SeededRng('check'));
    await expect(check).rejects.toMatchObject({ code: 'ENGINE_SELFCHECK', values: { operation } });
  });

  it('passes the reference', async () => {
    await selfCheck(referenceEngine(group), new SeededRng('check'));
  });
});

describe('opening an engine', () => {
  it('logs in one line the engine and the reason for it, and exports both as a metric', async () => {
    const { lines, log, metrics } = observed();
    const engine = await openEngine({ engine: 'reference', group: 'TEST-64', log, metrics });
    expect(lines).toEqual([
      expect.objectContaining({ level: INFO, engine: 'reference', path: 'bigint', reason: 'asked for' }),
    ]);
    const info =
      'millrace_engine_info{engine="reference",path="bigint",group="TEST-64",threads="0",reason="asked for",fallback="no"}';
    expect(await metrics.render()).toContain(`${info} 1`);
    const a = engine.allocate(2).fill(1);
    await engine.mul(a, a);
    await expect(engine.mul(a, a.subarray(8))).rejects.toThrow();
    const text = await metrics.render();
    expect(text).toContain('millrace_engine_operations_total{engine="reference",operation="mul"} 1');
    expect(text).toContain('millrace_engine_elements_total{engine="reference",operation="mul"} 2');
    await engine.close();
    expect(await metrics.render()).not.toContain('engine_info{');
  });

  it('lets the event loop turn between two operations, also if they are computed on the main thread', async () => {
    const engine = await openEngine({ engine: 'reference', group });
    const a = engine.allocate(3).fill(1);
    let turns = 0;
    let over = false;
    const turn = () => {
      turns++;
      if (!over) setImmediate(turn);
    };
    setImmediate(turn);
    for (let i = 0; i < 10; i++) await engine.mul(a, a);
    expect(turns).toBeGreaterThanOrEqual(10);
    turns = 0;
    const abort = new AbortController();
    const many = Array.from({ length: 10 }, () => engine.mul(a, a));
    const aborted = engine.mul(a, a, { signal: abort.signal });
    abort.abort();
    await expect(aborted).rejects.toMatchObject({ code: 'ABORTED' });
    expect(turns).toBeGreaterThanOrEqual(10);
    over = true;
    // Running work ends before close resolves.
    const ends: string[] = [];
    const running = engine.mul(a, a).then(() => ends.push('operation'));
    await engine.close();
    ends.push('closed');
    await Promise.all([...many, running]);
    expect(ends).toEqual(['operation', 'closed']);
  });

  it('counts the work of a pooled engine, and shows an empty queue afterwards', async () => {
    const { metrics } = observed();
    const engine = await openEngine({ engine: 'bigint', group, threads: 1, metrics });
    const a = engine.allocate(3).fill(1);
    await engine.product(a, { priority: 'realtime' });
    const text = await metrics.render();
    expect(text).toContain('millrace_engine_elements_total{engine="bigint",operation="product"} 3');
    expect(text).toContain('millrace_engine_queue_operations{engine="bigint",priority="realtime"} 0');
    const busy = (priority: string) =>
      Number(new RegExp(`engine_busy_seconds_total{engine="bigint",priority="${priority}"} (\\S+)`).exec(text)?.[1]);
    expect(busy('realtime')).toBeGreaterThan(0);
    // The self-check counts as no priority's work.
    expect(busy('precompute')).toBe(0);
    await engine.close();
  });

  it('falls back if an engine computes wrongly or cannot run, and warns about it', async () => {
    const { lines, log, metrics } = observed();
    let closed = false;
    const bad = wrong('invertBatch');
    const closing = new Proxy(bad, {
      get: (target, key) => {
        if (key === 'close') closed = true;
        return Reflect.get(target, key);
      },
    });
    const missing = candidate('openssl', () => bad, 'no such library', false);
    const all = [missing, candidate('bigint', () => closing), reference()];
    const engine = await selectEngine({ group, log, metrics }, all);
    expect(engine.name).toBe('reference');
    expect(closed).toBe(true);
    expect(lines).toHaveLength(1);
    expect(lines[0]).toMatchObject({ level: WARN, engine: 'reference' });
    expect(lines[0]!.msg).toMatch(/no such library.*ENGINE_SELFCHECK.*invertBatch/);
    expect(await metrics.render()).toMatch(/engine_info\{engine="reference".*fallback="yes"\} 1/);
    expect(degradedBy(engine)).toEqual([expect.stringMatching(/a fallback: .*no such library.*invertBatch/)]);
  });

  it('is no fallback if an engine is missing that nobody could expect', async () => {
    const { lines, log } = observed();
    const cards = { ...candidate('cuda', reference().create as () => Engine, 'not built', false) };
    const absent = { ...cards, probe: { ...cards.probe, unexpected: true } };
    const engine = await selectEngine({ group, log }, [absent, reference()]);
    expect(lines).toEqual([expect.objectContaining({ level: INFO, reason: 'best available' })]);
    expect(degradedBy(engine)).toEqual([]);
    // If the engine was requested by name, the reason is reported.
    await expect(selectEngine({ group, engine: 'cuda' }, [absent])).rejects.toMatchObject({
      values: { reason: 'cuda: not built' },
    });
  });

  it('warns about a slower path of the best engine', async () => {
    const { lines, log } = observed();
    await selectEngine({ group, log }, [
      candidate('openssl', () => referenceEngine(group), 'bn_mul_mont is not exported'),
    ]);
    expect(lines[0]).toMatchObject({ level: WARN });
  });

  it('does not replace an engine that was requested by name', async () => {
    const all = [
      candidate('openssl', () => wrong('mul')),
      candidate('bigint', () => wrong('mul'), 'no', false),
      reference(),
    ];
    await expect(selectEngine({ group, engine: 'openssl' }, all)).rejects.toMatchObject({ code: 'ENGINE_SELFCHECK' });
    await expect(selectEngine({ group, engine: 'bigint' }, all)).rejects.toMatchObject({
      code: 'ENGINE_UNAVAILABLE',
      values: { reason: 'bigint: no' },
    });
  });

  it('treats an engine that cannot be created as one that does not work', async () => {
    const broken = candidate('openssl', () => {
      throw new Error('no memory');
    });
    expect((await selectEngine({ group }, [broken, reference()])).name).toBe('reference');
    await expect(selectEngine({ group }, [broken])).rejects.toMatchObject({ code: 'ENGINE_UNAVAILABLE' });
  });

  it('refuses unknown names and impossible settings', async () => {
    const engine = 'abacus' as EngineName;
    await expect(openEngine({ engine, group })).rejects.toMatchObject({ code: 'ENGINE_UNKNOWN' });
    await expect(openEngine({ group: 'MODP-1' })).rejects.toMatchObject({ code: 'GROUP_UNKNOWN' });
    await expect(openEngine({ group, threads: 0 })).rejects.toMatchObject({ code: 'ARGUMENT_INVALID' });
    await expect(openEngine({ group, queueLimit: 0.5 })).rejects.toMatchObject({ code: 'ARGUMENT_INVALID' });
  });

  it.each([
    ['options', () => null],
    ['options', () => 'auto'],
    ['group', () => ({})],
    ['group', () => ({ group: null })],
    ['group.name', () => ({ group: {} })],
    ['options.threads', () => ({ group, threads: '4' })],
    ['options.queueLimit', () => ({ group, queueLimit: null })],
    ['options.checkRate', () => ({ group, checkRate: '0.5' })],
    ['options.checkRate', () => ({ group, checkRate: Number.NaN })],
    ['options.log', () => ({ group, log: 'quiet' })],
    ['options.metrics', () => ({ group, metrics: {} })],
  ])('names %s if it is of a wrong type', async (argument, options) => {
    await expect(openEngine(options() as never)).rejects.toMatchObject({
      code: 'ARGUMENT_INVALID',
      values: { argument },
    });
  });

  it('refuses a group made by hand: a small order would never end, and a name proves nothing', async () => {
    const tiny = { name: 'MODP-2048', bits: 8, elementBytes: 1, p: 23n, q: 11n, g: 2n } as const;
    await expect(openEngine({ group: tiny })).rejects.toMatchObject({ code: 'GROUP_UNKNOWN' });
    await expect(openEngine({ group: { ...tiny, name: 'TINY' } as never })).rejects.toMatchObject({
      code: 'GROUP_UNKNOWN',
    });
    const copy = structuredClone(group);
    const engine = await openEngine({ group: copy, engine: 'reference' });
    expect(engine.group).toBe(group);
    await engine.close();
  });

  it('never chooses an engine after the reference, which always works', () => {
    const behind = ENGINE_NAMES.slice(ENGINE_NAMES.indexOf('reference') + 1);
    expect(behind).toEqual(['gpujs', 'tfjs']);
    expect(probeEngines(group).find(({ name }) => name === 'reference')).toMatchObject({ available: true });
  });

  it('names the package to install if one is missing', async () => {
    expect(missingPackages(['zod'])).toBe('');
    expect(missingPackages(['zod', 'no-such-package'])).toBe('not installed: `npm install no-such-package` brings it');
    await expect(loadPackage('gpujs', 'no-such-package')).rejects.toMatchObject({
      code: 'ENGINE_UNAVAILABLE',
      values: { engine: 'gpujs', reason: expect.stringContaining('npm install no-such-package') },
    });
  });

  it('probes all engines, and chooses the first available one', async () => {
    const probes = probeEngines(group);
    expect(probes.map(({ name }) => name)).toEqual(ENGINE_NAMES);
    const engine = await openEngine({ group, threads: 1 });
    expect(engine.name).toBe(probes.find(({ available }) => available)!.name);
    expect(engine.threads).toBe(1);
    await engine.close();
  });
});
