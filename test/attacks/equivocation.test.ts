// A node that sends different messages to different nodes: key share, C, slot table, verdict, H(x′). Nothing is accepted, and if
// the others hold the message with the liar's signature (C, table, H(x′)), all of them name it.
import { describe, expect, it } from 'vitest';
import { batchRoot } from '../../src/cmix/merkle.js';
import { decodeTable, encodeTable, tableDigest } from '../../src/cmix/slotTable.js';
import { createKeyShare, encodeKeyShare } from '../../src/cmix/teamKey.js';
import type { Engine } from '../../src/engine/engine.js';
import { SeededRng } from '../support/seededRng.js';
import { Attack, engine, expectFailed, group, lyingEngine, tag } from './attack.js';

const shareContext = (attack: Attack, position: number) => ({
  group,
  roundDigest: attack.facts.digest,
  node: attack.node(position).id,
  width: 1,
  exponentBytes: 32,
});

describe('different messages to different nodes', () => {
  it.each([2, 4])('a C of its own for node %i: all name node 1, and no share is opened', async (victim) => {
    const attack = await Attack.begin([1]);
    attack.recordOpenings();
    attack.tamper(1, 'reveal', (batch) => tag(batch, 1), victim);
    expectFailed(await attack.play(), 'EQUIVOCATION', 1);
    expect(attack.shares.size).toBe(0);
  });

  it('another H(x′): its signature is in every opening that follows, so all name node 1', async () => {
    const attack = await Attack.begin([1]);
    const other = new Uint8Array(32).fill(5);
    attack.say(1, 'mixCommit', (message, to) => (to === 3 ? { ...message, digest: other } : message));
    expectFailed(await attack.play(), 'EQUIVOCATION', 1);
  });

  it('another H(x′) with the matching mixed batch: each batch fits its commitment, and still all name node 1', async () => {
    let mixed = new Uint8Array(0);
    let calls = 0;
    const mulGather: Engine['mulGather'] = async (...args) => {
      const out = await engine.mulGather(...args);
      if (++calls === 2) mixed = out.slice();
      return out;
    };
    const attack = await Attack.begin([1], { malice: () => ({ engineOf: async () => lyingEngine({ mulGather }) }) });
    const other = () => {
      const batch = mixed.slice();
      tag(batch, 2);
      return batch;
    };
    attack.say(1, 'mixCommit', (message, to) =>
      to === 3 ? { ...message, digest: batchRoot('mixed', other(), 6) } : message,
    );
    attack.tamper(1, 'mixed', (batch) => batch.set(other()), 3);
    expectFailed(await attack.play(), 'EQUIVOCATION', 1);
  });

  it('a mixed batch other than the committed one, for one node only', async () => {
    const attack = await Attack.begin([1]);
    attack.tamper(1, 'mixed', (batch) => tag(batch, 0), 2);
    const verdicts = await attack.play();
    expectFailed(verdicts, 'EQUIVOCATION', 1);
  });

  it('another key share: the lists disagree, and nothing is generated', async () => {
    const attack = await Attack.begin([2]);
    const { share } = await createKeyShare(engine, new SeededRng('second share'), shareContext(attack, 2));
    attack.say(2, 'keyShare', (message, to) => (to === 4 ? { ...message, share: encodeKeyShare(share) } : message));
    // Digests alone do not show which of the four sent two key shares.
    expectFailed(await attack.play(), 'KEY_SHARES_DISAGREE', undefined);
  });

  it('another slot table: all name node 1, and realtime never starts', async () => {
    const attack = await Attack.begin([1]);
    const shape = { slots: 6, teamSize: 4 };
    attack.say(1, 'tableProposal', (message, to) => {
      if (to !== 3) return message;
      const table = [...decodeTable(message.table, shape)];
      table[0] = null;
      return { ...message, table: encodeTable(table), digest: tableDigest(attack.facts.digest, table) };
    });
    expectFailed(await attack.play(), 'EQUIVOCATION', 1);
    expect(attack.node(2).disk.writes.has(`realtime/${'1'.padStart(16, '0')}`)).toBe(false);
  });

  it('another verdict: the settled tables disagree, and realtime never starts', async () => {
    const attack = await Attack.begin([2]);
    attack.recordOpenings();
    attack.say(2, 'tableVerdict', (message, to) =>
      to === 3 ? { ...message, rejections: [{ slot: 0, reason: 'MAC_INVALID' }] } : message,
    );
    expectFailed(await attack.play(), 'TABLE_DISAGREE', undefined);
    expect(attack.shares.size).toBe(0);
  });

  it('another commitment: it is over the same C, but the opening matches only one of them', async () => {
    const attack = await Attack.begin([2]);
    attack.say(2, 'commitment', (message, to) =>
      to === 3 ? { ...message, commitment: new Uint8Array(32).fill(1) } : message,
    );
    expectFailed(await attack.play(), 'COMMITMENT_OPENING', 2);
  });

  it('another digest of the outputs: nothing is accepted', async () => {
    const attack = await Attack.begin([4]);
    attack.say(4, 'outputSignature', (message) => ({ ...message, digest: new Uint8Array(32) }));
    expectFailed(await attack.play(), 'OUTPUTS_DISAGREE', undefined);
  });
});

describe('different messages to the same node', () => {
  it.each(['keyShare', 'sharesDigest', 'commitment', 'tableVerdict', 'tableSignature'] as const)(
    'a second, different %s names its sender at once',
    async (kind) => {
      const attack = await Attack.begin([3]);
      attack.tap(3, {
        message: (to, signed) => {
          if (signed.message.kind !== kind) return signed;
          const other = { ...signed.message, share: new Uint8Array(192), digest: new Uint8Array(32) };
          const second = { ...other, commitment: new Uint8Array(32), rejections: [{ slot: 1, reason: 'MAC_INVALID' }] };
          const forged = attack.message(3, second as typeof signed.message);
          // Directly after the first one.
          queueMicrotask(() => attack.team.network.tell(attack.node(3).id, to, forged).catch(() => {}));
          return signed;
        },
      });
      const verdicts = await attack.play();
      for (const { stage, culprit } of verdicts) expect({ stage, culprit }).toEqual({ stage: 'FAILED', culprit: 3 });
    },
  );

  it('a second mix commitment after the first names node 1', async () => {
    const attack = await Attack.begin([1]);
    attack.tap(1, {
      message: (to, signed) => {
        if (signed.message.kind !== 'mixCommit') return signed;
        const forged = attack.message(1, { kind: 'mixCommit', digest: new Uint8Array(32) });
        attack.team.clock.after(2, () => attack.team.network.tell(attack.node(1).id, to, forged).catch(() => {}));
        return signed;
      },
    });
    expectFailed(await attack.play(), 'EQUIVOCATION', 1);
  });
});
