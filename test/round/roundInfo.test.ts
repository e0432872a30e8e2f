// The RoundInfo and the team draw: a digest that binds every field, a check that refuses every value out of its range, and a draw
// that anyone can repeat and nobody can bias.
import { describe, expect, it } from 'vitest';
import { toHex } from '../../src/base/bytes.js';
import type { NodeId, RoundId } from '../../src/base/ids.js';
import { randomBytes } from '../../src/base/rng.js';
import { SigningKey } from '../../src/cmix/signatures.js';
import type { GroupName } from '../../src/math/group.js';
import { NO_FLOORS, type RoundFloors, SAFE_FLOORS } from '../../src/protocol/floors.js';
import {
  checkRoundInfo,
  chunkCount,
  chunkRange,
  isSignedBy,
  type RoundInfo,
  roundDigest,
  signRoundInfo,
} from '../../src/protocol/roundInfo.js';
import { drawTeam } from '../../src/protocol/sortition.js';
import { checkedFacts, type RoundRules } from '../../src/round/acceptance.js';
import { outcome } from '../support/cmix.js';
import { SeededRng } from '../support/seededRng.js';

const node = (i: number): NodeId => i.toString(16).padStart(32, '0') as NodeId;
const info: RoundInfo = {
  network: 'test',
  round: 7 as RoundId,
  membership: 3,
  team: [node(1), node(2), node(3)],
  group: 'TEST-512',
  slots: 10,
  width: 2,
  chunkSlots: 4,
  exponentBytes: 32,
  minSenders: 2,
  quotaPerSender: 5,
  deadlines: {
    precomputeMs: 1_000,
    standbyMs: 2_000,
    collectMs: 3_000,
    realtimeMs: 4_000,
    precomputePhaseMs: 500,
    realtimePhaseMs: 600,
  },
};

describe('a RoundInfo', () => {
  const changes: Record<keyof RoundInfo, Partial<RoundInfo>> = {
    network: { network: 'tesu' },
    round: { round: 8 as RoundId },
    membership: { membership: 4 },
    team: { team: [node(2), node(1), node(3)] },
    group: { group: 'MODP-2048' },
    slots: { slots: 11 },
    width: { width: 1 },
    chunkSlots: { chunkSlots: 5 },
    exponentBytes: { exponentBytes: 33 },
    minSenders: { minSenders: 1 },
    quotaPerSender: { quotaPerSender: 4 },
    deadlines: { deadlines: { ...info.deadlines, standbyMs: 2_001 } },
  };

  it.each(Object.entries(changes))('has another digest and an invalid signature with another %s', (_, change) => {
    const key = SigningKey.generate(new SeededRng('authority'));
    const signed = signRoundInfo(info, key);
    const other = { ...info, ...change };
    expect(toHex(roundDigest(other))).not.toBe(toHex(roundDigest(info)));
    expect(isSignedBy(signed, key.publicKey)).toBe(true);
    expect(isSignedBy({ ...signed, info: other }, key.publicKey)).toBe(false);
  });

  it.each(['precomputeMs', 'standbyMs', 'collectMs', 'realtimeMs', 'precomputePhaseMs', 'realtimePhaseMs'] as const)(
    'binds the deadline %s',
    (name) => {
      const other = { ...info, deadlines: { ...info.deadlines, [name]: 9 } };
      expect(toHex(roundDigest(other))).not.toBe(toHex(roundDigest(info)));
    },
  );

  it('has another digest if two fields exchange their values', () => {
    const a = roundDigest({ ...info, slots: 10, chunkSlots: 4 });
    const b = roundDigest({ ...info, slots: 4, chunkSlots: 10 });
    expect(toHex(a)).not.toBe(toHex(b));
  });

  it.each<[string, Partial<RoundInfo>]>([
    ['network', { network: '' }],
    ['network', { network: 'x'.repeat(65) }],
    ['round', { round: 0 as RoundId }],
    ['round', { round: 1.5 as RoundId }],
    ['round', { round: (2 ** 53) as RoundId }],
    ['membership', { membership: -1 }],
    ['team', { team: [node(1)] }],
    ['team', { team: [node(1), node(1)] }],
    ['team', { team: [node(1), 'nobody' as NodeId] }],
    ['team', { team: Array.from({ length: 65 }, (_, i) => node(i)) }],
    ['slots', { slots: 0, chunkSlots: 1 }],
    ['slots', { slots: 2 ** 21 }],
    ['slots', { slots: Number.NaN }],
    ['width', { width: 0 }],
    ['width', { width: 16 }],
    ['chunkSlots', { chunkSlots: 0 }],
    ['chunkSlots', { chunkSlots: 11 }],
    ['exponentBytes', { exponentBytes: 31 }],
    ['exponentBytes', { exponentBytes: 65 }],
    ['minSenders', { minSenders: 0 }],
    ['minSenders', { minSenders: 11 }],
    ['quotaPerSender', { quotaPerSender: 0 }],
  ])('is refused for its %s', (field, change) => {
    expect(() => checkRoundInfo({ ...info, ...change })).toThrowError(
      expect.objectContaining({ values: expect.objectContaining({ field }) }),
    );
    expect(outcome(() => checkRoundInfo({ ...info, ...change }))).toBe('ROUND_INFO_INVALID');
  });

  it.each<[keyof RoundInfo['deadlines'], number]>([
    ['collectMs', 0],
    ['standbyMs', -1],
    ['realtimeMs', 24 * 3600 * 1000 + 1],
    ['precomputeMs', Number.POSITIVE_INFINITY],
    ['precomputePhaseMs', 0],
    ['precomputePhaseMs', Number.NaN],
    ['precomputePhaseMs', 0.5],
    // A phase deadline longer than its stage would have no effect.
    ['precomputePhaseMs', 1_001],
    ['realtimePhaseMs', 0],
    ['realtimePhaseMs', -1],
    ['realtimePhaseMs', 4_001],
    ['realtimePhaseMs', Number.POSITIVE_INFINITY],
  ])('is refused by the name of the deadline %s that is %d', (name, ms) => {
    const deadlines = { ...info.deadlines, [name]: ms };
    expect(() => checkRoundInfo({ ...info, deadlines })).toThrowError(
      expect.objectContaining({ code: 'ROUND_INFO_INVALID', values: { field: `deadlines.${name}`, round: 7 } }),
    );
  });

  it('accepts a phase as long as its stage, and one of a millisecond', () => {
    const { precomputeMs } = info.deadlines;
    const deadlines = { ...info.deadlines, precomputePhaseMs: precomputeMs, realtimePhaseMs: 1 };
    expect(checkRoundInfo({ ...info, deadlines }).name).toBe('TEST-512');
  });

  it('is refused for an unknown group, and accepted if valid', () => {
    expect(outcome(() => checkRoundInfo({ ...info, group: 'MODP-1' as GroupName }))).toBe('GROUP_UNKNOWN');
    expect(checkRoundInfo(info).name).toBe('TEST-512');
  });

  it('is cut into chunks that cover every slot once', () => {
    for (const slots of [1, 4, 10, 11]) {
      for (const chunkSlots of [1, 3, slots]) {
        if (chunkSlots > slots) continue;
        const sized = { ...info, slots, chunkSlots };
        const covered = Array.from({ length: chunkCount(sized) }, (_, i) => chunkRange(sized, i)).flatMap(
          ({ from, to }) => Array.from({ length: to - from }, (_, k) => from + k),
        );
        expect(covered).toEqual(Array.from({ length: slots }, (_, slot) => slot));
      }
    }
  });
});

