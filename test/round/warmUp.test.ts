// Warm-up of links ahead of rounds: which links are tested and warmed when, a ring ping that goes round and counts once, and no
// way in which warm-up could hold up or fail a round.
import { describe, expect, it } from 'vitest';
import { MixError } from '../../src/base/errors.js';
import type { NodeId, RoundId } from '../../src/base/ids.js';
import { silentLog } from '../../src/base/log.js';
import { createMetrics, type Metrics } from '../../src/base/metrics.js';
import type { CirclePing, LinkProbe } from '../../src/protocol/link.js';
import type { RoundInfo } from '../../src/protocol/roundInfo.js';
import { LinkWarmUp } from '../../src/round/exchange/warmUp.js';
import { outcome } from '../support/cmix.js';
import { SeededRng } from '../support/seededRng.js';
import { VirtualClock } from '../support/virtualClock.js';

const team = ['a', 'b', 'c', 'd'].map((letter) => letter.repeat(32)) as NodeId[];
const info = { round: 5 as RoundId, team, slots: 100, width: 2, group: 'MODP-4096' } as unknown as RoundInfo;
const ELEMENT = 512;

/** The links of a team in virtual time: every call takes a millisecond, or fails. */
class VirtualLinks {
  readonly clock = new VirtualClock();
  readonly cares: LinkWarmUp[] = [];
  readonly metrics: Metrics[] = [];
  readonly warmed: string[] = [];
  failing = false;
  roundTripMs: number | undefined = 90;

