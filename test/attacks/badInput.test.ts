// Bad input from a team member, where a node accepts it: each kind is refused with its own code and counted; the round goes on if
// possible, and otherwise ends naming the sender. No node crashes, hangs or keeps secrets.
import { describe, expect, it } from 'vitest';
import type { NodeId, RoundId } from '../../src/base/ids.js';
import { SigningKey } from '../../src/cmix/signatures.js';
import { encodeTable } from '../../src/cmix/slotTable.js';
import { createKeyShare, encodeKeyShare } from '../../src/cmix/teamKey.js';
import type { BatchHeader } from '../../src/protocol/link.js';
import type { TeamMessage } from '../../src/protocol/teamMessages.js';
import { forgeBatch, forgeMessage } from '../sim/forge.js';
import { SeededRng } from '../support/seededRng.js';
import { Attack, codeOf, engine, expectAccused, expectFailed, group, refusals, TEXTS, tag } from './attack.js';

const digest = new Uint8Array(32).fill(3);

describe('an invalid message', () => {
  interface Case {
    readonly name: string;
    readonly code: string;
    readonly from?: number;
    readonly message: TeamMessage;
    readonly spoil?: 'round' | 'signature' | 'speaker' | 'stranger';
  }
  const wrongPhase = (kind: 'mixCommit' | 'tableSignature' | 'outputSignature', from: number): Case => ({
    name: `${kind} before its time`,
    code: 'ROUND_WRONG_PHASE',
    from,
    message: { kind, digest },
  });
  const cases: Case[] = [
    { name: 'for an unknown round', code: 'ROUND_UNKNOWN', message: { kind: 'sharesDigest', digest }, spoil: 'round' },
    wrongPhase('mixCommit', 1),
    wrongPhase('tableSignature', 3),
    wrongPhase('outputSignature', 3),
    { name: 'H(x′) by another than node 1', code: 'PHASE_SENDER_WRONG', message: { kind: 'mixCommit', digest } },
    {
      name: 'a slot table by another than node 1',
      code: 'PHASE_SENDER_WRONG',
      message: { kind: 'tableProposal', digest, table: new Uint8Array(4) },
    },
    {
      name: 'signed by nobody',
      code: 'SIGNATURE_INVALID',
      message: { kind: 'sharesDigest', digest },
      spoil: 'signature',
    },
    {
      name: "in another's name",
      code: 'PHASE_SENDER_WRONG',
      message: { kind: 'sharesDigest', digest },
      spoil: 'speaker',
    },
    { name: 'by a stranger', code: 'PHASE_SENDER_WRONG', message: { kind: 'sharesDigest', digest }, spoil: 'stranger' },
  ];

  it.each(cases)(
    '$name is refused ($code), counted, and the round goes on',
    async ({ code, from = 3, message, spoil }) => {
      const attack = await Attack.begin([]);
      let answer = '';
      attack.at(
        () => attack.stage(2) === 'STANDBY',
        async () => {
          const stranger = SigningKey.generate(new SeededRng('stranger'));
          const speaker = spoil === 'stranger' ? stranger.nodeId : attack.node(spoil === 'speaker' ? 4 : from).id;
          const signed = attack.message(from, message);
          const sent = {
            ...signed,
            ...(spoil === 'round' ? { round: 99 as RoundId } : {}),
            ...(spoil === 'signature' ? { signature: new Uint8Array(64) } : {}),
            ...(spoil === 'stranger' ? forgeMessage(attack.facts, stranger, message) : {}),
          };
          answer = await codeOf(() => attack.node(2).manager.onMessage(speaker as NodeId, sent));
        },
      );
      for (const { stage, texts } of await attack.play())
        expect([stage, texts.length]).toEqual(['COMPLETED', TEXTS.length]);
      expect(answer).toBe(code);
      expect(await refusals(attack.node(2), code, message.kind)).toBe(1);
    },
  );
});

