// Rounds in which a node stalls in the middle of a phase: the stall ends that round and no other, long before the stage is over;
// all others name the node, and not its neighbour, even if it hands on at the last moment. Slow progress is never cut off, nor a
// wait for the scheduler or for senders. All on the virtual clock.
import { describe, expect, it } from 'vitest';
import { type Clock, sleep } from '../../src/base/clock.js';
import type { Engine } from '../../src/engine/engine.js';
import type { BatchPhase } from '../../src/protocol/batchPhases.js';
import type { BatchSource } from '../../src/protocol/link.js';
import { Attack, lyingEngine, engine as reference, type Verdict } from '../attacks/attack.js';
import { SimTeam } from '../sim/team.js';

const PRECOMPUTE_PHASE_MS = 10_000;
const REALTIME_PHASE_MS = 4_000;
const STAGE_MS = 3_600_000;
const DEADLINES = {
  precomputeMs: STAGE_MS,
  standbyMs: STAGE_MS,
  collectMs: 2_000,
  realtimeMs: STAGE_MS,
  precomputePhaseMs: PRECOMPUTE_PHASE_MS,
  realtimePhaseMs: REALTIME_PHASE_MS,
};
const never = <T>(): Promise<T> => new Promise<T>(() => {});

/** From the first chunk of this phase on, the node sends nothing any more; it lives, and answers pings. */
function stallIn(attack: Attack, position: number, phase: BatchPhase): void {
  let stalled = false;
  const firstChunk = (source: BatchSource): BatchSource => ({
    header: source.header,
    chunks: source.chunks,
    chunk: (index) => (index === 0 ? source.chunk(0) : never()),
    trailer: never,
  });
  attack.tap(position, {
    batch: (_, source) => {
      const isPhase = source.header.phase === phase;
      stalled ||= isPhase;
      return isPhase ? firstChunk(source) : stalled ? undefined : source;
    },
    message: (_, signed) => (stalled ? undefined : signed),
  });
}

/** Details of the failure that the honest nodes reported. */
const details = (attack: Attack): (string | undefined)[] =>
  attack.honest().map((node) => attack.team.failure(node, attack.info.round)?.detail);

function expectNamed(attack: Attack, verdicts: readonly Verdict[], culprit: number): void {
  for (const verdict of verdicts) expect(verdict).toMatchObject({ stage: 'FAILED', code: 'DEADLINE_MISSED', culprit });
  for (const detail of details(attack)) expect(detail).toMatch(/^phase after /);
  for (const { manager } of attack.honest()) expect(manager.secretBytes).toBe(0);
}

describe('a node that stalls silently in the middle of a phase', () => {
  const cases: [BatchPhase, number][] = [
    ['precompDecrypt', 1],
    ['precompDecrypt', 2],
    ['precompDecrypt', 3],
    ['precompPermute', 4],
    ['precompPermute', 3],
    ['precompPermute', 2],
    ['reveal', 1],
    ['realtimeDecrypt', 1],
    ['realtimeDecrypt', 2],
    ['realtimeDecrypt', 3],
    ['realtimePermute', 4],
    ['realtimePermute', 3],
    ['realtimePermute', 2],
    ['mixed', 1],
    ['opening', 1],
    ['opening', 3],
  ];
  it.each(cases)(
    '%s (node %i) is named by all others at the phase’s deadline, far before the stage’s',
    async (phase, evil) => {
      const attack = await Attack.begin([evil], { deadlines: DEADLINES });
      stallIn(attack, evil, phase);
      expectNamed(attack, await attack.play(), evil);
      // A phase, the claims, and the steps before; the stage has an hour.
      const phases = phase.startsWith('precomp') || phase === 'reveal' ? PRECOMPUTE_PHASE_MS : REALTIME_PHASE_MS;
      expect(attack.team.clock.nowMs()).toBeLessThan(phases + 3_000 + 2_000);
    },
  );

  it.each([
    'keyShare',
    'sharesDigest',
    'commitment',
    'tableVerdict',
    'tableSignature',
    'mixCommit',
    'outputSignature',
  ] as const)('(it never sends its %s) is named likewise', async (kind) => {
    const evil = kind === 'mixCommit' ? 1 : 3;
    const attack = await Attack.begin([evil], { deadlines: DEADLINES });
    let stalled = false;
    attack.tap(evil, {
      batch: (_, source) => (stalled ? undefined : source),
      message: (_, signed) => {
        stalled ||= signed.message.kind === kind;
        return stalled ? undefined : signed;
      },
    });
    expectNamed(attack, await attack.play(), evil);
  });

  it('fails that round only: a concurrent round of the same team completes', async () => {
    const simulated = await new SimTeam({ seed: 'two rounds', nodes: 4, deadlines: DEADLINES }).start();
    const [stalled, other] = [simulated.roundInfo(), simulated.roundInfo()];
    simulated.network.tap(simulated.nodes[1]!.id, {
      batch: (_, source) => {
        const { phase, round } = source.header;
        return phase === 'precompPermute' && round === stalled.info.round ? undefined : source;
      },
      message: (_, signed) => (signed.message.kind === 'roundError' ? undefined : signed),
    });
    for (const signed of [stalled, other]) await simulated.open(signed);
    const honest = simulated.nodes.filter(({ index }) => index !== 1);
    await simulated.until(() => honest.every((node) => simulated.stage(node, stalled.info.round) === 'FAILED'));
    for (const node of honest) {
      expect(simulated.failure(node, stalled.info.round)?.culprit).toBe(simulated.nodes[1]!.id);
      expect(simulated.stage(node, other.info.round)).toBe('STANDBY');
    }
    simulated.close();
  });
});