describe('the team draw', () => {
  const pool = Array.from({ length: 6 }, (_, i) => node(i));
  const randomness = randomBytes(new SeededRng('beacon'), 32);

  it('is the same for any order of the pool, with duplicates or without', () => {
    const team = drawTeam(pool, 3, 1 as RoundId, randomness);
    expect(drawTeam([...pool].reverse(), 3, 1 as RoundId, randomness)).toEqual(team);
    expect(drawTeam([...pool, ...pool], 3, 1 as RoundId, randomness)).toEqual(team);
    expect(new Set(team).size).toBe(3);
  });

  it('differs by round and by randomness', () => {
    const teams = Array.from({ length: 40 }, (_, i) => drawTeam(pool, 3, (i + 1) as RoundId, randomness).join());
    expect(new Set(teams).size).toBeGreaterThan(20);
    const other = drawTeam(pool, 6, 1 as RoundId, new Uint8Array(32));
    expect(other).not.toEqual(drawTeam(pool, 6, 1 as RoundId, randomness));
  });

  it('draws every ordered team equally often (χ² over all 120 teams of 3 out of 6)', () => {
    const counts = new Map<string, number>();
    const draws = 12_000;
    for (let round = 1; round <= draws; round++) {
      const team = drawTeam(pool, 3, round as RoundId, randomness).join();
      counts.set(team, (counts.get(team) ?? 0) + 1);
    }
    expect(counts.size).toBe(120);
    const expected = draws / 120;
    const chi2 = [...counts.values()].reduce((sum, count) => sum + (count - expected) ** 2 / expected, 0);
    // 119 degrees of freedom: an unbiased draw exceeds 190 once in 10^4.6 times; the seed is fixed.
    expect(chi2).toBeLessThan(190);
  });

  it.each([0, 7])('refuses a team of %i out of 6', (size) => {
    expect(outcome(() => drawTeam(pool, size, 1 as RoundId, randomness))).toBe('ROUND_INFO_INVALID');
  });
});

describe('a node', () => {
  const authority = SigningKey.generate(new SeededRng('authority'));
  const rules: RoundRules = {
    self: node(1),
    network: info.network,
    membership: info.membership,
    roundAuthority: authority.publicKey,
    publicKeyOf: () => authority.publicKey,
    slots: 100,
    width: 4,
    floors: NO_FLOORS,
  };
  const safe: RoundInfo = {
    ...info,
    group: 'MODP-3072',
    slots: SAFE_FLOORS.slots,
    chunkSlots: SAFE_FLOORS.slots,
    minSenders: SAFE_FLOORS.senders,
  };
  const code = (change: Partial<RoundInfo>, floors: RoundFloors) =>
    outcome(() => checkedFacts(signRoundInfo({ ...safe, ...change }, authority), { ...rules, floors }).position);

  it.each<[string, Partial<RoundInfo>]>([
    ['team', { team: [node(1), node(2)] }],
    ['slots', { slots: 31, chunkSlots: 8 }],
    ['distinct senders', { minSenders: SAFE_FLOORS.senders - 1 }],
    ['group', { group: 'MODP-2048' }],
    ['toy group', { group: 'TEST-512' }],
  ])('takes no part in a round below its floors, even if the authority has signed it: %s', (_, change) => {
    expect(code({}, SAFE_FLOORS)).toBe(0);
    expect(code(change, SAFE_FLOORS)).toBe('ROUND_BELOW_FLOOR');
    expect(code(change, NO_FLOORS)).toBe(0);
  });
});
