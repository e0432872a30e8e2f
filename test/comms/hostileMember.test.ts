// Hostile team members: wrong messages, headers, chunks, trailers and orders of frames. Each gets its own code; the round goes on
// if possible, and otherwise ends naming the culprit.
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { type RoundInfo, roundDigest } from '../../src/protocol/roundInfo.js';
import { messageDigest } from '../../src/protocol/teamMessages.js';
import { encoded, HostileSetting, pathOf, rawMember, type Service } from './hostileSetting.js';
import { counted, keyShareMessage, wireCode, zeros } from './support.js';
import type { RealTeam, TeamNode } from './team.js';

let at: HostileSetting;
let team: RealTeam;
let target: TeamNode;
let info: RoundInfo;
beforeAll(async () => {
  at = await HostileSetting.start();
  ({ team, target, info } = at);
});
afterAll(() => at.close());
afterEach(() => at.expectUnharmed());

const send = (service: Service, method: string, message: Uint8Array) => at.send(service, method, message);

describe('Team.Deliver', () => {
  const deliver = async (changes: object) => {
    const { round, signature } = keyShareMessage(team.nodes[0]!.node, info.round);
    const good = { round, from: team.nodes[0]!.node, signature, keyShare: { share: zeros(64) } };
    return send('Team', 'Deliver', encoded('Team', 'Deliver', { ...good, ...changes }));
  };
  const digest = { digest: zeros(32) };

  it('refuses fields of wrong length, type or range as malformed', async () => {
    const verdict = { proposalDigest: zeros(32), proposalSignature: zeros(64) };
    const bad: readonly object[] = [
      { round: 0 },
      { round: 2 ** 53 },
      { round: 2 ** 63 },
      { from: '' },
      { from: 'AB'.repeat(16) },
      { from: 'x'.repeat(1_000_000) },
      { signature: zeros(63) },
      { signature: zeros(0) },
      { keyShare: undefined },
      { keyShare: undefined, mixCommit: { digest: zeros(31) } },
      { keyShare: undefined, sharesDigest: { digest: zeros(1_000_000) } },
      { keyShare: undefined, tableProposal: { digest: zeros(0), table: zeros(10) } },
      {
        keyShare: undefined,
        commitment: { cipherDigest: zeros(32), revealSignature: zeros(64), commitment: zeros(33) },
      },
      { keyShare: undefined, tableVerdict: { ...verdict, rejections: zeros(4) } },
      { keyShare: undefined, tableVerdict: { ...verdict, rejections: Uint8Array.of(0, 0, 0, 0, 99) } },
      { keyShare: undefined, tableVerdict: { ...verdict, rejections: zeros(20 * 1024 * 1024) } },
      { keyShare: undefined, tableVerdict: { ...verdict, proposalDigest: zeros(0) } },
      { keyShare: undefined, roundError: { code: 'NO_SUCH_CODE', culprit: '', detail: '' } },
      { keyShare: undefined, roundError: { code: 'ROUND_OVER', culprit: 'me', detail: '' } },
      { keyShare: undefined, roundError: { code: 'ROUND_OVER', culprit: '', detail: 'x'.repeat(501) } },
    ];
    for (const changes of bad) expect([changes, await deliver(changes)]).toEqual([changes, 'MESSAGE_MALFORMED']);
  });

  it('refuses a well-formed but wrong message with its own code, and counts it', async () => {
    const before = await counted(target.metrics, 'refused_inputs_total');
    expect(await deliver({})).toBe('SIGNATURE_INVALID');
    expect(await deliver({ round: 999 })).toBe('ROUND_UNKNOWN');
    expect(await deliver({ round: Number.MAX_SAFE_INTEGER })).toBe('ROUND_UNKNOWN');
    // The speaker is another member than the caller.
    expect(await deliver({ from: team.nodes[2]!.node })).toBe('PHASE_SENDER_WRONG');
    // The speaker is the node itself.
    expect(await deliver({ from: target.node })).toBe('PHASE_SENDER_WRONG');
    expect(await deliver({ keyShare: undefined, outputSignature: digest })).toBe('SIGNATURE_INVALID');
    expect(await counted(target.metrics, 'refused_inputs_total')).toBe(before + 6);
  });

  it('refuses a member that is not in the round', async () => {
    const pair = team.roundInfo({ team: info.team.slice(1) });
    team.feed.open(pair);
    await team.feed.reached(pair.round, 'STANDBY');
    expect(await deliver({ round: pair.round })).toBe('PHASE_SENDER_WRONG');
    const header = { ...goodHeader(), round: pair.round };
    expect(await transfer([{ header }])).toBe('PHASE_SENDER_WRONG');
  });
});

const goodHeader = () => ({
  round: info.round,
  phase: 'realtimeDecrypt',
  slots: info.slots,
  elements: 1,
  chunkSlots: info.chunkSlots,
});
const framed = (frames: readonly object[]) => frames.map((frame) => encoded('Team', 'Transfer', frame));

async function transfer(frames: readonly object[], end = true): Promise<string> {
  return wireCode(await at.clients.Team.stream(pathOf('Team', 'Transfer'), framed(frames), end));
}

