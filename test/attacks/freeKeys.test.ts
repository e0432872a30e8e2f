// Keys that cost nothing, and submissions that only the first node accepts: they get no slot, they keep nobody out, and the work
// that they cause for the team is bounded.
import { describe, expect, it } from 'vitest';
import { MixError } from '../../src/base/errors.js';
import { composeSubmissions, type Sender } from '../../src/client/compose.js';
import { CLAIMS_MAX, type Claim } from '../../src/protocol/link.js';
import type { Submission } from '../../src/round/submissions/desk.js';
import { type Screened, Screening } from '../../src/round/submissions/screening.js';
import { flipped } from '../sim/senders.js';
import { VirtualClock } from '../support/virtualClock.js';
import { Attack, codeOf, engine, expectFailed, TEXTS } from './attack.js';

/** Submissions of a sender with MACs that only node 1 finds valid, or only the first `right` nodes. */
async function rightForNode1(attack: Attack, sender: Sender, count: number, right = 1): Promise<Submission[]> {
  const messages = Array.from({ length: count }, () => ({ sender, payload: new Uint8Array(4) }));
  const good = await composeSubmissions(engine, attack.team.rng, attack.info, messages);
  return good.map((one) => ({ ...one, macs: one.macs.map((mac, i) => (i < right ? mac : flipped(mac))) }));
}

describe('a batch that strangers fill with submissions that only node 1 accepts', () => {
  it('is mixed with every honest message, and nothing is left to reject when it closes', async () => {
    const attack = await Attack.begin([], { quotaPerSender: 4 });
    const rejections: number[] = [];
    for (const { index } of attack.team.nodes) {
      attack.tap(index + 1, {
        message: (_, signed) => {
          if (signed.message.kind === 'tableVerdict') rejections.push(signed.message.rejections.length);
          return signed;
        },
      });
    }
    const answers: Promise<string>[] = [];
    const bad: Submission[] = [];
    attack.submit = async () => {
      const { manager } = attack.node(1);
      for (let key = 0; key < 12; key++) {
        bad.push(...(await rightForNode1(attack, attack.team.newSender(), 4, 1 + (key % 3))));
      }
      // They come first, and are eight times as many as the slots.
      for (const one of bad) void codeOf(() => manager.submit(attack.info.round, one, 'of a stranger'));
      for (const one of await attack.team.compose(attack.info, TEXTS)) {
        answers.push(codeOf(() => manager.submit(attack.info.round, one, 'of a sender')));
      }
    };
    // The whole team accepts the submissions of this place: its calls are admitted when others' are not.
    const credited = new Set<string>();
    attack.node(1).manager.watchAccepted((place) => void credited.add(place));
    for (const { stage, texts } of await attack.play()) {
      expect({ stage, texts: texts.toSorted() }).toEqual({ stage: 'COMPLETED', texts: TEXTS.toSorted() });
    }
    expect(await Promise.all(answers)).toEqual(TEXTS.map(() => 'taken'));
    expect(rejections.length).toBeGreaterThan(0);
    expect(rejections.every((count) => count === 0)).toBe(true);
    expect(credited).toContain('of a sender');
    expect(credited).not.toContain('of a stranger');
    const told = attack.node(1).manager.outcome(attack.info.round, bad[0]!.sender, bad[0]!.salt);
    expect(told).toMatchObject({ state: 'rejected', reason: 'MAC_INVALID' });
  });

  it('frees the slot of each at once, and tells its sender while the round still accepts messages', async () => {
    const attack = await Attack.begin([]);
    let told: unknown;
    let stage: unknown;
    attack.submit = async () => {
      const { manager } = attack.node(1);
      const [bad] = await rightForNode1(attack, attack.team.newSender(), 1);
      manager.submit(attack.info.round, bad!);
      expect(manager.outcome(attack.info.round, bad!.sender, bad!.salt)).toEqual({ state: 'pending' });
      attack.team.clock.after(1_000, () => {
        told = manager.outcome(attack.info.round, bad!.sender, bad!.salt);
        stage = attack.stage(1);
        void codeOf(() => manager.submit(attack.info.round, bad!)).then((answer) => expect(answer).toBe('MAC_INVALID'));
        void attack.team.compose(attack.info, TEXTS).then((good) => {
          for (const one of good) manager.submit(attack.info.round, one);
        });
      });
    };
    for (const { stage: end, texts } of await attack.play()) {
      expect({ end, texts: texts.toSorted() }).toEqual({ end: 'COMPLETED', texts: TEXTS.toSorted() });
    }
    expect(told).toMatchObject({ state: 'rejected', reason: 'MAC_INVALID' });
    expect(stage).toBe('QUEUED');
  });

  it('costs a key its quota: it gets no more tries by failing', async () => {
    const attack = await Attack.begin([], { quotaPerSender: 2 });
    const answers: string[] = [];
    attack.submit = async () => {
      const { manager } = attack.node(1);
      const sender = attack.team.newSender();
      for (const one of await rightForNode1(attack, sender, 2)) manager.submit(attack.info.round, one);
      const [third] = await rightForNode1(attack, sender, 1);
      attack.team.clock.after(1_000, () => {
        void codeOf(() => manager.submit(attack.info.round, third!)).then((answer) => answers.push(answer));
        void attack.team.compose(attack.info, TEXTS).then((good) => {
          for (const one of good.slice(0, 6)) manager.submit(attack.info.round, one);
        });
      });
    };
    await attack.play();
    expect(answers).toEqual(['SENDER_QUOTA']);
  });
});

