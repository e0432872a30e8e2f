// Concurrent rounds over real connections: as many as the team has nodes, and several teams of one pool; and a ping round the
// ring of each.
import { afterAll, beforeAll, expect, it } from 'vitest';
import { utf8 } from '../../src/base/bytes.js';
import type { NodeId } from '../../src/base/ids.js';
import type { RoundInfo } from '../../src/protocol/roundInfo.js';
import { counted } from './support.js';
import { RealTeam } from './team.js';

let team: RealTeam;
beforeAll(async () => {
  team = await RealTeam.start(4);
});
afterAll(() => team.close());

/** Mixes a full batch in a collecting round; returns the outputs in any order. */
async function mix(info: RoundInfo): Promise<string[]> {
  const client = team.client();
  const senders = [client.createSender(), client.createSender()];
  await client.register(senders);
  const [round] = (await client.rounds(info.team[0]!)).filter((signed) => signed.info.round === info.round);
  const texts = Array.from({ length: info.slots }, (_, i) => `round ${info.round}, message ${i}`);
  const outgoing = texts.map((text, i) => ({ sender: senders[i % 2]!, payload: utf8(text) }));
  await client.submit(info, await client.compose(round!, outgoing));
  await team.feed.reached(info.round, 'COMPLETED');
  const { messages } = await client.outputs(info.round, info.team.at(-1)!);
  return messages.map((message) => Buffer.from(message).toString('utf8')).sort();
}

const expected = ({ round, slots }: RoundInfo) =>
  Array.from({ length: slots }, (_, i) => `round ${round}, message ${i}`).sort();

it('as many rounds as a team has nodes run at once, and each outputs its own messages', async () => {
  const rounds = await Promise.all(team.nodes.map(() => team.collecting()));
  // All of them are open on every node now.
  for (const { manager } of team.nodes) {
    expect(rounds.map(({ round }) => manager.stages.get(round))).toEqual(rounds.map(() => 'QUEUED'));
  }
  expect(await Promise.all(rounds.map(mix))).toEqual(rounds.map(expected));
});

it('teams of one pool mix concurrently, also if they share a member', async () => {
  const [a, b, c, d] = team.nodes.map(({ node }) => node) as [NodeId, NodeId, NodeId, NodeId];
  const teams = [
    [a, b],
    [c, d],
    [b, c, a],
  ];
  const rounds = await Promise.all(teams.map((members) => team.collecting({ team: members })));
  expect(await Promise.all(rounds.map(mix))).toEqual(rounds.map(expected));
});

it('the first node of a ring measures the round trip of a ping', async () => {
  const first = team.nodes[0]!;
  const before = await counted(first.metrics, 'ring_round_trip_ms_count');
  await team.collecting();
  await expect.poll(() => counted(first.metrics, 'ring_round_trip_ms_count')).toBe(before + 1);
});
