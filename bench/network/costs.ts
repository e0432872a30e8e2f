// Measures the cost of every piece of a node's work on this machine, for the network simulation: CPU time of the whole process,
// main thread and workers together, so that other load of the machine matters little. Each price is a median; a piece that comes
// in chunks and in batches is measured with both, and the line through the two gives the price of a call and of a unit.
//
//   node --import tsx bench/network/costs.ts [--engine cpu] [--repeat 9] [--json FILE]
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { takeMedian } from '../../src/base/clock.js';
import { describeMachine } from '../../src/bench/machine.js';
import { significant } from '../../src/bench/stats.js';
import { commandLine, oneOf, whole } from '../../src/cli/common/arguments.js';
import { ENGINE_NAMES, type EngineName } from '../../src/engine/engine.js';
import { openEngine } from '../../src/engine/open.js';
import { namedGroup } from '../../src/math/group.js';
import { type CostFile, ENGINE_WORK, MAIN_WORK, type Price } from './costFile.js';
import { transportPrices } from './transport.js';
import { type Call, engineWorks, type Maker, mainWorks, reserve } from './works.js';

const CHUNK = 64;
const BATCH = 1_000;
/** Pieces that never come in batches. */
const SINGLE: readonly string[] = ['keyShare', 'verifyShare', 'sign', 'verify', 'engine table'];
/** CPU time of a sample: getrusage returns microseconds, but the kernel counts in ticks of some milliseconds. */
const SAMPLE_US = 60_000;
const CALLS_MAX = 20_000;
const BITS = 4096;

const cpuUs = (): number => {
  const { user, system } = process.cpuUsage();
  return user + system;
};

async function timed(call: Call, calls: number): Promise<number> {
  const before = cpuUs();
  for (let i = 0; i < calls; i++) await call();
  return (cpuUs() - before) / calls;
}

/** CPU µs of one call, the median of `repeat` samples. */
async function sample(call: Call, repeat: number): Promise<number> {
  await timed(call, 2);
  const roughUs = Math.max(await timed(call, 5), 0.1);
  const calls = Math.min(CALLS_MAX, Math.max(3, Math.ceil(SAMPLE_US / roughUs)));
  const samples: number[] = [];
  for (let i = 0; i < repeat; i++) samples.push(await timed(call, calls));
  return takeMedian(samples);
}

async function priceOf(name: string, maker: Maker, repeat: number): Promise<Price> {
  if (SINGLE.includes(name)) return { callUs: 0, unitUs: significant(await sample(await maker(1), repeat)) };
  const [small, large] = [await sample(await maker(CHUNK), repeat), await sample(await maker(BATCH), repeat)];
  const unitUs = (large - small) / (BATCH - CHUNK);
  return { callUs: significant(Math.max(0, small - CHUNK * unitUs)), unitUs: significant(unitUs) };
}

async function pricesOf<Name extends string>(
  room: string,
  names: Readonly<Record<Name, string>>,
  makers: Readonly<Record<Name, Maker>>,
  repeat: number,
): Promise<Record<Name, Price>> {
  const prices: Partial<Record<Name, Price>> = {};
  for (const name of Object.keys(names) as Name[]) {
    // Both groups have a table: one of powers, one of slots.
    const price = await priceOf(name === 'table' ? `${room} table` : name, makers[name], repeat);
    prices[name] = price;
    process.stderr.write(`${name.padEnd(12)} ${price.callUs} + ${price.unitUs} µs  ${names[name]}\n`);
  }
  return prices as Record<Name, Price>;
}

/** Wall time in microseconds: a disk wait takes no CPU. */
async function reserveUs(repeat: number): Promise<number> {
  const directory = mkdtempSync(join(tmpdir(), 'millrace-costs-'));
  const { call, store } = await reserve(directory);
  const samples: number[] = [];
  for (let i = 0; i < 10 * repeat; i++) {
    const start = process.hrtime.bigint();
    await call();
    samples.push(Number(process.hrtime.bigint() - start) / 1e3);
  }
  await store.close();
  rmSync(directory, { recursive: true });
  return significant(takeMedian(samples));
}

/**
 * Wait of realtime work while all workers precompute: average wall time in microseconds of an operation of one chunk, beside
 * endless powers, less its own processor time.
 */
async function overtakeUs(repeat: number, { callUs, unitUs }: Price): Promise<number> {
  const works = engineWorks(engine);
  const [realtime, powers] = [await works.mul(CHUNK, 'realtime'), await works.powFixed(BATCH)];
  let loaded = true;
  const load = Array.from({ length: engine.threads + 1 }, async () => {
    while (loaded) await powers();
  });
  let sumUs = 0;
  try {
    for (let i = 0; i < 100 * repeat; i++) {
      // At a random moment of a chunk of precomputation.
      await sleep(2 + (i % 8));
      const start = process.hrtime.bigint();
      await realtime();
      sumUs += Number(process.hrtime.bigint() - start) / 1e3;
    }
  } finally {
    loaded = false;
    await Promise.all(load);
  }
  return significant(Math.max(0, sumUs / (100 * repeat) - callUs - CHUNK * unitUs));
}

const given = commandLine('bench/network/costs', "what each piece of a node's work costs on this machine")
  .option('--engine <name>', `one of ${ENGINE_NAMES.join(', ')}`, oneOf(ENGINE_NAMES), 'cpu')
  .option('--repeat <number>', 'measurements of each piece', whole(1, 1_000), 9)
  .option('--json <file>', 'write the figures there, too')
  .parse()
  .opts<{ readonly engine: EngineName; readonly repeat: number; readonly json?: string }>();
const { repeat } = given;
const machine = describeMachine();
const engine = await openEngine({ engine: given.engine, group: namedGroup(`MODP-${BITS}`), threads: machine.cores });
const engineWork = await pricesOf('engine', ENGINE_WORK, engineWorks(engine), repeat);
const result: CostFile = {
  date: new Date().toISOString().slice(0, 10),
  machine: { ...machine },
  engine: engine.name,
  path: engine.path,
  bits: BITS,
  exponentBits: 256,
  threads: engine.threads,
  repeat,
  engineWork,
  mainWork: await pricesOf('main', MAIN_WORK, mainWorks(engine), repeat),
  transportWork: await transportPrices(repeat),
  overtakeUs: await overtakeUs(repeat, engineWork.mul),
  reserveUs: await reserveUs(repeat),
};
await engine.close();
const text = `${JSON.stringify(result, null, 2)}\n`;
process.stdout.write(text);
if (given.json !== undefined) writeFileSync(given.json, text);