  constructor(keepWarmMs: number) {
    for (const self of team) {
      const metrics = createMetrics();
      const deps = { self, clock: this.clock, rng: new SeededRng(self), log: silentLog, metrics };
      this.metrics.push(metrics);
      this.cares.push(new LinkWarmUp({ ...deps, probe: this.#probeOf(self), policy: { keepWarmMs } }));
    }
  }

  #probeOf(from: NodeId): LinkProbe {
    const after = (work: () => void) =>
      new Promise<void>((resolve, reject) => {
        this.clock.after(1, () => {
          if (this.failing) return reject(new MixError('LINK_DOWN'));
          try {
            work();
            resolve();
          } catch (error) {
            reject(error);
          }
        });
      });
    return {
      warm: (to, phase, bytes) => after(() => void this.warmed.push(`${from[0]}>${to[0]} ${phase} ${bytes}`)),
      circle: (to, ping) => after(() => this.cares[team.indexOf(to)]!.onCircle(from, ping)),
      roundTripMs: () => this.roundTripMs,
    };
  }

  /** Runs all events within `ms`. */
  async run(ms: number): Promise<void> {
    const end = this.clock.nowMs() + ms;
    let ended = false;
    this.clock.after(ms, () => {
      ended = true;
    });
    while (!ended && this.clock.nowMs() <= end) {
      for (let i = 0; i < 20; i++) await Promise.resolve();
      this.clock.step();
    }
  }

  stage(stage: Parameters<LinkWarmUp['onStage']>[1]): void {
    for (const care of this.cares) care.onStage(info, stage);
  }

  async value(node: number, name: string): Promise<number> {
    const line = (await this.metrics[node]!.render()).split('\n').find((text) => text.startsWith(`millrace_${name}`));
    return Number(line?.split(' ').at(-1) ?? 0);
  }
}

describe('a round that is opened', () => {
  it('sends a batch of full size to both neighbours in the ring, on the lane of precomputation', async () => {
    const links = new VirtualLinks(200);
    links.stage('PRECOMPUTING');
    await links.run(10);
    const bytes = 100 * 3 * ELEMENT;
    const expected = ['a>b', 'a>d', 'b>c', 'b>a', 'c>d', 'c>b', 'd>a', 'd>c'].map(
      (pair) => `${pair} precompDecrypt ${bytes}`,
    );
    expect([...links.warmed].sort()).toEqual(expected.sort());
  });

  it('measures the round trip of the ring at its first node, once', async () => {
    const links = new VirtualLinks(200);
    links.stage('PRECOMPUTING');
    await links.run(20);
    for (const node of [0, 1, 2, 3])
      expect(await links.value(node, 'ring_round_trip_ms_count')).toBe(node === 0 ? 1 : 0);
    expect(await links.value(0, 'ring_round_trip_ms_sum')).toBe(4);
  });

  it('continues if no peer is reachable, and counts the failures', async () => {
    const links = new VirtualLinks(200);
    links.failing = true;
    links.stage('PRECOMPUTING');
    await links.run(20);
    expect(await links.value(0, 'link_checks_failed_total{check="test batch"}')).toBe(2);
    expect(await links.value(0, 'link_checks_failed_total{check="circle"}')).toBe(1);
  });

  it('does not warm links if a new connection takes a batch at once', async () => {
    const links = new VirtualLinks(200);
    const small = { ...info, slots: 4 };
    for (const care of links.cares) care.onStage(small, 'PRECOMPUTING');
    await links.run(10);
    expect(links.warmed).toEqual([]);
  });
});

describe('a ring ping', () => {
  const ping = (hop: number): CirclePing => ({ round: info.round, id: new Uint8Array(16), hop });

  it('is accepted from the member before, at its own place, of an open round', () => {
    const links = new VirtualLinks(200);
    const at = (node: number, from: number, hop: number) =>
      outcome(() => links.cares[node]!.onCircle(team[from]!, ping(hop)));
    expect(at(1, 0, 1)).toBe('ROUND_UNKNOWN');
    links.stage('PRECOMPUTING');
    expect(at(1, 0, 1)).toBeUndefined();
    expect(at(1, 2, 1)).toBe('PHASE_SENDER_WRONG');
    expect(at(1, 0, 2)).toBe('PHASE_SENDER_WRONG');
    expect(at(0, 3, 4)).toBeUndefined();
    links.stage('COMPLETED');
    expect(at(1, 0, 1)).toBe('ROUND_UNKNOWN');
  });

  it('that this node did not send is not measured', async () => {
    const links = new VirtualLinks(200);
    links.failing = true;
    links.stage('PRECOMPUTING');
    links.cares[0]!.onCircle(team[3]!, ping(4));
    expect(await links.value(0, 'ring_round_trip_ms_count')).toBe(0);
  });
});

describe('while messages are collected', () => {
  it('realtime connections to all members are kept warm until the batch is closed', async () => {
    const links = new VirtualLinks(200);
    links.stage('PRECOMPUTING');
    await links.run(100);
    links.warmed.length = 0;
    links.stage('QUEUED');
    await links.run(700);
    const ofA = links.warmed.filter((line) => line.startsWith('a>'));
    // At once, and every 200 ms after an answer that takes one millisecond.
    expect(ofA.length).toBe(4 * 3);
    // Two batches: after one, slow start may be a round trip short of it.
    const bytes = 2 * 100 * 2 * ELEMENT;
    expect(new Set(ofA)).toEqual(new Set(['b', 'c', 'd'].map((to) => `a>${to} realtimeDecrypt ${bytes}`)));
    links.stage('REALTIME');
    await links.run(300);
    const before = links.warmed.length;
    await links.run(1_000);
    expect(links.warmed.length).toBe(before);
  });

  it('one warm-up is enough if the kernel keeps idle connections as they are, and none is sent to near peers', async () => {
    const once = new VirtualLinks(Infinity);
    once.stage('PRECOMPUTING');
    await once.run(100);
    once.warmed.length = 0;
    once.stage('QUEUED');
    await once.run(2_000);
    expect(once.warmed.length).toBe(4 * 3);
    const near = new VirtualLinks(200);
    near.roundTripMs = 0.3;
    near.stage('PRECOMPUTING');
    await near.run(100);
    near.warmed.length = 0;
    near.stage('QUEUED');
    await near.run(2_000);
    expect(near.warmed).toEqual([]);
  });
});
