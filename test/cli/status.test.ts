// `millrace status` for a reader: aligned, also for schedulers of earlier releases.
import { expect, it } from 'vitest';
import { statusText } from '../../src/cli/status.js';

const counts = { stock: 2, stockTarget: 3, precomputing: 1, realtime: 1, completed: 9, failed: 1, waited: 0 };

it("shows pace, overlap and each node's work, in columns", () => {
  const measured = { engine: 'cuda', busyShare: 0.123, roundTripMs: 48.94, blamed: 2 };
  const idle = { engine: '', busyShare: 0, roundTripMs: null, blamed: 0 };
  const nodes = [
    { node: 'aa', status: 'active', stages: { PRECOMPUTING: 2, REALTIME: 1 }, ...measured },
    { node: 'bb', status: 'inactive', stages: {}, ...idle },
  ];
  const answer = { network: 'n', nodes, ...counts, roundsPerMinute: 12.34, overlapShare: 0.876 };
  expect(statusText(answer).split('\n')).toEqual([
    'scheduler of n',
    'rounds     9 completed, 1 failed, 1 precomputing, 1 in realtime',
    'stock      2 ready of 3; waited for 0 times',
    'pace       12.3 rounds a minute; of the time in realtime another one was precomputed in 88 %',
    '  node  status    engine  busy  round trip  blamed  rounds',
    '  aa    active    cuda    12 %     48.9 ms       2  2 PRECOMPUTING, 1 REALTIME',
    '  bb    inactive  –        0 %           –       0  idle',
  ]);
});

it('shows the values of a scheduler of an earlier release, and a dash for those that it lacks', () => {
  const text = statusText({ network: 'n', nodes: [{ node: 'aa', status: 'active', stages: {} }], ...counts });
  expect(text).toContain('pace       – rounds a minute');
  expect(text.split('\n').at(-1)).toBe('  aa    active  –          –           –       –  idle');
});
