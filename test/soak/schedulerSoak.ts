// `npm run soak -- --scheduler`: the eight nodes of the demo and their scheduler, killed (-9) at random moments and restarted,
// while clients send. At the end every message came out once or its sender was told, no round was repeated or lost, and nothing
// grew.

import { once } from 'node:events';
import { join } from 'node:path';
import { utf8 } from '../../src/base/bytes.js';
import { sleep, systemClock } from '../../src/base/clock.js';
import type { RoundId } from '../../src/base/ids.js';
import { silentLog } from '../../src/base/log.js';
import { type Rng, randomBelow, randomFraction } from '../../src/base/rng.js';
import { openLevelStore } from '../../src/base/store.js';
import { DemoNetwork } from '../../src/cli/demo/network.js';
import { Client } from '../../src/client/client.js';
import type { MessageOutcome } from '../../src/client/delivery.js';
import { openEngine } from '../../src/engine/open.js';
import { groupOfBits } from '../../src/math/group.js';
import { NO_FLOORS } from '../../src/protocol/floors.js';
import type { Stage } from '../../src/protocol/stages.js';
import { SchedulerStore } from '../../src/scheduler/store.js';
import { LeakWatch, startCollectable } from '../support/leakWatch.js';
import { SeededRng } from '../support/seededRng.js';
import { Ledger } from './ledger.js';
import { isOver, SchedulerRounds } from './schedulerRounds.js';

const NODES = 8;
const TEAM_SIZE = 5;
const BATCH = 40;
const SENDERS = 20;
const QUIETS = 10;
const SECOND_MS = 1_000;
/** Maximum time between two kills, and until the restart. */
const PAUSE_MS = 20 * SECOND_MS;
const AWAY_MS = 5 * SECOND_MS;
/** Share of kills that hit the scheduler. */
const SCHEDULER_SHARE = 0.25;
/** Time limit for pending work to end: twice the time after which a sender is told that the outcome is unknown. */
const SETTLE_MS = 180 * SECOND_MS;

export interface SchedulerSoakOptions {
  readonly minutes: number;
  readonly seed: string;
  readonly workers: number;
  readonly say: (line: string) => void;
}

const SETTINGS = {
  'floors.slots': BATCH,
  'floors.senders': 1,
  'floors.group_bits': 2048,
  'rounds.team_size': TEAM_SIZE,
  'rounds.group': 'MODP-2048',
  'rounds.slots': BATCH,
  'rounds.chunk_slots': 8,
  'rounds.min_senders': 5,
  'rounds.quota_per_sender': BATCH,
  'rounds.collect_ms': 3 * SECOND_MS,
  // All nodes share this machine, like the demo's.
  'pool.precomputing_per_node': 2,
  'pool.stale_ms': 30 * SECOND_MS,
  'pool.sit_out_ms': 20 * SECOND_MS,
};

/** Kills a process of the network at a random moment, and restarts it a while later. */
async function killer(network: DemoNetwork, rng: Rng, stop: AbortSignal, held: () => boolean) {
  const counts = { nodes: 0, scheduler: 0 };
  // Node 1 is never killed: growth in it is a leak.
  const victims = network.nodes.nodes.slice(1);
  while (!stop.aborted) {
    await sleep(systemClock, 1_000 + randomFraction(rng) * PAUSE_MS, stop);
    if (stop.aborted || held()) continue;
    const awayMs = randomFraction(rng) * AWAY_MS;
    if (randomFraction(rng) < SCHEDULER_SHARE) {
      counts.scheduler++;
      const dying = network.schedulerProcess!;
      dying.kill('SIGKILL');
      await once(dying, 'exit');
      await sleep(systemClock, awayMs);
      network.startScheduler();
    } else {
      counts.nodes++;
      const victim = victims[randomBelow(rng, victims.length)]!;
      victim.process.kill('SIGKILL');
      await once(victim.process, 'exit');
      await sleep(systemClock, awayMs);
      network.nodes.restart(victim);
    }
  }
  return counts;
}

