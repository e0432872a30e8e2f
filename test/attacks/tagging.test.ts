// The tagging attack (Galteland, Mjølsnes, Olimid): a node multiplies a slot by a tag, looks for it in the outputs, and removes
// it before any other node notices. It must never produce a valid output: tagging destroys the message, and untagging after the
// shares are open breaks a commitment that all nodes hold.
import { describe, expect, it } from 'vitest';
import { decodeOutputs, outputDigest } from '../../src/cmix/outputs.js';
import { invert } from '../../src/math/arithmetic.js';
import type { BatchPhase } from '../../src/protocol/batchPhases.js';
import type { RoundManagerDeps } from '../../src/round/manager.js';
import { Round } from '../../src/round/run/round.js';
import { unblindOutputs } from '../support/cmix.js';
import { Attack, engine, expectFailed, group, lyingEngine, TAG, TEXTS, tag, taggingPermuter } from './attack.js';

const UNTAG = invert(group, TAG);

/** Keeps a reference to a malicious node's round: the node may read everything in its own process. */
function spying(rounds: Round[]): Partial<RoundManagerDeps> {
  return {
    makeRound: (facts, deps) => {
      const round = new Round(facts, deps);
      rounds.push(round);
      return round;
    },
  };
}

/** The outputs, as a tagger computes them once all shares are open. */
async function peek(attack: Attack, round: Round, mixed: Uint8Array): Promise<Uint8Array> {
  await attack.wait(() => attack.shares.size === 4);
  const { inversePayload } = await round.standby;
  return unblindOutputs(attack.team.engine, mixed, [...attack.shares.values()], inversePayload);
}

describe('a node that tags a slot', () => {
  it.each<[string, number, BatchPhase, number]>([
    ['node 1 in realtime decrypt', 1, 'realtimeDecrypt', 0],
    ['a middle node in realtime decrypt', 2, 'realtimeDecrypt', 0],
    ['a middle node in realtime permute', 3, 'realtimePermute', 4],
    ['node N in realtime permute', 4, 'realtimePermute', 2],
    // A slot of the precomputation is c0, c1: the payload is the odd element.
    ['node 1 in precomputation decrypt', 1, 'precompDecrypt', 1],
    ['a middle node in precomputation decrypt', 3, 'precompDecrypt', 1],
    ['a middle node in precomputation permute', 2, 'precompPermute', 3],
    ['node N in precomputation permute', 4, 'precompPermute', 5],
    ['node N in precomputation permute, the first component', 4, 'precompPermute', 4],
  ])('%s destroys that message and learns nothing that is accepted', async (_, position, phase, element) => {
    const attack = await Attack.begin([position]);
    attack.tamper(position, phase, (batch) => tag(batch, element));
    for (const { stage, texts, invalid } of await attack.play()) {
      expect({ stage, invalid }).toEqual({ stage: 'COMPLETED', invalid: 1 });
      expect(texts).toHaveLength(TEXTS.length - 1);
      if (phase.endsWith('Decrypt')) expect(texts).not.toContain(TEXTS[0]);
    }
  });

  it.each([
    ['the revealed C', 1, 1],
    ['the mixed batch', 2, 0],
  ] as const)(
    'node 1 tags %s, the same for all: that output is invalid, the others are valid',
    async (_, nth, index) => {
      const attack = await Attack.begin([1], { malice: () => taggingPermuter(nth, index) });
      for (const { stage, texts, invalid } of await attack.play()) {
        expect({ stage, invalid, texts: texts.length }).toEqual({ stage: 'COMPLETED', invalid: 1, texts: 5 });
      }
    },
  );

  it('tags one slot and puts the inverse on another: both are invalid', async () => {
    const attack = await Attack.begin([2]);
    attack.tamper(2, 'realtimeDecrypt', (batch) => {
      tag(batch, 0);
      tag(batch, 1, UNTAG);
    });
    for (const { texts, invalid } of await attack.play()) {
      expect(invalid).toBe(2);
      expect(texts.toSorted()).toEqual(TEXTS.slice(2));
    }
  });
});

