// A member that accuses another falsely: its claim is recorded as its claim by all, including the accused, and nobody is blamed
// for it. Its evidence is checked, and counts against itself if it proves nothing.
import { describe, expect, it } from 'vitest';
import type { NodeId } from '../../src/base/ids.js';
import { type Evidence, encodeEvidence } from '../../src/protocol/evidence.js';
import type { Stage } from '../../src/protocol/stages.js';
import { encodeStatement, messageStatement } from '../../src/protocol/statements.js';
import { isSaidBy, type TeamMessage } from '../../src/protocol/teamMessages.js';
import { Attack, expectFailed } from './attack.js';

type RoundError = TeamMessage & { kind: 'roundError' };

const LIAR = 2;
const VICTIM = 3;
const STAGES: readonly Stage[] = ['PRECOMPUTING', 'STANDBY', 'QUEUED', 'REALTIME'];
const CODES = ['DECRYPTION_PROOF', 'ELEMENT_RANGE', 'PEER_LOST', 'DEADLINE_MISSED', 'OUTPUTS_INCOMPLETE'] as const;

/** The liar ends the round with this message, once `when` is true. */
function lie(attack: Attack, when: () => boolean, words: (culprit: NodeId) => Omit<RoundError, 'kind'>): void {
  attack.at(when, async () => {
    const message = attack.message(LIAR, { kind: 'roundError', ...words(attack.node(VICTIM).id) });
    await Promise.all(
      attack.honest().map(({ id }) => attack.team.network.tell(attack.node(LIAR).id, id, message).catch(() => {})),
    );
  });
}

function expectHearsay(attack: Attack, code: string): void {
  const [liar, victim] = [attack.node(LIAR), attack.node(VICTIM)];
  for (const node of attack.honest()) {
    const failure = attack.team.failure(node, attack.info.round)!;
    expect(failure).toMatchObject({ code, culprit: undefined, accused: victim.id, reporter: liar.id });
    // With the liar's signature: this node can prove to others that the claim is the liar's.
    const said: RoundError = {
      kind: 'roundError',
      code: failure.code,
      culprit: failure.accused,
      detail: failure.detail,
    };
    const { digest } = attack.facts;
    expect(isSaidBy(liar.key.publicKey, digest, liar.id, said, failure.signature!)).toBe(true);
  }
}

describe('a member that ends the round and accuses another', () => {
  const cases = STAGES.flatMap((stage) => CODES.map((code) => [stage, code] as const));

  it.each(cases)(
    'in %s (%s) is not believed: nobody is blamed, and its claim is recorded as its own',
    async (stage, code) => {
      const attack = await Attack.begin([LIAR]);
      lie(
        attack,
        () => attack.stage(1) === stage,
        (culprit) => ({ code, culprit, detail: 'a lie' }),
      );
      await attack.play();
      expectHearsay(attack, code);
    },
  );

  it('after all openings are in is not believed, not even by the accused', async () => {
    const attack = await Attack.begin([LIAR]);
    let openings = 0;
    for (const position of [1, 3, 4]) {
      attack.tap(position, {
        batch: (_, source) => {
          if (source.header.phase === 'opening') openings++;
          return source;
        },
      });
    }
    // Its own signature over the outputs never comes: the round ends by its claim.
    attack.tap(LIAR, { message: (_, signed) => (signed.message.kind === 'outputSignature' ? undefined : signed) });
    lie(
      attack,
      () => openings === 9,
      (culprit) => ({ code: 'DECRYPTION_PROOF', culprit, detail: '' }),
    );
    await attack.play();
    expectHearsay(attack, 'DECRYPTION_PROOF');
  });

  it.each(['PRECOMPUTING', 'REALTIME'] as const)(
    'to one member only, in %s, does not make that member look as if it held the others up',
    async (stage) => {
      const attack = await Attack.begin([LIAR]);
      attack.at(
        () => attack.stage(VICTIM) === stage,
        async () => {
          const words = { kind: 'roundError', code: 'ELEMENT_RANGE', culprit: attack.node(1).id, detail: '' } as const;
          const told = attack.message(LIAR, words);
          await attack.team.network.tell(attack.node(LIAR).id, attack.node(VICTIM).id, told).catch(() => {});
        },
      );
      await attack.play();
      for (const node of attack.honest()) {
        const failure = attack.team.failure(node, attack.info.round)!;
        expect(failure).toMatchObject({ code: 'ELEMENT_RANGE', culprit: undefined, reporter: attack.node(LIAR).id });
      }
    },
  );

  it('in the name of a third, which has not claimed it, is to blame itself', async () => {
    const attack = await Attack.begin([LIAR]);
    const forged = messageStatement(
      attack.node(VICTIM).id,
      { kind: 'roundError', code: 'PEER_LOST', culprit: attack.node(1).id, detail: '' },
      new Uint8Array(64),
    );
    lie(
      attack,
      () => attack.stage(1) === 'STANDBY',
      () => ({ code: 'PEER_LOST', culprit: undefined, detail: '', heard: encodeStatement(forged) }),
    );
    for (const { culprit, accused } of await attack.play()) expect([culprit, accused]).toEqual([LIAR, undefined]);
  });

  it('with a node outside the team is to blame itself', async () => {
    const attack = await Attack.begin([LIAR]);
    const stranger = '0'.repeat(32) as NodeId;
    lie(
      attack,
      () => attack.stage(1) === 'STANDBY',
      () => ({ code: 'PEER_LOST', culprit: stranger, detail: '' }),
    );
    expectFailed(await attack.play(), 'MESSAGE_MALFORMED', LIAR);
  });

  it.each<[string, (attack: Attack) => Uint8Array]>([
    ['that does not decode', () => new Uint8Array(100).fill(1)],
    [
      'that shows nothing',
      (attack) => {
        const statement = (digest: number) => {
          const { message, signature } = attack.message(LIAR, {
            kind: 'sharesDigest',
            digest: new Uint8Array(32).fill(digest),
          });
          return messageStatement(attack.node(VICTIM).id, message, signature);
        };
        const evidence: Evidence = { kind: 'equivocation', first: statement(1), second: statement(2) };
        return encodeEvidence(evidence);
      },
    ],
    [
      'against itself',
      (attack) => {
        const statement = (digest: number) => {
          const { message, signature } = attack.message(LIAR, {
            kind: 'sharesDigest',
            digest: new Uint8Array(32).fill(digest),
          });
          return messageStatement(attack.node(LIAR).id, message, signature);
        };
        return encodeEvidence({ kind: 'equivocation', first: statement(1), second: statement(2) });
      },
    ],
  ])('with evidence %s is to blame itself', async (_, forge) => {
    const attack = await Attack.begin([LIAR]);
    lie(
      attack,
      () => attack.stage(1) === 'STANDBY',
      (culprit) => ({ code: 'EQUIVOCATION', culprit, detail: '', evidence: forge(attack) }),
    );
    for (const { culprit, accused } of await attack.play()) expect([culprit, accused]).toEqual([LIAR, undefined]);
  });
});
