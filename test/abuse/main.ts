// `npm run abuse [-- --json]`: strangers attack a real network, a scheduler and its nodes as processes, beside honest senders.
// The network and its senders have one core, the attackers another, also in the run without attackers. It prints the rate of
// mixed honest messages with and without each kind of attack, and the growth of the nodes' memory. It ends with status 1 if an attack
// costs more than a tenth of that rate, or a node keeps memory.

import { spawn, spawnSync } from 'node:child_process';
import { setMaxListeners } from 'node:events';
import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import { sleep, systemClock } from '../../src/base/clock.js';
import { silentLog } from '../../src/base/log.js';
import { commandLine, groupBits, listOf, oneOf, whole } from '../../src/cli/common/arguments.js';
import { DemoNetwork } from '../../src/cli/demo/network.js';
import { Client } from '../../src/client/client.js';
import type { Sender } from '../../src/client/compose.js';
import { openEngine } from '../../src/engine/open.js';
import { groupOfBits } from '../../src/math/group.js';
import { LeakWatch, memoryGains, startCollectable } from '../support/leakWatch.js';
import type { AttackCount, AttackPlan, Kind } from './attacks.js';
import { KINDS } from './attacks.js';
import { abuseStatus } from './status.js';

const NODES = 4;
const TEAM = 3;
const SENDERS = 50;
/** Honest load as a share of the network's capacity. */
const LOAD = 0.5;
const CAPACITY_SHARE = 1 / 2;
/** Sends per second, each with a part of the load. */
const SENDS_PER_S = 4;
/** Nodes count these strangers by connection: honest senders are behind one address. */
const HONEST_PREFIX = '127.0.0.1/32';
/** Bytes of a submission besides its payload: keys, salt, MACs, frames. */
const MESSAGE_BYTES = 256;
/** Honest senders of a small group send few bytes: an attack by bytes is at least this. */
const BYTES_PER_S_MIN = 4 * 2 ** 20;
/** Time for memory to be released, s. */
const SETTLE_S = 60;
/** Time until as many messages come out as go in, s. */
const STEADY_S = 20;
const MIB = 2 ** 20;

const say = (line: string) => void process.stderr.write(`${line}\n`);

interface Options {
  readonly seconds: number;
  readonly kinds: readonly Kind[];
  readonly addresses: readonly number[];
  readonly times: number;
  readonly bits: number;
  readonly batch: number;
  readonly json: boolean;
}

const readOptions = (): Options =>
  commandLine('npm run abuse --', 'measures the effect of attacks by strangers on honest senders, in a real network')
    .option(
      '--seconds <seconds>',
      'duration of each attack, and of the time without one before it',
      whole(1, 3_600),
      60,
    )
    .option('--kinds <list>', `some of ${KINDS.join(', ')}`, listOf(oneOf(KINDS)), KINDS)
    .option('--addresses <list>', 'numbers of loopback addresses that attack', listOf(whole(1, 250)), [1, 200])
    .option(
      '--times <number>',
      'factor over the calls a second, bytes a second, or connections, of honest senders',
      whole(1, 1_000),
      10,
    )
    .option('--bits <bits>', 'group: 2048, 3072 or 4096', groupBits, 2_048)
    .option('--batch <number>', 'messages of a round', whole(1, 10_000), 100)
    .option('--json', 'end with one line of JSON', false)
    .parse()
    .opts<Options>();

/** Pins this process, and its later children, to one core. */
function pin(core: number): void {
  const { status } = spawnSync('taskset', ['-a', '-p', '-c', String(core), String(process.pid)]);
  if (status !== 0) {
    say('error: taskset is needed to give the network and its attackers a core each\nhint: install util-linux');
    process.exit(1);
  }
}

/** Honest senders: the given number of messages per second, each followed to its outcome. */
class HonestSenders {
  readonly #client: Client;
  readonly #senders: Sender[];
  /** Total of messages that came out. */
  mixed = 0;
  underWay = 0;
  #perS = 0;
  #due = 0;
  #sent = 0;
  readonly #stop = new AbortController();

