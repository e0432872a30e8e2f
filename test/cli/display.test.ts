// The times that the demo shows: right when nodes work at the same time on the same batch.
import { PassThrough } from 'node:stream';
import { afterEach, expect, it, vi } from 'vitest';
import type { NodeId } from '../../src/base/ids.js';
import { RoundDisplay } from '../../src/cli/demo/display.js';

const nodes = ['a', 'b', 'c'].map((letter) => letter.repeat(32)) as NodeId[];

afterEach(() => {
  vi.restoreAllMocks();
});

it('a phase lasts from its first start on any node to its last end on any, however nodes overlap', () => {
  let nowMs = 0;
  vi.spyOn(performance, 'now').mockImplementation(() => nowMs);
  const display = new RoundDisplay(new PassThrough() as unknown as NodeJS.WriteStream);
  display.begin(1, 1, nodes.length);
  // The second node begins while the first works, and the third ends before the first.
  const events: readonly [number, number, number][] = [
    [10, 0, 0],
    [20, 1, 0],
    [30, 2, 0],
    [40, 0, 0.5],
    [50, 2, 1],
    [80, 0, 1],
    [90, 1, 1],
  ];
  for (const [atMs, node, fraction] of events) {
    nowMs = atMs;
    display.progress(nodes[node]!, 'precompDecrypt', fraction);
    if (node === 1 && fraction === 0) display.progress(nodes[1]!, 'precompPermute', 0);
  }
  // Not the sum of what each node took (160), nor the last node's own time.
  expect(display.ms('precompDecrypt')).toBe(80);
  // Begun, but ended nowhere: no time is made up.
  expect(display.ms('precompPermute')).toBe(0);
  // What comes again, or late, changes nothing.
  nowMs = 500;
  display.progress(nodes[1]!, 'precompDecrypt', 1);
  expect(display.ms('precompDecrypt')).toBe(80);
});
