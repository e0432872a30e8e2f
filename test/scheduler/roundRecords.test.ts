// A scheduler's tables and timeline: correct when nodes work on the same batch at the same time, and bounded.
import { describe, expect, it } from 'vitest';
import type { NodeId, RoundId } from '../../src/base/ids.js';
import type { Stage } from '../../src/protocol/stages.js';
import type { RoundRecord, Testimony } from '../../src/scheduler/machine/state.js';
import { RoundRecords, TIMELINE_MS } from '../../src/scheduler/records.js';
import { containersOf } from '../support/containers.js';

const nodes = ['a', 'b', 'c'] as NodeId[];
const id = (round: number) => round as RoundId;

function record<Times extends Partial<RoundRecord>>(round: number, state: Stage, times: Times): RoundRecord & Times {
  return {
    info: { round: id(round), team: nodes, slots: 10 } as unknown as RoundRecord['info'],
    state,
    stages: new Map(),
    failures: new Map(),
    convicted: new Set(),
    copied: new Set(),
    dissenters: new Set(),
    most: { stage: 'PENDING', sinceMs: 0 },
    openedMs: 0,
    standbyMs: undefined,
    queuedMs: undefined,
    realtimeMs: undefined,
    endedMs: undefined,
    settled: true,
    resumed: false,
    ...times,
  };
}

describe('phases', () => {
  it('last from their first start on any node to their last end on any, with any overlap of nodes', () => {
    const records = new RoundRecords(0);
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
      records.progress(nodes[node]!, id(1), 'precompDecrypt', fraction, atMs);
      if (node === 1 && fraction === 0) records.progress(nodes[1]!, id(1), 'precompPermute', 0, atMs);
    }
    // Repeated or late progress changes nothing.
    records.progress(nodes[1]!, id(1), 'precompDecrypt', 1, 500);
    const [row] = records.rows([record(1, 'PRECOMPUTING', {})]);
    // Neither the sum of the nodes' times (160) nor the last node's own time.
    expect(row!.phases.precompDecrypt).toEqual({ startMs: 10, endMs: 90 });
    // Begun, but ended nowhere: no end is invented.
    expect(row!.phases.precompPermute).toEqual({ startMs: 20, endMs: undefined });
  });
});

describe('the timeline', () => {
  it('forgets spans older than it shows, even if rounds end without recent work', () => {
    const records = new RoundRecords(0);
    for (let round = 1; round <= 500; round++) {
      const atMs = round * 10 * TIMELINE_MS;
      for (const node of nodes) records.stage(node, id(round), 'PRECOMPUTING', atMs);
      for (const node of nodes) records.stage(node, id(round), 'STANDBY', atMs + 1_000);
      // No sender: the round is given up when its time is over.
      records.ended(record(round, 'FAILED', { endedMs: atMs + 5 * TIMELINE_MS }), []);
    }
    expect(containersOf([records]).get('RoundRecords.#closed')).toEqual({ most: 0, total: 0 });
  });

  it('has a span for each node and round, open during the work, closed when the round ends', () => {
    const records = new RoundRecords(0);
    records.stage(nodes[0]!, id(1), 'PRECOMPUTING', 10);
    records.stage(nodes[1]!, id(1), 'PRECOMPUTING', 20);
    records.stage(nodes[0]!, id(1), 'STANDBY', 30);
    expect(records.spans(40)).toEqual([
      { node: 'a', round: 1, kind: 'precompute', fromMs: 10, toMs: 30 },
      { node: 'b', round: 1, kind: 'precompute', fromMs: 20, toMs: undefined },
    ]);
    records.ended(record(1, 'FAILED', { endedMs: 50 }), []);
    expect(records.spans(60).at(-1)).toEqual({ node: 'b', round: 1, kind: 'precompute', fromMs: 20, toMs: 50 });
    expect(records.spans(51 + TIMELINE_MS)).toEqual([]);
  });

  it('reports the overlapped share of realtime, and counts no node’s time twice', () => {
    const records = new RoundRecords(0);
    // Round 1 is in realtime from 100 to 200 on two nodes; round 2 is precomputed from 150 to 400 on two.
    for (const node of [nodes[0]!, nodes[1]!]) {
      records.stage(node, id(1), 'REALTIME', 100);
      records.stage(node, id(2), 'PRECOMPUTING', 150);
      records.stage(node, id(1), 'COMPLETED', 200);
      records.stage(node, id(2), 'STANDBY', 400);
    }
    const { overlapShare, busyShare } = records.utilisation(1_000);
    expect(overlapShare).toBeCloseTo(0.5);
    expect(busyShare.get(nodes[0]!)).toBeCloseTo(0.3);
    expect(busyShare.get(nodes[2]!)).toBeUndefined();
    expect(new RoundRecords(0).utilisation(1_000).overlapShare).toBeUndefined();
  });

  it('is summed up once a second for any number of readers, with open spans counted until now', () => {
    const records = new RoundRecords(0);
    records.stage(nodes[0]!, id(1), 'PRECOMPUTING', 0);
    const first = records.utilisation(10_000);
    expect(first.busyShare.get(nodes[0]!)).toBe(1);
    records.stage(nodes[0]!, id(1), 'STANDBY', 10_000);
    expect(records.utilisation(10_999)).toBe(first);
    expect(records.utilisation(20_000).busyShare.get(nodes[0]!)).toBe(0.5);
  });
});

describe('the table', () => {
  it('has ended rounds with the nodes that failed them, and open ones, in order; the oldest are dropped', () => {
    const records = new RoundRecords(0);
    const failure: Testimony = { code: 'PEER_LOST', named: nodes[2]!, source: nodes[0]!, shown: false, detail: '' };
    const echo = { ...failure, named: undefined };
    const failures = new Map<NodeId, Testimony>([
      [nodes[1]!, echo],
      [nodes[0]!, failure],
    ]);
    records.ended(record(2, 'FAILED', { endedMs: 5, failures }), [nodes[2]!]);
    records.ended(record(1, 'COMPLETED', { endedMs: 9 }), []);
    const rows = records.rows([record(3, 'STANDBY', {}), record(2, 'FAILED', {})]);
    expect(rows.map(({ round, state }) => [round, state])).toEqual([
      [1, 'COMPLETED'],
      [2, 'FAILED'],
      [3, 'STANDBY'],
    ]);
    expect(rows[1]).toMatchObject({ failure: { code: 'PEER_LOST', culprit: 'c' }, blamed: ['c'] });
    expect(records.roundsPerMinute(30_000)).toBe(2);
    for (let round = 10; round < 1_000; round++) records.ended(record(round, 'COMPLETED', { endedMs: round }), []);
    expect(records.rows([])).toHaveLength(500);
  });
});
