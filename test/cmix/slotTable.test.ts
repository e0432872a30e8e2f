import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { toHex } from '../../src/base/bytes.js';
import type { SenderId } from '../../src/base/ids.js';
import { randomBytes } from '../../src/base/rng.js';
import { EpochKey, payloadDigest, SALT_BYTES, SenderKey, submissionMac } from '../../src/cmix/senderKeys.js';
import {
  applyRejections,
  decodeTable,
  distinctSenders,
  encodeTable,
  type Judge,
  type SlotEntry,
  type SlotRejection,
  type SlotTable,
  TableJudge,
  tableDigest,
} from '../../src/cmix/slotTable.js';
import { flipped, otherRound, outcome, roundDigest } from '../support/cmix.js';
import { SeededRng } from '../support/seededRng.js';

const teamSize = 3;
const rng = new SeededRng('table');
const nodes = Array.from({ length: teamSize }, () => EpochKey.generate(rng, 1));
const senders = Array.from({ length: 3 }, () => SenderKey.generate(rng));

function entryOf(sender: SenderKey, payload: string, salt = randomBytes(rng, SALT_BYTES)): SlotEntry {
  const hashed = payloadDigest(Buffer.from(payload));
  const fields = { roundDigest, sender: sender.senderId, salt, payloadDigest: hashed };
  const macs = nodes.map((node) => submissionMac(sender.agree(node.publicKey, 1), fields));
  return { sender: sender.senderId, salt, payloadDigest: hashed, macs };
}

const judgeOf = (nodeIndex: number, change: Partial<Judge> = {}): Judge => ({
  roundDigest,
  nodeIndex,
  secretOf: (id) => {
    const known = senders.find((sender) => sender.senderId === id);
    return known && nodes[nodeIndex]!.agree(known.publicKey);
  },
  quotaPerSender: 2,
  ...change,
});

function judgeTable(judged: SlotTable, judge: Judge): readonly SlotRejection[] {
  const judging = new TableJudge(judged, judge);
  while (judging.left > 0) judging.judge(2);
  return judging.rejections;
}

const [a, b, c] = senders as [SenderKey, SenderKey, SenderKey];
const table: SlotTable = [entryOf(a, '1'), null, entryOf(b, '2'), entryOf(a, '3'), null];
const shape = { slots: 5, teamSize };

describe('the judgement of a slot table', () => {
  test('passes the submissions of honest senders, at every node', () => {
    for (let i = 0; i < teamSize; i++) expect(judgeTable(table, judgeOf(i))).toEqual([]);
    expect(distinctSenders(table)).toBe(2);
  });

  test('rejects a wrong MAC at the node of that MAC, and only there', () => {
    const entry = table[2]!;
    const bad = table.with(2, { ...entry, macs: entry.macs.with(1, flipped(entry.macs[1]!)) });
    expect(judgeTable(bad, judgeOf(0))).toEqual([]);
    expect(judgeTable(bad, judgeOf(1))).toEqual([{ slot: 2, reason: 'MAC_INVALID' }]);
  });

  test('rejects an entry after any change of sender, salt, payload or round', () => {
    const entry = table[2]!;
    const changes: Partial<SlotEntry>[] = [
      { sender: a.senderId },
      { salt: flipped(entry.salt) },
      { payloadDigest: flipped(entry.payloadDigest) },
    ];
    for (const change of changes) {
      const bad = table.with(2, { ...entry, ...change });
      expect(judgeTable(bad, judgeOf(0))).toEqual([{ slot: 2, reason: 'MAC_INVALID' }]);
    }
    expect(judgeTable(table, judgeOf(0, { roundDigest: otherRound }))).toHaveLength(3);
  });

  test('rejects senders that are not registered with this node', () => {
    const stranger = { ...table[0]!, sender: 'ab'.repeat(32) as SenderId };
    const verdict = judgeTable(table.with(0, stranger), judgeOf(0));
    expect(verdict).toEqual([{ slot: 0, reason: 'SENDER_UNKNOWN' }]);
  });

  test('rejects the later of two uses of one salt, and entries over quota', () => {
    expect(judgeTable(table.with(4, table[0]!), judgeOf(0))).toEqual([{ slot: 4, reason: 'SUBMISSION_REPLAYED' }]);
    const reused = entryOf(a, 'other payload', table[0]!.salt);
    expect(judgeTable(table.with(1, reused), judgeOf(0))).toEqual([{ slot: 1, reason: 'SUBMISSION_REPLAYED' }]);
    expect(judgeTable(table.with(4, entryOf(a, '4')), judgeOf(0))).toEqual([{ slot: 4, reason: 'SENDER_QUOTA' }]);
    expect(judgeTable(table.with(4, entryOf(c, '4', table[0]!.salt)), judgeOf(0))).toEqual([]);
  });

  test('does not let forged entries in a sender’s name use up the sender’s quota', () => {
    const fake = { ...table[0]!, macs: table[0]!.macs.map((mac) => flipped(mac)) };
    const crowded: SlotTable = [fake, fake, fake, table[0]!, table[3]!];
    const verdict = judgeTable(crowded, judgeOf(0));
    expect(verdict).toEqual([0, 1, 2].map((slot) => ({ slot, reason: 'MAC_INVALID' })));
  });

  test('of all nodes together turns every entry rejected by any of them into a dummy', () => {
    const left = applyRejections(table, [
      [{ slot: 0, reason: 'MAC_INVALID' }],
      [],
      [
        { slot: 0, reason: 'MAC_INVALID' },
        { slot: 3, reason: 'SENDER_QUOTA' },
      ],
    ]);
    expect(left).toEqual([null, null, table[2], null, null]);
    expect(table[0]).not.toBeNull();
    for (const slot of [-1, 5, 1.5, Number.NaN]) {
      expect(outcome(() => applyRejections(table, [[{ slot, reason: 'MAC_INVALID' }]]))).toBe('TABLE_INVALID');
    }
  });
});

