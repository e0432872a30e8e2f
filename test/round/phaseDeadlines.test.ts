// Rules of the phase deadline: when it starts, when it is ignored, which position a node then claims to wait for, and its timers.
// Whole rounds that miss it are in phaseStalls.test.ts.
import { describe, expect, it } from 'vitest';
import type { NodeId } from '../../src/base/ids.js';
import type { Stage } from '../../src/protocol/stages.js';
import { findBlame, NOBODY, ownClaim } from '../../src/round/machine/blame.js';
import { Deadlines } from '../../src/round/machine/deadlines.js';
import { initialState, step } from '../../src/round/machine/reducer.js';
import type { Progress, RoundEvent, RoundState } from '../../src/round/machine/state.js';
import { batchIn, heard, saying } from '../support/roundEvents.js';
import { VirtualClock } from '../support/virtualClock.js';

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

const team = ['a', 'b', 'c', 'd'].map((name) => name.repeat(32) as NodeId);
const at = (changes: Partial<RoundState>, position = 0): RoundState => ({
  ...initialState(team, position),
  stage: 'PRECOMPUTING',
  ...changes,
});
const due = (type: 'phaseDeadline' | 'phaseLate', progress: Progress, stage: Stage = 'PRECOMPUTING'): RoundEvent => ({
  type,
  wait: { stage, progress },
});
const claim = (from: number, culprit: number | undefined): RoundEvent =>
  heard(from, {
    kind: 'roundError',
    code: 'DEADLINE_MISSED',
    culprit: culprit === undefined ? undefined : team[culprit],
    detail: '',
  });
/** Applies the events one after the other. */
const played = (state: RoundState, ...events: RoundEvent[]): RoundState =>
  events.reduce((before, event) => step(before, event)[0], state);

describe('the deadline of a phase, in the state machine', () => {
  it('asks all members whom they wait for, and names the phase', () => {
    const [asked, effects] = step(at({ progress: 'precompDecrypt' }), due('phaseDeadline', 'precompDecrypt'));
    expect(effects).toEqual([
      {
        type: 'say',
        message: {
          kind: 'roundError',
          code: 'DEADLINE_MISSED',
          culprit: team[1],
          detail: 'phase after precompDecrypt',
        },
      },
      { type: 'awaitClaims' },
    ]);
    // 0 waits for 1, which waits for 2, which makes no claim.
    const failed = played(asked, claim(1, 2), claim(3, 0), { type: 'claimsDue' });
    expect(failed).toMatchObject({
      stage: 'FAILED',
      failure: { code: 'DEADLINE_MISSED', culprit: 2, detail: 'phase after precompDecrypt', reporter: 0 },
    });
  });

  it('restarts with every step, and with nothing else', () => {
    const share: RoundEvent = { type: 'worked', task: 'keyShare' };
    const [opened, first] = step(initialState(team, 0), { type: 'open' });
    expect(first.at(-1)).toEqual({ type: 'phaseDeadline', wait: { stage: 'PRECOMPUTING', progress: 'opened' } });
    const [shared, second] = step(opened, share);
    expect(second).toEqual([{ type: 'phaseDeadline', wait: { stage: 'PRECOMPUTING', progress: 'keyShare' } }]);
    const other = heard(1, { kind: 'keyShare', share: new Uint8Array(1) });
    for (const event of [share, other, due('phaseLate', 'keyShare')]) expect(step(shared, event)[1]).toEqual([]);
  });

  it('is ignored if its wait is over', () => {
    const state = at({ progress: 'precompDecrypt' });
    for (const type of ['phaseDeadline', 'phaseLate'] as const) {
      for (const event of [due(type, 'sharesDigest'), due(type, 'precompDecrypt', 'REALTIME')])
        expect(step(state, event)).toEqual([state, []]);
    }
    const asked = played(state, due('phaseDeadline', 'precompDecrypt'));
    expect(step(asked, due('phaseDeadline', 'precompDecrypt'))).toEqual([asked, []]);
  });

  it.each<[Stage, Progress, RoundEvent]>([
    ['STANDBY', 'commitment', { type: 'assign' }],
    ['STANDBY', 'commitment', { type: 'worked', task: 'judgeTable' }],
    ['QUEUED', 'commitment', { type: 'late', stage: 'QUEUED' }],
  ])(
    'does not run in %s after %s, where the node waits for the scheduler or for senders (%j)',
    (stage, progress, event) => {
      const [, effects] = step(at({ stage, progress }, 1), event);
      expect(effects.filter(({ type }) => type === 'phaseDeadline')).toEqual([]);
    },
  );

  it('runs in QUEUED once the node has judged the table: from then on the batch is closed and the node waits for the team', () => {
    const verdict: RoundEvent = { type: 'worked', task: 'judgeTable' };
    const [judged, effects] = step(at({ stage: 'QUEUED', progress: 'commitment' }, 1), verdict);
    expect(effects).toEqual([{ type: 'phaseDeadline', wait: { stage: 'QUEUED', progress: 'tableVerdict' } }]);
    expect(played(judged, due('phaseDeadline', 'tableVerdict', 'QUEUED'))).toMatchObject({
      missed: { what: 'phase after tableVerdict' },
    });
  });

  it('is reset with its stage: a member late in one stage is believed no better in the next', () => {
    const commitment = saying('commitment', 'C', 'C', 'C', undefined);
    const late = played(
      at({ progress: 'commitment', said: { commitment }, made: { shares: 'aa' } }),
      due('phaseLate', 'commitment'),
    );
    expect(late.holdUp).toEqual({ after: 'commitment', by: 3 });
    const said = heard(3, {
      kind: 'commitment',
      cipherDigest: new Uint8Array([0xaa]),
      revealSignature: new Uint8Array(1),
      commitment: new Uint8Array(1),
    });
    const before = { commitment: saying('commitment', 'aa', 'aa', 'aa', undefined) };
    const [standby] = step({ ...late, said: before }, said);
    expect(standby).toMatchObject({ stage: 'STANDBY', holdUp: undefined });
  });

  it("missed by another is believed after half of this node's own time; before that it names nobody", () => {
    const waiting = at({ progress: 'precompPermute' }, 3);
    const [heard] = step(waiting, claim(1, 2));
    expect(heard.failure).toMatchObject({ culprit: undefined, reporter: 1 });
    const believed = played(waiting, due('phaseLate', 'precompPermute'), claim(1, 2));
    expect(believed).toMatchObject({ stage: 'PRECOMPUTING', missed: { claims: [undefined, 2, undefined, 0] } });
    expect(played(believed, claim(0, 1), claim(2, undefined)).failure).toMatchObject({ culprit: 2, reporter: 3 });
  });
});

