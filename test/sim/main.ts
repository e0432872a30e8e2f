// npm run sim -- [--scheduler | --liars | --days N] [--seed S | --seeds N] [--from N] [--break NAME] [--json]: plays seeds, stops at the first that breaks an
// invariant, and says how to play it again. Exit code 0, 1 where an invariant broke, 2 for a wrong option. With --network it is
// another command: how many rounds a network of many nodes mixes, and how fast (network/command.ts).
import { parseArgs } from 'node:util';
import { BREAKS, type Break, isBreak } from './breaks.js';
import { DAYS_MIN, playAllDays } from './days/command.js';
import { playNetworks } from './network/command.js';
import { NETWORK_USAGE } from './network/options.js';
import { playSeed, type SimResult } from './run.js';
import { playAllLiars } from './scheduler/liarRun.js';
import { playScheduler } from './scheduler/play.js';

const USAGE = `npm run sim -- [options]
  --seed S      play one seed
  --seeds N     play seeds 1..N (default 200)
  --from N      begin with seed N
  --scheduler   play the scheduler and its nodes instead of a team's rounds
  --liars       play each lie of a node to its scheduler and its team, in every stage of a round, for five minutes
  --days N      play a scheduler and its nodes for N days of virtual time (14 take a minute or two): they are started again, keys and
                certificates are replaced, members come and go; nothing that they keep may grow, no rotation may be missed
  --break NAME  break an invariant on purpose:
${Object.entries(BREAKS)
  .map(([name, what]) => `                ${name}: ${what}`)
  .join('\n')}
  --json        one JSON object on the last line

${NETWORK_USAGE}`;

interface Options {
  readonly seeds: readonly string[];
  readonly single: boolean;
  readonly broken: Break | undefined;
  readonly json: boolean;
  readonly scheduler: boolean;
  readonly liars: boolean;
  readonly days: number | undefined;
}

function readOptions(): Options {
  const { values } = parseArgs({
    options: {
      seed: { type: 'string' },
      seeds: { type: 'string' },
      from: { type: 'string', default: '1' },
      break: { type: 'string' },
      json: { type: 'boolean', default: false },
      scheduler: { type: 'boolean', default: false },
      liars: { type: 'boolean', default: false },
      days: { type: 'string' },
      network: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) {
    console.log(USAGE);
    process.exit(0);
  }
  const number = (text: string, name: string): number => {
    const value = Number(text);
    if (!Number.isInteger(value) || value < 1) throw new Error(`--${name} must be a whole number from 1`);
    return value;
  };
  const broken = values.break;
  if (broken !== undefined && !isBreak(broken)) throw new Error(`--break ${broken}: there is no such break`);
  const first = number(values.from, 'from');
  const count = number(values.seeds ?? '200', 'seeds');
  const seeds = values.seed ? [values.seed] : Array.from({ length: count }, (_, i) => String(first + i));
  if (values.scheduler && broken) throw new Error('--break is not for --scheduler');
  const days = values.days === undefined ? undefined : number(values.days, 'days');
  if (days !== undefined && days < DAYS_MIN) throw new Error(`--days must be ${DAYS_MIN} or more: they are compared`);
  return {
    seeds,
    days,
    single: values.seed !== undefined,
    broken,
    json: values.json,
    scheduler: values.scheduler,
    liars: values.liars,
  };
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
  let options: Options;
  try {
    options = readOptions();
  } catch (error) {
    console.error(`${(error as Error).message}\n\n${USAGE}`);
    return 2;
  }
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
