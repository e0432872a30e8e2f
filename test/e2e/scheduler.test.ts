// The scheduler as a process would run it, over real connections, with whole nodes: it opens, assigns and ends rounds by itself,
// delivers their messages, is killed and restarted without repeating or losing one, admits nobody without a code, and spares nodes that
// take no rounds for now.

import { mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { toHex, utf8 } from '../../src/base/bytes.js';
import { MixError } from '../../src/base/errors.js';
import type { RoundId } from '../../src/base/ids.js';
import { silentLog } from '../../src/base/log.js';
import { statusText } from '../../src/cli/status.js';
import { Client } from '../../src/client/client.js';
import { createCodes, type RunningScheduler, startScheduler } from '../../src/node/schedulerProcess.js';
import { createKeyFiles, keyFilesIn } from '../../src/node/settings/keyFiles.js';
import { loadSchedulerConfig, schedulerConfigFile } from '../../src/node/settings/schedulerConfig.js';
import { NO_FLOORS } from '../../src/protocol/floors.js';
import { NETWORK, Nodes } from '../support/nodes.js';

const LIMIT_MS = 60_000;
const SLOTS = 4;

let nodes: Nodes;
let running: RunningScheduler | undefined;
let configFile: string;

beforeEach(async () => {
  nodes = new Nodes();
  await nodes.create(4);
  const directory = join(nodes.directory, 'scheduler');
  mkdirSync(directory);
  const files = keyFilesIn(directory);
  const key = await createKeyFiles(files, 2);
  // The nodes follow this scheduler.
  writeFileSync(join(nodes.directory, 'scheduler.pem'), readFileSync(files.certificateFile));
  configFile = join(directory, 'scheduler.toml');
  writeFileSync(configFile, schedulerConfigFile());
  nodes.schedulerKey(toHex(key.publicKey));
});
afterEach(async () => {
  await running?.close();
  running = undefined;
  await nodes.close();
});

function config(...more: string[]) {
  return loadSchedulerConfig(configFile, [
    `network="${NETWORK}"`,
    'membership_file="../membership.toml"',
    `listen.nodes="${nodes.schedulerAddress}"`,
    'listen.http="127.0.0.1:0"',
    'rounds.team_size=3',
    'rounds.group="TEST-512"',
    `rounds.slots=${SLOTS}`,
    'rounds.chunk_slots=2',
    'rounds.min_senders=1',
    'floors.slots=1',
    'floors.senders=1',
    'floors.group_bits=1',
    `rounds.quota_per_sender=${SLOTS}`,
    'rounds.collect_ms=60000',
    ...more,
  ]);
}

/** Sends a batch like a sender; returns the round that mixed it. */
async function mix(client: Client, label: string): Promise<RoundId> {
  const sender = client.createSender();
  const texts = Array.from({ length: SLOTS }, (_, i) => `${label} ${i}`);
  const outcomes = await client.send(texts.map((text) => ({ sender, payload: utf8(text) })));
  const [first] = outcomes;
  if (first?.state !== 'mixed') throw new Error(`not mixed: ${JSON.stringify(outcomes)}`);
  expect(outcomes).toEqual(texts.map(() => first));
  const row = running!.scheduler.rounds().find(({ round }) => round === first.round);
  // A node may receive the last signature a moment later than the one that the client asked.
  const outputs = () => client.outputs(first.round, row!.team[1]!);
  await expect
    .poll(() =>
      outputs().then(
        () => 'known',
        ({ code }) => code,
      ),
    )
    .toBe('known');
  const { messages } = await outputs();
  expect(messages.map((message) => Buffer.from(message).toString()).sort()).toEqual(texts);
  return first.round;
}

const clientOf = () =>
  new Client({
    network: NETWORK,
    membership: nodes.membership,
    roundAuthority: nodes.schedulerPublicKey,
    floors: NO_FLOORS,
  });

it('rounds follow one another by themselves, each ready before it is wanted, also across a restart of the scheduler', {
  timeout: LIMIT_MS,
}, async () => {
  running = await startScheduler(config(), silentLog);
  for (const node of [0, 1, 2, 3]) await nodes.start(node);
  const client = clientOf();
  const rounds = [await mix(client, 'first'), await mix(client, 'second')];
  // It stops silently, as if it were killed: rounds in STANDBY are still valid when it is back.
  const stocked = running.scheduler.view().stock + running.scheduler.view().precomputing;
  expect(stocked).toBeGreaterThan(0);
  const published = running.scheduler.feed.published.length;
  await running.close();
  running = await startScheduler(config(), silentLog);
  expect(running.scheduler.feed.published.length).toBeGreaterThanOrEqual(published);
  const statusOf = async (port: number) => statusText(await (await fetch(`http://127.0.0.1:${port}/status`)).json());
  expect(await statusOf(running.httpPort)).toContain(`scheduler of ${NETWORK}\n`);
  expect(await statusOf(nodes.running[0]!.httpPort)).toContain(`node ${nodes.members[0]!.node} of ${NETWORK}\n`);
  rounds.push(await mix(client, 'third'), await mix(client, 'fourth'));
  expect(new Set(rounds).size).toBe(4);
  const numbers = running.scheduler.feed.published.map(({ number }) => number);
  expect(numbers).toEqual(numbers.map((_, i) => i + 1));
  const opened = running.scheduler.feed.published.flatMap(({ update }) =>
    update.kind === 'open' ? [update.round.info.round] : [],
  );
  expect(new Set(opened).size).toBe(opened.length);
  client.close();
});

it('with codes, a node is in the pool once it has presented one, and a code works once', {
  timeout: LIMIT_MS,
}, async () => {
  const withCodes = config('registration="codes"');
  const codes = await createCodes(withCodes, 3);
  for (const [node, code] of codes.entries()) nodes.giveCode(node, code);
  // The fourth one tries with the first one's.
  nodes.giveCode(3, codes[0]!);
  running = await startScheduler(withCodes, silentLog);
  for (const node of [0, 1, 2]) await nodes.start(node);
  const { scheduler } = running;
  await expect.poll(() => scheduler.view().nodes.length, { timeout: 20_000 }).toBe(3);
  await nodes.start(3);
  const client = clientOf();
  await mix(client, 'registered');
  expect(
    scheduler
      .view()
      .nodes.map(({ node }) => node)
      .sort(),
  ).toEqual(
    nodes.members
      .slice(0, 3)
      .map(({ node }) => node)
      .sort(),
  );
  await expect(scheduler.register(nodes.members[3]!.node, 'made up')).rejects.toMatchObject({
    code: 'REGISTRATION_REFUSED',
  });
  client.close();
});

it('uses other parameters after a reload, and keeps its old ones if the new ones are wrong', {
  timeout: LIMIT_MS,
}, async () => {
  running = await startScheduler(config(), silentLog);
  for (const node of [0, 1, 2, 3]) await nodes.start(node);
  const client = clientOf();
  await mix(client, 'before');
  expect(() => config('rounds.team_size=1')).toThrow(MixError);
  await running.reload(config('rounds.team_size=4', 'pool.stock_min=3'));
  // Earlier decisions are published.
  await running.scheduler.feed.settled();
  const known = running.scheduler.feed.published.length;
  await mix(client, 'after');
  const teams = () =>
    running!.scheduler.feed.published
      .slice(known)
      .flatMap(({ update }) => (update.kind === 'open' ? [update.round.info.team.length] : []));
  await expect.poll(() => teams().length, { timeout: 20_000 }).toBeGreaterThan(0);
  expect(new Set(teams())).toEqual(new Set([4]));
  client.close();
});

const nodeOf = (node: string) => running!.scheduler.view().nodes.find((view) => view.node === node);

/** Teams of the rounds that were opened after an update. */
const teamsAfter = (known: number) =>
  running!.scheduler.feed.published
    .slice(known)
    .flatMap(({ update }) => (update.kind === 'open' ? [update.round.info.team] : []));

/** Resolves when a node is paused and all that was decided before is published; returns the number of updates. */
async function pausedAt(node: string): Promise<number> {
  await expect.poll(() => nodeOf(node)?.status).toBe('paused');
  await running!.scheduler.feed.settled();
  return running!.scheduler.feed.published.length;
}

/** Sends less than a batch; resolves with the promise of the outcomes and the round that waits for more messages. */
async function collecting(client: Client) {
  const sender = client.createSender();
  const sent = client.send([1, 2].map((i) => ({ sender, payload: utf8(`waits ${i}`) })));
  const queued = () => running!.scheduler.rounds().find(({ state }) => state === 'QUEUED');
  await expect.poll(queued).toBeDefined();
  return { sent, row: queued()! };
}

it('a node that drains takes no new rounds, finishes those with messages, leaves, and is not blamed', {
  timeout: LIMIT_MS,
}, async () => {
  running = await startScheduler(config('rounds.collect_ms=5000'), silentLog);
  for (const node of [0, 1, 2, 3]) await nodes.start(node);
  const client = clientOf();
  const { sent, row } = await collecting(client);
  const leaving = row.team[1]!;
  const drained = nodes.running[nodes.members.findIndex(({ node }) => node === leaving)]!.drain('the test');
  const known = await pausedAt(leaving);
  const stateOf = () => running!.scheduler.rounds().find(({ round }) => round === row.round)?.state;
  await drained;
  await expect.poll(stateOf).toBe('COMPLETED');
  for (const outcome of await sent) expect(outcome.state).toBe('mixed');
  await mix(client, 'without it');
  expect(teamsAfter(known).flat()).not.toContain(leaving);
  expect(nodeOf(leaving)).toMatchObject({ blamed: 0 });
  expect(running.scheduler.rounds().flatMap(({ blamed }) => blamed)).toEqual([]);
  client.close();
});

it('a node whose disk fails says so, and is drawn for no round until the disk is in order', {
  timeout: LIMIT_MS,
}, async () => {
  running = await startScheduler(config(), silentLog);
  for (const node of [0, 1, 2, 3]) await nodes.start(node);
  const client = clientOf();
  await mix(client, 'before');
  const [failing] = nodes.members;
  // In the place of a file that the store writes: each write fails, as on a full disk.
  const obstacle = join(nodes.at(0), 'data', 'store.head.new');
  const obstruct = (): string => {
    try {
      mkdirSync(obstacle);
      return 'done';
    } catch (error) {
      // The store is about to rename its file of this name.
      return (error as Error).message;
    }
  };
  await expect.poll(obstruct).toBe('done');
  const known = await pausedAt(failing!.node);
  await mix(client, 'without it');
  expect(teamsAfter(known).flat()).not.toContain(failing!.node);
  rmdirSync(obstacle);
  await expect.poll(() => nodeOf(failing!.node)?.status).toBe('active');
  await running.reload(config('rounds.team_size=4'));
  const back = running.scheduler.feed.published.length;
  await mix(client, 'with it');
  await expect.poll(() => teamsAfter(back).flat()).toContain(failing!.node);
  client.close();
});
