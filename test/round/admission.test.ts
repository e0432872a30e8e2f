// Who is let in where many want to be: nobody notices at rest, everybody has a share under load, and whoever comes new finds a seat.
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
  it('are no ceiling at rest: one place may hold half of all there is, and nearly all of it where it is alone', () => {
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

  it('let a thousand senders behind one connection have theirs beside 50 other addresses', () => {
    const shares = new Shares(4_096);
    for (let round = 0; round < 200; round++) {
      for (let place = 0; place < 50; place++) shares.take(`10.0.0.${place}`);
    }
    let got = 0;
    while (shares.take('127.0.0.1/40000')) got++;
    expect(got).toBeGreaterThanOrEqual(60);
    for (let place = 0; place < 50; place++) expect(shares.held(`10.0.0.${place}`)).toBeLessThanOrEqual(4_096 / 50 + 1);
  });

  it('keep a seat for those who hold little, whoever came first', () => {
    const shares = new Shares(800);
    for (const place of ['a', 'b']) for (let i = 0; i < 800; i++) shares.take(place);
    expect(shares.load).toBeLessThan(0.9);
    for (let i = 0; i < 80; i++) expect(shares.take(`new ${i}`)).toBe(true);
  });
});

describe('the work that is asked for', () => {
  it('is none below half load, and more the more comes', () => {
    expect([0, 0.25, 0.499].map(difficultyBits)).toEqual([0, 0, 0]);
    expect([0.5, 0.75, 1, 2].map(difficultyBits)).toEqual([8, 14, MOST_BITS, MOST_BITS]);
  });

  it('is bound to node, key and epoch: nothing of it can be done before, or used twice', async () => {
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

  it('is refused by whoever is asked for more than any node may ask', async () => {
    const puzzle = { node: NODE, key: keys(1)[0]!, epoch: 7 };
    expect(await codeOf(() => solve(puzzle, MOST_BITS + 1, rng, nextTurn))).toBe('PUZZLE_REQUIRED');
  });

  it('is over when what came has leaked away', () => {
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

  it('has the main thread for four keys at a time, each place in turn, and takes 32 a call', async () => {
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

  it('costs nothing at rest and work under load, which is over with the load', async () => {
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

  it('costs work, too, where a team rejects what strangers submit', async () => {
    const { desk, register, registry } = setUp();
    const [sender] = await register(1, 'one');
    for (let i = 0; i < 400; i++) registry.strike(sender!);
    expect(desk.difficultyBits).toBe(0);
    for (let i = 0; i < 400; i++) registry.strike(sender!);
    expect(desk.difficultyBits).toBeGreaterThan(0);
  });

  it('of a registry that strangers have filled finds room: unused keys go first, of who has most', () => {
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
    // What is used goes when nothing else is left, what an open round needs never.
    for (const sender of hoard) registry.hold(sender, 3 as RoundId);
    const last = add('honest');
    expect([registry.knows(unused), registry.knows(last)]).toEqual([false, true]);
    registry.hold(last, 3 as RoundId);
    add('honest');
    expect([registry.knows(used), registry.knows(held)]).toEqual([false, true]);
  });

  it('under load gives each place its share, for which it pushes out its own', async () => {
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
