// Registration over real connections: the client does the work that a node under load demands, and registers again with a node
// that has evicted its senders.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { utf8 } from '../../src/base/bytes.js';
import { GatewayClient } from '../../src/comms/gateway/client.js';
import { codeOf } from './support.js';
import { NETWORK, RealTeam } from './team.js';

let team: RealTeam;
beforeAll(async () => {
  team = await RealTeam.start(3);
});
afterAll(() => team.close());

describe('registration', () => {
  it('is repeated with a node that has forgotten a sender, and the message goes into another round', async () => {
    const client = team.client();
    const [sender, other] = [client.createSender(), client.createSender()];
    const { registry } = team.nodes[1]!;
    const places: string[] = [];
    const agree = registry.register.bind(registry);
    registry.register = (key, epoch, place = '') => {
      places.push(place);
      return agree(key, epoch, place);
    };
    await client.register([sender]);
    registry.register = agree;
    expect(places).toEqual([expect.stringMatching(/^127\.0\.0\.1\/\d+$/)]);
    expect(registry.forgetUnused(places[0]!)).toBe(true);
    const first = await team.collecting({
      slots: 2,
      quotaPerSender: 1,
      deadlines: { ...team.roundInfo().deadlines, collectMs: 1_500 },
    });
    const messages = [sender, other].map((by, i) => ({ sender: by, payload: utf8(`forgotten ${i}`) }));
    const sending = client.send(messages);
    await team.feed.reached(first.round, 'COMPLETED');
    const second = await team.collecting({ slots: 1, quotaPerSender: 1, chunkSlots: 1 });
    expect(await sending).toEqual([
      { state: 'mixed', round: second.round },
      { state: 'mixed', round: first.round },
    ]);
  });

  it('does the work that a node demands under load, and is refused without it', async () => {
    const { registrations, registry } = team.nodes[1]!;
    const gateway = new GatewayClient(team.nodes[1]!.member, NETWORK);
    const strange = new GatewayClient(team.nodes[1]!.member, NETWORK);
    const client = team.client();
    const [a, b] = [client.createSender(), client.createSender()].map(({ key }) => key);
    const { epoch } = await gateway.describe();
    for (let i = 0; i < 550; i++) registry.strike(a!.senderId);
    await gateway.register([a!.publicKey], epoch);
    for (let i = 0; i < 550; i++) registry.strike(a!.senderId);
    expect(registrations.difficultyBits).toBeGreaterThan(0);
    const raw = team.nodes[1]!.registrations.register({ senderKeys: [b!.publicKey], epoch, nonces: [] }, 'a');
    expect(await codeOf(raw)).toBe('PUZZLE_REQUIRED');
    // This client does not know of the demand before the call.
    await strange.register([b!.publicKey], epoch);
    expect(registry.knows(b!.senderId)).toBe(true);
    for (const each of [gateway, strange]) each.close();
  });
});
