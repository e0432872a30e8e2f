// Replays: a ring step with other contents, an old round's C in a new round, a submission in the same round or in the next. A
// second answer would reveal the permutation; so nothing is accepted twice.
import { describe, expect, it } from 'vitest';
import { payloadDigest } from '../../src/cmix/senderKeys.js';
import type { SlotEntry } from '../../src/cmix/slotTable.js';
import type { BatchPhase } from '../../src/protocol/batchPhases.js';
import type { RoundManagerDeps } from '../../src/round/manager.js';
import { Round } from '../../src/round/run/round.js';
import type { Submission, SubmissionDesk } from '../../src/round/submissions/desk.js';
import { forgeBatch } from '../sim/forge.js';
import { Attack, engine, expectAccused, expectFailed, lyingEngine, TEXTS, tag } from './attack.js';

type Closed = ReturnType<SubmissionDesk['close']>;

describe('a ring step sent twice', () => {
  it.each<[BatchPhase, number, number]>([
    ['precompDecrypt', 2, 3],
    ['precompPermute', 3, 2],
    ['realtimeDecrypt', 1, 2],
    ['realtimePermute', 4, 3],
  ])('with different contents (%s) names the sender, and is answered once at most', async (phase, from, to) => {
    const attack = await Attack.begin([from]);
    const answers: string[] = [];
    const victim = attack.node(to);
    const sentOn: string[] = [];
    attack.tap(to, {
      batch: (_, source) => {
        sentOn.push(source.header.phase);
        return source;
      },
    });
    attack.tamper(from, phase, (batch) => {
      const second = batch.slice();
      tag(second, 0);
      const again = forgeBatch(attack.facts, attack.node(from).key, phase, second);
      attack.team.clock.after(1.5, () => {
        attack.team.network.inject(attack.node(from).id, victim.id, again).catch((error) => answers.push(error.code));
      });
    });
    expectAccused(await attack.play(), 'CHUNK_CONFLICT', from);
    await attack.team.until(() => answers.length > 0, 100);
    expect(answers).toEqual(['CHUNK_CONFLICT']);
    expect(sentOn.filter((sent) => sent === phase).length).toBeLessThanOrEqual(1);
  });

  it('with the same contents is acknowledged again and changes nothing', async () => {
    const attack = await Attack.begin([], { faults: { loss: 0, duplication: 1, minDelayMs: 1, maxDelayMs: 9 } });
    for (const { stage, texts } of await attack.play()) {
      expect(stage).toBe('COMPLETED');
      expect(texts.toSorted()).toEqual(TEXTS.toSorted());
    }
  });
});

describe("an old round's C in a new round", () => {
  it('decrypts to nothing: keys are fresh for every round', async () => {
    const revealed: Uint8Array[] = [];
    let calls = 0;
    const attack = await Attack.begin([1], {
      malice: () => ({
        engineOf: async () =>
          lyingEngine({
            mulGather: async (...args) => {
              const out = await engine.mulGather(...args);
              // Calls 1 and 3 are the permutations of the two precomputations.
              if (++calls === 1) revealed.push(out.slice());
              if (calls === 3) out.set(revealed[0]!);
              return out;
            },
          }),
      }),
    });
    for (const { texts } of await attack.play()) expect(texts.toSorted()).toEqual(TEXTS.toSorted());
    attack.prepare();
    // The dummies of the new round are not among the outputs, either.
    expectFailed(await attack.play(['new 1', 'new 2']), 'OUTPUTS_INCOMPLETE', undefined);
  });
});

/** Node 1 closes its batch with a changed table, and mixes by it. */
function closing(change: (closed: Closed) => Closed): Partial<RoundManagerDeps> {
  const deskOf = (desk: SubmissionDesk) =>
    new Proxy(desk, {
      get(target, name) {
        if (name === 'close') return () => change(target.close());
        const value: unknown = Reflect.get(target, name, target);
        return typeof value === 'function' ? value.bind(target) : value;
      },
    });
  return { makeRound: (facts, deps) => new Round(facts, { ...deps, desk: deps.desk && deskOf(deps.desk) }) };
}

