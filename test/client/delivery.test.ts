// Client.send with a town of nodes that die, answer late and lie: a message comes out at most once, its end is reported, and
// inquiries cost little. Virtual time.
import { beforeEach, describe, expect, it } from 'vitest';
import { type ErrorCode, MixError } from '../../src/base/errors.js';
import type { NodeId } from '../../src/base/ids.js';
import { limitedWarning } from '../../src/client/client.js';
import { Sender } from '../../src/client/compose.js';
import type { NodeFailure } from '../../src/client/delivery.js';
import { SenderKey } from '../../src/cmix/senderKeys.js';
import { SeededRng } from '../support/seededRng.js';
import { VirtualClock } from '../support/virtualClock.js';
import { COLLECT_MS, REALTIME_MS, TEAM, Town, type TownRound } from './town.js';

const texts = (count: number) => Array.from({ length: count }, (_, i) => `message ${String(i).padStart(4, '0')}`);
const states = (outcomes: readonly { readonly state: string }[]) => [...new Set(outcomes.map(({ state }) => state))];

let town: Town;
beforeEach(() => {
  town = new Town();
});

const mixes = (round: TownRound) => () => {
  round.state = 'mixed';
};
const fails = (round: TownRound, opened: boolean) => () => {
  round.state = 'failed';
  round.opened = opened;
};

describe('a single node cannot bring a message out twice, or lose one unnoticed', () => {
  it('the first node claims to refuse a message that it accepts', async () => {
    const first = town.open(4);
    first.lies = { refusing: () => new MixError('ROUND_FULL', {}) };
    town.at(3_000, mixes(first));
    town.at(100, () => town.at(10_000, mixes(town.open(4))));
    const outcomes = await town.send(texts(4));
    expect(town.out).toEqual(texts(4));
    expect(outcomes).toEqual(texts(4).map(() => ({ state: 'mixed', round: first.round })));
  });

  it('the first node claims that a round failed that mixed', async () => {
    const first = town.open(2);
    const failed = { state: 'failed', code: 'PEER_LOST', resendable: true } as const;
    const over = () => Promise.reject(new MixError('ROUND_OVER', {}));
    first.lies = { outcome: async () => failed, outputs: over };
    town.at(100, () => town.open(2));
    town.at(3_000, mixes(first));
    expect(states(await town.send(texts(2)))).toEqual(['mixed']);
    expect(town.out).toEqual(texts(2));
  });

  it('the first node claims to have mixed a message that it did not, and cannot prove it', async () => {
    const first = town.open(2);
    const forged = () => Promise.reject(new MixError('SIGNATURE_INVALID', { what: 'outputs' }));
    first.lies = { outcome: async () => ({ state: 'mixed' }), outputs: forged };
    town.at(1_000, fails(first, false));
    expect(states(await town.send(texts(2)))).toEqual(['unsure']);
  });

  it('the first node claims for ever that the round goes on', async () => {
    const first = town.open(2);
    first.lies = { outputs: () => Promise.reject(new MixError('OUTPUTS_UNKNOWN', {})) };
    town.at(1_000, fails(first, true));
    expect(await town.send(texts(2))).toEqual(
      texts(2).map(() => ({ state: 'failed', round: first.round, code: 'PEER_LOST' })),
    );
  });

  it('a single answer is not enough to send again while all others are cut off', async () => {
    const first = town.open(2);
    town.at(1_000, () => {
      fails(first, false)();
      for (const node of TEAM.slice(1)) town.away.add(node);
    });
    town.at(1_100, () => town.open(2));
    expect(states(await town.send(texts(2)))).toEqual(['unsure']);
  });

  it('a message mauled by a node is reported, and not sent again', async () => {
    const first = town.open(3);
    first.mauled.add('message 0001');
    town.at(1_000, mixes(first));
    town.at(1_100, () => town.open(3));
    const outcomes = await town.send(texts(3));
    expect(outcomes[1]).toEqual({ state: 'failed', round: first.round, code: 'MESSAGE_INVALID' });
    expect([outcomes[0]!.state, outcomes[2]!.state]).toEqual(['mixed', 'mixed']);
  });
});

