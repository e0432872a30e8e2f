// Senders as a node sees them: the registry of a key epoch, and the submission desk of a round's first node.
import { describe, expect, it } from 'vitest';
import type { RoundId, SenderId } from '../../src/base/ids.js';
import { Sender } from '../../src/client/compose.js';
import { SenderKey } from '../../src/cmix/senderKeys.js';
import { randomElements } from '../../src/math/sampling.js';
import { type RoundInfo, roundDigest } from '../../src/protocol/roundInfo.js';
import { type DeskSenders, type Submission, SubmissionDesk } from '../../src/round/submissions/desk.js';
import { SenderRegistry } from '../../src/round/submissions/senderRegistry.js';
import { sealed } from '../sim/senders.js';
import { flipped, group, outcome } from '../support/cmix.js';
import { SeededRng } from '../support/seededRng.js';
import { VirtualClock } from '../support/virtualClock.js';

const rng = new SeededRng('senders');
const keyOf = () => SenderKey.generate(rng);

describe('the registry of a key epoch', () => {
  it("agrees on a secret with a sender once, and finds it by the sender's id", () => {
    const registry = new SenderRegistry(rng, 7, 10);
    const key = keyOf();
    const id = registry.register(key.publicKey, 7);
    const secret = registry.findSecret(id);
    expect(registry.register(key.publicKey, 7)).toBe(id);
    expect(registry.findSecret(id)).toBe(secret);
    expect(registry.size).toBe(1);
    expect(registry.findSecret('0'.repeat(64) as SenderId)).toBeUndefined();
  });

  it('refuses another epoch, a key of the wrong length, a low-order key, and more than it may hold in open rounds', () => {
    const registry = new SenderRegistry(rng, 7, 1);
    expect(outcome(() => registry.register(keyOf().publicKey, 6))).toBe('EPOCH_EXPIRED');
    expect(outcome(() => registry.register(new Uint8Array(31), 7))).toBe('LENGTH_MISMATCH');
    expect(outcome(() => registry.register(new Uint8Array(32), 7))).toBe('DH_SECRET_ZERO');
    expect(registry.size).toBe(0);
    const sender = registry.register(keyOf().publicKey, 7);
    registry.hold(sender, 1 as RoundId);
    expect(outcome(() => registry.register(keyOf().publicKey, 7))).toBe('REGISTRY_FULL');
    expect(registry.findSecret(sender)).toBeDefined();
  });

  it('wipes every secret when the epoch ends, and starts the next with another key', () => {
    const registry = new SenderRegistry(rng, 7, 10);
    const key = keyOf();
    const secret = registry.findSecret(registry.register(key.publicKey, 7))!;
    const before = registry.publicKey;
    registry.rotate();
    expect(secret.wiped && secret.reveal().every((byte) => byte === 0)).toBe(true);
    expect([registry.epoch, registry.size]).toEqual([8, 0]);
    expect(registry.publicKey).not.toEqual(before);
    expect(outcome(() => registry.register(key.publicKey, 7))).toBe('EPOCH_EXPIRED');
  });

  it('agrees on nothing after it was wiped', () => {
    const registry = new SenderRegistry(rng, 7, 10);
    registry.wipe();
    expect(outcome(() => registry.register(keyOf().publicKey, 7))).toBe('EPOCH_EXPIRED');
  });
});

describe('the submission desk of the first node', () => {
  const node = 'a'.repeat(32) as RoundInfo['team'][number];
  const info = {
    ...{ network: 'n', round: 1 as RoundId, membership: 0, team: [node], group: 'TEST-512', slots: 3, width: 1 },
    ...{ chunkSlots: 1, exponentBytes: 32, minSenders: 1, quotaPerSender: 2 },
    deadlines: {
      precomputeMs: 1,
      standbyMs: 1,
      collectMs: 1,
      realtimeMs: 1,
      precomputePhaseMs: 1,
      realtimePhaseMs: 1,
    },
  } as RoundInfo;

  function setUp() {
    const registry = new SenderRegistry(rng, 1, 10);
    const senders = [0, 1].map(() => {
      const sender = new Sender(keyOf());
      registry.register(sender.key.publicKey, 1);
      sender.agree(node, registry.publicKey, 1);
      return sender;
    });
    const deskSenders: DeskSenders = {
      get epoch() {
        return registry.epoch;
      },
      secretOf: (sender) => registry.findSecret(sender),
      hold: (sender) => registry.hold(sender, info.round),
      strike: (sender) => registry.strike(sender),
      accepted: () => {},
    };
    const ports = { clock: new VirtualClock(), ask: async () => [] };
    const desk = new SubmissionDesk(info, group, roundDigest(info), deskSenders, ports);
    const make = (who: 0 | 1, salt: number): Submission => {
      const payload = Uint8Array.from(randomElements(rng, group, 1));
      return sealed(info, senders[who]!, new Uint8Array(16).fill(salt), payload);
    };
    return { desk, make, registry };
  }

  it('closes with the submissions in order of arrival, and empty slots', () => {
    const { desk, make } = setUp();
    const [a, b] = [make(0, 1), make(1, 1)];
    desk.take(a);
    desk.take(b);
    desk.take(a);
    expect([desk.count, desk.full]).toEqual([2, false]);
    const { table, payloads, distinctSenders } = desk.close();
    expect(distinctSenders).toBe(2);
    expect(table.map((entry) => entry?.sender)).toEqual([a.sender, b.sender, undefined]);
    expect(payloads).toEqual([a.payload, b.payload, null]);
    expect(outcome(() => desk.take(make(0, 2)))).toBe('ROUND_NOT_COLLECTING');
  });

  it('refuses a replay with other contents, over quota, and a full batch, and keeps nothing of what it refused', () => {
    const { desk, make } = setUp();
    desk.take(make(0, 1));
    expect(outcome(() => desk.take(make(0, 1)))).toBe('SUBMISSION_REPLAYED');
    desk.take(make(0, 2));
    expect(outcome(() => desk.take(make(0, 3)))).toBe('SENDER_QUOTA');
    desk.take(make(1, 1));
    expect(outcome(() => desk.take(make(1, 2)))).toBe('ROUND_FULL');
    expect(desk.count).toBe(3);
  });

  it('does not count a forged submission against the sender it names', () => {
    const { desk, make } = setUp();
    for (const salt of [1, 2, 3]) {
      const forged = make(0, salt);
      const bad = { ...forged, macs: forged.macs.map((mac) => flipped(mac)) };
      expect(outcome(() => desk.take(bad))).toBe('MAC_INVALID');
      expect(desk.has(bad.sender, bad.salt)).toBe(false);
    }
    desk.take(make(0, 1));
    desk.take(make(0, 2));
    expect(desk.count).toBe(2);
  });

  it("is unaffected by later changes of a submission's buffers", () => {
    const { desk, make } = setUp();
    const submission = make(0, 1);
    const before = submission.payload.slice();
    desk.take(submission);
    submission.payload.fill(0);
    submission.salt.fill(9);
    const { table, payloads } = desk.close();
    expect(payloads[0]).toEqual(before);
    expect(table[0]!.salt).toEqual(new Uint8Array(16).fill(1));
  });

  it('accepts a sender only in the epoch in which it registered', () => {
    const { desk, make, registry } = setUp();
    registry.rotate();
    expect(outcome(() => desk.take(make(0, 1)))).toBe('SENDER_UNKNOWN');
  });
});
