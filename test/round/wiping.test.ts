// Memory after a round has ended: no secret of the round, and nothing from which its permutation could be derived with the
// batches on the wire. After completion, after failure, and at any moment of the end.
import { afterEach, describe, expect, it, vi } from 'vitest';
import { Secret } from '../../src/base/secret.js';
import { PreparedHandle } from '../../src/engine/checked/handles.js';
import type { Engine, Prepared } from '../../src/engine/engine.js';
import { invert, multiply } from '../../src/math/arithmetic.js';
import { toBigints } from '../../src/math/batch.js';
import { randomElements } from '../../src/math/sampling.js';
import type { BatchPhase } from '../../src/protocol/batchPhases.js';
import { RoundSecrets } from '../../src/round/run/secrets.js';
import { Attack, codeOf, engine, group, tag } from '../attacks/attack.js';
import { SeededRng } from '../support/seededRng.js';

const { slotKeysMade } = vi.hoisted(() => ({ slotKeysMade: [] as Uint8Array[] }));
vi.mock('../../src/cmix/senderKeys.js', async (original) => {
  const real = await original<typeof import('../../src/cmix/senderKeys.js')>();
  const slotKeys: typeof real.slotKeys = (...args) => {
    const keys = real.slotKeys(...args);
    slotKeysMade.push(keys);
    return keys;
  };
  return { ...real, slotKeys };
});

type Held = Uint8Array | Uint32Array | Secret | Prepared;

/** The bytes of anything that a round may hold. */
function bytesOf(held: Held): Uint8Array | Uint32Array {
  if (held instanceof Secret) return held.reveal();
  return held instanceof PreparedHandle ? held.storage.data : (held as Uint8Array);
}
const isWiped = (held: Held): boolean => bytesOf(held).every((value) => value === 0);

afterEach(() => vi.restoreAllMocks());

/** Records every secret that any round takes charge of from now on. */
function recordHeld(): Held[] {
  const held: Held[] = [];
  const hold = RoundSecrets.prototype.hold;
  vi.spyOn(RoundSecrets.prototype, 'hold').mockImplementation(function (this: RoundSecrets, secret) {
    held.push(secret);
    return hold.call(this, secret);
  });
  return held;
}

describe('the secrets of a round', () => {
  it('are all zero after it has completed, on every node', async () => {
    const held = recordHeld();
    const attack = await Attack.begin([], { width: 2 });
    for (const { stage } of await attack.play()) expect(stage).toBe('COMPLETED');
    expect(held.length).toBeGreaterThan(4 * 15);
    expect(held.filter((secret) => !isWiped(secret))).toEqual([]);
  });

  it.each(['PRECOMPUTING', 'STANDBY', 'QUEUED', 'REALTIME'])(
    'are all zero after a failure in %s, at any step of the stage',
    async (stage) => {
      // From the first step of the stage to some way into it; results of pending work then return to an ended round.
      for (const packets of [0, 15, 40, 80, 130]) {
        const held = recordHeld();
        const attack = await Attack.begin([]);
        let since: number | undefined;
        attack.at(
          () => {
            if (attack.stage(2) === stage) since ??= attack.team.network.packets;
            return since !== undefined && attack.team.network.packets >= since + packets;
          },
          () => attack.node(2).manager.failRound(attack.info.round, 'enough'),
        );
        await attack.play();
        await attack.team.until(() => false, 100);
        expect(held.filter((secret) => !isWiped(secret))).toEqual([]);
        vi.restoreAllMocks();
      }
    },
  );

  it('leave no slot key behind, at the sender or at any node', async () => {
    slotKeysMade.length = 0;
    const attack = await Attack.begin([]);
    await attack.play();
    // Six messages, four nodes, both sides.
    expect(slotKeysMade).toHaveLength(2 * 6 * 4);
    expect(slotKeysMade.filter((keys) => !isWiped(keys))).toEqual([]);
  });

  it('returned after the end are wiped on arrival, and their step is aborted', async () => {
    const secrets = new RoundSecrets(group.elementBytes);
    const early = secrets.hold(new Uint8Array(8).fill(1));
    const prepared = secrets.hold(await engine.prepare(randomElements(new SeededRng('prepared'), group, 2)));
    expect(secrets.bytes).toBe(8 + 2 * group.elementBytes);
    secrets.wipe();
    const late = new Uint8Array(8).fill(1);
    expect(await codeOf(() => secrets.hold(late))).toBe('ABORTED');
    expect([isWiped(early), isWiped(late), isWiped(prepared), secrets.bytes]).toEqual([true, true, true, 0]);
    expect(await codeOf(() => engine.mul(new Uint8Array(2 * group.elementBytes).fill(1), prepared))).toBe(
      'HANDLE_RELEASED',
    );
  });

  it('are dropped as soon as they are used: STANDBY holds only r, s, D, π and the nonce', async () => {
    const attack = await Attack.begin([]);
    let bytes = 0;
    attack.at(
      () => attack.stage(2) === 'STANDBY',
      () => {
        bytes = attack.node(2).manager.secretBytes;
      },
    );
    await attack.play();
    const { elementBytes } = group;
    // r and s prepared, D, π and the nonce.
    expect(bytes).toBe(3 * 6 * elementBytes + 6 * 4 + 32);
  });
});

