// `millrace demo`, which is `npm start`: a real network on this machine, a scheduler and its nodes, mixes real messages. Exits 0 only
// if every message came out exactly once.
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { Command } from 'commander';
import { MixError, sleep, systemClock, systemRng } from '../../base/index.js';
import { createLog } from '../../base/log.js';
import type { MessageOutcome } from '../../client/index.js';
import { ENGINE_NAMES, openEngine } from '../../engine/index.js';
import { TEAM_SIZE_MAX, TEAM_SIZE_MIN } from '../../protocol/index.js';
import { duration, groupBits, oneOf, whole } from '../common/arguments.js';
import { takeSignals } from '../common/signals.js';
import { DemoDisplay } from './display.js';
import { DemoNetwork } from './network.js';
import { type DemoOptions, type RawDemoOptions, readOptions, TEAMS_MIN } from './options.js';
import { roundLine, roundTable } from './results.js';
import { demoFloors, demoSettings, NODE_SETTINGS, PEER_LOST_MS } from './settings.js';
import { DemoTraffic } from './traffic.js';

const HELP = `
Starts a scheduler and N node processes on loopback, each with its own keys and configuration. Teams precompute rounds while others
mix; senders register, submit and learn the outcome of every message, all over TLS. Outputs are fetched from a node and count
only with every node's signature. The scheduler serves a live page; its address is printed.

Examples:
  millrace demo --rounds 1
  millrace demo --duration 2m
  millrace demo --nodes 3 --batch 200 --bits 3072 --width 2 --input messages.txt`;

/** Failed rounds, before any has completed, after which the demo gives up. */
const FAILURES_MAX = 6;
const LOOK_MS = 500;
/**
 * Time for which there may be too few nodes for a team. Ended ones are not started again, and a node that sits out does so for longer. By
 * then the others have given up the rounds of the one that is gone, and senders have been told.
 */
const FEW_LIMIT_MS = PEER_LOST_MS + 15_000;
/** Time after the end of --duration, or after the start without it, at which messages that no round has taken are given up. */
const PATIENCE_MS = 60 * 60_000;

const ENGINES = ['auto', ...ENGINE_NAMES] as const;
const teamSize = whole(TEAM_SIZE_MIN, TEAM_SIZE_MAX);

export function demoCommand(): Command {
  return new Command('demo')
    .description('bring up a network on this machine and mix messages (npm start)')
    .option('--rounds <n>', 'batches to send (default: 3; with --duration, as many as fit)', whole(1, 1_000_000))
    .option('--duration <time>', 'time of sending batches: 90s, 10m, 1h', duration)
    .option('--batch <n>', 'messages a round', whole(1, 65_536), 1_000)
    .option('--nodes <n>', 'node processes', teamSize, 8)
    .option('--team-size <n>', 'nodes that mix a round, drawn from all (default: 5, or all if fewer)', teamSize)
    .option(
      '--teams <n>',
      'teams at work at the same time: one mixes, the others precompute (default: by demand)',
      whole(TEAMS_MIN, 64),
    )
    .option('--bits <n>', 'group: 2048, 3072 or 4096 bits', groupBits, 4096)
    .option('--width <n>', 'elements of a message, 1 to 15', whole(1, 15), 1)
    .option('--input <file>', 'messages, one a line, taken in order and again from the start (default: random text)')
    .option('--output <file>', 'file for the outputs, one a line', 'demo-output/outputs.txt')
    .option('--engine <name>', ENGINES.join(', '), oneOf(ENGINES), 'auto')
    .option('--json', 'end with one line of JSON on standard output', false)
    .option('--keep', 'stay up after the rounds until Ctrl+C', false)
    .addHelpText('after', HELP)
    .action(demo);
}

