// npm run sim -- [--scheduler | --liars | --days N] [--seed S | --seeds N] [--from N] [--break NAME] [--json]: plays seeds, stops
// at the first that breaks an invariant, and prints the command that replays it. Exit code 0, 1 if an invariant broke, 2 for a
// wrong option. With --network it is another command: the rate and latency of rounds in a network of many nodes
// (network/command.ts).
import { commandLine, oneOf, whole } from '../../src/cli/common/arguments.js';
import { BREAKS, type Break } from './breaks.js';
import { DAYS_MIN, playAllDays } from './days/command.js';
import { playNetworks } from './network/command.js';
import { networkCommand } from './network/options.js';
import { playSeed, type SimResult } from './run.js';
import { playAllLiars } from './scheduler/liarRun.js';
import { playScheduler } from './scheduler/play.js';

const BREAK_NAMES = Object.keys(BREAKS) as Break[];

interface Options {
  readonly seeds: readonly string[];
  readonly single: boolean;
  readonly broken: Break | undefined;
  readonly json: boolean;
  readonly scheduler: boolean;
  readonly liars: boolean;
  readonly days: number | undefined;
}

interface Given extends Omit<Options, 'seeds' | 'single' | 'broken'> {
  readonly seed?: string;
  readonly seeds: number;
  readonly from: number;
  readonly break?: Break;
}

function readOptions(): Options {
  const breaks = BREAK_NAMES.map((name) => `  ${name.padEnd(20)} ${BREAKS[name]}`).join('\n');
  const command = commandLine('npm run sim --', 'plays seeds, stops at the first that breaks an invariant')
    .option('--seed <seed>', 'play one seed')
    .option('--seeds <number>', 'number of seeds to play', whole(1, 999_999_999), 200)
    .option('--from <number>', 'begin with this seed', whole(1, 999_999_999), 1)
    .option('--scheduler', "play the scheduler and its nodes instead of a team's rounds", false)
    .option('--liars', 'play each lie of a node to its scheduler and its team, in every stage, for five minutes', false)
    .option(
      '--days <number>',
      `days of virtual time, ${DAYS_MIN} or more: nothing kept may grow`,
      whole(DAYS_MIN, 3_650),
    )
    .option('--break <name>', 'break an invariant on purpose', oneOf(BREAK_NAMES))
    .option('--json', 'one JSON object on the last line', false)
    .option('--network', 'another command: see below', false)
    .addHelpText('after', `\nBreaks:\n${breaks}\n\n${networkCommand().helpInformation()}`);
  const { seed, seeds, from, break: broken, ...rest } = command.parse().opts<Given>();
  if (rest.scheduler && broken) command.error('error: --break is not for --scheduler');
  const played = seed === undefined ? Array.from({ length: seeds }, (_, i) => String(from + i)) : [seed];
  return { ...rest, seeds: played, single: seed !== undefined, broken };
}

function describe({ ends, virtualMs, packets, traceHash }: SimResult): string {
  const rounds = ends.map((nodes, i) => `round ${i + 1}: ${nodes.join(' ')}`).join('; ');
  return `${rounds}; ${packets} packets in ${(virtualMs / 1000).toFixed(1)} s; trace ${traceHash.slice(0, 16)}`;
}

function reportFailure(result: SimResult, broken: Break | undefined): void {
  const { scenario, violations } = result;
  console.log(`\nseed ${scenario.seed} breaks an invariant`);
  for (const { invariant, detail } of violations) console.log(`  ${invariant}: ${detail}`);
  console.log(`  ${describe(result)}`);
  console.log(`  scenario ${JSON.stringify(scenario)}`);
  console.log(`  replay: npm run sim -- --seed ${scenario.seed}${broken ? ` --break ${broken}` : ''}`);
}

async function main(): Promise<number> {
  const options = readOptions();
  const { seeds, single, broken, json } = options;
  if (options.days !== undefined) return await playAllDays(options.days, seeds[0]!, json);
  if (options.liars) return await playAllLiars(json);
  if (options.scheduler) return await playScheduler(seeds, single, json);
  const startMs = performance.now();
  const tally = new Map<string, number>();
  let failed: SimResult | undefined;
  let played = 0;
  for (const seed of seeds) {
    const result = await playSeed(seed, broken);
    played++;
    for (const nodes of result.ends) {
      const end = nodes.includes('COMPLETED') ? 'completed' : 'failed';
      tally.set(end, (tally.get(end) ?? 0) + 1);
    }
    if (single) console.log(`seed ${seed}: ${describe(result)}`);
    if (result.violations.length > 0) {
      failed = result;
      reportFailure(result, broken);
      break;
    }
  }
  const seconds = (performance.now() - startMs) / 1000;
  const rounds = [...tally].map(([end, count]) => `${count} ${end}`).join(', ');
  console.log(
    `${played} seeds in ${seconds.toFixed(1)} s: rounds ${rounds}; ${failed ? 'FAILED' : 'all invariants hold'}`,
  );
  if (json) {
    const { scenario, violations, traceHash } = failed ?? {};
    const failure = failed ? { seed: scenario?.seed, violations, traceHash, scenario } : null;
    console.log(JSON.stringify({ ok: !failed, seeds: played, seconds, rounds: Object.fromEntries(tally), failure }));
  }
  return failed ? 1 : 0;
}

const args = process.argv.slice(2);
process.exitCode = args.includes('--network') && !args.includes('--help') ? playNetworks(args) : await main();
