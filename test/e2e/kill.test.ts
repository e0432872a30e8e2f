// Real processes, real kill -9: a node that dies in the middle of a round ends that round with an error that names it; the others
// live on, without the round's secrets, and mix the next one without it.

import { afterEach, describe, expect, it } from 'vitest';
import { utf8 } from '../../src/base/bytes.js';
import { asMixError } from '../../src/base/errors.js';
import { randomBytes, systemRng } from '../../src/base/rng.js';
import type { NodeProcess } from '../../src/cli/demo/nodeProcesses.js';
import { Client } from '../../src/client/client.js';
import { NO_FLOORS } from '../../src/protocol/floors.js';
import type { PhaseName } from '../../src/protocol/stages.js';
import { FeedNetwork } from '../support/feedNetwork.js';

const MINUTE_MS = 60_000;
/** Long enough for processes that start, and one that is awaited in vain, on a busy machine. */
const LIMIT_MS = 3 * MINUTE_MS;
const DEADLINES = {
  precomputeMs: MINUTE_MS,
  standbyMs: MINUTE_MS,
  collectMs: MINUTE_MS,
  realtimeMs: MINUTE_MS,
  precomputePhaseMs: MINUTE_MS,
  realtimePhaseMs: MINUTE_MS,
};

let network: FeedNetwork;
let client: Client;
/** Clients to close; empty if a network did not come up. */
const clients: Client[] = [];
afterEach(async () => {
  for (const one of clients.splice(0)) one.close();
  await network.stop();
});

async function statusOf(node: NodeProcess): Promise<unknown> {
  return (await fetch(`http://${node.httpAddress}/status`)).json();
}

/** Four nodes at 2048 bits, one of which is killed when a phase starts on any node. */
async function networkWithKill(phase: PhaseName): Promise<{ victim(): NodeProcess }> {
  let victim: NodeProcess | undefined;
  const listener = {
    onProgress: (_node: unknown, _round: unknown, at: PhaseName) => {
      if (at !== phase || victim) return;
      victim = network.nodes[2]!;
      victim.process.kill('SIGKILL');
    },
  };
  network = new FeedNetwork({
    nodes: 4,
    engine: 'openssl',
    threads: 1,
    groups: ['MODP-2048'],
    floors: NO_FLOORS,
    listener,
  });
  await network.start();
  const { name, membership, authority } = network;
  client = new Client({ network: name, membership, roundAuthority: authority.publicKey, floors: NO_FLOORS });
  clients.push(client);
  return { victim: () => victim! };
}

/** Mixes a whole round of this many messages; returns the outputs. @throws MixError if it fails */
async function mix(round: number, count: number): Promise<string[]> {
  const { feed } = network;
  const shape = { group: 'MODP-2048', slots: count, chunkSlots: Math.min(64, count), deadlines: DEADLINES } as const;
  const info = network.info(round, shape, randomBytes(systemRng, 32));
  const sender = client.createSender();
  const signed = feed.open(info);
  await feed.reached(info.round, 'STANDBY');
  feed.assign(info.round);
  await feed.reached(info.round, 'QUEUED');
  const completed = feed.reached(info.round, 'COMPLETED');
  completed.catch(() => {});
  await client.register([sender], info.team);
  const outgoing = Array.from({ length: count }, (_, i) => ({ sender, payload: utf8(`message ${i}`) }));
  await client.submit(info, await client.compose(signed, outgoing));
  await completed;
  const { messages } = await client.outputs(info.round, info.team[0]!);
  return messages.map((bytes) => Buffer.from(bytes).toString());
}

const texts = (count: number) => Array.from({ length: count }, (_, i) => `message ${i}`);

describe('kill -9 of one node', { timeout: LIMIT_MS }, () => {
  it.each<PhaseName>(['generate', 'reveal', 'realtimeDecrypt'])('when %s starts', async (phase) => {
    const { victim } = await networkWithKill(phase);
    const error = await mix(1, 300).then(
      () => undefined,
      (thrown) => asMixError(thrown),
    );
    expect(error?.values).toMatchObject({ code: 'PEER_LOST', culprit: victim().id });
    for (const node of network.nodes.filter((other) => other !== victim())) {
      // The first node to report it may be a moment ahead of the others.
      const ended = { rounds: [{ round: 1, stage: 'FAILED' }], roundSecretBytes: 0 };
      await expect.poll(() => statusOf(node), { timeout: 20_000 }).toMatchObject(ended);
    }
    // The three remaining nodes mix a round.
    network.nodes.splice(network.nodes.indexOf(victim()), 1);
    expect((await mix(2, 8)).sort()).toEqual(texts(8).sort());
  });
});