describe('an invalid batch', () => {
  const header = (attack: Attack, changes: Partial<BatchHeader> = {}): BatchHeader => ({
    round: attack.info.round,
    phase: 'precompPermute',
    slots: 6,
    elements: 2,
    chunkSlots: 4,
    ...changes,
  });
  const whole = 4 * 2 * group.elementBytes;

  it.each<[string, string, number, Partial<BatchHeader>]>([
    ['of an unknown round', 'ROUND_UNKNOWN', 3, { round: 99 as RoundId }],
    ['before its phase', 'ROUND_WRONG_PHASE', 3, { phase: 'realtimePermute', elements: 1 }],
    ['by a node that does not send this phase', 'PHASE_SENDER_WRONG', 4, {}],
    ['that reveals, by another than node 1', 'PHASE_SENDER_WRONG', 4, { phase: 'reveal' }],
    ['of another slot count', 'BATCH_HEADER', 3, { slots: 7 }],
    ['of an enormous slot count', 'BATCH_HEADER', 3, { slots: 2 ** 40 }],
    ['of another width', 'BATCH_HEADER', 3, { elements: 3 }],
    ['of another chunk size', 'BATCH_HEADER', 3, { chunkSlots: 2 }],
  ])('%s is refused (%s), counted, and the round goes on', async (_, code, from, changes) => {
    const attack = await Attack.begin([]);
    let answer = '';
    attack.at(
      () => attack.stage(2) === 'STANDBY',
      async () => {
        answer = await codeOf(() => attack.node(2).manager.onBatch(attack.node(from).id, header(attack, changes)));
      },
    );
    for (const { stage } of await attack.play()) expect(stage).toBe('COMPLETED');
    expect(answer).toBe(code);
    expect(await refusals(attack.node(2), code, changes.phase ?? 'precompPermute')).toBe(1);
  });

  it.each<[string, string, number, number]>([
    ['beyond the last', 'CHUNK_INDEX', 2, whole],
    ['below zero', 'CHUNK_INDEX', -1, whole],
    ['of no whole number', 'CHUNK_INDEX', 0.5, whole],
    ['that is too short', 'CHUNK_LENGTH', 0, whole - 1],
    ['that is too long', 'CHUNK_LENGTH', 1, whole],
  ])('a chunk %s is refused (%s), and the batch can still come', async (_, code, index, length) => {
    const attack = await Attack.begin([]);
    const answers: string[] = [];
    attack.tap(3, {
      batch: (to, source) => {
        if (source.header.phase !== 'precompPermute') return source;
        const sink = attack.node(2).manager.onBatch(attack.node(3).id, source.header);
        void codeOf(() => sink.chunk(index, new Uint8Array(length).fill(1))).then((answer) => answers.push(answer));
        void codeOf(() => sink.end({ root: digest, extra: new Uint8Array(0), signature: new Uint8Array(64) })).then(
          (answer) => answers.push(answer),
        );
        return to === attack.node(2).id ? source : undefined;
      },
    });
    for (const { stage } of await attack.play()) expect(stage).toBe('COMPLETED');
    expect(answers.toSorted()).toEqual([code, 'CHUNK_MISSING'].toSorted());
    expect(await refusals(attack.node(2), code, 'precompPermute')).toBe(1);
    expect(await refusals(attack.node(2), 'CHUNK_MISSING', 'precompPermute')).toBe(1);
  });

  it.each<[string, string, (batch: Uint8Array) => void]>([
    ['an element of 0', 'ELEMENT_RANGE', (batch) => void batch.fill(0, 0, group.elementBytes)],
    ['an element above q', 'ELEMENT_RANGE', (batch) => void batch.fill(0xff, 0, group.elementBytes)],
  ])('%s ends the round (%s) and names its sender', async (_, code, change) => {
    const attack = await Attack.begin([3]);
    attack.tamper(3, 'precompPermute', change);
    expectAccused(await attack.play(), code, 3);
    expect(await refusals(attack.node(2), code, 'precompPermute')).toBe(1);
  });

  it.each<[string, string, (attack: Attack, bytes: Uint8Array) => ReturnType<typeof forgeBatch>]>([
    [
      'signed by another',
      'SIGNATURE_INVALID',
      (attack, bytes) => forgeBatch(attack.facts, attack.node(4).key, 'precompPermute', bytes),
    ],
    [
      'with something in its trailer',
      'MESSAGE_MALFORMED',
      (attack, bytes) => forgeBatch(attack.facts, attack.node(3).key, 'precompPermute', bytes, digest),
    ],
  ])('a batch %s ends the round (%s) and names its sender', async (_, code, forge) => {
    const attack = await Attack.begin([3]);
    attack.tap(3, {
      batch: (to, source) => {
        if (source.header.phase !== 'precompPermute') return source;
        const bytes = new Uint8Array(6 * 2 * group.elementBytes).fill(1);
        void attack.team.network.inject(attack.node(3).id, to, forge(attack, bytes)).catch(() => {});
        return undefined;
      },
    });
    // A statement that the sender itself signed convicts it for every node.
    const expectNamed = code === 'MESSAGE_MALFORMED' ? expectFailed : expectAccused;
    expectNamed(await attack.play(), code, 3);
  });

  it('a batch under a wrong root ends the round and names its sender', async () => {
    const attack = await Attack.begin([3]);
    attack.tap(3, {
      batch: (_, source) => {
        if (source.header.phase !== 'realtimePermute') return source;
        return { ...sourceOf(source), trailer: async () => ({ ...(await source.trailer()), root: digest }) };
      },
    });
    expectAccused(await attack.play(), 'MERKLE_ROOT', 3);
  });

  it('a chunk that never comes is missed: the deadline names its sender', async () => {
    const attack = await Attack.begin([3]);
    attack.tap(3, {
      batch: () => undefined,
      message: (_, signed) => (signed.message.kind === 'roundError' ? undefined : signed),
    });
    expectFailed(await attack.play(), 'DEADLINE_MISSED', 3);
  });

  it('input after the end is refused as late, and changes nothing', async () => {
    const attack = await Attack.begin([3]);
    attack.tamper(3, 'opening', (batch) => tag(batch, 0));
    const verdicts = await attack.play();
    const { manager } = attack.node(2);
    expect(
      await codeOf(() => manager.onBatch(attack.node(1).id, header(attack, { phase: 'mixed', elements: 1 }))),
    ).toBe('taken');
    const late = attack.message(1, { kind: 'outputSignature', digest });
    expect(await codeOf(() => manager.onMessage(attack.node(1).id, late))).toBe('ROUND_OVER');
    // A round error is never late: every member sends one to every other.
    const error = attack.message(4, { kind: 'roundError', code: 'INTERNAL', culprit: attack.node(2).id, detail: '' });
    expect(await codeOf(() => manager.onMessage(attack.node(4).id, error))).toBe('taken');
    expect(attack.honest().map((node) => attack.verdict(node))).toEqual(verdicts);
  });
});