/** Sends batches one after another and records the outcome of each message. */
class Sending {
  readonly #client: Client;
  readonly #rounds: SchedulerRounds;
  readonly #ledger: Ledger;
  readonly #patience: AbortSignal;
  readonly #told: { readonly text: string; readonly outcome: MessageOutcome }[] = [];
  #batch = 0;
  #running = 0;

  constructor(client: Client, rounds: SchedulerRounds, ledger: Ledger, patience: AbortSignal) {
    this.#client = client;
    this.#rounds = rounds;
    this.#ledger = ledger;
    this.#patience = patience;
  }

  get idle(): boolean {
    return this.#running === 0;
  }

  async work(stop: AbortSignal, held: () => boolean): Promise<void> {
    const senders = Array.from({ length: SENDERS }, () => this.#client.createSender());
    while (!stop.aborted) {
      if (held()) await sleep(systemClock, 100, stop);
      else await this.#one(++this.#batch, senders);
    }
    for (const sender of senders) sender.wipe();
  }

  async #one(batch: number, senders: readonly ReturnType<Client['createSender']>[]): Promise<void> {
    this.#running++;
    try {
      const texts = Array.from({ length: BATCH }, (_, i) => `batch ${batch} message ${i}`);
      const outgoing = texts.map((text, i) => ({ sender: senders[i % SENDERS]!, payload: utf8(text) }));
      const outcomes = await this.#client.send(outgoing, { signal: this.#patience });
      for (const [i, outcome] of outcomes.entries()) this.#told.push({ text: texts[i]!, outcome });
      const rounds = new Set(outcomes.flatMap((outcome) => (outcome.state === 'mixed' ? [outcome.round] : [])));
      await Promise.all([...rounds].map((round) => this.#outputs(round)));
    } catch (thrown) {
      this.#ledger.problems.push(`batch ${batch}: ${(thrown as Error).stack ?? thrown}`);
    } finally {
      this.#running--;
    }
  }

  async #outputs(round: RoundId): Promise<void> {
    const team = await this.#rounds.teamOf(round);
    if (!team || !(await this.#rounds.outputs(round, team))) {
      this.#ledger.problems.push(`round ${round}: senders were told that it mixed, and no node gives its outputs`);
    }
  }

  /** Compares every message with the outputs of all rounds. */
  settle(): void {
    for (const { text, outcome } of this.#told) {
      const out = this.#ledger.cameOut(text);
      const code = 'code' in outcome ? outcome.code : 'reason' in outcome ? outcome.reason : '';
      if (outcome.state === 'mixed' && !out)
        this.#ledger.lost(outcome.round, text, 'its sender was told that it was mixed');
      else this.#ledger.ended(outcome.state === 'unsent' ? 'refused' : outcome.state, code);
      const never = outcome.state === 'rejected' || outcome.state === 'refused' || outcome.state === 'unsent';
      if (never && out) this.#ledger.problems.push(`"${text}" came out, and its sender was told ${outcome.state}`);
    }
  }
}

/**
 * Checks the scheduler's store: every update once, and every round that began has ended, or was open at the last look. Rounds
 * opened later, during the shutdown, are not counted.
 */
async function checkStore(
  directory: string,
  seen: ReadonlyMap<RoundId, { readonly state: Stage }>,
  ledger: Ledger,
): Promise<string> {
  const store = await openLevelStore(join(directory, 'scheduler', 'scheduler-data', 'store'));
  const { updates, ended } = await new SchedulerStore(store).recover();
  await store.close();
  const opened = new Set<RoundId>();
  const assigned = new Set<RoundId>();
  let last = updates[0] ? updates[0].number - 1 : 0;
  for (const { number, update } of updates) {
    if (number !== ++last) ledger.problems.push(`update ${number} where ${last} was due`);
    if (update.kind === 'fail') continue;
    const round = update.kind === 'open' ? update.round.info.round : update.round;
    const known = update.kind === 'open' ? opened : assigned;
    if (known.has(round)) ledger.problems.push(`round ${round}: ${update.kind} twice`);
    known.add(round);
  }
  const newest = Math.max(...seen.keys());
  let open = 0;
  for (const round of opened) {
    if (ended.has(round) || round > newest) continue;
    const state = seen.get(round)?.state;
    if (state === undefined || isOver(state)) ledger.problems.push(`round ${round} was opened and is nowhere`);
    else open++;
  }
  return `rounds opened: ${opened.size}, each once; ${open} still open at the end`;
}

export async function soakScheduler({ minutes, seed, workers, say }: SchedulerSoakOptions): Promise<boolean> {
  say(`soak: a scheduler and ${NODES} nodes, teams of ${TEAM_SIZE}, ${minutes} minutes, seed ${seed}`);
  startCollectable();
  process.env.MILLRACE_LIMITS_KEPT_ROUNDS = '16';
  const group = groupOfBits(2048);
  const network = new DemoNetwork({
    nodes: NODES,
    engine: 'auto',
    threads: 1,
    groups: [group.name],
    floors: NO_FLOORS,
    scheduler: SETTINGS,
  });
  process.on('exit', () => network.killAll());
  const engine = await openEngine({ engine: 'auto', group, threads: 1, log: silentLog });
  const ledger = new Ledger();
  const leaks = new LeakWatch();
  const [stop, patience, over] = [new AbortController(), new AbortController(), new AbortController()];
  let held = false;
  try {
    await network.start();
    const { membership } = network.nodes;
    const client = new Client({
      network: network.name,
      membership,
      roundAuthority: network.roundAuthority,
      engine,
      floors: NO_FLOORS,
    });
    const rounds = new SchedulerRounds(network, client, ledger);
    const sending = new Sending(client, rounds, ledger, patience.signal);
    const watching = rounds.watch(over.signal);
    const killing = killer(network, new SeededRng(`${seed}/deaths`), stop.signal, () => held);
    const working = Promise.all(Array.from({ length: workers }, () => sending.work(stop.signal, () => held)));
    const witness = network.nodes.nodes.slice(0, 1);
    const looking = leaks.watch(witness, over.signal);
    for (let quiet = 0; quiet < QUIETS; quiet++) {
      await sleep(systemClock, (minutes * 60 * SECOND_MS) / QUIETS);
      held = true;
      const endMs = systemClock.nowMs() + SETTLE_MS;
      while (!sending.idle && systemClock.nowMs() < endMs) await sleep(systemClock, 100);
      if (!sending.idle) ledger.problems.push(`a batch is nowhere after ${SETTLE_MS / SECOND_MS} s without deaths`);
      // Precomputations go on: only memory that outlives its round is a leak.
      await leaks.read(witness, { secrets: false });
      held = false;
      const { completed, failed } = ledger.rounds;
      say(`${(((quiet + 1) * minutes) / QUIETS).toFixed(1)} min: ${completed} rounds completed, ${failed} failed`);
    }
    stop.abort();
    const deaths = await killing;
    const give = setTimeout(() => patience.abort(), SETTLE_MS);
    await working;
    clearTimeout(give);
    await sleep(systemClock, 5 * SECOND_MS);
    over.abort();
    await Promise.all([watching, looking]);
    say(`\ndeaths: ${deaths.nodes} of nodes, ${deaths.scheduler} of the scheduler`);
    sending.settle();
    client.close();
    await network.stopProcesses();
    say(await checkStore(network.nodes.directory, rounds.seen, ledger));
  } finally {
    for (const controller of [stop, patience, over]) controller.abort();
    await network.stop();
    await engine.close();
  }
  return verdict(ledger, leaks, seed, say);
}

function verdict(ledger: Ledger, leaks: LeakWatch, seed: string, say: (line: string) => void): boolean {
  const problems = [...ledger.problems, ...leaks.problems()];
  if (ledger.rounds.completed === 0) problems.push('no round completed: nothing was shown');
  say(`${ledger.report()}\n${leaks.report()}`);
  for (const problem of problems.slice(0, 40)) say(`PROBLEM: ${problem}`);
  say(problems.length === 0 ? 'nothing was lost or repeated, nothing leaks' : `FAILED, seed ${seed}`);
  return problems.length === 0;
}