/** Puts an entry with its payload into a slot. */
function placed(
  { table, payloads, distinctSenders }: Closed,
  slot: number,
  entry: SlotEntry,
  payload: Uint8Array,
): Closed {
  return { table: table.with(slot, entry), payloads: payloads.with(slot, payload), distinctSenders };
}

describe('a submission that is replayed', () => {
  const submitAll = async (attack: Attack, texts: readonly string[]): Promise<Submission[]> => {
    const submissions = await attack.team.compose(attack.info, texts);
    attack.submit = async () => {
      for (const submission of submissions) attack.node(1).manager.submit(attack.info.round, submission);
    };
    return submissions;
  };

  it('in the same round, unchanged, gets one slot', async () => {
    const attack = await Attack.begin([]);
    const submissions = await submitAll(attack, ['once', 'other']);
    submissions.push(submissions[0]!);
    for (const { texts } of await attack.play()) expect(texts.toSorted()).toEqual(['once', 'other']);
  });

  it('in the next round is refused: its MACs are for the first', async () => {
    const attack = await Attack.begin([]);
    const [old] = await submitAll(attack, ['old', 'other']);
    await attack.play();
    attack.prepare();
    const answers: string[] = [];
    attack.submit = async () => {
      try {
        attack.node(1).manager.submit(attack.info.round, old!);
      } catch (error) {
        answers.push((error as { code: string }).code);
      }
      for (const fresh of await attack.team.compose(attack.info, ['fresh'])) {
        attack.node(1).manager.submit(attack.info.round, fresh);
      }
    };
    for (const { texts } of await attack.play()) expect(texts).toEqual(['fresh']);
    expect(answers).toEqual(['MAC_INVALID']);
  });

  it('by node 1, in a second slot of the table, becomes a dummy there: it is output once', async () => {
    const malice = () => closing((closed) => placed(closed, 5, closed.table[0]!, closed.payloads[0]!));
    const attack = await Attack.begin([1], { malice });
    const rejected = rejections(attack);
    for (const { stage, texts } of await attack.play(['once', 'b'])) {
      expect({ stage, texts: texts.toSorted() }).toEqual({ stage: 'COMPLETED', texts: ['b', 'once'] });
    }
    expect(rejected).toEqual(
      new Set(['2: 5 SUBMISSION_REPLAYED', '3: 5 SUBMISSION_REPLAYED', '4: 5 SUBMISSION_REPLAYED']),
    );
  });

  it('by node 1, as an entry of the round before, becomes a dummy: it is not output again', async () => {
    let old: Submission | undefined;
    const attack = await Attack.begin([1], {
      malice: () =>
        closing((closed) => {
          if (!old) return closed;
          return placed(closed, 3, { ...old, payloadDigest: payloadDigest(old.payload) }, old.payload);
        }),
    });
    const submissions = await submitAll(attack, ['old', 'b']);
    await attack.play();
    old = submissions[0];
    attack.prepare();
    attack.submit = Attack.prototype.submit;
    const rejected = rejections(attack);
    for (const { stage, texts } of await attack.play(['fresh'])) {
      expect({ stage, texts }).toEqual({ stage: 'COMPLETED', texts: ['fresh'] });
    }
    expect(rejected).toEqual(new Set(['2: 3 MAC_INVALID', '3: 3 MAC_INVALID', '4: 3 MAC_INVALID']));
  });
});

/** Rejections of nodes 2 to 4, as seen on the network. */
function rejections(attack: Attack): Set<string> {
  const rejected = new Set<string>();
  for (const position of [2, 3, 4]) {
    attack.say(position, 'tableVerdict', (message) => {
      for (const { slot, reason } of message.rejections) rejected.add(`${position}: ${slot} ${reason}`);
      return message;
    });
  }
  return rejected;
}