describe('a batch of a round that has ended', () => {
  it('is acknowledged again for a while, and then freed', async () => {
    const attack = await Attack.begin([]);
    await attack.play();
    const header: BatchHeader = { round: attack.info.round, phase: 'mixed', slots: 6, elements: 1, chunkSlots: 4 };
    const ask = () => codeOf(() => attack.node(2).manager.onBatch(attack.node(1).id, header));
    expect(await ask()).toBe('taken');
    await attack.team.until(() => false, 31_000);
    expect(await ask()).toBe('ROUND_OVER');
    expect(attack.verdict(attack.node(2)).texts).toHaveLength(TEXTS.length);
  });
});

const sourceOf = (source: { header: BatchHeader; chunks: number; chunk(index: number): Promise<Uint8Array> }) => ({
  header: source.header,
  chunks: source.chunks,
  chunk: (index: number) => source.chunk(index),
});

describe('a key share', () => {
  const shareOf = async (attack: Attack, position: number, seed: string) =>
    createKeyShare(engine, new SeededRng(seed), {
      group,
      roundDigest: attack.facts.digest,
      node: attack.node(position).id,
      width: 1,
      exponentBytes: 32,
    });

  it.each<[string, string, (share: Uint8Array) => Uint8Array]>([
    ['of 1', 'KEY_SHARE_IDENTITY', (share) => share.fill(0, 0, group.elementBytes).fill(1, 0, 1)],
    ['of 0', 'ELEMENT_RANGE', (share) => share.fill(0, 0, group.elementBytes)],
    ['above q', 'ELEMENT_RANGE', (share) => share.fill(0xff, 0, group.elementBytes)],
    ['with a proof for another share', 'KEY_SHARE_PROOF', (share) => share.fill(7, 0, 1)],
    ['with a response of q or more', 'EXPONENT_RANGE', (share) => share.fill(0xff, 2 * group.elementBytes)],
    ['that is too short', 'LENGTH_MISMATCH', (share) => share.slice(1)],
    ['that is empty', 'LENGTH_MISMATCH', () => new Uint8Array(0)],
  ])('%s ends the round (%s) and names its node', async (_, code, change) => {
    const attack = await Attack.begin([3]);
    attack.say(3, 'keyShare', (message) => ({ ...message, share: change(message.share.slice()) }));
    expectFailed(await attack.play(), code, 3);
  });

  it('copied from another node has no valid proof for its new owner', async () => {
    const attack = await Attack.begin([3]);
    const heard = new Promise<Uint8Array>((resolve) => {
      attack.say(1, 'keyShare', (message) => {
        resolve(message.share);
        return message;
      });
    });
    const copied: { share?: Uint8Array } = {};
    void heard.then((share) => Object.assign(copied, { share }));
    attack.say(3, 'keyShare', (message) => ({ ...message, share: copied.share ?? message.share }));
    expectFailed(await attack.play(), 'KEY_SHARE_PROOF', 3);
  });

  it('that two nodes know and prove together names one of them', async () => {
    const attack = await Attack.begin([2, 4]);
    for (const position of [2, 4]) {
      const { share } = await shareOf(attack, position, 'the same for both');
      attack.say(position, 'keyShare', (message) => ({ ...message, share: encodeKeyShare(share) }));
    }
    expectFailed(await attack.play(), 'KEY_SHARE_DUPLICATE', 4);
  });
});