describe('the outcome of messages', () => {
  it('those of a round that kept its shares go into another one, those of one that opened them do not', async () => {
    for (const opened of [false, true]) {
      town = new Town();
      const first = town.open(2);
      town.at(1_000, () => {
        fails(first, opened)();
        town.away.add(TEAM[1]!);
        const second = town.open(2, ['a', 'c', 'd'] as NodeId[]);
        town.at(3_000, mixes(second));
      });
      const outcomes = await town.send(texts(2));
      expect(states(outcomes)).toEqual([opened ? 'failed' : 'mixed']);
      expect(town.out).toEqual(opened ? [] : texts(2));
    }
  });

  it('a node that restarted in realtime and does not know is no reason not to ask the others', async () => {
    const first = town.open(2);
    first.lies = { outcome: async () => ({ state: 'unknown', resendable: false }) };
    town.at(1_000, () => {
      fails(first, false)();
      town.at(3_000, mixes(town.open(2)));
    });
    expect(states(await town.send(texts(2)))).toEqual(['mixed']);
  });

  it('those that did not fit go on as soon as their round is closed without them, and need not wait for its end', async () => {
    const first = town.open(3);
    first.take('somebody', 'else');
    const second = town.open(3);
    town.directory = () => [second, first];
    second.take('somebody else', 'too');
    const third = town.open(9);
    town.at(200, () => {
      town.directory = () => [third];
    });
    town.at(1_000, mixes(third));
    town.at(8_000, mixes(first));
    town.at(8_000, mixes(second));
    const outcomes = await town.send(texts(7));
    expect(states(outcomes)).toEqual(['mixed']);
    expect(town.out).toEqual(['else', ...texts(7), 'too']);
    expect(third.out.length).toBe(3);
  });

  it('one that cannot be composed affects no other', async () => {
    const first = town.open(8);
    town.cursed = 'message 0005';
    town.at(3_000, mixes(first));
    const outcomes = await town.send(texts(8));
    expect(outcomes.filter(({ state }) => state === 'mixed')).toHaveLength(7);
    expect(outcomes[5]).toEqual({ state: 'refused', code: 'SENDER_UNKNOWN' });
  });

  it('is found by its own coded message: an equal text of another sender is not it', async () => {
    const first = town.open(2);
    const messages = [new Uint8Array(Buffer.from('the same'))];
    // The message of another sender has the same text; this one's was mauled.
    first.lies = { outputs: async () => ({ messages, codeIds: new Set(['of somebody else']), invalidSlots: [0] }) };
    town.at(1_000, mixes(first));
    expect(await town.send(['the same'])).toEqual([{ state: 'failed', round: first.round, code: 'MESSAGE_INVALID' }]);
  });

  it('a round with a member away stalls nobody if there is another one', async () => {
    const second = town.open(4, ['a', 'b', 'c'] as NodeId[]);
    town.open(4);
    town.away.add('e' as NodeId);
    town.at(5_000, mixes(second));
    expect(states(await town.send(texts(4)))).toEqual(['mixed']);
    expect(town.count('submit')).toBe(4);
  });

  it('a round that is over gets no submission, even if nodes still list it', async () => {
    const over = town.open(4);
    over.state = 'mixed';
    town.directory = () => town.all;
    const second = town.open(4);
    town.directory = () => [second, over];
    town.at(3_000, mixes(second));
    expect(states(await town.send(texts(4)))).toEqual(['mixed']);
    expect(second.taken.size).toBe(4);
  });
});

describe('unusable nodes', () => {
  const failing = (code: ErrorCode): NodeFailure[] =>
    TEAM.slice(0, 3).map((node) => ({ node, error: new MixError(code, { peer: node }) }));

  it('an error that waiting cannot resolve rejects after 10 s, with the error of each node', async () => {
    town.useless = failing('SIGNATURE_INVALID');
    const rejected = await town.send(texts(3)).catch((error: unknown) => error);
    expect(rejected).toMatchObject({ code: 'NODES_UNUSABLE' });
    for (const node of TEAM.slice(0, 3)) {
      expect((rejected as MixError).values[node]).toMatch('SIGNATURE_INVALID');
    }
    expect(town.clock.nowMs()).toBeLessThan(12_000);
  });

  it('an error that waiting can resolve is reported every 10 s, and the message is mixed when it is over', async () => {
    town.useless = failing('LINK_DOWN');
    const told: string[][] = [];
    const onTrouble = (failures: readonly NodeFailure[]) => told.push(failures.map(({ error }) => error.code));
    town.at(35_000, () => {
      town.useless = undefined;
      town.at(5_000, mixes(town.open(2)));
    });
    expect(states(await town.send(texts(2), { onTrouble }))).toEqual(['mixed']);
    expect(told).toEqual(Array(3).fill(['LINK_DOWN', 'LINK_DOWN', 'LINK_DOWN']));
  });

  it('are warned of once in ten seconds by a client, however many messages wait', async () => {
    const warned: string[] = [];
    const onWarning = (warning: Error) => void warned.push(warning.message);
    process.on('warning', onWarning);
    const clock = new VirtualClock();
    const warn = limitedWarning(clock);
    for (let message = 0; message < 100; message++) warn(failing('LINK_DOWN'));
    clock.after(10_000, () => {});
    clock.step();
    warn(failing('LINK_TIMEOUT'));
    await new Promise((resolve) => setImmediate(resolve));
    process.off('warning', onWarning);
    expect(warned).toHaveLength(2);
    expect(warned[1]).toMatch(/LINK_TIMEOUT/);
  });

  it('a moment without an answer is not reported', async () => {
    town.useless = failing('SIGNATURE_INVALID');
    town.at(5_000, () => {
      town.useless = undefined;
      town.at(5_000, mixes(town.open(2)));
    });
    expect(states(await town.send(texts(2)))).toEqual(['mixed']);
  });

  it('a message is not refused because of a node that is on no list: another round has other nodes', async () => {
    const strange = town.open(2);
    strange.lies = { refusing: () => new MixError('PEER_UNKNOWN', {}) };
    town.at(1_000, () => {
      strange.taken.clear();
      fails(strange, false)();
      town.at(5_000, mixes(town.open(2)));
    });
    expect(states(await town.send(texts(2)))).toEqual(['mixed']);
  });
});

