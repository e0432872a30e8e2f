// The options of `npm run sim -- --network`, checked before anything is played: a wrong one is refused by name.
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Command, InvalidArgumentError, Option } from 'commander';
import { readCostFile } from '../../../bench/network/costFile.js';
import { takeMedian } from '../../../src/base/clock.js';
import { decimal, whole } from '../../../src/cli/common/arguments.js';
import { TEAM_SIZE_MAX, TEAM_SIZE_MIN } from '../../../src/protocol/roundInfo.js';
import type { Latency } from './links.js';
import type { Setting } from './measure.js';
import { Pricing } from './pricing.js';

const COSTS = fileURLToPath(new URL('../../../bench/results/costs-cpu-4096.json', import.meta.url));
/** Meaning of 8..1000. */
const STEPS: readonly number[] = [8, 16, 64, 250, 1000];
const NODES_MAX = 5_000;
const SLOTS_MAX = 65_536;
const LATENCY_MS_MAX = 10_000;

export interface NetworkCommand {
  readonly settings: readonly Setting[];
  readonly json: boolean;
  readonly plot: string | undefined;
  /** Set if only one round alone on this many cores is requested. */
  readonly sharedCores: number | undefined;
  /** The requested latency, for the report. */
  readonly latency: string;
}

/** One-way latency as `--latency` gives it, ms: the same everywhere, or a row for each node. */
interface OneWay {
  readonly text: string;
  readonly ms: number | readonly (readonly number[])[];
}

interface Given extends Pick<Setting, 'teamSize' | 'seed' | 'mbitPerS' | 'load' | 'rounds' | 'slots'> {
  readonly nodes: readonly number[];
  readonly latency: OneWay;
  readonly engineCost: Pricing;
  readonly sharedCores?: number;
  readonly plot?: string;
  readonly json: boolean;
}

/** The command `npm run sim -- --network`; a wrong option throws CommanderError, which names it. */
export const networkCommand = (): Command =>
  new Command('npm run sim -- --network')
    .description('rounds of a network of many nodes, in virtual time, with measured costs')
    .exitOverride()
    .option('--network', 'this command')
    .option('--nodes <list>', 'nodes: a number, a list (8,16,100) or a range (8..1000: with 16, 64, 250)', sizes, [8])
    .option('--team-size <number>', 'nodes of a team', whole(TEAM_SIZE_MIN, TEAM_SIZE_MAX), 5)
    .addOption(
      new Option('--latency <ms|file>', 'one way between two nodes, or a file with a row for each node')
        .argParser(oneWay)
        .default(oneWay('45'), '45'),
    )
    .option('--mbit-per-s <number>', 'up and down at each node', decimal(0.001, 999_999), 1_000)
    .addOption(
      new Option('--engine-cost <file>', 'measured costs of work')
        .argParser(pricing)
        .default(pricing(COSTS), 'bench/results/costs-cpu-4096.json'),
    )
    .option('--load <part>', 'rounds wanted, as a part of the rate of the slower stage', decimal(0.01, 0.99), 0.8)
    .option('--rounds <number>', 'rounds measured in each run', whole(10, 100_000), 600)
    .option('--slots <number>', 'messages of a batch', whole(1, SLOTS_MAX), 1_000)
    .option('--seed <seed>', 'seed of all randomness', '1')
    .option('--shared-cores <number>', 'play one round alone, all of its team on so many cores', whole(1, 1_024))
    .option('--plot <file.svg>', 'draw the rows', svg)
    .option('--json', 'one JSON object on the last line', false);

/** @throws CommanderError naming the option */
export function readNetworkOptions(args: readonly string[]): NetworkCommand {
  const command = networkCommand().configureOutput({ writeErr: () => {} });
  const given = command.parse(args, { from: 'user' }).opts<Given>();
  const { teamSize, seed, mbitPerS, load, rounds, slots, latency } = given;
  const refuse = (option: string, expected: string) =>
    command.error(`error: option '--${option}': expected ${expected}`);
  const few = given.nodes.find((nodes) => nodes < teamSize);
  if (few !== undefined) refuse('nodes', `${teamSize} or more, for a team; not ${few}`);
  const most = Math.max(...given.nodes);
  if (typeof latency.ms !== 'number' && latency.ms.length < most) refuse('latency', `${most} rows or more`);
  const common = { teamSize, seed, mbitPerS, load, rounds, slots, pricing: given.engineCost, ...linksOf(latency) };
  return {
    settings: given.nodes.map((nodes) => ({ ...common, nodes })),
    json: given.json,
    plot: given.plot,
    sharedCores: given.sharedCores,
    latency: latency.text,
  };
}

function sizes(text: string): readonly number[] {
  const one = whole(1, NODES_MAX);
  const [, first, last] = /^(\d+)\.\.(\d+)$/.exec(text) ?? [];
  if (first === undefined || last === undefined) return text.split(',').map(one);
  const [from, to] = [one(first), one(last)];
  if (from > to) throw new InvalidArgumentError('Expected a range that goes up.');
  return [...new Set([from, ...STEPS.filter((size) => size > from && size < to), to])];
}

function oneWay(text: string): OneWay {
  if (!existsSync(text)) return { text, ms: decimal(0, LATENCY_MS_MAX)(text) };
  const rows = matrixOf(text);
  const isSquare = rows.every((row) => row.length === rows.length);
  const isSound = rows.every((row) => row.every((ms) => ms >= 0 && ms <= LATENCY_MS_MAX));
  if (!isSquare || !isSound) throw new InvalidArgumentError('Expected a square of milliseconds.');
  return { text, ms: rows };
}

function pricing(file: string): Pricing {
  try {
    return new Pricing(readCostFile(file));
  } catch (error) {
    throw new InvalidArgumentError((error as Error).message);
  }
}

function svg(file: string): string {
  if (!file.endsWith('.svg')) throw new InvalidArgumentError('Expected a file name.svg.');
  return file;
}

type Links = Pick<Setting, 'latencyMs' | 'schedulerMs' | 'reportsRoundTrips'>;

function linksOf({ ms }: OneWay): Links {
  // If all links are equal, all rings are equally short.
  if (typeof ms === 'number') return { latencyMs: () => ms, schedulerMs: ms, reportsRoundTrips: false };
  const latencyMs: Latency = (from, to) => ms[from]![to]!;
  const all = ms.flatMap((row, from) => row.filter((_, to) => to !== from));
  // The scheduler is as far away as nodes are from each other.
  return { latencyMs, schedulerMs: takeMedian(all), reportsRoundTrips: true };
}

/** JSON or CSV. */
function matrixOf(file: string): number[][] {
  const content = readFileSync(file, 'utf8').trim();
  if (!content.startsWith('[')) return content.split(/\r?\n/).map((line) => line.split(/[,;\t]/).map(Number));
  try {
    return JSON.parse(content) as number[][];
  } catch {
    throw new InvalidArgumentError('Expected JSON or CSV.');
  }
}