async function demo(raw: RawDemoOptions): Promise<void> {
  const options = readOptions(raw, systemRng);
  const { group, nodes, batch, teamSize, engine, threads } = options;
  const network = new DemoNetwork({
    nodes,
    engine,
    threads,
    groups: [group.name],
    floors: demoFloors(options),
    settings: NODE_SETTINGS,
    scheduler: demoSettings(options),
  });
  const display = new DemoDisplay(process.stderr, {
    view: () => network.view,
    nameOf: (node) => `node ${nodeNumber(network, node)}`,
    page: () => network.page,
  });
  const interrupted = onInterrupt(network, display);
  display.say(
    `starting a scheduler and ${nodes} nodes · teams of ${teamSize} · ${group.name} · ${batch} messages a round`,
  );
  // If this process ends in any way that is not foreseen, its children must not outlive it.
  process.on('exit', () => network.abandon());
  try {
    await Promise.race([network.start(), interrupted]);
    await Promise.race([session(network, options, display), interrupted]);
    if (options.keep) await keep(network, display, interrupted);
  } finally {
    display.end();
    await network.stop();
  }
  process.exit();
}

async function session(network: DemoNetwork, options: DemoOptions, display: DemoDisplay): Promise<void> {
  const log = createLog({ name: 'demo', level: 'error' });
  const engine = await openEngine({ engine: options.engine, group: options.group, threads: 1, log });
  const traffic = new DemoTraffic(network, options, engine, {
    onResult: (result, row) => display.say(roundLine(result, row, (node) => nodeNumber(network, node))),
    onUndelivered: (outcomes) =>
      display.say(`${outcomes.length} messages did not come out; their senders were told: ${told(outcomes)}`),
  });
  try {
    const { nodes } = network.nodes;
    display.say(
      `${nodes.length} nodes online · engine ${enginesUsed(network)} · registering ${traffic.senders} senders`,
    );
    display.say(`live page: ${network.page}`);
    await traffic.register();
    display.begin();
    const over = options.durationMs === undefined ? [] : [AbortSignal.timeout(options.durationMs)];
    const patience = AbortSignal.timeout((options.durationMs ?? 0) + PATIENCE_MS);
    tellDeaths(network, display);
    await Promise.race([traffic.run(AbortSignal.any(over), patience), hopeless(network, options.teamSize)]);
    await network.sees(traffic.results.length);
    display.end();
    mkdirSync(dirname(options.output), { recursive: true });
    writeFileSync(options.output, Buffer.concat(traffic.outputs.flatMap((message) => [message, Buffer.from('\n')])));
    report(network, options, traffic);
  } finally {
    traffic.close();
    await engine.close();
  }
}

const nodeNumber = (network: DemoNetwork, node: string): string =>
  String(network.nodes.nodes.find(({ id }) => id === node)?.number ?? node.slice(0, 8));

const enginesUsed = (network: DemoNetwork): string =>
  [...new Set(network.view?.nodes.map(({ engine }) => engine))].join(', ');

function told(outcomes: readonly MessageOutcome[]): string {
  const counts = new Map<string, number>();
  for (const outcome of outcomes) {
    const what = 'code' in outcome ? outcome.code : 'reason' in outcome ? outcome.reason : outcome.state;
    counts.set(what, (counts.get(what) ?? 0) + 1);
  }
  return [...counts].map(([what, count]) => `${count} ${what}`).join(', ');
}

/** Reports a node that has died, or that a user has killed to see what happens. */
function tellDeaths(network: DemoNetwork, display: DemoDisplay): void {
  for (const { number, process: child } of network.nodes.nodes) {
    child.once('exit', (code, signal) => {
      if (!network.stopping)
        display.say(`node ${number} has ended (${signal ?? `exit ${code}`}); rounds go on without it`);
    });
  }
}

/**
 * Rejects if rounds fail and none completes, or too few nodes are left to mix.
 * @throws MixError SCHEDULER_FAILED with the last round's failure, or the end of the scheduler's log; PEER_LOST
 */