describe('a slot table or verdict', () => {
  it.each<[string, string, (table: Uint8Array) => Uint8Array]>([
    ['cut short', 'MESSAGE_MALFORMED', (table) => table.slice(0, -1)],
    ['of another slot count', 'MESSAGE_MALFORMED', () => encodeTable([null])],
    ['that is not what its digest says', 'TABLE_INVALID', () => encodeTable(new Array(6).fill(null))],
  ])('%s ends the round (%s) and names node 1', async (_, code, change) => {
    const attack = await Attack.begin([1]);
    attack.say(1, 'tableProposal', (message) => ({ ...message, table: change(message.table) }));
    expectFailed(await attack.play(), code, 1);
  });

  it('that rejects a slot outside the batch names its node', async () => {
    const attack = await Attack.begin([2]);
    attack.say(2, 'tableVerdict', (message) => ({ ...message, rejections: [{ slot: 6, reason: 'MAC_INVALID' }] }));
    expectFailed(await attack.play(), 'SLOT_COUNT', 2);
  });

  it('about a table that node 1 never signed names its node', async () => {
    const attack = await Attack.begin([2]);
    attack.say(2, 'tableVerdict', (message) => ({ ...message, proposalDigest: digest }));
    expectFailed(await attack.play(), 'SIGNATURE_INVALID', 2);
  });

  it('a commitment over a C that node 1 never signed names its node', async () => {
    const attack = await Attack.begin([2]);
    attack.say(2, 'commitment', (message) => ({ ...message, cipherDigest: digest }));
    expectFailed(await attack.play(), 'SIGNATURE_INVALID', 2);
  });
});
