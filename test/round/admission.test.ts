// Admission under load: no effect at rest, a share for every place under load, and a seat for newcomers.
import { describe, expect, it } from 'vitest';
import { nextTurn } from '../../src/base/clock.js';
import { Shares } from '../../src/base/fairShares.js';
import type { RoundId, SenderId } from '../../src/base/ids.js';
import { SenderKey } from '../../src/cmix/senderKeys.js';
import {
  difficultyBits,
  isSolved,
  MOST_BITS,
  NONCE_BYTES,
  Pressure,
  solve,
} from '../../src/round/submissions/admission.js';
import { REGISTER_MAX, RegistrationDesk } from '../../src/round/submissions/registration.js';
import { SenderRegistry } from '../../src/round/submissions/senderRegistry.js';
import { codeOf } from '../attacks/attack.js';
import { SeededRng } from '../support/seededRng.js';
import { VirtualClock } from '../support/virtualClock.js';

const rng = new SeededRng('admission');
const NODE = 'n'.repeat(32);
const keys = (count: number): Uint8Array[] => Array.from({ length: count }, () => SenderKey.generate(rng).publicKey);

describe('shares', () => {
  it('do not limit at rest: one place may hold half of the total, and a lone place nearly all of it', () => {
    const shares = new Shares(1_000);
    for (let i = 0; i < 875; i++) expect(shares.take('one')).toBe(true);
    expect(shares.take('one')).toBe(false);
    shares.give('one', 575);
    for (let i = 0; i < 200; i++) expect(shares.take('other')).toBe(true);
    expect(shares.load).toBe(0.5);
    const campus = new Shares(1_000);
    for (const place of ['a', 'b', 'c', 'd']) campus.take(place);
    for (let i = 0; i < 490; i++) expect(campus.take('campus')).toBe(true);
  });

  it('give a thousand senders behind one connection their share beside 50 other addresses', () => {
    const shares = new Shares(4_096);
    for (let round = 0; round < 200; round++) {
      for (let place = 0; place < 50; place++) shares.take(`10.0.0.${place}`);
    }
    let got = 0;
    while (shares.take('127.0.0.1/40000')) got++;
    expect(got).toBeGreaterThanOrEqual(60);
    for (let place = 0; place < 50; place++) expect(shares.held(`10.0.0.${place}`)).toBeLessThanOrEqual(4_096 / 50 + 1);
  });

  it('keep seats for places that hold little, regardless of who came first', () => {
    const shares = new Shares(800);
    for (const place of ['a', 'b']) for (let i = 0; i < 800; i++) shares.take(place);
    expect(shares.load).toBeLessThan(0.9);
    for (let i = 0; i < 80; i++) expect(shares.take(`new ${i}`)).toBe(true);
  });
});

describe('the work demanded of a sender', () => {
  it('is none below half load, and grows with the load', () => {
    expect([0, 0.25, 0.499].map(difficultyBits)).toEqual([0, 0, 0]);
    expect([0.5, 0.75, 1, 2].map(difficultyBits)).toEqual([8, 14, MOST_BITS, MOST_BITS]);
  });

  it('is bound to node, key and epoch: it can neither be done in advance nor used twice', async () => {
    const [key, other] = keys(2);
    const puzzle = { node: NODE, key: key!, epoch: 7 };
    const nonce = await solve(puzzle, 12, rng, nextTurn);
    expect(nonce).toHaveLength(NONCE_BYTES);
    expect(isSolved(puzzle, nonce, 12)).toBe(true);
    for (const change of [{ node: 'm'.repeat(32) }, { key: other! }, { epoch: 8 }]) {
      expect(isSolved({ ...puzzle, ...change }, nonce, 12)).toBe(false);
    }
    expect(isSolved(puzzle, new Uint8Array(0), 1)).toBe(false);
    expect(isSolved(puzzle, new Uint8Array(0), 0)).toBe(true);
  });

  it('is refused by a sender if it exceeds the most that a node may demand', async () => {
    const puzzle = { node: NODE, key: keys(1)[0]!, epoch: 7 };
    expect(await codeOf(() => solve(puzzle, MOST_BITS + 1, rng, nextTurn))).toBe('PUZZLE_REQUIRED');
  });

  it('ends when the load has drained', () => {
    const clock = new VirtualClock();
    const pressure = new Pressure(clock, 100, 10);
    pressure.add(80);
    expect(pressure.load).toBe(0.8);
    clock.after(4_000, () => {});
    clock.step();
    expect(pressure.load).toBeCloseTo(0.4);
    pressure.add(1_000);
    expect(pressure.load).toBe(1);
  });
});