/** An engine that records all its results. */
function recordingEngine(results: Uint8Array[]): Engine {
  return new Proxy(engine, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name, target);
      if (typeof value !== 'function') return value;
      return (...args: unknown[]) => {
        const result: unknown = value.apply(target, args);
        const keep = (made: unknown) => {
          if (made instanceof Uint8Array) results.push(made);
          if (made instanceof PreparedHandle) results.push(made.storage.data);
          return made;
        };
        return result instanceof Promise ? result.then(keep) : keep(result);
      };
    },
  });
}

/**
 * All quotients of elements that a node sent by elements that it received; among them are the factors that hide its permutation.
 */
function quotients(sent: Uint8Array, received: Uint8Array): Set<bigint> {
  const found = new Set<bigint>();
  const inverses = toBigints(group, received).map((element) => invert(group, element));
  for (const out of toBigints(group, sent)) for (const inverse of inverses) found.add(multiply(group, out, inverse));
  return found;
}

describe('the permutation of a node', () => {
  it.each([
    ['completed', false],
    ['failed when the shares were open', true],
  ])('cannot be derived from what a round that %s leaves in memory', async (_, fails) => {
    const results: Uint8Array[] = [];
    const held = recordHeld();
    const attack = await Attack.begin(fails ? [4] : [], {
      remake: (index) => (index === 2 ? { engineOf: async () => recordingEngine(results) } : {}),
    });
    const wire = new Map<string, Uint8Array>();
    for (const position of [3, 4]) {
      for (const phase of ['precompPermute', 'realtimePermute'] satisfies BatchPhase[]) {
        attack.tamper(position, phase, (batch) => void wire.set(`${phase}/${position}`, batch.slice()));
      }
    }
    if (fails) attack.tamper(4, 'opening', (batch) => tag(batch, 0));
    await attack.play();
    expect(results.length).toBeGreaterThan(20);
    const left = new Set<bigint>();
    for (const buffer of [...results, ...held.map((secret) => bytesOf(secret))]) {
      if (!(buffer instanceof Uint8Array) || buffer.length % group.elementBytes !== 0) continue;
      for (const element of toBigints(group, buffer)) left.add(element);
    }
    left.delete(0n);
    for (const phase of ['precompPermute', 'realtimePermute']) {
      const hiding = quotients(wire.get(`${phase}/3`)!, wire.get(`${phase}/4`)!);
      expect(hiding.size).toBeGreaterThan(30);
      expect([...left].filter((element) => hiding.has(element))).toEqual([]);
    }
  });
});