/** An engine with delays in the round's own time: for the permutation of the precomputation, and for both powers of its share. */
function slowEngine(clock: () => Clock, permuteMs: number, powerMs = 0): Engine {
  let permutations = 0;
  return lyingEngine({
    mulGather: async (...args) => {
      if (++permutations === 1) await sleep(clock(), permuteMs);
      return reference.mulGather(...args);
    },
    powShared: async (...args) => {
      await sleep(clock(), powerMs);
      return reference.powShared(...args);
    },
  });
}

/** A team in which the given nodes are honest but slow. */
async function slowTeam(
  evil: readonly number[],
  slow: Readonly<Record<number, readonly [permuteMs: number, powerMs?: number]>>,
): Promise<Attack> {
  const clock = () => attack.team.clock;
  const attack: Attack = await Attack.begin(evil, {
    deadlines: DEADLINES,
    remake: (index) => {
      const times = slow[index + 1];
      return times ? { engineOf: async () => slowEngine(clock, ...times) } : {};
    },
  });
  return attack;
}

describe('a node that uses up the time of a phase', () => {
  /** A node keeps the batch of the return pass for eight of ten seconds; its honest successors need the remaining time. */
  async function handOnLate(
    evil: number,
    successors: Parameters<typeof slowTeam>[1],
    isSilent: boolean,
  ): Promise<[Attack, Verdict[]]> {
    const attack = await slowTeam([evil], successors);
    attack.tap(evil, {
      batch: (_, source) => {
        if (source.header.phase !== 'precompPermute') return source;
        const late = sleep(attack.team.clock, 8_000);
        return {
          header: source.header,
          chunks: source.chunks,
          chunk: (index) => late.then(() => source.chunk(index)),
          trailer: () => source.trailer(),
        };
      },
      message: (_, signed) => (isSilent && signed.message.kind === 'roundError' ? undefined : signed),
    });
    return [attack, await attack.play()];
  }

  it('and then hands on is named, and not the node at work when the time is over', async () => {
    const [attack, verdicts] = await handOnLate(3, { 2: [4_000] }, true);
    expectNamed(attack, verdicts, 3);
  });

  it('and then hands on is named if the next node has handed on as well and the one after is at work', async () => {
    const [attack, verdicts] = await handOnLate(4, { 3: [1_000], 2: [4_000] }, true);
    expectNamed(attack, verdicts, 4);
  });

  it('and then hands on and claims to wait for another gets no honest node named', async () => {
    const [, verdicts] = await handOnLate(3, { 2: [4_000] }, false);
    for (const { code, culprit } of verdicts) expect([code, culprit]).toEqual(['DEADLINE_MISSED', undefined]);
  });

  it.each([2, 3, 4])('by honest work that is too slow (node %i) is named by all, itself included', async (slow) => {
    const attack = await slowTeam([slow], { [slow]: [14_000] });
    const verdicts = await attack.play();
    await attack.team.until(() => attack.stage(slow) === 'FAILED', 5_000);
    expectNamed(attack, [...verdicts, attack.verdict(attack.node(slow))], slow);
  });
});

describe('the deadline of a phase', () => {
  it('does not end a slow precomputation that takes longer than a phase but makes progress', async () => {
    // One second for a permutation, more than two for the shares, plus the network's delay in every step.
    const slow = [1_000, 1_250] as const;
    const attack = await slowTeam([], { 1: slow, 2: slow, 3: slow, 4: slow });
    attack.team.network.faults = { loss: 0, duplication: 0, minDelayMs: 250, maxDelayMs: 250 };
    let readyMs = 0;
    attack.at(
      () => attack.stage(1) === 'STANDBY',
      () => {
        readyMs = attack.team.clock.nowMs();
      },
    );
    for (const { stage } of await attack.play()) expect(stage).toBe('COMPLETED');
    expect(readyMs).toBeGreaterThan(PRECOMPUTE_PHASE_MS);
  });

  it('does not end a precomputation that waits for its batch, or a batch that waits for its senders', async () => {
    const simulated = new SimTeam({
      seed: 'waiting',
      nodes: 3,
      deadlines: { ...DEADLINES, collectMs: 20 * PRECOMPUTE_PHASE_MS },
    });
    await simulated.start();
    const info = await simulated.open();
    const stages = () => new Set(simulated.nodes.map((node) => simulated.stage(node, info.round)));
    await simulated.until(() => false, 10 * PRECOMPUTE_PHASE_MS);
    expect(stages()).toEqual(new Set(['STANDBY']));
    await simulated.standby(info);
    await simulated.until(() => false, 10 * PRECOMPUTE_PHASE_MS);
    expect(stages()).toEqual(new Set(['QUEUED']));
    for (const submission of await simulated.compose(info, ['late', 'but', 'here'])) {
      simulated.first(info).manager.submit(info.round, submission);
    }
    await simulated.until(() => stages().has('COMPLETED') && stages().size === 1);
    expect(stages()).toEqual(new Set(['COMPLETED']));
    simulated.close();
  });
});
