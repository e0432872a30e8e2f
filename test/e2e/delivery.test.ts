// A sending client: its messages are output once each, for any result of their rounds, and it learns the outcome of every one.
// Whole nodes over real connections; the test is the scheduler.

import { afterEach, beforeEach, expect, it } from 'vitest';
import { utf8 } from '../../src/base/bytes.js';
import type { RoundId } from '../../src/base/ids.js';
import { Client } from '../../src/client/client.js';
import type { MessageOutcome } from '../../src/client/delivery.js';
import { NO_FLOORS } from '../../src/protocol/floors.js';
import type { RoundInfo } from '../../src/protocol/roundInfo.js';
import { NETWORK, Nodes } from '../support/nodes.js';

const LIMIT_MS = 60_000;

let nodes: Nodes;
let client: Client;

beforeEach(async () => {
  nodes = new Nodes();
  await nodes.create(4);
  await nodes.startScheduler();
  for (const node of [0, 1, 2, 3]) await nodes.start(node);
  await nodes.feed.online(nodes.members.map(({ node }) => node));
  client = new Client({
    network: NETWORK,
    membership: nodes.membership,
    roundAuthority: nodes.schedulerPublicKey,
    floors: NO_FLOORS,
  });
});
afterEach(async () => {
  client.close();
  await nodes.close();
});

/** Opens a round of all nodes except those given, and waits until it accepts messages. */
async function open(...without: number[]): Promise<RoundInfo> {
  const info = nodes.info(nodes.members.filter((_, i) => !without.includes(i)).map(({ node }) => node));
  nodes.feed.open(info);
  await nodes.feed.reached(info.round, 'STANDBY');
  nodes.feed.assign(info.round);
  await nodes.feed.reached(info.round, 'QUEUED');
  return info;
}

function send(
  texts: readonly string[],
  onTaken?: (round: RoundId, count: number) => void,
): Promise<readonly MessageOutcome[]> {
  const senders = [client.createSender(), client.createSender()];
  const outgoing = texts.map((text, i) => ({ sender: senders[i % 2]!, payload: utf8(text) }));
  return client.send(outgoing, onTaken ? { onTaken } : {});
}

async function outputsOf(info: RoundInfo): Promise<string[]> {
  await nodes.feed.reached(info.round, 'COMPLETED');
  const { messages } = await client.outputs(info.round, info.team[1]!);
  return messages.map((bytes) => Buffer.from(bytes).toString()).sort();
}

const texts = (count: number) => Array.from({ length: count }, (_, i) => `message ${i}`);

it('any node reports the rounds that accept messages', { timeout: LIMIT_MS }, async () => {
  const info = await open(3);
  for (const { node } of nodes.members) {
    const told = async () => (await client.rounds(node)).map((round) => round.info.round);
    await expect.poll(told).toEqual([info.round]);
  }
  nodes.feed.fail(info.round, 'the test says so');
  for (const { node } of nodes.members) await expect.poll(async () => (await client.rounds(node)).length).toBe(0);
});

it('messages beyond the slots of a round go into the next one, each into one', { timeout: LIMIT_MS }, async () => {
  const first = await open();
  const sending = send(texts(6));
  await nodes.feed.reached(first.round, 'COMPLETED');
  const second = await open();
  await send(['a filler', 'and another one']);
  const outcomes = await sending;
  expect(outcomes.map(({ state }) => state)).toEqual(texts(6).map(() => 'mixed'));
  const out = [...(await outputsOf(first)), ...(await outputsOf(second))].sort();
  expect(out).toEqual([...texts(6), 'a filler', 'and another one'].sort());
});

it('a message of a round that fails before shares are opened goes into another one', {
  timeout: LIMIT_MS,
}, async () => {
  const first = await open(0);
  let taken = 0;
  const sending = send(texts(3), (_, count) => {
    taken += count;
  });
  await expect.poll(() => taken).toBe(3);
  nodes.feed.fail(first.round, 'the test says so');
  const second = await open(1);
  const outcomes = Promise.all([sending, send(['a fourth'])]);
  await nodes.feed.reached(second.round, 'COMPLETED');
  expect((await outcomes).flat()).toEqual(Array.from({ length: 4 }, () => ({ state: 'mixed', round: second.round })));
  expect(await outputsOf(second)).toEqual(['a fourth', ...texts(3)]);
});

it('a message whose first node dies goes into another one', { timeout: LIMIT_MS }, async () => {
  const first = await open(3);
  let taken = 0;
  const sending = send(texts(3), (_, count) => {
    taken += count;
  });
  await expect.poll(() => taken).toBe(3);
  await nodes.running[0]!.close('the test says so');
  const second = await open(0);
  const outcomes = Promise.all([sending, send(['a fourth'])]);
  await nodes.feed.reached(second.round, 'COMPLETED');
  expect((await outcomes).flat()).toEqual(Array.from({ length: 4 }, () => ({ state: 'mixed', round: second.round })));
  await expect(client.outputs(first.round, first.team[1]!)).rejects.toMatchObject({ code: 'ROUND_OVER' });
});

it('a message that no round can carry is refused by its code, and no search outlasts its signal', {
  timeout: LIMIT_MS,
}, async () => {
  const sender = client.createSender();
  const stop = AbortSignal.timeout(300);
  expect(await client.send([{ sender, payload: utf8('nobody takes it') }], { signal: stop })).toEqual([
    { state: 'unsent' },
  ]);
  const info = await open();
  const long = { sender, payload: new Uint8Array(10_000) };
  const short = texts(4).map((text) => ({ sender, payload: utf8(text) }));
  const [first, ...others] = await client.send([long, ...short]);
  expect(first).toEqual({ state: 'refused', code: 'MESSAGE_TOO_LONG' });
  expect(others).toEqual(short.map(() => ({ state: 'mixed', round: info.round })));
});
