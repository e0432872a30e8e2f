// A node's answers to senders about rounds elsewhere: the rounds that take messages now, and none that has ended.
import { describe, expect, it } from 'vitest';
import type { NodeId, RoundId } from '../../src/base/ids.js';
import type { SignedRoundInfo } from '../../src/protocol/roundInfo.js';
import { RoundDirectory } from '../../src/round/directory.js';
import { VirtualClock } from '../support/virtualClock.js';

const id = (round: number) => round as RoundId;
const node = (name: string) => name as NodeId;
const COLLECT_MS = 5_000;

function directory() {
  const clock = new VirtualClock();
  const known = new RoundDirectory(node('a'), clock);
  const open = (round: number, ...team: string[]) => {
    const info = { round: id(round), team, deadlines: { collectMs: COLLECT_MS } };
    return known.heard({ kind: 'open', round: { info, signature: new Uint8Array(0) } as unknown as SignedRoundInfo });
  };
  const assign = (round: number) => known.heard({ kind: 'assign', round: id(round) });
  const fail = (round: number) => known.heard({ kind: 'fail', round: id(round), reason: '' });
  const taking = () => known.collecting().map(({ info }) => info.round);
  return { clock, known, open, assign, fail, taking };
}

async function pass(clock: VirtualClock, ms: number): Promise<void> {
  clock.after(ms, () => {});
  while (clock.step());
}

describe('the directory of rounds', () => {
  it('recognizes the updates that concern this node', () => {
    const { open, assign, fail } = directory();
    expect(open(1, 'a', 'b')).toBe(true);
    expect(open(2, 'b', 'c')).toBe(false);
    expect([assign(1), assign(2), assign(3)]).toEqual([true, false, false]);
    // The node may be a member of a round that it has not heard of.
    expect([fail(1), fail(2), fail(9)]).toEqual([true, false, true]);
  });

  it('names rounds for as long as they take messages, newest first', async () => {
    const { clock, open, assign, fail, taking } = directory();
    for (const round of [1, 2, 3]) open(round, 'a', 'b');
    expect(taking()).toEqual([]);
    assign(1);
    await pass(clock, COLLECT_MS - 1);
    assign(2);
    assign(3);
    expect(taking()).toEqual([3, 2, 1]);
    fail(3);
    await pass(clock, 1);
    expect(taking()).toEqual([2]);
    await pass(clock, COLLECT_MS);
    expect(taking()).toEqual([]);
  });

  it('forgets rounds that take no more messages, even if nobody asks', async () => {
    const { clock, known, open, assign, fail } = directory();
    for (let round = 1; round <= 100; round++) {
      open(round, 'a', 'b');
      if (round !== 3) assign(round);
      await pass(clock, 1_000);
    }
    // The rounds of the last five seconds, and one that was never assigned.
    expect(known.remembered).toBeLessThanOrEqual(7);
    // A round of other nodes that fails after it was forgotten is not taken for one of this node.
    expect(open(101, 'b', 'c')).toBe(false);
    assign(101);
    await pass(clock, COLLECT_MS);
    open(102, 'b', 'c');
    expect(fail(101)).toBe(false);
    expect(assign(3)).toBe(true);
    expect(known.collecting().map(({ info }) => info.round)).toContain(3);
  });

  it('forgets the oldest rounds beyond its limit', () => {
    const { open, assign, taking } = directory();
    for (let round = 1; round <= 5_000; round++) open(round, 'b');
    assign(1);
    assign(5_000);
    expect(taking()).toEqual([5_000]);
  });

  it('passes its own updates on after any number of rounds of others', () => {
    const { open, assign, fail } = directory();
    open(1, 'a', 'b');
    for (let round = 2; round <= 5_000; round++) open(round, 'b');
    expect([assign(1), assign(2), fail(1)]).toEqual([true, false, true]);
  });
});