describe('registration', () => {
  const setUp = (capacity = 1_000) => {
    const clock = new VirtualClock();
    const registry = new SenderRegistry(rng, 1, capacity);
    const desk = new RegistrationDesk(NODE, registry, clock);
    const register = (count: number, place: string, nonces: readonly Uint8Array[] = []) =>
      desk.register({ senderKeys: keys(count), epoch: 1, nonces }, place);
    return { clock, registry, desk, register };
  };

  it('gives the main thread to four keys at a time, each place in turn, and takes 32 a call', async () => {
    const { registry, register } = setUp();
    let turn = 0;
    const done: { turn: number; place: string }[] = [];
    const agree = registry.register.bind(registry);
    registry.register = (key, epoch, place = '') => {
      done.push({ turn, place });
      return agree(key, epoch, place);
    };
    let over = false;
    const turns = (async () => {
      for (; !over; turn++) await nextTurn();
    })();
    const calls = ['greedy', 'greedy', 'greedy', 'late'].map((place, i) => register(i < 3 ? REGISTER_MAX : 2, place));
    await Promise.all(calls);
    over = true;
    await turns;
    const turnsUsed = new Set(done.map((each) => each.turn));
    for (const used of turnsUsed) expect(done.filter((each) => each.turn === used).length).toBeLessThanOrEqual(8);
    expect(turnsUsed.size).toBeGreaterThanOrEqual(12);
    expect(done.findIndex(({ place }) => place === 'late')).toBeLessThanOrEqual(8);
    expect(await codeOf(() => register(REGISTER_MAX + 1, 'greedy'))).toBe('MESSAGE_TOO_LARGE');
  }, 10_000);

  it('costs nothing at rest, and work under load until the load is over', async () => {
    const { clock, desk, register, registry } = setUp(40);
    for (let i = 0; i < 5; i++) await register(4, 'one');
    expect(desk.difficultyBits).toBe(8);
    expect(await codeOf(() => register(1, 'other'))).toBe('PUZZLE_REQUIRED');
    const [key] = keys(1);
    const nonce = await solve({ node: NODE, key: key!, epoch: 1 }, 9, rng, nextTurn);
    const paid = desk.register({ senderKeys: [key!], epoch: 1, nonces: [nonce] }, 'other');
    await nextTurn();
    clock.step();
    expect(await paid).toHaveLength(1);
    expect(registry.size).toBe(21);
    registry.rotate();
    expect(desk.difficultyBits).toBe(0);
  }, 10_000);

  it('costs work as well if a team rejects submissions of strangers', async () => {
    const { desk, register, registry } = setUp();
    const [sender] = await register(1, 'one');
    for (let i = 0; i < 400; i++) registry.strike(sender!);
    expect(desk.difficultyBits).toBe(0);
    for (let i = 0; i < 400; i++) registry.strike(sender!);
    expect(desk.difficultyBits).toBeGreaterThan(0);
  });

  it('makes room in a registry that strangers have filled: unused keys go first, of the place that has most', () => {
    const { registry } = setUp(50);
    const add = (place: string) => registry.register(keys(1)[0]!, 1, place);
    const used = add('honest');
    registry.hold(used, 1 as RoundId);
    registry.mixed([used]);
    registry.letGo(1 as RoundId);
    const held = add('honest');
    registry.hold(held, 2 as RoundId);
    const unused = add('honest');
    const hoard: SenderId[] = [];
    for (let i = 0; i < 200; i++) hoard.push(add(`stranger ${i % 2}`));
    expect(registry.size).toBe(50);
    for (const sender of [used, held, unused]) expect(registry.knows(sender)).toBe(true);
    expect(hoard.filter((sender) => registry.knows(sender))).toHaveLength(47);
    // Used keys go when nothing else is left; keys that an open round needs never go.
    for (const sender of hoard) registry.hold(sender, 3 as RoundId);
    const last = add('honest');
    expect([registry.knows(unused), registry.knows(last)]).toEqual([false, true]);
    registry.hold(last, 3 as RoundId);
    add('honest');
    expect([registry.knows(used), registry.knows(held)]).toEqual([false, true]);
  });

  it('gives each place its share under load, for which the place evicts keys of its own', async () => {
    const { registry, clock, desk } = setUp(64);
    const add = async (place: string, count = 1) => {
      for (let i = 0; i < count; i++) {
        const [key] = keys(1);
        const nonce = await solve({ node: NODE, key: key!, epoch: 1 }, desk.difficultyBits, rng, nextTurn);
        const done = desk.register({ senderKeys: [key!], epoch: 1, nonces: [nonce] }, place);
        await nextTurn();
        clock.step();
        await done;
      }
    };
    await add('first', 30);
    for (const place of ['second', 'third', 'fourth']) await add(place);
    expect(registry.size).toBe(33);
    await add('first', 3);
    expect(registry.size).toBe(33);
    await add('fifth');
    expect(registry.size).toBe(34);
  });
});
