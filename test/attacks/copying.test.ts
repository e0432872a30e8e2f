// The last node gathers by a map that is no permutation, the same in both phases: one slot is output twice, another not at all,
// and all outputs decode. Outputs are compared with the settled table: every dummy of it must be output exactly once, or no node
// accepts them; a message that is output twice is reported. Elements that a sender codes itself cannot pass for a dummy of the
// table.
import { describe, expect, it } from 'vitest';
import { createLog } from '../../src/base/log.js';
import { encodeDummy } from '../../src/cmix/messageCoding.js';
import { blindMessage, slotKeys } from '../../src/cmix/senderKeys.js';
import type { Engine } from '../../src/engine/engine.js';
import type { RoundManagerDeps } from '../../src/round/manager.js';
import { sealed } from '../sim/senders.js';
import { Attack, engine, expectAccused, expectFailed, group, lyingEngine, TEXTS } from './attack.js';

const LAST = 4;
const SLOTS = 6;

/** A node that copies slot `from` over slot `over`, in precomputation and realtime alike. */
function copier(from: number, over: number): () => Partial<RoundManagerDeps> {
  const mulGather: Engine['mulGather'] = async (a, source, b, options) => {
    const width = options?.width ?? 1;
    const slotBytes = width * group.elementBytes;
    const taken = a.slice();
    taken.set(a.subarray(from * slotBytes, (from + 1) * slotBytes), over * slotBytes);
    return engine.mulGather(taken, source, b, options);
  };
  return () => ({ engineOf: async () => lyingEngine({ mulGather }) });
}

describe('the last node copies a slot over another', () => {
  it.each([
    ['a message over a dummy', 0, SLOTS - 1],
    ['a dummy over a message', SLOTS - 1, 0],
    ['a dummy over a dummy', SLOTS - 1, SLOTS - 2],
  ])('%s: every node detects that by itself, accepts nothing, and no culprit can be named', async (_, from, over) => {
    const attack = await Attack.begin([LAST], { malice: copier(from, over) });
    const verdicts = await attack.play(TEXTS.slice(0, 3));
    expectFailed(verdicts, 'OUTPUTS_INCOMPLETE', undefined);
    for (const { accused, reporter } of verdicts) {
      expect(accused).toBeUndefined();
      expect(reporter).not.toBe(LAST);
    }
    expect(new Set(verdicts.map(({ reporter }) => reporter)).size).toBe(attack.honest().length);
  });

  it('a message over another: it is output twice, which every node reports, counts and logs', async () => {
    const lines: string[] = [];
    const destination = { write: (line: string) => void lines.push(line) };
    const log = createLog({ name: 'x', level: 'warn', format: 'json', destination });
    const attack = await Attack.begin([LAST], {
      remake: (index) => (index === LAST - 1 ? copier(0, 1)() : { log }),
    });
    for (const { stage, texts } of await attack.play()) {
      expect(stage).toBe('COMPLETED');
      expect(texts).toHaveLength(SLOTS);
      expect(new Set(texts).size).toBe(SLOTS - 1);
    }
    for (const { reports, metrics } of attack.honest()) {
      expect(reports.at(-1)).toMatchObject({ kind: 'stage', stage: 'COMPLETED', copies: 1 });
      expect(await metrics.render()).toMatch(/^millrace_rounds_copied_total 1$/m);
    }
    const copied = lines.filter((line) => line.includes('equal outputs in a round'));
    expect(copied.map((line) => JSON.parse(line) as object)).toEqual(
      attack.honest().map(() => expect.objectContaining({ round: attack.info.round, copies: 1 })),
    );
  });
});

describe('a round without an attack', () => {
  it.each([1, 3, SLOTS])('of %i messages reports no copies, and outputs all its dummies', async (messages) => {
    const attack = await Attack.begin([]);
    for (const { stage, texts } of await attack.play(TEXTS.slice(0, messages))) {
      expect([stage, texts.length]).toEqual(['COMPLETED', messages]);
    }
    for (const { reports, manager } of attack.honest()) {
      expect(reports.at(-1)).not.toHaveProperty('copies');
      expect(manager.outputs(attack.info.round)).toMatchObject({ messages, dummies: SLOTS - messages, copies: 0 });
    }
  });
});

describe('a member that claims falsely that a dummy is missing', () => {
  it.each(['STANDBY', 'REALTIME'] as const)(
    'in %s is named by all others, which have seen that the claim is false',
    async (stage) => {
      const attack = await Attack.begin([2]);
      attack.at(
        () => attack.stage(1) === stage,
        async () => {
          const message = attack.message(2, {
            kind: 'roundError',
            code: 'OUTPUTS_INCOMPLETE',
            culprit: undefined,
            detail: '',
          });
          await Promise.all(attack.honest().map(({ id }) => attack.team.network.tell(attack.node(2).id, id, message)));
        },
      );
      expectFailed(await attack.play(TEXTS.slice(0, 3)), 'OUTPUTS_INCOMPLETE', 2);
    },
  );

  it('to one member only, before it could be known, does not bring the blame on that member, which tells the others', async () => {
    const attack = await Attack.begin([2]);
    attack.at(
      () => attack.stage(1) === 'STANDBY',
      async () => {
        const words = { kind: 'roundError', code: 'OUTPUTS_INCOMPLETE', culprit: undefined, detail: '' } as const;
        await attack.team.network.tell(attack.node(2).id, attack.node(1).id, attack.message(2, words));
      },
    );
    expectAccused(await attack.play(TEXTS.slice(0, 3)), 'OUTPUTS_INCOMPLETE', 2);
  });

  it('after all openings are in is named likewise', async () => {
    const attack = await Attack.begin([2]);
    attack.say(2, 'outputSignature', () => ({
      kind: 'roundError',
      code: 'OUTPUTS_INCOMPLETE',
      culprit: undefined,
      detail: '',
    }));
    expectFailed(await attack.play(TEXTS.slice(0, 3)), 'OUTPUTS_INCOMPLETE', 2);
  });
});

/** Sends the first `times` of these texts as the elements `code` instead of messages, blinded and sealed as usual. */
function sendCoded(attack: Attack, code: Uint8Array, times: number, texts: readonly string[]): void {
  attack.submit = async () => {
    const { team, info } = attack;
    const { manager } = attack.node(1);
    const submissions = await team.compose(info, texts);
    for (const [index, good] of submissions.entries()) {
      const sender = team.senders.find(({ key }) => key.senderId === good.sender)!;
      const keys = info.team.map((node) => slotKeys(group, sender.secretWith(node), attack.facts.digest, good.salt, 1));
      const payload = index < times ? await blindMessage(engine, code, keys) : good.payload;
      manager.submit(info.round, sealed(info, sender, good.salt, payload));
    }
  };
}

describe('a sender that codes a dummy', () => {
  it('before the table exists, which covers its submission, sends no dummy of the table: the round goes on', async () => {
    const attack = await Attack.begin([]);
    sendCoded(attack, encodeDummy(group, 1, attack.facts.digest, SLOTS - 1), 1, TEXTS.slice(0, 3));
    for (const { stage, texts } of await attack.play()) expect([stage, texts.length]).toEqual(['COMPLETED', 2]);
  });

  it('twice is reported like any copy', async () => {
    const attack = await Attack.begin([]);
    sendCoded(attack, encodeDummy(group, 1, attack.facts.digest, 0), 2, TEXTS.slice(0, 4));
    for (const { stage } of await attack.play()) expect(stage).toBe('COMPLETED');
    for (const { reports } of attack.honest()) expect(reports.at(-1)).toMatchObject({ copies: 1 });
  });
});