describe('Team.Transfer', () => {
  const chunk = { index: 0, content: zeros(128) };
  const trailer = { root: zeros(32), extra: zeros(0), signature: zeros(64) };
  // An earlier batch that the target has completely: its stream may be sent again.
  const again = () => ({ ...goodHeader(), phase: 'precompDecrypt', elements: 2 });

  it('refuses frames in any other order', async () => {
    const header = again();
    const orders: readonly (readonly object[])[] = [
      [],
      [{}],
      [{ chunk }],
      [{ trailer }],
      [{ chunk }, { header }],
      [{ header }, { header }],
      [{ header }, {}],
      [{ header }],
    ];
    for (const frames of orders) expect([frames, await transfer(frames)]).toEqual([frames, 'MESSAGE_MALFORMED']);
  });

  it('refuses malformed headers, and headers of a batch that cannot come now', async () => {
    const cases: readonly (readonly [object, string])[] = [
      [{ round: 0 }, 'MESSAGE_MALFORMED'],
      [{ round: 2 ** 53 }, 'MESSAGE_MALFORMED'],
      [{ phase: 'dance' }, 'MESSAGE_MALFORMED'],
      [{ phase: '' }, 'MESSAGE_MALFORMED'],
      [{ phase: 'toString' }, 'MESSAGE_MALFORMED'],
      [{ round: 999 }, 'ROUND_UNKNOWN'],
      [{ phase: 'precompPermute' }, 'PHASE_SENDER_WRONG'],
      [{ phase: 'realtimePermute' }, 'PHASE_SENDER_WRONG'],
      [{ phase: 'mixed' }, 'ROUND_WRONG_PHASE'],
      [{}, 'ROUND_WRONG_PHASE'],
      [{ ...again(), slots: 7 }, 'BATCH_HEADER'],
      [{ ...again(), slots: 0xffffffff }, 'BATCH_HEADER'],
      [{ ...again(), elements: 3 }, 'BATCH_HEADER'],
      [{ ...again(), chunkSlots: 0 }, 'BATCH_HEADER'],
    ];
    for (const [changes, code] of cases) {
      const got = await transfer([{ header: { ...goodHeader(), ...changes } }], false);
      // A retryable code is a refusal as well: the phase may come yet.
      expect([changes, got]).toEqual([changes, code]);
    }
  });

  it('refuses chunks out of range or of wrong length without harm to the round', async () => {
    const cases: readonly (readonly [object, string])[] = [
      [{ index: 3 }, 'CHUNK_INDEX'],
      [{ index: 0xffffffff }, 'CHUNK_INDEX'],
      [{ content: zeros(0) }, 'CHUNK_LENGTH'],
      [{ content: zeros(255) }, 'CHUNK_LENGTH'],
      [{ content: zeros(1_000_000) }, 'CHUNK_LENGTH'],
    ];
    for (const [changes, code] of cases) {
      const got = await transfer([{ header: again() }, { chunk: { ...chunk, ...changes } }], false);
      expect([changes, got]).toEqual([changes, code]);
    }
  });

  it('refuses a malformed trailer without harm to the round', async () => {
    for (const changes of [{ root: zeros(31) }, { signature: zeros(0) }]) {
      const got = await transfer([{ header: again() }, { trailer: { ...trailer, ...changes } }], false);
      expect(got).toBe('MESSAGE_MALFORMED');
    }
  });

  it('ends a stream that stays idle, before and after its header', async () => {
    const idle = await Promise.all([transfer([], false), transfer([{ header: again() }], false)]);
    // The sender may retry, and must not consider the node lost: no LINK error.
    expect(idle).toEqual(['CHUNK_MISSING', 'CHUNK_MISSING']);
  });

  it('survives streams that are opened and cancelled', async () => {
    for (let i = 0; i < 20; i++) {
      const client = rawMember(team.nodes[0]!, target);
      await client.connected();
      const stream = client.stream(pathOf('Team', 'Transfer'), framed([{ header: again() }]), false);
      await new Promise((resolve) => (i % 2 ? setTimeout(resolve, 2) : setImmediate(resolve)));
      client.close();
      void stream;
    }
  });
});

describe('a member that breaks a round by its messages', () => {
  it('is named as the culprit, and no other round is affected', async () => {
    const victim = await team.collecting();
    const header = { ...again(victim) };
    // Bytes that differ from those that this node sent before: two inputs for one slot.
    const conflict = {
      index: 0,
      content: Uint8Array.of(1, ...zeros(63), 1, ...zeros(63), 1, ...zeros(63), 1, ...zeros(63)),
    };
    const failed = team.feed.reached(victim.round, 'COMPLETED').catch((error) => error);
    expect(await transfer([{ header }, { chunk: conflict }], false)).toBe('CHUNK_CONFLICT');
    expect((await failed).values).toMatchObject({ code: 'CHUNK_CONFLICT', culprit: team.nodes[0]!.node });
    expect(await transfer([{ header: { ...header, phase: 'realtimeDecrypt', elements: 1 } }])).toBe('ROUND_OVER');
  });

  const again = (of: RoundInfo) => ({
    round: of.round,
    phase: 'precompDecrypt',
    slots: of.slots,
    elements: 2,
    chunkSlots: of.chunkSlots,
  });

  it('that sends two different messages is named as the culprit', async () => {
    const victim = await team.collecting();
    const failed = team.feed.reached(victim.round, 'COMPLETED').catch((error) => error);
    const { key } = team.nodes[0]!;
    const message = { kind: 'sharesDigest', digest: zeros(32) } as const;
    const signature = key.sign(messageDigest(roundDigest(victim), key.nodeId, message));
    const envelope = { round: victim.round, from: key.nodeId, signature, sharesDigest: { digest: zeros(32) } };
    expect(await send('Team', 'Deliver', encoded('Team', 'Deliver', envelope))).toBe('EQUIVOCATION');
    expect((await failed).values).toMatchObject({ code: 'EQUIVOCATION', culprit: key.nodeId });
  });
});
