// `npm run soak -- --minutes M [--seed S]`: five real nodes with links that fail at random while rounds go on; with --scheduler,
// eight nodes and a scheduler that are killed (schedulerSoak.ts). Ends with status 1 if a message is lost without its sender
// being told, comes out twice, or a node leaks memory, handles or secrets.

import { sleep, systemClock } from '../../src/base/clock.js';
import { silentLog } from '../../src/base/log.js';
import { commandLine, decimal, whole } from '../../src/cli/common/arguments.js';
import { openEngine } from '../../src/engine/open.js';
import { groupOfBits } from '../../src/math/group.js';
import { NO_FLOORS } from '../../src/protocol/floors.js';
import { FeedNetwork } from '../support/feedNetwork.js';
import { LeakWatch, startCollectable } from '../support/leakWatch.js';
import { SeededRng } from '../support/seededRng.js';
import { Ledger } from './ledger.js';
import { Mischief } from './mischief.js';
import { SoakRounds } from './rounds.js';
import { soakScheduler } from './schedulerSoak.js';

const NODES = 5;
/** Number of quiet moments, at which nodes are checked. */
const QUIETS = 20;

const say = (line: string) => void process.stdout.write(`${line}\n`);

interface Options {
  readonly minutes: number;
  readonly seed: string;
  readonly workers: number;
  readonly scheduler: boolean;
}

function readOptions(): Options {
  const options = commandLine(
    'npm run soak --',
    'real nodes mix while faults come at random: nothing may be lost, doubled or leaked',
  )
    .option('--minutes <minutes>', 'duration in minutes', decimal(0.1, 100_000), 10)
    .option('--seed <seed>', 'seed of the faults and their times (default: the time)')
    .option('--workers <number>', 'rounds or batches at the same time', whole(1, 8), 2)
    .option('--scheduler', 'kill eight nodes and a scheduler at random, instead of making links fail', false)
    .parse()
    .opts<Omit<Options, 'seed'> & { readonly seed?: string }>();
  return { ...options, seed: options.seed ?? String(Date.now()) };
}

async function soak({ minutes, seed, workers }: Options): Promise<boolean> {
  say(`soak: ${NODES} nodes, ${minutes} minutes, seed ${seed}`);
  // Outputs of few ended rounds are kept, so that growth is a leak; but of enough that a sender on a loaded machine finds its own.
  startCollectable();
  process.env.MILLRACE_LIMITS_KEPT_ROUNDS = '16';
  const mischief = new Mischief(new SeededRng(`${seed}/faults`));
  const group = groupOfBits(2048);
  const advertise = (address: string) => mischief.inFrontOf(address);
  const network = new FeedNetwork({
    nodes: NODES,
    engine: 'auto',
    threads: 1,
    groups: [group.name],
    floors: NO_FLOORS,
    advertise,
  });
  process.on('exit', () => network.killAll());
  const engine = await openEngine({ engine: 'auto', group, threads: 1, log: silentLog });
  const ledger = new Ledger();
  const leaks = new LeakWatch();
  const stop = new AbortController();
  let held = false;
  try {
    await network.start();
    const rounds = new SoakRounds({ network, engine, ledger, rng: new SeededRng(`${seed}/rounds`), log: say });
    await rounds.register();
    const working = Promise.all([
      ...Array.from({ length: workers }, () => rounds.work(stop.signal, () => held)),
      mischief.work(network, stop.signal, () => held),
    ]);
    const looking = leaks.watch(network.nodes, stop.signal);
    const spanMs = (minutes * 60_000) / QUIETS;
    for (let quiet = 0; quiet < QUIETS; quiet++) {
      await sleep(systemClock, spanMs);
      held = true;
      while (!rounds.idle) await sleep(systemClock, 100);
      // Cut connections are dialled again, and dropped streams are gone.
      await sleep(systemClock, 1_500);
      await leaks.read(network.nodes);
      held = false;
      const { completed, failed } = ledger.rounds;
      say(`${(((quiet + 1) * minutes) / QUIETS).toFixed(1)} min: ${completed} rounds completed, ${failed} failed`);
    }
    stop.abort();
    await Promise.all([working, looking]);
    rounds.close();
  } finally {
    stop.abort();
    await network.stop();
    await mischief.close();
    await engine.close();
  }
  return verdict(ledger, leaks, mischief, seed);
}

function verdict(ledger: Ledger, leaks: LeakWatch, mischief: Mischief, seed: string): boolean {
  const problems = [...ledger.problems, ...leaks.problems()];
  if (ledger.rounds.completed === 0) problems.push('no round completed: nothing was shown');
  say(`\nfaults: ${mischief.report()}\n${ledger.report()}\n${leaks.report()}`);
  for (const problem of problems.slice(0, 40)) say(`PROBLEM: ${problem}`);
  say(problems.length === 0 ? 'nothing was lost, nothing leaks' : `FAILED, seed ${seed}`);
  return problems.length === 0;
}

const options = readOptions();
process.exitCode = (await (options.scheduler ? soakScheduler({ ...options, say }) : soak(options))) ? 0 : 1;
process.exit();