describe('the position that a node claims to wait for', () => {
  const waiting = at(
    { progress: 'sharesDigest', said: { sharesDigest: saying('sharesDigest', 'x', 'x', 'x', 'x') } },
    2,
  );
  const arrived = batchIn('precompDecrypt', 1);
  const done: RoundEvent = { type: 'ringDone', phase: 'precompDecrypt' };

  it('is the one that kept the node waiting for half of the time, also after it has handed on', () => {
    const late = played(waiting, due('phaseLate', 'sharesDigest'));
    expect(ownClaim(late)).toBe(1);
    expect(ownClaim(played(late, arrived))).toBe(1);
    expect(ownClaim(played(late, arrived, done))).toBe(1);
  });

  it('is nobody if the node itself worked for half of the time, also after it has handed on', () => {
    const late = played(waiting, arrived, due('phaseLate', 'sharesDigest'));
    expect(ownClaim(late)).toBe(NOBODY);
    expect(ownClaim(played(late, done))).toBe(NOBODY);
  });

  it('is the one missing now if nothing was late, or the delay is long past', () => {
    expect(ownClaim(played(waiting, arrived, done))).toBe(3);
    const permuted: RoundEvent = { type: 'worked', task: 'precompPermute' };
    const shares: RoundEvent = { type: 'worked', task: 'shares' };
    const late = played(waiting, due('phaseLate', 'sharesDigest'), arrived, done, permuted);
    expect(ownClaim(late)).toBe(1);
    expect(ownClaim(played(late, shares))).toBe(0);
    const [heard] = step(played(late, shares), claim(0, 1));
    expect(heard.failure).toMatchObject({ culprit: undefined, reporter: 0 });
  });

  it('leads all members past the successor at work to the one that kept the batch', () => {
    // 1 kept the batch for most of the time, 2 is at work, 3 waits for 2; 0 waits for the way back.
    const claims = [1, undefined, 1, 2];
    for (const position of [0, 2, 3]) expect(findBlame(position, claims).culprit).toBe(1);
    // Position 1 may claim anything: a circle names nobody.
    for (const lie of [0, 2, 3]) {
      const circle = findBlame(3, [1, lie, 1, 2]);
      expect(circle.culprit).toBeUndefined();
    }
  });
});

describe('the timers of a round', () => {
  const start = () => {
    const clock = new VirtualClock();
    const events: [number, RoundEvent][] = [];
    const deadlines = new Deadlines(DEADLINES, clock, (event) => events.push([clock.nowMs(), event]));
    const runOut = () => {
      while (clock.step());
      return events;
    };
    return { clock, deadlines, runOut };
  };
  const wait = (progress: Progress, stage: Stage) => ({ stage, progress });

  it.each<[Stage, Progress, number]>([
    ['PRECOMPUTING', 'keyShare', PRECOMPUTE_PHASE_MS],
    ['QUEUED', 'tableVerdict', REALTIME_PHASE_MS],
    ['REALTIME', 'tableSignature', REALTIME_PHASE_MS],
  ])('fire at half and at all of the time of a phase in %s', (stage, progress, ms) => {
    const { deadlines, runOut } = start();
    deadlines.armPhase(wait(progress, stage));
    expect(runOut()).toEqual([
      [ms / 2, due('phaseLate', progress, stage)],
      [ms, due('phaseDeadline', progress, stage)],
    ]);
  });

  it('leave the stage’s deadline unchanged when a phase begins', () => {
    const { clock, deadlines, runOut } = start();
    deadlines.armStage('REALTIME');
    clock.after(1_000, () => deadlines.armPhase(wait('tableSignature', 'REALTIME')));
    clock.after(4_900, () => deadlines.armPhase(wait('realtimeDecrypt', 'REALTIME')));
    expect(runOut().map(([ms, { type }]) => [ms, type])).toEqual([
      [3_000, 'phaseLate'],
      [6_900, 'phaseLate'],
      [8_900, 'phaseDeadline'],
      [STAGE_MS / 2, 'late'],
      [STAGE_MS, 'deadline'],
    ]);
  });

  it('are cancelled once the round waits for claims, or has ended', () => {
    const { clock, deadlines, runOut } = start();
    deadlines.armStage('REALTIME');
    deadlines.armPhase(wait('tableSignature', 'REALTIME'));
    deadlines.armClaims();
    expect(clock.pending).toBe(1);
    expect(runOut().map(([, { type }]) => type)).toEqual(['claimsDue']);
    deadlines.armStage('REALTIME');
    deadlines.armPhase(wait('tableSignature', 'REALTIME'));
    deadlines.disarm();
    expect(clock.pending).toBe(0);
  });
});
