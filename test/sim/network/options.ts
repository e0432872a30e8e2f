// The options of `npm run sim -- --network`, checked before anything is played: a wrong one is refused with its name.
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { readCostFile } from '../../../bench/network/costFile.js';
import { MixError } from '../../../src/base/errors.js';
import { takeMedian } from '../../../src/bench/stats.js';
import { TEAM_SIZE_MAX, TEAM_SIZE_MIN } from '../../../src/protocol/roundInfo.js';
import type { Latency } from './links.js';
import type { Setting } from './measure.js';
import { Pricing } from './pricing.js';

const COSTS = fileURLToPath(new URL('../../../bench/results/costs-cpu-4096.json', import.meta.url));
/** What 8..1000 stands for. */
const STEPS: readonly number[] = [8, 16, 64, 250, 1000];
const NODES_MAX = 5_000;
const SLOTS_MAX = 65_536;

export const NETWORK_USAGE = `npm run sim -- --network [options]: what a network does, in virtual time, with measured costs
  --nodes LIST        nodes: a number, a list (8,16,100) or a range (8..1000: with 16, 64 and 250); default 8
  --team-size N       nodes of a team (default 5)
  --latency MS|FILE   one way between any two nodes, or a file with a row for each node: JSON or CSV (default 45)
  --mbit-per-s B      up and down at each node (default 1000)
  --engine-cost FILE  what work costs (default bench/results/costs-cpu-4096.json)
  --load F            rounds wanted, as a share of what the slower stage can do (default 0.8)
  --rounds N          rounds measured in each run (default 600)
  --slots N           messages of a batch (default 1000)
  --seed S            (default 1)
  --shared-cores N    plays one round of a team by itself, all of it on so many cores, to compare with \`millrace demo\`
  --plot FILE.svg     draws the rows
  --json              one JSON object on the last line`;

export interface NetworkCommand {
  readonly settings: readonly Setting[];
  readonly json: boolean;
  readonly plot: string | undefined;
  /** One round alone on so many cores is asked for, and nothing else. */
  readonly sharedCores: number | undefined;
  /** For the report: what latency was asked for. */
  readonly latency: string;
}

const refuse = (option: string, got: string, expected: string) =>
  new MixError('INPUT_INVALID', { option: `--${option}`, got, expected });

function number(option: string, text: string, least: number, most: number, whole = false): number {
  const value = Number(text);
  if (text.trim() === '' || !(value >= least && value <= most) || (whole && !Number.isInteger(value))) {
    throw refuse(option, text, `${whole ? 'a whole number, ' : ''}${least} to ${most}`);
  }
  return value;
}

/** @throws MixError INPUT_INVALID naming the option */
export function readNetworkOptions(args: readonly string[]): NetworkCommand {
  const { values } = parseArgs({
    args: [...args],
    options: {
      network: { type: 'boolean' },
      nodes: { type: 'string', default: '8' },
      'team-size': { type: 'string', default: '5' },
      latency: { type: 'string', default: '45' },
      'mbit-per-s': { type: 'string', default: '1000' },
      'engine-cost': { type: 'string', default: COSTS },
      load: { type: 'string', default: '0.8' },
      rounds: { type: 'string', default: '600' },
      slots: { type: 'string', default: '1000' },
      seed: { type: 'string', default: '1' },
      'shared-cores': { type: 'string' },
      plot: { type: 'string' },
      json: { type: 'boolean', default: false },
    },
  });
  const teamSize = number('team-size', values['team-size'], TEAM_SIZE_MIN, TEAM_SIZE_MAX, true);
  const sizes = sizesOf(values.nodes, teamSize);
  const common = {
    teamSize,
    seed: values.seed,
    mbitPerS: number('mbit-per-s', values['mbit-per-s'], 0.001, 1e6),
    pricing: new Pricing(readCostFile(values['engine-cost'])),
    load: number('load', values.load, 0.01, 0.99),
    rounds: number('rounds', values.rounds, 10, 100_000, true),
    slots: number('slots', values.slots, 1, SLOTS_MAX, true),
  };
  const links = linksOf(values.latency, Math.max(...sizes));
  if (values.plot !== undefined && !values.plot.endsWith('.svg')) throw refuse('plot', values.plot, 'a file name.svg');
  const cores = values['shared-cores'];
  const sharedCores = cores === undefined ? undefined : number('shared-cores', cores, 1, 1_024, true);
  const settings = sizes.map((nodes) => ({ ...common, ...links, nodes }));
  return { settings, json: values.json, plot: values.plot, sharedCores, latency: values.latency };
}

function sizesOf(text: string, teamSize: number): number[] {
  const one = (part: string) => number('nodes', part, teamSize, NODES_MAX, true);
  const range = /^(\d+)\.\.(\d+)$/.exec(text);
  if (!range) return text.split(',').map(one);
  const [from, to] = [one(range[1]!), one(range[2]!)];
  if (from > to) throw refuse('nodes', text, 'a range that goes up');
  return [...new Set([from, ...STEPS.filter((size) => size > from && size < to), to])];
}

type Links = Pick<Setting, 'latencyMs' | 'schedulerMs' | 'reportsRoundTrips'>;

function linksOf(text: string, nodes: number): Links {
  if (!existsSync(text)) {
    const ms = number('latency', text, 0, 10_000);
    // Where all links are alike, a ring is as short as any other.
    return { latencyMs: () => ms, schedulerMs: ms, reportsRoundTrips: false };
  }
  const rows = matrixOf(text);
  const right = rows.length >= nodes && rows.every((row) => row.length === rows.length);
  const sound = rows.every((row) => row.every((ms) => Number.isFinite(ms) && ms >= 0 && ms <= 10_000));
  if (!right || !sound) throw refuse('latency', text, `a square of milliseconds with ${nodes} rows or more`);
  const latencyMs: Latency = (from, to) => rows[from]![to]!;
  const all = rows.flatMap((row, from) => row.filter((_, to) => to !== from));
  // The scheduler is as far away as nodes are from each other.
  return { latencyMs, schedulerMs: takeMedian(all), reportsRoundTrips: true };
}

function matrixOf(file: string): number[][] {
  const content = readFileSync(file, 'utf8').trim();
  if (!content.startsWith('[')) return content.split(/\r?\n/).map((line) => line.split(/[,;\t]/).map(Number));
  try {
    return JSON.parse(content) as number[][];
  } catch {
    throw refuse('latency', file, 'JSON or CSV');
  }
}
