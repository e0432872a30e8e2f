// A node's memory limit: the estimate before a round is opened matches what real rounds hold, and a round without room is refused
// before anything is allocated for it, while the others go on.
import { describe, expect, it } from 'vitest';
import { namedGroup } from '../../src/math/group.js';
import { DEFAULT_LIMITS } from '../../src/round/acceptance.js';
import { roundMemoryBytes } from '../../src/round/run/memory.js';
import { Round } from '../../src/round/run/round.js';
import { SimTeam, type TeamOptions } from '../sim/team.js';

/** A round whose memory is measured at each of its events, and between steps of its work. */
class Weighed extends Round {
  peakBytes = 0;

  override dispatch(event: Parameters<Round['dispatch']>[0]): void {
    this.weigh();
    super.dispatch(event);
    this.weigh();
  }

  weigh(): void {
    this.peakBytes = Math.max(this.peakBytes, this.heldBytes);
  }
}

async function peaks(options: Partial<TeamOptions>) {
  const rounds: Weighed[] = [];
  const remake: TeamOptions['remake'] = () => ({
    makeRound: (facts, deps) => {
      // Progress is reported during the work.
      const round: Weighed = new Weighed(facts, {
        ...deps,
        onProgress: (...progress) => {
          round.weigh();
          deps.onProgress(...progress);
        },
      });
      rounds.push(round);
      return round;
    },
  });
  const team = await new SimTeam({ seed: 'memory', remake, ...options }).start();
  const info = await team.open();
  await team.standby(info);
  const first = team.first(info);
  for (const submission of await team.compose(info, ['a', 'b'])) first.manager.submit(info.round, submission);
  expect(await team.until(() => team.everyAlive((node) => team.stage(node, info.round) === 'COMPLETED'))).toBe(true);
  team.close();
  return { estimate: roundMemoryBytes(info, namedGroup(info.group)), held: rounds.map(({ peakBytes }) => peakBytes) };
}

describe('the memory estimate of a round', () => {
  it.each([
    { nodes: 2, slots: 6, width: 1 },
    { nodes: 5, slots: 24, width: 1, chunkSlots: 24 },
    { nodes: 3, slots: 24, width: 3, chunkSlots: 5 },
    { nodes: 3, slots: 16, width: 1, group: 'MODP-2048' as const },
  ])('is at least what any node of a real round holds, and not many times as much: %o', async (options) => {
    const { estimate, held } = await peaks(options);
    expect(held.length).toBe(options.nodes);
    for (const bytes of held) {
      expect(bytes).toBeLessThanOrEqual(estimate);
      // Leaves and slot tables are objects, which `held` does not count: in a small group they are most of the memory.
      expect(bytes).toBeGreaterThan(estimate / 8);
    }
    // At the size of real rounds, elements are nearly all of the memory.
    if (options.group) expect(Math.max(...held)).toBeGreaterThan(estimate / 2);
  });
});

describe('a node without memory for another round', () => {
  it('refuses it before anything is written or allocated, and accepts it when there is room again', async () => {
    const probe = new SimTeam({ seed: 'room' }).roundInfo().info;
    const memoryBytes = 1.5 * roundMemoryBytes(probe, namedGroup(probe.group));
    const team = await new SimTeam({
      seed: 'room',
      remake: () => ({ limits: { ...DEFAULT_LIMITS, memoryBytes } }),
    }).start();
    const info = await team.open();
    const [node] = team.nodes;
    const again = team.roundInfo();
    const writes = node!.disk.writes.size;
    await expect(node!.manager.openRound(again)).rejects.toMatchObject({ code: 'MEMORY_LIMIT' });
    expect(node!.disk.writes.size).toBe(writes);
    expect(node!.manager.stages.has(again.info.round)).toBe(false);
    expect(await team.until(() => team.everyAlive((one) => team.stage(one, info.round) === 'STANDBY'))).toBe(true);
    for (const one of team.nodes) one.manager.failRound(info.round, 'to make room');
    const room = () => node!.manager.memoryBytes < memoryBytes / 4;
    expect(await team.until(room, 60_000)).toBe(true);
    await node!.manager.openRound(again);
    expect(team.stage(node!, again.info.round)).toBe('PRECOMPUTING');
    team.close();
  });
});
