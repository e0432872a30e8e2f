// A node that follows its scheduler: it reports a round that it cannot open at once, as its own failure, so that nobody waits for
// it.
import { describe, expect, it } from 'vitest';
import { MixError } from '../../src/base/errors.js';
import type { BootId, NodeId, RoundId } from '../../src/base/ids.js';
import { createLog, silentLog } from '../../src/base/log.js';
import { systemRng } from '../../src/base/rng.js';
import { SigningKey } from '../../src/cmix/signatures.js';
import { type FollowedRounds, SchedulerFollower } from '../../src/node/schedulerFollower.js';
import { type RoundInfo, type SignedRoundInfo, signRoundInfo } from '../../src/protocol/roundInfo.js';
import {
  type NodeReport,
  type SchedulerPort,
  type SignedUpdate,
  signUpdate,
} from '../../src/protocol/schedulerPort.js';
import type { Stage } from '../../src/protocol/stages.js';
import { RoundDirectory } from '../../src/round/directory.js';
import { SeededRng } from '../support/seededRng.js';
import { VirtualClock } from '../support/virtualClock.js';

const NETWORK = 'follow';
const authority = SigningKey.generate(new SeededRng('follow'));
const [node, other] = ['ab'.repeat(16), 'cd'.repeat(16)] as [NodeId, NodeId];
const bootId = 'ef'.repeat(16) as BootId;
const deadlines = {
  precomputeMs: 2,
  standbyMs: 3,
  collectMs: 4,
  realtimeMs: 6,
  precomputePhaseMs: 1,
  realtimePhaseMs: 5,
};
const sizes = { slots: 4, width: 1, chunkSlots: 2, exponentBytes: 32, minSenders: 1, quotaPerSender: 4 };

function opening(number: number, team: readonly NodeId[]): SignedUpdate {
  const round = number as RoundId;
  const info: RoundInfo = { network: NETWORK, round, membership: 0, team, group: 'TEST-512', ...sizes, deadlines };
  return signUpdate(authority, NETWORK, number, { kind: 'open', round: signRoundInfo(info, authority) });
}

/** Reports of a follower on these updates; the rounds answer each opening like `openRound`. */
async function reportsOf(updates: readonly SignedUpdate[], openRound: FollowedRounds['openRound'], open: RoundId[]) {
  const reports: NodeReport[] = [];
  const scheduler: SchedulerPort = {
    async *updates() {
      yield* updates;
      follower.close();
    },
    register: async () => {},
    report: async (report) => void reports.push(report),
  };
  const clock = new VirtualClock();
  const ports = { scheduler, schedulerKey: authority.publicKey, clock, rng: systemRng, log: silentLog };
  const directory = new RoundDirectory(node, clock);
  const follower = new SchedulerFollower({ self: { node, bootId }, network: NETWORK, directory, ...ports });
  const stages = new Map(open.map((round) => [round, 'STANDBY' as Stage]));
  await follower.run({ openRound, assign: () => {}, failRound: () => {}, stages });
  return reports;
}

const full = async () => {
  throw new MixError('ROUND_LIMIT', { open: 1 });
};

describe('a round that a node does not open', () => {
  it('is reported as failed at once, with the reason, as its own failure', async () => {
    const [report, ...more] = await reportsOf([opening(1, [node, other])], full, []);
    expect(more).toEqual([]);
    expect(report).toMatchObject({ kind: 'stage', round: 1, bootId, stage: 'FAILED' });
    expect(report).toMatchObject({ failure: { code: 'ROUND_LIMIT', culprit: node, reporter: node } });
  });

  it('is ignored if it is another team’s', async () => {
    expect(await reportsOf([opening(1, [other, 'ee'.repeat(16) as NodeId])], full, [])).toEqual([]);
  });

  it('goes on if it is open already', async () => {
    const again = async () => {
      throw new MixError('ROUND_REUSED', { round: 1 });
    };
    expect(await reportsOf([opening(1, [node, other])], again, [1 as RoundId])).toEqual([]);
  });
});

describe('updates that are older than the last one seen', () => {
  it('are dropped, and logged once for each connection: an older copy may have been restored', async () => {
    const lines: string[] = [];
    const destination = { write: (line: string) => void lines.push(line) };
    const log = createLog({ name: 'x', level: 'error', format: 'json', destination });
    const streams = [[6, 7], [2, 3, 4], [8]].map((numbers) => numbers.map((number) => opening(number, [node, other])));
    const opened: RoundId[] = [];
    const asked: number[] = [];
    const clock = new VirtualClock();
    const scheduler: SchedulerPort = {
      async *updates(after) {
        asked.push(after);
        yield* streams.shift() ?? [];
        if (streams.length === 0) follower.close();
      },
      register: async () => {},
      report: async () => {},
    };
    const ports = { scheduler, schedulerKey: authority.publicKey, clock, rng: systemRng, log };
    const directory = new RoundDirectory(node, clock);
    const follower = new SchedulerFollower({ self: { node, bootId }, network: NETWORK, directory, ...ports });
    const openRound = async (signed: SignedRoundInfo) => void opened.push(signed.info.round);
    let over = false;
    const running = follower.run({ openRound, assign: () => {}, failRound: () => {}, stages: new Map() });
    void running.then(() => {
      over = true;
    });
    while (!over) {
      clock.step();
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect([asked, opened]).toEqual([
      [0, 7, 7],
      [6, 7, 8],
    ]);
    const said = lines.map((line) => JSON.parse(line) as Record<string, unknown>);
    expect(said).toEqual([expect.objectContaining({ number: 2, seen: 7, msg: expect.stringContaining('older copy') })]);
  });
});
