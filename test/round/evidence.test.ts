// Evidence as an outsider verifies it: evidence that honest nodes produce of a real attack convicts the attacker and nobody else;
// evidence with any bit changed, or made up, convicts nobody.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { asMixError } from '../../src/base/errors.js';
import { HASH_SLICE } from '../../src/cmix/merkle.js';
import { createKeyShare, encodeKeyShare } from '../../src/cmix/teamKey.js';
import type { Engine } from '../../src/engine/engine.js';
import {
  decodeEvidence,
  EVIDENCE_BYTES_MAX,
  encodeEvidence,
  type Finding,
  verifyEvidence,
} from '../../src/protocol/evidence.js';
import { messageStatement, type PublicFacts, type Statement } from '../../src/protocol/statements.js';
import type { TeamMessage } from '../../src/protocol/teamMessages.js';
import type { RoundManagerDeps } from '../../src/round/manager.js';
import { Attack, codeOf, engine, group, lyingEngine, tag } from '../attacks/attack.js';
import { SeededRng } from '../support/seededRng.js';

const factsOf = (attack: Attack): PublicFacts => ({
  ...attack.facts,
  members: attack.members,
});

function wrongShares(): Partial<RoundManagerDeps> {
  const powShared: Engine['powShared'] = async (bases, ...rest) => {
    const out = await engine.powShared(bases, ...rest);
    if (bases.length > group.elementBytes) tag(out, 3);
    return out;
  };
  return { engineOf: async () => lyingEngine({ powShared }) };
}

interface Case {
  readonly kind: string;
  readonly evil: number;
  readonly malice?: () => Partial<RoundManagerDeps>;
  attack(attack: Attack): Promise<void> | void;
}

const cases: readonly Case[] = [
  { kind: 'equivocation', evil: 1, attack: (attack) => attack.tamper(1, 'reveal', (batch) => tag(batch, 1), 4) },
  {
    kind: 'equivocation',
    evil: 1,
    attack: (attack) =>
      attack.say(1, 'mixCommit', (message, to) =>
        to === 3 ? { ...message, digest: new Uint8Array(32).fill(5) } : message,
      ),
  },
  { kind: 'equivocation', evil: 1, attack: (attack) => attack.tamper(1, 'mixed', (batch) => tag(batch, 0), 2) },
  {
    kind: 'equivocation',
    evil: 3,
    attack: (attack) =>
      attack.tap(3, {
        message: (to, signed) => {
          if (signed.message.kind !== 'tableVerdict') return signed;
          const second = { ...signed.message, rejections: [{ slot: 1, reason: 'MAC_INVALID' }] } as TeamMessage;
          const forged = attack.message(3, second);
          queueMicrotask(() => attack.team.network.tell(attack.node(3).id, to, forged).catch(() => {}));
          return signed;
        },
      }),
  },
  {
    kind: 'invalidStatement',
    evil: 2,
    attack: (attack) =>
      attack.say(2, 'keyShare', (message) => {
        const share = message.share.slice();
        share[share.length - 70]! ^= 1;
        return { ...message, share };
      }),
  },
  {
    kind: 'invalidStatement',
    evil: 2,
    attack: (attack) =>
      attack.say(2, 'tableVerdict', (message) => ({ ...message, rejections: [{ slot: 6, reason: 'MAC_INVALID' }] })),
  },
  {
    kind: 'invalidStatement',
    evil: 4,
    attack: (attack) => attack.say(4, 'commitment', (message) => ({ ...message, revealSignature: new Uint8Array(64) })),
  },
  { kind: 'opening', evil: 2, attack: (attack) => attack.tamper(2, 'opening', (batch) => tag(batch, 0)) },
  { kind: 'decryptionShare', evil: 4, malice: wrongShares, attack: () => {} },
  {
    kind: 'disagreement',
    evil: 4,
    attack: (attack) => attack.say(4, 'outputSignature', (message) => ({ ...message, digest: new Uint8Array(32) })),
  },
];

/** Plays the attack; returns the evidence of its honest nodes. */
async function played({ evil, malice, attack: begin }: Case): Promise<{ attack: Attack; shown: Uint8Array[] }> {
  const attack = await Attack.begin([evil], malice ? { malice } : {});
  await begin(attack);
  await attack.play();
  const shown = attack.honest().flatMap((node) => attack.team.failure(node, attack.info.round)?.evidence ?? []);
  return { attack, shown };
}

/** The verdict on encoded evidence; undefined if the bytes are no evidence. */
async function findingOf(attack: Attack, bytes: Uint8Array): Promise<Finding | undefined> {
  try {
    return await verifyEvidence(factsOf(attack), engine, decodeEvidence(bytes));
  } catch (thrown) {
    expect(['MESSAGE_MALFORMED', 'EVIDENCE_INVALID']).toContain(asMixError(thrown).code);
    return undefined;
  }
}

