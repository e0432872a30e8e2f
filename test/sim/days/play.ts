// Plays days and compares the sizes of all reachable containers on an early day, when all have filled up, with those on the last
// one.

import { Secret } from '../../../src/base/secret.js';
import { allEntries, type ContainerSize, type Containers, containersOf } from '../../support/containers.js';
import { MemoryStore } from '../../support/memoryStore.js';
import { SimConnection } from '../scheduler/connection.js';
import { SimRounds } from '../scheduler/simRounds.js';
import { DAY_MS, DaysNetwork } from './network.js';
import { OPEN_MAX, RECORDS_MAX } from './node.js';

/**
 * Limits of containers regardless of their size before: limits in the code that are reached late or never here, and containers
 * that grow on purpose. All others are as large on the last day as on the early one, up to the current rounds and members.
 */
const BOUNDS: Readonly<Record<string, (network: DaysNetwork) => number>> = {
  'RoundFeed.#history': () => 10_000,
  'RoundFeed.#ended': () => 10_000,
  'RoundFeed.rounds': () => 10_000 + SLACK,
  'RoundRecords.#rows': () => 500,
  'RoundDirectory.#own': () => 4_096,
  'Scheduler.#state.announced': () => 1_000,
  'EvidenceJudge.#cases': () => 100,
  'Scheduler.#state.nodes[].blamed': () => 20,
  'Scheduler.#state.nodes[].leads': () => 8,
  // Records that are pruned together, plus open ones.
  'RoundJournal.#ids': () => RECORDS_MAX + 100 + OPEN_MAX,
  'disk of a node: round': () => RECORDS_MAX + 100 + OPEN_MAX,
  'disk of a node: realtime': () => RECORDS_MAX + 100 + OPEN_MAX,
  'disk: update': () => 10_000,
  'disk: ended': () => 10_000,
  // One for each node that ever registered (a banned one stays banned, and no node needs a second code), and one for each code.
  'Scheduler.#registered': ({ tally, residents }) => tally.visitors + residents.length,
  'disk: node': ({ tally, residents }) => tally.visitors + residents.length,
  'disk: code': ({ tally, residents }) => tally.visitors + residents.length,
};
/** Current rounds, reports and tokens. */
const SLACK = 8;
const GROWTH_MAX = 1.25;

export interface Grown {
  readonly name: string;
  readonly before: ContainerSize;
  readonly after: ContainerSize;
}

export interface DaysResult {
  readonly violations: readonly string[];
  readonly earlyDay: number;
  /** All counted containers, largest first. */
  readonly sizes: readonly Grown[];
  /** Entries of the whole heap, if counted. */
  readonly entries: readonly { readonly day: number; readonly maps: number; readonly sets: number }[];
  readonly epochs: readonly number[];
  readonly ends: DaysNetwork['ends'];
  readonly tally: DaysNetwork['tally'];
}

/** Plays `days` days, at least 2. `busy`: a first day with many rounds, so that bounded containers are full. */
export async function playDays(days: number, seed: string, busy: boolean): Promise<DaysResult> {
  const earlyDay = days > 3 ? 3 : 1;
  const network = new DaysNetwork(seed, busy);
  const entries: { day: number; maps: number; sets: number }[] = [];
  let early: Containers = new Map();
  let late: Containers = new Map();
  await network.begin();
  for (let day = 1; day <= days; day++) {
    // Between the events of two hours: no visitor has just come.
    await network.until(day * DAY_MS - 1);
    if (busy && (day === earlyDay || day === days)) entries.push({ day, ...allEntries() });
    if (day === earlyDay) early = await sizesIn(network);
    if (day === days) late = await sizesIn(network);
  }
  const sizes = [...late].map(([name, after]) => ({ name, before: early.get(name) ?? { most: 0, total: 0 }, after }));
  sizes.sort((a, b) => b.after.total - a.after.total);
  // A limit of a container that was renamed would hold nothing.
  for (const name of Object.keys(BOUNDS)) if (!late.has(name)) network.violate(`${name} has a limit, and is not found`);
  for (const grown of sizes) if (hasGrown(grown, network)) network.violate(`${grown.name} grows: ${told(grown)}`);
  checkRotations(network, days);
  await network.end();
  const { violations, ends, tally, residents } = network;
  return { violations, earlyDay, sizes, entries, epochs: residents.map(({ epochs }) => epochs), ends, tally };
}

const told = ({ before, after }: Grown): string =>
  `${before.total} entries before, ${after.total} after, the largest ${before.most} and ${after.most}`;

async function sizesIn(network: DaysNetwork): Promise<Containers> {
  const roots: object[] = [network.scheduler, network.clock];
  for (const { process } of network.nodes) {
    if (!process) continue;
    const { follower, directory, log, registry, desk, authenticator, hosts } = process;
    roots.push(follower, directory, log, registry, desk, authenticator, hosts);
  }
  // Disks are counted by kind of record.
  const ofSimulator = [SimConnection, SimRounds, DaysNetwork, MemoryStore, Secret];
  const found = new Map(containersOf(roots, (value) => ofSimulator.some((one) => value instanceof one)));
  const disks = [
    ['disk', network.disk] as const,
    ...network.residents.map(({ disk }) => ['disk of a node', disk] as const),
  ];
  for (const [disk, store] of disks) {
    const counts = new Map<string, number>();
    for (const key of await store.keys('')) {
      const [kind] = key.split('/') as [string];
      counts.set(kind, (counts.get(kind) ?? 0) + 1);
    }
    for (const [kind, count] of counts) {
      const name = `${disk}: ${kind}`;
      const before = found.get(name) ?? { most: 0, total: 0 };
      found.set(name, { most: Math.max(before.most, count), total: before.total + count });
    }
  }
  return found;
}

function hasGrown({ name, before, after }: Grown, network: DaysNetwork): boolean {
  const bound = BOUNDS[name];
  // The limit holds for each of them separately.
  if (bound) return after.most > bound(network);
  const most = (was: number) => GROWTH_MAX * was + SLACK;
  // Contents of a container with a limit of its own may be as many.
  const isWithin = Object.keys(BOUNDS).some((outer) => name.startsWith(`${outer}[]`));
  return after.most > most(before.most) || (!isWithin && after.total > most(before.total));
}

/** Checks that every node had a new key and a new certificate each day; both are also checked every hour. */
function checkRotations(network: DaysNetwork, days: number): void {
  const { residents, tally } = network;
  for (const [index, { id, epochs }] of residents.entries()) {
    // A restarted process has another key at once.
    const isRight = index % 2 === 0 ? epochs === days : epochs > days;
    if (!isRight) network.violate(`${id}: ${epochs} key epochs in ${days} days`);
  }
  const renewed = days * residents.length;
  if (tally.certificates !== renewed) network.violate(`${tally.certificates} certificates renewed, of ${renewed}`);
}
