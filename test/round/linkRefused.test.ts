// A member that refuses all input of another one: its clock or its list is wrong, or the other's certificate is. Rounds cannot go
// on without the refused input, so they end at once and not at their deadlines. All on the virtual clock.
import { describe, expect, it } from 'vitest';
import { type ErrorCode, MixError } from '../../src/base/errors.js';
import type { TeamMessageKind } from '../../src/protocol/teamMessages.js';
import { Attack } from '../attacks/attack.js';

const HOUR_MS = 3_600_000;
const DEADLINES = {
  precomputeMs: HOUR_MS,
  standbyMs: HOUR_MS,
  collectMs: 2_000,
  realtimeMs: HOUR_MS,
  precomputePhaseMs: HOUR_MS,
  realtimePhaseMs: HOUR_MS,
};

describe('a refusal that a round depends on', () => {
  it.each<[ErrorCode, TeamMessageKind]>([
    ['CERTIFICATE_NOT_YET_VALID', 'keyShare'],
    ['CERTIFICATE_EXPIRED', 'commitment'],
    ['PEER_UNKNOWN', 'tableVerdict'],
    ['HANDSHAKE_REFUSED', 'outputSignature'],
  ])('ends the round at once and names the two: %s of a %s', async (code, kind) => {
    // The clock of node 3 is wrong; otherwise it is as honest as the others.
    const attack = await Attack.begin([3], { deadlines: DEADLINES });
    const [, sender, receiver] = attack.info.team;
    attack.tap(2, {
      message: (to, signed) => {
        if (to === receiver && signed.message.kind === kind) throw new MixError(code, { clockSays: 'earlier' });
        return signed;
      },
    });
    const verdicts = await attack.play();
    expect(attack.team.clock.nowMs()).toBeLessThan(HOUR_MS / 10);
    for (const { stage, code: ended } of verdicts) expect([stage, ended]).toEqual(['FAILED', 'LINK_REFUSED']);
    // The refused node reports it; the others rely on its report, and blame nobody themselves.
    expect(verdicts[1]).toMatchObject({ culprit: 3 });
    for (const position of [0, 2]) {
      expect(verdicts[position]).toMatchObject({ culprit: undefined, accused: 3, reporter: 2 });
    }
    const details = attack.honest().map((node) => attack.team.failure(node, attack.info.round)?.detail);
    expect(details[1]).toContain(sender);
    expect(details[1]).toContain(receiver);
  });
});
