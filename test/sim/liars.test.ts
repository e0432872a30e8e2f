// One liar of any kind, or two that cooperate, beside honest nodes: rounds go on, no other node loses draws for it, and the liar
// is drawn no more in the end. Eight nodes, teams of five, the scheduler's own parameters, five minutes of virtual time. Every
// lie is played in one stage of a round; `npm run sim -- --liars` plays each in every stage.
import { beforeAll, describe, expect, it } from 'vitest';
import { faultsOf, type LiarRun, playLiars } from './scheduler/liarRun.js';
import { LIE_NAMES, LIE_STAGES } from './scheduler/liars.js';

let without: LiarRun;
beforeAll(async () => {
  without = await playLiars(undefined, 1);
});

describe('beside a node that lies', () => {
  const cases = [
    ...LIE_NAMES.map((name, index) => [name, LIE_STAGES[(3 * index + 3) % LIE_STAGES.length]!] as const),
    // In this stage only the scheduler can notice the silence.
    ['nothing to its scheduler', 'STANDBY'] as const,
    ['restarts again and again', 'PRECOMPUTING'] as const,
    ['pauses on and off', 'STANDBY'] as const,
    ['refuses ids as used, twenty at a time', 'PRECOMPUTING'] as const,
  ];

  it.each(cases)(
    '(%s, in %s) honest nodes keep their draws, rounds go on, and the liar is drawn no more in the end',
    async (name, stage) => {
      const run = await playLiars({ name, stage }, 1);
      expect(run.told).toBeGreaterThan(0);
      expect(faultsOf(name, run, without)).toEqual([]);
    },
  );
});

describe('beside two nodes that lie together', () => {
  it.each([
    ['another is to blame', 'PRECOMPUTING'],
    ['another is lost', 'REALTIME'],
    ['another to each', 'STANDBY'],
    ['report: another is to blame', 'QUEUED'],
    ['garbage to one', 'QUEUED'],
    ['too few senders', 'REALTIME'],
    ['a deadline is missed', 'STANDBY'],
    ['is lost and back at once', 'STANDBY'],
  ] as const)(
    '(%s, in %s) honest nodes keep their draws, rounds go on, and neither liar is drawn in the end',
    async (name, stage) => {
      const run = await playLiars({ name, stage }, 2);
      expect(run.told).toBeGreaterThan(0);
      expect(faultsOf(name, run, without)).toEqual([]);
      expect(run.completed / without.completed).toBeGreaterThanOrEqual(0.8);
    },
  );
});