describe('a node that waits for the shares and removes its tag', () => {
  it('node 1 untags the mixed batch that it has committed to: it is named, nothing is accepted', async () => {
    const rounds: Round[] = [];
    const attack = await Attack.begin([1], { malice: () => spying(rounds) });
    attack.recordOpenings();
    attack.tamper(1, 'realtimeDecrypt', (batch) => tag(batch, 0));
    let learnt = '';
    attack.tamperLate(1, 'mixed', async (mixed) => {
      const outputs = await peek(attack, rounds[0]!, mixed);
      const [slot] = decodeOutputs(group, 1, outputs).invalidSlots;
      tag(mixed, slot!, UNTAG);
      tag(outputs, slot!, UNTAG);
      learnt = Buffer.from(decodeOutputs(group, 1, outputs).messages[slot!]!).toString();
    });
    expectFailed(await attack.play(), 'EQUIVOCATION', 1);
    // The attack itself works: without the commitment, node 1 would have linked the victim unnoticed.
    expect(learnt).toBe(TEXTS[0]);
  });

  it('node 1 commits a second time, to the untagged batch: it is named, nothing is accepted', async () => {
    const attack = await Attack.begin([1]);
    attack.tamper(1, 'realtimeDecrypt', (batch) => tag(batch, 0));
    const second = attack.message(1, { kind: 'mixCommit', digest: new Uint8Array(32).fill(9) });
    attack.recordOpenings();
    const answers: string[] = [];
    attack.tamperLate(1, 'mixed', async () => {
      await attack.wait(() => attack.shares.size === 4);
      for (const { id } of attack.honest()) {
        attack.team.network.tell(attack.node(1).id, id, second).catch((error) => answers.push(error.code));
      }
    });
    expectFailed(await attack.play(), 'EQUIVOCATION', 1);
    await attack.team.until(() => answers.length > 0, 100);
    expect(answers).toContain('EQUIVOCATION');
  });

  it.each([2, 4])('node %i untags in the outputs that it signs: nothing is accepted', async (position) => {
    const attack = await Attack.begin([position]);
    attack.tamper(position, position === 2 ? 'realtimeDecrypt' : 'realtimePermute', (batch) => tag(batch, 0));
    attack.say(position, 'outputSignature', (message) => {
      const untagged = new Uint8Array(group.elementBytes * 6).fill(1);
      return { ...message, digest: outputDigest(attack.facts.digest, untagged) };
    });
    expectFailed(await attack.play(), 'OUTPUTS_DISAGREE', undefined);
  });
});

describe('the revealing node', () => {
  it('presents the states before the others permuted as the mixed batch: nothing decodes', async () => {
    const attack = await Attack.begin([1]);
    // Its only state from before is its own output of the two decrypt rings: the permute rings return to it already mixed.
    const kept = new Map<BatchPhase, Uint8Array>();
    attack.tamper(1, 'precompDecrypt', (batch) => void kept.set('precompDecrypt', batch.slice()));
    attack.tamper(1, 'realtimeDecrypt', (batch) => void kept.set('realtimeDecrypt', batch.slice()));
    attack.tamper(1, 'reveal', (batch) => batch.set(kept.get('precompDecrypt')!));
    const verdicts = await attack.play();
    // Its own commitment is over the C that it computed: it has shown two.
    expectFailed(verdicts, 'EQUIVOCATION', 1);
  });

  it('does so consistently: every output is invalid, and no message with it', async () => {
    const states: Uint8Array[] = [];
    let calls = 0;
    const malice = (): Partial<RoundManagerDeps> => ({
      engineOf: async () =>
        lyingEngine({
          mulGather: async (...args) => {
            const out = await engine.mulGather(...args);
            out.set(states[calls++]!);
            return out;
          },
        }),
    });
    const attack = await Attack.begin([1], { malice });
    attack.tamper(1, 'precompDecrypt', (batch) => void states.push(batch.slice()));
    attack.tamper(1, 'realtimeDecrypt', (batch) => void states.push(batch.slice()));
    for (const { stage, texts, invalid } of await attack.play()) {
      expect({ stage, texts, invalid }).toEqual({ stage: 'COMPLETED', texts: [], invalid: TEXTS.length });
    }
  });
});
