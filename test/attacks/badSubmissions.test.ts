// Bad submissions: each is refused with its own code and counted, or becomes a dummy and its sender is told; the round and all
// other messages go on.
import { describe, expect, it } from 'vitest';
import type { MixError } from '../../src/base/errors.js';
import type { RoundId } from '../../src/base/ids.js';
import { composeSubmissions, Sender } from '../../src/client/compose.js';
import { messageCapacity } from '../../src/cmix/messageCoding.js';
import { SenderKey } from '../../src/cmix/senderKeys.js';
import type { Submission } from '../../src/round/submissions/desk.js';
import type { BadKind } from '../sim/scenario.js';
import { flipped, spoiled } from '../sim/senders.js';
import { Attack, codeOf, engine, group, refusals, TEXTS } from './attack.js';

/** Plays a round of two good messages, and a third that `bad` changes; returns the answer to its sender. */
async function playWith(attack: Attack, bad: (good: Submission, first: Submission) => Submission): Promise<string> {
  let answer = 'never asked';
  attack.submit = async () => {
    const [first, second, third] = await attack.team.compose(attack.info, ['first', 'second', 'third']);
    const { manager } = attack.node(1);
    manager.submit(attack.info.round, first!);
    answer = await codeOf(() => manager.submit(attack.info.round, bad(third!, first!)));
    manager.submit(attack.info.round, second!);
  };
  for (const { stage, texts } of await attack.play()) {
    expect({ stage, texts: texts.toSorted() }).toEqual({ stage: 'COMPLETED', texts: ['first', 'second'] });
  }
  return answer;
}

describe('a bad submission', () => {
  it.each<[BadKind, string]>([
    ['wrongLength', 'LENGTH_MISMATCH'],
    ['zero', 'ELEMENT_RANGE'],
    ['aboveQ', 'ELEMENT_RANGE'],
    ['macOfFirst', 'MAC_INVALID'],
    ['replay', 'SUBMISSION_REPLAYED'],
  ])('(%s) is refused with %s, counted, and the others are mixed', async (kind, code) => {
    const attack = await Attack.begin([]);
    const answer = await playWith(attack, (good, first) => spoiled(attack.team, attack.info, kind, good, first));
    expect(answer).toBe(code);
    expect(await refusals(attack.node(1), code, 'submission')).toBe(1);
  });

  it.each<[string, (good: Submission) => Submission]>([
    ['a short salt', (good) => ({ ...good, salt: good.salt.slice(1) })],
    ['too few MACs', (good) => ({ ...good, macs: good.macs.slice(1) })],
    ['a MAC that is too long', (good) => ({ ...good, macs: good.macs.map(() => new Uint8Array(33)) })],
    ['no payload', (good) => ({ ...good, payload: new Uint8Array(0) })],
  ])('with %s is refused for its length', async (_, spoil) => {
    expect(await playWith(await Attack.begin([]), spoil)).toBe('LENGTH_MISMATCH');
  });

  it('by a sender that node 1 does not know is refused', async () => {
    const attack = await Attack.begin([]);
    const stranger = SenderKey.generate(attack.team.rng).senderId;
    expect(await playWith(attack, (good) => ({ ...good, sender: stranger }))).toBe('SENDER_UNKNOWN');
  });

  it('with a MAC that only node 3 finds wrong gets no slot at any node, and its sender is told', async () => {
    const attack = await Attack.begin([]);
    let bad: Submission | undefined;
    const answer = await playWith(attack, (good) => {
      bad = { ...good, macs: good.macs.map((mac, i) => (i === 2 ? flipped(mac) : mac)) };
      return bad;
    });
    expect(answer).toBe('taken');
    const [first, ...others] = attack.team.nodes.map(({ manager }) =>
      manager.outcome(attack.info.round, bad!.sender, bad!.salt),
    );
    expect(first).toEqual({ state: 'rejected', reason: 'MAC_INVALID', node: attack.node(3).id });
    for (const told of others) expect(told).toEqual({ state: 'unknown', resendable: true });
    for (const { manager } of attack.team.nodes) {
      expect(manager.outputs(attack.info.round)).toMatchObject({ messages: 2, dummies: 4, invalidSlots: [] });
    }
  });

  it('by a sender that node 2 does not know gets no slot, and its sender is told', async () => {
    const attack = await Attack.begin([]);
    const sender = new Sender(SenderKey.generate(attack.team.rng));
    for (const node of attack.team.nodes) attack.team.register(sender, node);
    // Node 2 starts a new epoch: all other senders register with it again.
    attack.node(2).registry.rotate();
    for (const other of attack.team.senders) attack.team.register(other, attack.node(2));
    const message = { sender, payload: new Uint8Array(5) };
    const [late] = await composeSubmissions(engine, attack.team.rng, attack.info, [message]);
    expect(await playWith(attack, () => late!)).toBe('taken');
    const told = attack.node(1).manager.outcome(attack.info.round, late!.sender, late!.salt);
    expect(told).toEqual({ state: 'rejected', reason: 'SENDER_UNKNOWN', node: attack.node(2).id });
  });

  it('that decodes to nonsense costs only its own slot and names no node', async () => {
    const attack = await Attack.begin([]);
    attack.submit = async () => {
      const [first, second] = await attack.team.compose(attack.info, ['first', 'second']);
      const { manager } = attack.node(1);
      manager.submit(attack.info.round, first!);
      manager.submit(attack.info.round, spoiled(attack.team, attack.info, 'nonsense', second!, first!));
    };
    for (const verdict of await attack.play()) {
      expect(verdict).toMatchObject({ stage: 'COMPLETED', texts: ['first'], invalid: 1, culprit: undefined });
    }
  });
});