  constructor(client: Client) {
    this.#client = client;
    // Each pending batch listens to it.
    setMaxListeners(0, this.#stop.signal);
    this.#senders = Array.from({ length: SENDERS }, () => client.createSender());
  }

  async register(): Promise<void> {
    await this.#client.register(this.#senders);
  }

  /** Sends at the current rate, with at most `most` messages pending. */
  async run(most: () => number): Promise<void> {
    const { signal } = this.#stop;
    while (!signal.aborted) {
      this.#due += this.#perS / SENDS_PER_S;
      const count = Math.min(Math.floor(this.#due), most() - this.underWay);
      this.#due = Math.min(this.#due - Math.max(0, count), 2 * this.#perS);
      if (count > 0) this.#send(count);
      await sleep(systemClock, 1_000 / SENDS_PER_S, signal);
    }
  }

  set perS(perS: number) {
    this.#perS = perS;
    this.#due = 0;
  }

  #send(count: number): void {
    const messages = Array.from({ length: count }, (_, i) => ({
      sender: this.#senders[(this.#sent + i) % SENDERS]!,
      payload: Buffer.from(`message ${this.#sent + i}`),
    }));
    this.#sent += count;
    this.underWay += count;
    const { signal } = this.#stop;
    this.#client.send(messages, { signal }).then(
      (outcomes) => {
        this.mixed += outcomes.filter(({ state }) => state === 'mixed').length;
        this.underWay -= count;
      },
      (thrown) => {
        say(`honest senders were refused: ${(thrown as Error).message}`);
        this.underWay -= count;
      },
    );
  }

  /** Messages per second that came out during this time. */
  async measure(seconds: number): Promise<number> {
    const [before, startMs] = [this.mixed, systemClock.nowMs()];
    await sleep(systemClock, seconds * 1_000);
    return (this.mixed - before) / ((systemClock.nowMs() - startMs) / 1_000);
  }

  /** Resolves when every sent message has its outcome. */
  async drained(): Promise<void> {
    while (this.underWay > 0) await sleep(systemClock, 100, this.#stop.signal);
  }

  stop(): void {
    this.#stop.abort();
  }
}

function attack(plan: AttackPlan, core: number): Promise<AttackCount> {
  const script = fileURLToPath(new URL('./attacker.ts', import.meta.url));
  const args = ['-c', String(core), process.execPath, '--import', 'tsx', script, JSON.stringify(plan)];
  const child = spawn('taskset', args, { stdio: ['ignore', 'pipe', 'inherit'] });
  let text = '';
  child.stdout.on('data', (part: Buffer) => {
    text += part.toString();
  });
  return new Promise((resolve, reject) => {
    child.once('exit', () => {
      try {
        resolve(JSON.parse(text) as AttackCount);
      } catch (cause) {
        reject(new Error('the attacker died', { cause }));
      }
    });
  });
}

/**
 * Memory of each node, at the moment since the reading before at which each had least: garbage that is not collected yet comes and
 * goes by 100 MiB a node.
 */
const memoryNow = (network: DemoNetwork, memory: LeakWatch) => memory.read(network.nodes.nodes, { secrets: false });
const sumMib = (readings: Awaited<ReturnType<typeof memoryNow>>) =>
  readings.reduce((sum, { memoryBytes }) => sum + memoryBytes, 0) / MIB;

interface Result {
  readonly kind: Kind;
  readonly addresses: number;
  readonly honestPerS: number;
  readonly honestAlonePerS: number;
  readonly ratio: number;
  readonly attacker: AttackCount;
}

async function play(options: Options, network: DemoNetwork, honest: HonestSenders, memory: LeakWatch): Promise<void> {
  const { seconds, batch } = options;
  let most = 4 * batch;
  void honest.run(() => most);
  honest.perS = 1e6;
  say('measuring what the network can do …');
  await honest.measure(seconds * CAPACITY_SHARE);
  const capacity = await honest.measure(seconds);
  const load = capacity * LOAD;
  most = 1e6;
  honest.perS = 0;
  await honest.drained();
  honest.perS = load;
  // The first batches fill and come out.
  await honest.measure(Math.max(STEADY_S, seconds * CAPACITY_SHARE));
  say(`capacity ${capacity.toFixed(1)} messages a second · honest load ${load.toFixed(1)}`);
  const memoryBefore = await memoryNow(network, memory);
  const targets = network.nodes.nodes.map(({ id, httpAddress }) => {
    const { gatewayAddress, address } = network.nodes.membership.get(id);
    return { node: id, gateway: gatewayAddress, team: address, http: httpAddress };
  });
  const results: Result[] = [];
  for (const count of options.addresses) {
    const addresses = Array.from({ length: count }, (_, i) => `127.0.${count > 1 ? 1 : 0}.${i + (count > 1 ? 1 : 2)}`);
    for (const kind of options.kinds) {
      const perS = Math.max(50, options.times * load);
      const bytesPerS = Math.max(BYTES_PER_S_MIN, options.times * load * (options.bits / 8 + MESSAGE_BYTES));
      const connections = options.times * SENDERS * NODES;
      const plan = { kind, targets, addresses, perS, connections, bytesPerS, seconds };
      // Measured before each attack: other load of the machine is in both figures.
      const alone = await honest.measure(seconds);
      const failedBefore = network.view?.failed ?? 0;
      const [honestPerS, attacker] = await Promise.all([honest.measure(seconds), attack(plan, 1)]);
      const ratio = honestPerS / alone;
      results.push({ kind, addresses: count, honestPerS, honestAlonePerS: alone, ratio, attacker });
      const { calls, refused, bytes } = attacker;
      say(
        `${kind.padEnd(13)} from ${String(count).padStart(3)} addresses: ${honestPerS.toFixed(1)} of ${alone.toFixed(1)} messages a second (${Math.round(100 * ratio)} %) · ${calls} calls, ${refused} refused, ${attacker.connections} connections, ${Math.round(bytes / MIB)} MiB sent · ${(network.view?.failed ?? 0) - failedBefore} rounds failed · ${Math.round(sumMib(await memoryNow(network, memory)))} MiB`,
      );
    }
  }
  await honest.measure(Math.min(SETTLE_S, seconds));
  const memoryAfter = await memoryNow(network, memory);
  const memoryGrowthMiB = Math.round(sumMib(memoryAfter) - sumMib(memoryBefore));
  const gains = memoryGains(memoryBefore, memoryAfter);
  say([`memory of the nodes grew by ${memoryGrowthMiB} MiB`, memory.report(), ...gains].join('\n'));
  const worst = options.kinds.map((kind) =>
    results.filter((result) => result.kind === kind).reduce((a, b) => (a.ratio <= b.ratio ? a : b)),
  );
  if (options.json)
    process.stdout.write(`${JSON.stringify({ kinds: worst, memoryGrowthMiB, capacityPerS: capacity })}\n`);
  process.exitCode = abuseStatus(worst, gains);
}

async function main(): Promise<void> {
  const options = readOptions();
  if (availableParallelism() < 2) say('there is one core only: the network and its attackers share it');
  pin(0);
  startCollectable();
  const group = groupOfBits(options.bits);
  const { batch } = options;
  const floors = { team: TEAM, slots: 1, senders: 1, groupBits: options.bits };
  const network = new DemoNetwork({
    ...{ nodes: NODES, engine: 'auto', threads: 1, groups: [group.name], floors },
    settings: { 'strangers.by_connection': [HONEST_PREFIX] as never, 'limits.peer_lost_ms': 20_000 },
    scheduler: {
      ...{ 'rounds.team_size': TEAM, 'rounds.group': group.name, 'rounds.slots': batch, 'rounds.min_senders': 1 },
      ...{ 'floors.team': TEAM, 'floors.slots': 1, 'floors.senders': 1, 'floors.group_bits': options.bits },
      ...{ 'rounds.chunk_slots': Math.min(64, batch), 'rounds.quota_per_sender': batch, 'rounds.collect_ms': 5_000 },
      ...{ 'pool.stock_min': 2, 'pool.stock_max': 6, 'pool.precomputing_per_node': 2 },
    },
  });
  process.on('exit', () => network.abandon());
  const engine = await openEngine({ engine: 'auto', group, threads: 1, log: silentLog });
  const over = new AbortController();
  try {
    await network.start();
    const { membership } = network.nodes;
    const { roundAuthority, name } = network;
    const client = new Client({ network: name, membership, roundAuthority, engine, floors });
    const honest = new HonestSenders(client);
    await honest.register();
    const memory = new LeakWatch();
    const looking = memory.watch(network.nodes.nodes, over.signal);
    await play(options, network, honest, memory);
    over.abort();
    await looking;
    honest.stop();
    client.close();
  } finally {
    over.abort();
    await engine.close();
    await network.stop();
  }
}

await main();
process.exit();