describe('arguments of callers', () => {
  it('text is refused by itself, and does not affect the outcomes of the others', async () => {
    town.at(5_000, mixes(town.open(2)));
    const [sender] = [new Sender(SenderKey.generate(new SeededRng('x')))];
    const bytes = new Uint8Array(Buffer.from('bytes'));
    const outcomes = await town.deliver([
      { sender, payload: 'hello' },
      { sender, payload: bytes },
      undefined,
      { sender: {}, payload: bytes },
      { sender, payload: Uint16Array.of(1) },
      { sender, payload: bytes },
    ] as never);
    const refused = { state: 'refused', code: 'ARGUMENT_INVALID' };
    const mixed = { state: 'mixed', round: 1 };
    expect(outcomes).toEqual([refused, mixed, refused, refused, refused, mixed]);
    expect(town.out).toEqual(['bytes', 'bytes']);
  });

  it('a buffer may be reused as soon as send has returned its promise', async () => {
    town.at(5_000, mixes(town.open(2)));
    const [sender] = [new Sender(SenderKey.generate(new SeededRng('x')))];
    const payload = Buffer.from('one');
    const sending = town.deliver([{ sender, payload }]);
    payload.write('two');
    expect(states(await sending)).toEqual(['mixed']);
    expect(town.out).toEqual(['one']);
  });

  it('messages that are not an array are refused at once', async () => {
    await expect(town.deliver('hello' as never)).rejects.toMatchObject({ code: 'ARGUMENT_INVALID' });
  });
});

describe('rounds that are equally good', () => {
  it('are chosen at random: the node that answers first does not attract all senders', async () => {
    const chosen = new Map<number, number>();
    for (let run = 0; run < 60; run++) {
      const fresh = new Town();
      const rounds = [0, 1, 2].map((first) => fresh.open(4, [...TEAM.slice(first), ...TEAM.slice(0, first)]));
      // The others answer later, and well within a moment.
      fresh.answersAfterMs = (node) => TEAM.indexOf(node) * 50;
      for (const round of rounds) fresh.at(5_000, mixes(round));
      const [outcome] = await fresh.send(['message']);
      const round = outcome?.state === 'mixed' ? outcome.round : 0;
      chosen.set(round, (chosen.get(round) ?? 0) + 1);
    }
    // Each of three in 60 draws: below 7 with a probability of 1 in 10,000.
    expect([...chosen.keys()].sort()).toEqual([1, 2, 3]);
    for (const count of chosen.values()) expect(count).toBeGreaterThanOrEqual(7);
  });
});

describe('sending ends', () => {
  it('once the signal aborts and the deadlines are over, even if no node answers any more', async () => {
    const stop = new AbortController();
    town.open(2);
    town.at(1_000, () => {
      for (const node of TEAM) town.away.add(node);
      stop.abort();
    });
    const outcomes = await town.send(texts(4), { signal: stop.signal }, COLLECT_MS + REALTIME_MS + 30_000);
    expect(outcomes.map(({ state }) => state)).toEqual(['unsure', 'unsure', 'unsent', 'unsent']);
  });
});

describe('inquiries cost little', () => {
  it('a batch of a thousand costs the polls of one message', async () => {
    const first = town.open(1_000);
    town.at(12_000, mixes(first));
    expect(states(await town.send(texts(1_000)))).toEqual(['mixed']);
    expect(town.count('outputs')).toBeLessThan(60);
    expect(town.count('outcome')).toBe(0);
  });

  it('any number of concurrent searches for rounds share one look', async () => {
    const stop = new AbortController();
    town.open(1);
    town.at(10_000, () => stop.abort());
    await town.send(texts(40), { signal: stop.signal });
    const alone = 10_000 / 500 + 10;
    expect(town.count('collecting')).toBeLessThan(4 * alone);
  });
});