describe("a member that is asked to judge node 1's submissions", () => {
  it('and delays its answer for ever ends the round that it stalls, and is named by node 1', async () => {
    const attack = await Attack.begin([4]);
    attack.node(4).manager.onScreen = () => {
      throw new MixError('ROUND_UNKNOWN');
    };
    const [first, ...others] = await attack.play();
    expectFailed([first!], 'DEADLINE_MISSED', 4);
    for (const { stage, code, culprit } of others) {
      expect({ stage, code }).toEqual({ stage: 'FAILED', code: 'DEADLINE_MISSED' });
      expect([4, undefined]).toContain(culprit);
    }
  });

  it('judges no MAC again when the batch is closed', async () => {
    const attack = await Attack.begin([]);
    let lookups = 0;
    const secrets = attack.node(3).registry;
    const secretOf = secrets.findSecret.bind(secrets);
    let macs = 0;
    secrets.findSecret = (sender) => {
      lookups++;
      const secret = secretOf(sender);
      if (!secret) return secret;
      return new Proxy(secret, {
        get(target, name) {
          if (name === 'mac') macs++;
          const value: unknown = Reflect.get(target, name, target);
          return typeof value === 'function' ? value.bind(target) : value;
        },
      });
    };
    for (const { stage } of await attack.play()) expect(stage).toBe('COMPLETED');
    expect(lookups).toBeGreaterThan(TEXTS.length);
    expect(macs).toBe(TEXTS.length);
  });
});

describe('screening', () => {
  const entry = {
    sender: 'a'.repeat(64),
    salt: new Uint8Array(16),
    payloadDigest: new Uint8Array(32),
    macs: [1, 2, 3],
  };
  const item = (): Screened => ({ entry: entry as never, rejected: false });

  it('sends one message a member for all submissions within a moment, and none for those that wait behind unanswered ones', async () => {
    const clock = new VirtualClock();
    const asked: { position: number; claims: number; answer: () => void }[] = [];
    const ask = (position: number, claims: readonly Claim[]) =>
      new Promise<readonly []>((resolve) => {
        asked.push({ position, claims: claims.length, answer: () => resolve([]) });
      });
    const screening = new Screening(3, { clock, ask }, () => {});
    for (let i = 0; i < 10; i++) screening.add(item());
    expect(asked).toEqual([]);
    clock.step();
    expect(asked.map(({ position, claims }) => [position, claims])).toEqual([
      [1, 10],
      [2, 10],
    ]);
    expect(screening.silent).toEqual([1, 2]);
    for (let i = 0; i < 10 * CLAIMS_MAX; i++) screening.add(item());
    // Four messages to each member are open, of at most 64 submissions; the rest waits.
    expect(asked).toHaveLength(8);
    for (let next = 0; next < asked.length; next++) {
      asked[next]!.answer();
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(asked.every(({ claims }) => claims <= CLAIMS_MAX)).toBe(true);
    expect(asked).toHaveLength(2 * 11);
    expect(screening.silent).toEqual([]);
  });
});