async function hopeless(network: DemoNetwork, teamSize: number): Promise<never> {
  let fewSinceMs: number | undefined;
  for (;;) {
    await sleep(systemClock, LOOK_MS);
    if (network.stopping) return new Promise(() => {});
    network.checkScheduler();
    const active = network.view?.nodes.filter(({ status }) => status === 'active').length ?? 0;
    fewSinceMs = active < teamSize ? (fewSinceMs ?? systemClock.nowMs()) : undefined;
    if (fewSinceMs !== undefined && systemClock.nowMs() - fewSinceMs > FEW_LIMIT_MS) {
      throw new MixError('PEER_LOST', { what: 'too few nodes are left for a team', left: active, teamSize });
    }
    const { completed = 0, failed = 0 } = network.view ?? {};
    if (completed > 0 || failed < FAILURES_MAX) continue;
    // Asked again a moment later.
    const table = await network.rounds().catch(() => undefined);
    const row = table?.rounds.findLast(({ failure }) => failure !== undefined);
    if (!row?.failure) continue;
    const { code, culprit } = row.failure;
    const node = culprit === undefined ? 'unknown' : nodeNumber(network, culprit);
    throw new MixError('SCHEDULER_FAILED', { round: row.round, code, node, failed });
  }
}

function report(network: DemoNetwork, options: DemoOptions, { results, undelivered }: DemoTraffic): void {
  const equal = results.length > 0 && results.every((result) => result.equal);
  const ok = equal && undelivered === 0;
  const told = equal ? `${undelivered} messages did not come out, and their senders were told` : undefined;
  const verdict = ok ? 'every message came out exactly once' : (told ?? 'MESSAGES WERE LOST OR CHANGED');
  const { completed, failed, roundsPerMinute, overlapShare, waited } = network.view!;
  const share = overlapShare === null ? 'none' : `${Math.round(100 * overlapShare)} %`;
  process.stdout.write(
    `\n${roundTable(results)}\n\nengine ${enginesUsed(network)} · ${roundsPerMinute.toFixed(1)} rounds a minute · another round was precomputed in ${share} of the time in realtime\noutputs in ${options.output}\n${verdict}\n`,
  );
  if (options.json) {
    const scheduler = { completed, failed, roundsPerMinute, overlapShare, waited };
    const line = {
      ok,
      engine: enginesUsed(network),
      bits: options.group.bits,
      rounds: results,
      undelivered,
      scheduler,
    };
    process.stdout.write(`${JSON.stringify(line)}\n`);
  }
  if (!ok) process.exitCode = 1;
}

/** Stays up until Ctrl+C, which is the intended end and no error. */
async function keep(network: DemoNetwork, display: DemoDisplay, interrupted: Promise<never>): Promise<void> {
  display.say(`\nstaying up until Ctrl+C: ${network.page}`);
  for (const { number, id, httpAddress, directory } of network.nodes.nodes) {
    display.say(`  node ${number}  ${id}  http://${httpAddress}/status  ${directory}`);
  }
  const result = process.exitCode;
  // A referenced timer keeps the process alive.
  const alive = setInterval(() => {}, 60_000);
  // The interruption is the end that is waited for, not an error.
  await interrupted.catch(() => {});
  clearInterval(alive);
  process.exitCode = result;
}

/** Rejects on Ctrl+C and SIGTERM, so that everything is stopped in order; a second one ends the process at once. */
function onInterrupt(network: DemoNetwork, display: DemoDisplay): Promise<never> {
  const signalled = new Promise<never>((_, reject) => {
    let seen = false;
    takeSignals({
      stop: (signal) => {
        const code = signal === 'SIGINT' ? 130 : 143;
        if (seen) process.exit(code);
        seen = true;
        display.say(`\n${signal}: stopping all processes`);
        process.exitCode = code;
        network.stopping = true;
        reject(new MixError('ABORTED', { signal }));
      },
    });
  });
  // Callers that wait get the error. Without one, it is not an error.
  signalled.catch(() => {});
  return signalled;
}