describe('a slot table', () => {
  test('of a wrong shape is refused', () => {
    const entry = table[0]!;
    const wrong: SlotTable[] = [
      table.with(0, { ...entry, sender: 'x' as SenderId }),
      table.with(0, { ...entry, salt: entry.salt.subarray(1) }),
      table.with(0, { ...entry, payloadDigest: new Uint8Array(33) }),
      table.with(0, { ...entry, macs: [] }),
      table.with(0, { ...entry, macs: entry.macs.with(0, new Uint8Array(31)) }),
      table.with(0, { ...entry, macs: undefined as unknown as Uint8Array[] }),
    ];
    for (const bad of wrong) expect(outcome(() => encodeTable(bad))).toBe('TABLE_INVALID');
    // An encodable table may still be of another round.
    for (const other of [table.slice(1), table.with(0, { ...entry, macs: entry.macs.slice(1) })]) {
      expect(outcome(() => decodeTable(encodeTable(other), shape))).toBe('MESSAGE_MALFORMED');
    }
  });

  test('has a digest that depends on the round and on every field of every slot', () => {
    const entry = table[0]!;
    const digests = [
      tableDigest(roundDigest, table),
      tableDigest(otherRound, table),
      tableDigest(roundDigest, table.with(0, null)),
      tableDigest(roundDigest, [...table, null]),
      tableDigest(roundDigest, [table[1]!, table[0]!, ...table.slice(2)]),
      tableDigest(roundDigest, table.with(0, { ...entry, salt: flipped(entry.salt) })),
      tableDigest(roundDigest, table.with(0, { ...entry, payloadDigest: flipped(entry.payloadDigest) })),
      tableDigest(roundDigest, table.with(0, { ...entry, macs: entry.macs.with(2, flipped(entry.macs[2]!)) })),
    ].map(toHex);
    expect(new Set(digests).size).toBe(digests.length);
    expect(toHex(tableDigest(roundDigest, decodeTable(encodeTable(table), shape)))).toBe(digests[0]);
  });

  test('decodes to itself, also empty and full of dummies', () => {
    expect(decodeTable(encodeTable(table), shape)).toEqual(table);
    expect(decodeTable(encodeTable([]), { slots: 0, teamSize })).toEqual([]);
    expect(decodeTable(encodeTable([null, null]), { slots: 2, teamSize })).toEqual([null, null]);
  });

  test('that is truncated anywhere, or has wrong counts of MACs or slots, does not decode', () => {
    const good = encodeTable(table);
    const decode = (bytes: Uint8Array) => outcome(() => decodeTable(bytes, shape));
    for (let length = 0; length < good.length; length++)
      expect(decode(good.subarray(0, length))).toBe('MESSAGE_MALFORMED');
    expect(decode(Uint8Array.from([...good, 0]))).toBe('MESSAGE_MALFORMED');
    // Byte 4 is the number of MACs of slot 0.
    for (let macs = 0; macs < 256; macs++) {
      const bytes = Uint8Array.from(good);
      bytes[4] = macs;
      if (macs !== teamSize) expect(decode(bytes)).toBe('MESSAGE_MALFORMED');
    }
    for (const bit of [1, 4, 0x80]) expect(decode(flipped(good, 3, bit))).toBe('MESSAGE_MALFORMED');
    const other = { slots: 5, teamSize: teamSize - 1 };
    expect(outcome(() => decodeTable(good, other))).toBe('MESSAGE_MALFORMED');
  });

  test('of hostile bytes gives MESSAGE_MALFORMED or a table of the right shape, which encodes to the same bytes', () => {
    const good = encodeTable(table);
    const mutated = fc
      .tuple(fc.nat(good.length - 1), fc.nat(255), fc.integer({ min: -3, max: 3 }))
      .map(([at, value, cut]) => {
        const bytes = new Uint8Array(good.length + cut);
        bytes.set(good.subarray(0, bytes.length));
        if (at < bytes.length) bytes[at] = value;
        return bytes;
      });
    const input = fc.oneof(mutated, fc.uint8Array({ maxLength: 300 }), fc.anything() as fc.Arbitrary<Uint8Array>);
    fc.assert(
      fc.property(input, (bytes) => {
        const result = outcome(() => decodeTable(bytes, shape));
        if (typeof result === 'string') return result === 'MESSAGE_MALFORMED';
        if (result.length !== shape.slots || result.some((entry) => entry && entry.macs.length !== teamSize))
          return false;
        return toHex(encodeTable(result)) === toHex(bytes);
      }),
      { numRuns: 1000 },
    );
  });
});