describe('the evidence of honest nodes', () => {
  it.each(cases)('convicts the attacker ($kind, node $evil), and nobody else if any bit is changed', async (one) => {
    const { attack, shown } = await played(one);
    expect(shown.length).toBeGreaterThan(0);
    const culprit = attack.node(one.evil).id;
    for (const bytes of shown) {
      expect(decodeEvidence(bytes).kind).toBe(one.kind);
      expect(await findingOf(attack, bytes)).toEqual({ culprits: [culprit], certain: one.kind !== 'disagreement' });
    }
    const rng = new SeededRng('flips');
    const [bytes] = shown as [Uint8Array];
    for (let flips = 0; flips < 60; flips++) {
      const changed = bytes.slice();
      const at = new DataView(rng.fill(new Uint8Array(4)).buffer).getUint32(0, true) % (8 * bytes.length);
      changed[at >> 3]! ^= 1 << (at & 7);
      const finding = await findingOf(attack, changed);
      for (const named of finding?.culprits ?? []) expect(named).toBe(culprit);
    }
  });
});

describe('large evidence', () => {
  it('is checked in slices between which the event loop has its turn', async () => {
    const { attack, shown } = await played(cases.find(({ kind }) => kind === 'opening')!);
    const evidence = decodeEvidence(shown[0]!);
    if (evidence.kind !== 'opening') throw new Error('no opening');
    const facts = factsOf(attack);
    const slots = 4 * HASH_SLICE;
    let turns = 0;
    let timer: NodeJS.Immediate;
    const count = () => {
      turns++;
      timer = setImmediate(count);
    };
    timer = setImmediate(count);
    const shares = new Uint8Array(slots * group.elementBytes);
    const large = { ...facts, info: { ...facts.info, slots } };
    await expect(verifyEvidence(large, engine, { ...evidence, shares })).rejects.toMatchObject({
      code: 'EVIDENCE_INVALID',
    });
    clearImmediate(timer);
    expect(turns).toBeGreaterThanOrEqual(3);
  });
});

describe('evidence convicts nobody', () => {
  const said = (attack: Attack, position: number, message: TeamMessage): Statement =>
    messageStatement(attack.node(position).id, message, attack.message(position, message).signature);
  const digest = (value: number): TeamMessage => ({ kind: 'sharesDigest', digest: new Uint8Array(32).fill(value) });

  it('if it is one statement twice, statements of two members, or one of them in the name of another', async () => {
    const attack = await Attack.begin([]);
    const [first, same] = [said(attack, 2, digest(1)), said(attack, 2, digest(1))];
    const other = said(attack, 3, digest(2));
    for (const second of [same, other, { ...other, from: first.from }]) {
      expect(await findingOf(attack, encodeEvidence({ kind: 'equivocation', first, second }))).toBeUndefined();
    }
    const second = said(attack, 2, { kind: 'tableSignature', digest: new Uint8Array(32).fill(2) });
    expect(await findingOf(attack, encodeEvidence({ kind: 'equivocation', first, second }))).toBeUndefined();
  });

  it('if it is a key share with a valid proof', async () => {
    const attack = await Attack.begin([]);
    const node = attack.node(2).id;
    const context = { group, roundDigest: attack.facts.digest, node, width: 1, exponentBytes: 32 };
    const { share } = await createKeyShare(engine, new SeededRng('share'), context);
    const statement = said(attack, 2, { kind: 'keyShare', share: encodeKeyShare(share) });
    expect(await findingOf(attack, encodeEvidence({ kind: 'invalidStatement', statement }))).toBeUndefined();
  });

  it('if it is a valid opening, or a valid decryption share', async () => {
    const wrong = cases.find(({ kind }) => kind === 'decryptionShare')!;
    const { attack, shown } = await played(wrong);
    const evidence = decodeEvidence(shown[0]!);
    if (evidence.kind !== 'decryptionShare') throw new Error(evidence.kind);
    const { commitment, opening, shares } = evidence;
    // The opening matches its commitment: only the proof of the share is wrong.
    expect(await findingOf(attack, encodeEvidence({ kind: 'opening', commitment, opening, shares }))).toBeUndefined();
    // The key share of another member.
    const keyShare = { ...evidence.keyShare, from: attack.node(1).id };
    expect(await findingOf(attack, encodeEvidence({ ...evidence, keyShare }))).toBeUndefined();
  });

  it('if its statements are of another round', async () => {
    const attack = await Attack.begin([]);
    const bytes = encodeEvidence({
      kind: 'equivocation',
      first: said(attack, 2, digest(1)),
      second: said(attack, 2, digest(2)),
    });
    expect(await findingOf(attack, bytes)).toMatchObject({ certain: true });
    attack.prepare();
    expect(await findingOf(attack, bytes)).toBeUndefined();
  });

  it('if it is any other bytes: they are refused with a typed error', async () => {
    const attack = await Attack.begin([]);
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 400 }), fc.nat(5), async (noise, kind) => {
        expect(await findingOf(attack, Uint8Array.of(1, kind, ...noise))).toBeUndefined();
      }),
      { numRuns: 300 },
    );
    expect(await codeOf(() => decodeEvidence(new Uint8Array(EVIDENCE_BYTES_MAX + 1)))).toBe('MESSAGE_TOO_LARGE');
  });
});