describe('a submission at the wrong place or time', () => {
  it('is refused by every node but the first, for unknown rounds, before and after collecting', async () => {
    const attack = await Attack.begin([]);
    const [one, late] = await attack.team.compose(attack.info, ['one', 'late']);
    const answers: Record<string, string> = {};
    const ask = async (name: string, position: number, round = attack.info.round, submission = one!) => {
      answers[name] = await codeOf(() => attack.node(position).manager.submit(round, submission));
    };
    attack.at(
      () => attack.stage(1) === 'PRECOMPUTING',
      () => ask('before', 1),
    );
    attack.submit = async () => {
      await ask('elsewhere', 2);
      await ask('unknown round', 1, 99 as RoundId);
      await ask('in time', 1);
    };
    attack.at(
      () => attack.stage(1) === 'REALTIME',
      async () => {
        await ask('closed', 1, attack.info.round, late!);
        await ask('asked again', 1);
      },
    );
    await attack.play();
    await ask('over', 1);
    expect(answers).toEqual({
      before: 'ROUND_NOT_COLLECTING',
      elsewhere: 'PHASE_SENDER_WRONG',
      'unknown round': 'ROUND_UNKNOWN',
      'in time': 'taken',
      closed: 'ROUND_NOT_COLLECTING',
      // It was accepted in time; only the answer may have been lost.
      'asked again': 'taken',
      over: 'ROUND_OVER',
    });
    const unknown = attack.node(1).manager.outcome(attack.info.round, late!.sender, late!.salt);
    expect(unknown).toMatchObject({ state: 'unknown' });
  });

  it('beyond the quota of its sender, and beyond the batch, is refused; the rest is mixed', async () => {
    const attack = await Attack.begin([], { quotaPerSender: 2 });
    const answers: string[] = [];
    attack.submit = async () => {
      const [sender, ...others] = attack.team.senders;
      const by = (who: Sender, text: string) => ({ sender: who, payload: new Uint8Array(Buffer.from(text)) });
      const mine = [1, 2, 3].map((n) => by(sender!, `mine ${n}`));
      const theirs = others.flatMap((other, i) => [by(other, `${i} a`), by(other, `${i} b`)]);
      for (const submission of await composeSubmissions(engine, attack.team.rng, attack.info, [...mine, ...theirs])) {
        answers.push(await codeOf(() => attack.node(1).manager.submit(attack.info.round, submission)));
      }
      const late = by(attack.team.newSender(), 'after');
      const [after] = await composeSubmissions(engine, attack.team.rng, attack.info, [late]);
      answers.push(await codeOf(() => attack.node(1).manager.submit(attack.info.round, after!)));
    };
    for (const { texts } of await attack.play()) expect(texts).toHaveLength(6);
    const [first, second, third] = answers;
    expect([first, second, third]).toEqual(['taken', 'taken', 'SENDER_QUOTA']);
    expect(answers.at(-1)).toBe('ROUND_FULL');
  });

  it('that is too long never leaves the client', async () => {
    const attack = await Attack.begin([]);
    const payload = new Uint8Array(messageCapacity(group, 1) + 1);
    const message = { sender: attack.team.senders[0]!, payload };
    const composing = composeSubmissions(engine, attack.team.rng, attack.info, [message]);
    await expect(composing).rejects.toMatchObject({ code: 'MESSAGE_TOO_LONG' } satisfies Partial<MixError>);
  });
});

describe('a batch with too few senders', () => {
  it('is not mixed: the round fails closed everywhere, and any node tells the senders', async () => {
    const attack = await Attack.begin([], { minSenders: 2 });
    let only: Submission | undefined;
    attack.submit = async () => {
      [only] = await attack.team.compose(attack.info, ['alone']);
      attack.node(1).manager.submit(attack.info.round, only!);
    };
    for (const verdict of await attack.play()) {
      expect(verdict).toMatchObject({ stage: 'FAILED', code: 'TOO_FEW_SENDERS', culprit: undefined });
    }
    for (const { manager } of attack.team.nodes) {
      const told = manager.outcome(attack.info.round, only!.sender, only!.salt);
      expect(told).toEqual({ state: 'failed', code: 'TOO_FEW_SENDERS', resendable: true });
    }
  });

  it('is not mixed either if rejections leave too few', async () => {
    const attack = await Attack.begin([], { minSenders: 3 });
    attack.submit = async () => {
      const all = await attack.team.compose(attack.info, TEXTS.slice(0, 3));
      const bad = { ...all[2]!, macs: all[2]!.macs.map((mac, i) => (i === 3 ? flipped(mac) : mac)) };
      for (const submission of [all[0]!, all[1]!, bad]) attack.node(1).manager.submit(attack.info.round, submission);
    };
    for (const verdict of await attack.play()) {
      expect(verdict).toMatchObject({ stage: 'FAILED', code: 'TOO_FEW_SENDERS', texts: [] });
    }
  });
});
