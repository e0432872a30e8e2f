// The scheduler's machine, event by event: regressions of faults that the simulator found, and a node's lack of room.
import { describe, expect, it } from 'vitest';
import type { BootId, NodeId, RoundId } from '../../src/base/ids.js';
import { randomBytes } from '../../src/base/rng.js';
import { deriveNodeId } from '../../src/cmix/signatures.js';
import type { RoundInfo } from '../../src/protocol/roundInfo.js';
import { teamKey } from '../../src/protocol/sortition.js';
import type { Stage } from '../../src/protocol/stages.js';
import { reduceScheduler } from '../../src/scheduler/machine/reducer.js';
import {
  initialState,
  type SchedulerEffect,
  type SchedulerEvent,
  type SchedulerState,
  type Testimony,
} from '../../src/scheduler/machine/state.js';
import { DEFAULT_PARAMS, type SchedulerParams } from '../../src/scheduler/parameters.js';
import { SeededRng } from '../support/seededRng.js';

const SETTLED_MS = 5_000;

/** A machine with nodes that are all online, driven by the test. */
class Pool {
  readonly rng = new SeededRng('machine');
  readonly ids: NodeId[];
  state: SchedulerState;
  effects: SchedulerEffect[] = [];
  atMs = 0;
  readonly #boots = new Map<NodeId, BootId>();

  constructor(count: number, params: Partial<SchedulerParams> = {}) {
    this.ids = Array.from({ length: count }, () => deriveNodeId(randomBytes(this.rng, 32)));
    this.state = initialState('test', 0, {
      ...DEFAULT_PARAMS,
      teamSize: 3,
      minimumDelayMs: 3_600_000,
      demandMs: Infinity,
      ...params,
    });
    for (const node of this.ids) {
      this.send({ type: 'registered', node, atMs: 0 });
      this.online(node);
    }
  }

  send(event: SchedulerEvent): void {
    const { state, effects } = reduceScheduler(this.state, event);
    this.state = state;
    this.effects.push(...effects);
  }

  online(node: NodeId, openRounds?: number, paused?: string): void {
    const bootId = this.#boots.get(node) ?? (Buffer.from(randomBytes(this.rng, 16)).toString('hex') as BootId);
    this.#boots.set(node, bootId);
    this.send({ type: 'online', node, bootId, openRounds, paused, atMs: this.atMs });
  }

  tick(passedMs = 0): void {
    this.atMs += passedMs;
    this.send({ type: 'tick', randomness: randomBytes(this.rng, 32), atMs: this.atMs });
  }

  report(node: NodeId, round: RoundId, stage: Stage, failure?: Testimony): void {
    const bootId = this.#boots.get(node)!;
    this.send({ type: 'report', node, bootId, round, stage, failure, atMs: this.atMs });
  }

  done(node: NodeId, round: RoundId, copies: number): void {
    const bootId = this.#boots.get(node)!;
    this.send({ type: 'report', node, bootId, round, stage: 'COMPLETED', copies, atMs: this.atMs });
  }

  refuse(node: NodeId, round: RoundId): void {
    this.say(node, round, { code: 'ROUND_LIMIT', named: node });
  }

  accuse(node: NodeId, named: NodeId, round: RoundId, code: Testimony['code']): void {
    this.say(node, round, { code, named });
  }

  /** A node reports that a round has failed: as its own finding, unless another source is given. */
  say(node: NodeId, round: RoundId, said: Pick<Testimony, 'code'> & Partial<Testimony>): void {
    this.report(node, round, 'FAILED', { named: undefined, source: node, shown: false, detail: '', ...said });
  }

  offline(node: NodeId): void {
    this.send({ type: 'offline', node, atMs: this.atMs });
    this.tick();
  }

  /** A new process of this node comes online. */
  restart(node: NodeId): void {
    this.#boots.delete(node);
    this.online(node);
  }

  standby({ round, team }: RoundInfo): void {
    for (const stage of ['PRECOMPUTING', 'STANDBY'] as const) for (const node of team) this.report(node, round, stage);
  }

  get opened(): RoundInfo[] {
    return this.effects.flatMap((effect) => (effect.type === 'open' ? [effect.info] : []));
  }

  get blamed(): (readonly NodeId[])[] {
    return this.effects.flatMap((effect) => (effect.type === 'ended' ? [effect.blamed] : []));
  }

  of(type: SchedulerEffect['type']): SchedulerEffect[] {
    return this.effects.filter((effect) => effect.type === type);
  }

  rounds(node: NodeId): number {
    return this.state.nodes.get(node)!.activity.size;
  }
}

/** Three nodes, all of them in every round. */
const trio = (params: Partial<SchedulerParams> = {}) => new Pool(3, params);

describe('a node without room for a round', () => {
  it('ends the round at once, is not to blame, and gets no more rounds than its others', () => {
    const pool = trio({ stockMin: 4 });
    pool.tick();
    expect(pool.opened.length).toBe(4);
    const [node] = pool.ids;
    pool.refuse(node!, pool.opened[3]!.round);
    expect(pool.of('fail')).toEqual([{ type: 'fail', round: 4, reason: 'a member of the team has no room for it' }]);
    expect(pool.blamed).toEqual([[]]);
    pool.tick();
    expect(pool.opened.length).toBe(4);
    expect(pool.rounds(node!)).toBe(3);
  });

  it('is given one more with each round that it has completed', () => {
    const pool = trio({ stockMin: 2, minimumDelayMs: 0 });
    pool.tick();
    pool.refuse(pool.ids[0]!, pool.opened[1]!.round);
    pool.tick();
    expect(pool.rounds(pool.ids[0]!)).toBe(1);
    const [first] = pool.opened;
    pool.standby(first!);
    pool.tick();
    for (const stage of ['QUEUED', 'REALTIME', 'COMPLETED'] as const) {
      for (const node of pool.ids) pool.report(node, first!.round, stage);
    }
    pool.tick();
    expect(pool.rounds(pool.ids[0]!)).toBe(2);
  });

  it('and without any other round is to blame itself', () => {
    const pool = trio({ stockMin: 1 });
    pool.tick();
    const [node] = pool.ids;
    pool.refuse(node!, pool.opened[0]!.round);
    pool.tick(SETTLED_MS);
    expect(pool.blamed).toEqual([[node]]);
  });

  it('and that refuses a round which it has begun is to blame itself: others have worked on it', () => {
    for (const code of ['MEMORY_LIMIT', 'ROUND_REUSED'] as const) {
      const pool = trio({ stockMin: 2 });
      pool.tick();
      const [node] = pool.ids as [NodeId];
      const { round } = pool.opened[0]!;
      pool.report(node, round, 'PRECOMPUTING');
      pool.say(node, round, { code, named: node });
      pool.tick(SETTLED_MS);
      expect(pool.blamed, code).toEqual([[node]]);
    }
  });

  it('is given no more rounds than it has announced', () => {
    const pool = trio({ stockMin: 4 });
    pool.online(pool.ids[1]!, 2);
    pool.tick();
    expect(pool.opened.length).toBe(2);
    pool.online(pool.ids[1]!);
    pool.tick();
    expect(pool.opened.length).toBe(4);
  });

  it('keeps a failed round on its count until it has reported the end', () => {
    const pool = trio({ stockMin: 2, openPerNode: 2, precomputingPerNode: 2 });
    pool.tick();
    const [a, b, c] = pool.ids as [NodeId, NodeId, NodeId];
    pool.accuse(a, c, 1 as RoundId, 'PEER_LOST');
    pool.tick();
    expect([a, b, c].map((node) => pool.rounds(node))).toEqual([1, 2, 2]);
    expect(pool.opened.length).toBe(2);
    for (const node of [b, c]) pool.accuse(node, c, 1 as RoundId, 'PEER_LOST');
    pool.tick();
    expect(pool.opened.length).toBe(3);
  });
});

describe('a round', () => {
  it('is not assigned while a member of its team is away, even if that member sits out', () => {
    const pool = trio({ stockMin: 2, failuresMin: 1, failureRateMax: 0.1, sitOutMs: 3_600_000 });
    pool.tick();
    const [first, second] = pool.opened as [RoundInfo, RoundInfo];
    const [a, b, c] = pool.ids as [NodeId, NodeId, NodeId];
    pool.send({ type: 'params', params: { ...pool.state.params, minimumDelayMs: 0 }, atMs: 0 });
    pool.standby(second);
    // The first failure is c's, and c then goes away.
    for (const node of [a, b, c]) pool.accuse(node, c, first.round, 'DECRYPTION_PROOF');
    pool.send({ type: 'offline', node: c, atMs: pool.atMs });
    pool.tick();
    pool.tick();
    expect(pool.state.nodes.get(c)!.sitsOutUntilMs).toBeGreaterThan(pool.atMs);
    expect(pool.of('assign')).toEqual([]);
    pool.online(c);
    pool.tick();
    expect(pool.of('assign')).toEqual([{ type: 'assign', round: second.round }]);
  });

  it('of an earlier run is over if a member was banned or has left while no scheduler ran', () => {
    const pool = trio({ stockMin: 1 });
    pool.tick();
    const [info] = pool.opened;
    const [a, ...others] = pool.ids as [NodeId, NodeId, NodeId];
    const next = trio();
    next.send({ type: 'banned', node: a, banned: true, atMs: 0 });
    next.send({ type: 'resumed', info: info!, assigned: true, atMs: 0 });
    expect(next.of('over')).toEqual([{ type: 'over', round: 1 }]);
    const list = trio();
    list.send({ type: 'members', generation: 1, nodes: others, atMs: 0 });
    list.send({ type: 'resumed', info: info!, assigned: false, atMs: 0 });
    expect(list.of('over')).toEqual([{ type: 'over', round: 1 }]);
    expect([...next.blamed, ...list.blamed]).toEqual([[], []]);
  });

  it('opened by an earlier run is nobody’s fault if it is late: members that were not told cannot be in time', () => {
    const pool = trio({ stockMin: 1 });
    pool.tick();
    const [info] = pool.opened;
    const [a, b, c] = pool.ids as [NodeId, NodeId, NodeId];
    const next = trio({ stockMin: 1 });
    next.state = { ...next.state, lastRound: 1, params: { ...next.state.params, poolThreshold: 1, teamSize: 4 } };
    next.send({ type: 'resumed', info: { ...info!, round: 1 as RoundId }, assigned: true, atMs: 0 });
    for (const node of [a, b, c]) next.accuse(node, c, 1 as RoundId, 'DEADLINE_MISSED');
    next.tick();
    expect(next.blamed).toEqual([[]]);
    for (const node of [a, b, c]) pool.accuse(node, c, info!.round, 'DEADLINE_MISSED');
    pool.tick();
    expect(pool.blamed).toEqual([[c]]);
  });
});

describe('a round with outputs signed by all', () => {
  /** A round in realtime with all of its team; the test decides the next reports. */
  function inRealtime(nodes = 3) {
    const pool = new Pool(nodes, { teamSize: nodes, stockMin: 1, minimumDelayMs: 0 });
    pool.tick();
    const info = pool.opened[0]!;
    pool.standby(info);
    pool.tick();
    for (const stage of ['QUEUED', 'REALTIME'] as const)
      for (const node of info.team) pool.report(node, info.round, stage);
    const done = (node: NodeId) => pool.report(node, info.round, 'COMPLETED');
    const ended = () =>
      pool.effects.flatMap((effect) =>
        effect.type === 'ended' && effect.round.info.round === info.round ? [effect.round.state] : [],
      );
    return { pool, done, ended, info, team: info.team };
  }

  it('is completed if a node dies before its report, for any order of the reports', () => {
    const before = inRealtime();
    before.pool.offline(before.team[1]!);
    before.done(before.team[0]!);
    expect(before.ended()).toEqual([]);
    before.done(before.team[2]!);
    expect(before.ended()).toEqual(['COMPLETED']);
    const after = inRealtime();
    after.done(after.team[0]!);
    after.done(after.team[2]!);
    expect(after.ended()).toEqual([]);
    after.pool.offline(after.team[1]!);
    expect(after.ended()).toEqual(['COMPLETED']);
    expect(after.pool.blamed).toEqual([[]]);
    for (const { pool, team } of [before, after]) for (const node of team) expect(pool.rounds(node)).toBeLessThan(2);
  });

  it('is completed if the node is back as another process before its old stream is found dead, or leaves the list', () => {
    const restarted = inRealtime();
    for (const node of [restarted.team[0]!, restarted.team[2]!]) restarted.done(node);
    restarted.pool.restart(restarted.team[1]!);
    expect(restarted.ended()).toEqual(['COMPLETED']);
    const left = inRealtime();
    for (const node of [left.team[0]!, left.team[2]!]) left.done(node);
    left.pool.send({ type: 'members', generation: 1, nodes: [left.team[0]!, left.team[2]!], atMs: 0 });
    expect(left.ended()).toEqual(['COMPLETED']);
  });

  it('is completed if one of two, or two of five at once, are gone', () => {
    const two = inRealtime(2);
    two.done(two.team[0]!);
    two.pool.offline(two.team[1]!);
    expect(two.ended()).toEqual(['COMPLETED']);
    const five = inRealtime(5);
    for (const node of five.team.slice(0, 3)) five.done(node);
    five.pool.send({ type: 'members', generation: 1, nodes: five.team.slice(0, 3), atMs: 0 });
    expect(five.ended()).toEqual(['COMPLETED']);
  });

  it('and completed without a node that was only briefly away stays completed when that node reports', () => {
    const { pool, done, ended, info, team } = inRealtime();
    pool.offline(team[1]!);
    done(team[0]!);
    done(team[2]!);
    pool.online(team[1]!);
    pool.report(team[1]!, info.round, 'REALTIME');
    expect(ended()).toEqual(['COMPLETED']);
    expect(pool.of('fail')).toEqual([]);
  });

  it('is not completed by absence, nor by less than half of the team, nor while a connected member has not reported', () => {
    const { pool, done, ended, team } = inRealtime();
    for (const node of team) pool.offline(node);
    expect(ended()).toEqual([]);
    done(team[0]!);
    expect(ended()).toEqual([]);
    for (const node of team) pool.online(node);
    pool.offline(team[1]!);
    expect(ended()).toEqual([]);
    pool.restart(team[1]!);
    expect(ended()).toEqual(['FAILED']);
  });

  it('of an earlier run of the scheduler waits a while for members that are not back yet', () => {
    const next = trio();
    const [info] = inRealtime().pool.opened;
    const own = { ...info!, team: next.ids };
    // Its nodes are on the list, and have not found the new run yet.
    const nodes = [...next.state.nodes].map(
      ([id, record]) => [id, { ...record, bootId: undefined, connected: false }] as const,
    );
    next.state = { ...next.state, nodes: new Map(nodes) };
    next.send({ type: 'resumed', info: own, assigned: true, atMs: 0 });
    for (const node of next.ids.slice(0, 2)) {
      next.online(node);
      next.report(node, own.round, 'COMPLETED');
      next.tick();
      expect(next.of('ended')).toEqual([]);
    }
    next.tick(31_000);
    expect(next.of('ended')).toMatchObject([{ round: { state: 'COMPLETED' } }]);
  });
});

describe('a node that dies', () => {
  /** One of a trio has noticed; another has it from that one. */
  function lost(isAway: boolean) {
    const pool = trio({ stockMin: 1 });
    pool.tick();
    const [a, b, c] = pool.ids as [NodeId, NodeId, NodeId];
    const { round } = pool.opened[0]!;
    if (isAway) pool.offline(c);
    pool.accuse(a, c, round, 'PEER_LOST');
    pool.say(b, round, { code: 'PEER_LOST', named: c, source: a });
    pool.tick(SETTLED_MS);
    return { blamed: pool.blamed[0], c };
  }

  it('is to blame on one testimony if the scheduler has lost it as well, and its accuser is not', () => {
    const { blamed, c } = lost(true);
    expect(blamed).toEqual([c]);
  });

  it('according to one testimony only is not to blame, and neither is its accuser', () => {
    const { blamed } = lost(false);
    expect(blamed).toEqual([]);
  });
});

describe('testimonies', () => {
  /** One round of a large network, ended by the given testimonies. */
  function ended(nodes: number, say: (pool: Pool, info: RoundInfo) => void, teamSize = 3) {
    const pool = new Pool(nodes, { stockMin: 1, teamSize });
    pool.tick();
    const info = pool.opened[0]!;
    say(pool, info);
    pool.tick(SETTLED_MS);
    return { pool, team: info.team, blamed: pool.blamed[0] };
  }

  it('of two members of three blame nobody if two may lie together', () => {
    const both = (pool: Pool, { team, round }: RoundInfo) => {
      for (const node of team.slice(0, 2)) pool.accuse(node, team[2]!, round, 'ELEMENT_RANGE');
    };
    expect(ended(12, both).blamed).toEqual([]);
    const { blamed, team } = ended(3, both);
    expect(blamed).toEqual([team[2]]);
  });

  it('that a member is lost do not blame it if it reports on the round itself, even just after its stream broke', () => {
    const { blamed } = ended(4, (pool, { team: [a, b], round }) => {
      pool.offline(b!);
      pool.accuse(a!, b!, round, 'PEER_LOST');
      pool.say(b!, round, { code: 'PEER_LOST', named: b, source: a });
    });
    expect(blamed).toEqual([]);
  });

  it('that an honest node could prove, without proof, blame the reporter', () => {
    const { blamed, team } = ended(8, (pool, { team: [a, b], round }) =>
      pool.accuse(a!, b!, round, 'DECRYPTION_PROOF'),
    );
    expect(blamed).toEqual([team[0]]);
  });

  it('beside a conviction: the other nodes named are not affected', () => {
    const { blamed, team, pool } = ended(8, (run, { team: [a, b, c], round }) => {
      run.send({ type: 'convicted', node: c!, round, untilMs: 60_000, atMs: 0 });
      run.accuse(a!, b!, round, 'ELEMENT_RANGE');
    });
    // The convicted node's precomputations ended with it, this round first.
    expect(blamed).toEqual([]);
    expect(pool.state.pairs.size).toBe(0);
    expect(pool.state.nodes.get(team[2]!)!.sitsOutUntilMs).toBe(60_000);
  });

  it('of a few on a missed deadline, naming nobody, make them pairs; of more than half they are right', () => {
    const late = (voices: number) =>
      ended(
        8,
        (pool, { team, round }) => {
          for (const node of team.slice(0, voices)) pool.say(node, round, { code: 'DEADLINE_MISSED' });
        },
        5,
      );
    expect(late(1)).toMatchObject({ blamed: [late(1).team[0]], pool: { state: { pairs: new Map() } } });
    const { blamed, pool, team } = late(2);
    expect(blamed).toEqual([]);
    expect([...pool.state.pairs.values()].map(({ nodes }) => [...nodes].sort())).toEqual([team.slice(0, 2).sort()]);
    expect(late(3)).toMatchObject({ blamed: [], pool: { state: { pairs: new Map() } } });
  });

  it('of several on a missed deadline blame them while a precomputation waits to be used, until it may have expired', () => {
    const waiting = (share: number) =>
      ended(8, (pool, info) => {
        pool.standby(info);
        pool.atMs += share * info.deadlines.standbyMs;
        for (const node of info.team.slice(0, 3)) pool.say(node, info.round, { code: 'DEADLINE_MISSED' });
      });
    const { blamed, team, pool } = waiting(0.5);
    expect(blamed).toEqual(team.slice(0, 3));
    expect(pool.state.pairs.size).toBe(0);
    expect(waiting(0.95).blamed).toEqual([]);
  });

  it('of a pair keep it out of common teams, if there is a team without both', () => {
    const pool = new Pool(6, { stockMin: 1, failuresMin: 20 });
    const [a, b] = pool.ids as [NodeId, NodeId];
    let together = 0;
    for (let round = 0; together < 2; round++) {
      expect(round).toBeLessThan(100);
      pool.tick();
      const info = pool.opened.at(-1)!;
      const hasBoth = [a, b].every((node) => info.team.includes(node));
      if (hasBoth) together++;
      const [accuser, accused] = hasBoth ? [a, b] : [info.team[0]!, info.team[0]!];
      for (const node of info.team) pool.say(node, info.round, { code: 'PEER_LOST', named: accused, source: accuser });
    }
    const before = pool.opened.length;
    for (let round = 0; round < 40; round++) {
      pool.tick();
      const info = pool.opened.at(-1)!;
      for (const node of info.team) pool.say(node, info.round, { code: 'SHUTTING_DOWN', named: node });
    }
    const later = pool.opened.slice(before + 1);
    expect(later.length).toBeGreaterThan(20);
    for (const { team } of later) expect([a, b].every((node) => team.includes(node))).toBe(false);
  });
});

describe('a team in which a member has copied a message', () => {
  /** Completes a round; `copiers` members report equal outputs. */
  function completed(nodes: number, copiers: number) {
    const pool = new Pool(nodes, { teamSize: 3, stockMin: 1, minimumDelayMs: 0 });
    pool.tick();
    const info = pool.opened[0]!;
    pool.standby(info);
    pool.tick();
    for (const stage of ['QUEUED', 'REALTIME'] as const)
      for (const node of info.team) pool.report(node, info.round, stage);
    for (const [index, node] of info.team.entries()) pool.done(node, info.round, index < copiers ? 1 : 0);
    return { pool, info, key: teamKey(info.team) };
  }

  /** Teams drawn from now on, as sets. */
  function drawn(pool: Pool, rounds: number): Set<string> {
    const before = pool.opened.length;
    for (let round = 0; round < rounds; round++) {
      pool.tick();
      pool.send({ type: 'convicted', node: pool.opened.at(-1)!.team[0]!, untilMs: 0, atMs: pool.atMs });
    }
    return new Set(pool.opened.slice(before).map(({ team }) => teamKey(team)));
  }

  it('is not drawn again, if most of it reports the copy', () => {
    const { pool, info, key } = completed(4, 2);
    expect(pool.of('barred')).toEqual([{ type: 'barred', team: key, round: info.round }]);
    const teams = drawn(pool, 60);
    expect(teams.size).toBe(3);
    expect(teams.has(key)).toBe(false);
  });

  it('is drawn again, if only one reports it: the outputs are public', () => {
    const { pool, key } = completed(4, 1);
    expect(pool.of('barred')).toEqual([]);
    expect(drawn(pool, 60).has(key)).toBe(true);
  });

  it('is drawn again if there are no other nodes', () => {
    const { pool, key } = completed(3, 3);
    expect([...drawn(pool, 5)]).toEqual([key]);
  });

  it('is barred as well if its outputs do not match its table; only a member that reports it alone is to blame', () => {
    const pool = new Pool(4, { teamSize: 3, stockMin: 1 });
    pool.tick();
    const { round, team } = pool.opened[0]!;
    for (const node of team.slice(0, 2)) pool.say(node, round, { code: 'OUTPUTS_INCOMPLETE' });
    pool.tick(SETTLED_MS);
    expect(pool.blamed[0]).toEqual([]);
    expect(pool.of('barred')).toEqual([{ type: 'barred', team: teamKey(team), round }]);
    const next = pool.opened.at(-1)!;
    pool.say(next.team[0]!, next.round, { code: 'OUTPUTS_INCOMPLETE' });
    pool.tick(SETTLED_MS);
    expect(pool.blamed[1]).toEqual([next.team[0]]);
    expect(pool.of('barred')).toHaveLength(1);
  });
});

describe('round trips', () => {
  it('show that a node is present, and are stored for nodes in the pool only', () => {
    const pool = trio();
    const [a, b] = pool.ids as [NodeId, NodeId];
    const strangers = Array.from({ length: 100 }, () => ({ peer: deriveNodeId(randomBytes(pool.rng, 32)), ms: 1 }));
    pool.send({ type: 'roundTrips', node: a, roundTrips: [{ peer: b, ms: 7 }, ...strangers], atMs: 9_000 });
    expect([...pool.state.nodes.get(a)!.roundTripsMs]).toEqual([[b, 7]]);
    pool.send({ type: 'roundTrips', node: a, roundTrips: [], atMs: 10_000 });
    expect(pool.state.nodes.get(a)!.lastSeenMs).toBe(10_000);
  });
});

describe('a node that announces that it takes no rounds for now', () => {
  const four = () => new Pool(4, { stockMin: 4, minimumDelayMs: 0, collecting: 1 });

  it('is drawn for none, and its rounds not yet in use are over by nobody’s fault', () => {
    const pool = four();
    pool.tick();
    const leaving = pool.ids[0]!;
    const before = pool.opened.length;
    expect(pool.opened.some(({ team }) => team.includes(leaving))).toBe(true);
    pool.online(leaving, undefined, 'draining: SIGTERM');
    expect(pool.rounds(leaving)).toBe(0);
    expect(pool.blamed.flat()).toEqual([]);
    for (let i = 0; i < 5; i++) pool.tick(1_000);
    const since = pool.opened.slice(before);
    expect(since.length).toBeGreaterThan(0);
    expect(since.some(({ team }) => team.includes(leaving))).toBe(false);
    // It leaves, and comes back as another process a moment later: it is drawn again.
    pool.offline(leaving);
    pool.restart(leaving);
    expect(pool.blamed.flat()).toEqual([]);
    for (const round of pool.state.rounds.values())
      pool.say(round.info.team[0]!, round.info.round, { code: 'PEER_LOST' });
    pool.tick(SETTLED_MS);
    pool.tick(SETTLED_MS);
    expect(pool.opened.slice(before + since.length).some(({ team }) => team.includes(leaving))).toBe(true);
  });

  it('is to blame if it does so again and again within an hour, and sits out', () => {
    const pool = trio({ stockMin: 2 });
    const [node] = pool.ids as [NodeId];
    const pauseAndGoOn = () => {
      pool.tick(1_000);
      expect(pool.rounds(node)).toBe(2);
      pool.online(node, undefined, 'a disk is full');
      // Said again: the same pause.
      pool.online(node, undefined, 'a disk is full');
      pool.online(node);
    };
    for (const blamed of [0, 2, 4]) {
      pauseAndGoOn();
      expect(pool.blamed.flat()).toHaveLength(blamed);
    }
    // An hour later it is free again, once.
    for (pool.tick(3_600_000); pool.blamed.length < 8; ) {
      for (const other of pool.ids) pool.online(other);
      pauseAndGoOn();
    }
    expect(pool.blamed.flat()).toEqual([node, node, node, node]);
    expect(pool.state.nodes.get(node)!.sitsOutUntilMs).toBe(0);
    pauseAndGoOn();
    expect(pool.state.nodes.get(node)!.sitsOutUntilMs).toBeGreaterThan(pool.atMs);
  });

  it('and is in no round may do so as often as it likes', () => {
    const pool = trio({ stockMin: 2, poolThreshold: 1, teamSize: 4 });
    for (let i = 0; i < 20; i++) {
      pool.online(pool.ids[0]!, undefined, 'a disk is full');
      pool.online(pool.ids[0]!);
    }
    expect(pool.state.nodes.get(pool.ids[0]!)!.blamed).toEqual([]);
  });

  it('completes its rounds that take messages', () => {
    const pool = new Pool(3, { minimumDelayMs: 0 });
    pool.tick();
    const info = pool.opened[0]!;
    pool.standby(info);
    pool.tick(1_000);
    expect(pool.of('assign')).toHaveLength(1);
    pool.online(info.team[0]!, undefined, 'draining');
    expect(pool.state.rounds.get(info.round)?.queuedMs).toBeDefined();
    for (const stage of ['QUEUED', 'REALTIME', 'COMPLETED'] as const)
      for (const node of info.team) pool.report(node, info.round, stage);
    expect(pool.state.rounds.has(info.round)).toBe(false);
    expect(pool.blamed.flat()).toEqual([]);
  });
});

describe('one departure', () => {
  it('is one event, for any number of rounds of the stock that it ends and any delay of their reports', () => {
    const pool = new Pool(4, { stockMin: 6, teamSize: 3 });
    pool.tick();
    const away = pool.ids[0]!;
    const rounds = pool.opened.filter(({ team }) => team.includes(away));
    expect(rounds.length).toBeGreaterThan(3);
    pool.offline(away);
    // Their teams notice one after the other, over half a minute.
    for (const { round, team } of rounds) {
      pool.tick(6_000);
      for (const node of team.filter((member) => member !== away)) pool.accuse(node, away, round, 'PEER_LOST');
      pool.tick(SETTLED_MS);
    }
    const { blamed, sitsOutUntilMs } = pool.state.nodes.get(away)!;
    expect(blamed.filter(Boolean)).toHaveLength(1);
    expect(sitsOutUntilMs).toBe(0);
  });

  it('makes no pair of a lost node and its accusers, even if it is back when the round is settled', () => {
    const pool = new Pool(4, { stockMin: 1, teamSize: 3 });
    pool.tick();
    const { round, team } = pool.opened[0]!;
    const [away, accuser] = team;
    pool.tick(1_000);
    pool.offline(away!);
    pool.tick(1_000);
    pool.online(away!);
    pool.accuse(accuser!, away!, round, 'PEER_LOST');
    pool.tick(SETTLED_MS);
    // One testimony alone blames nobody, on any subject.
    expect(pool.blamed).toEqual([[]]);
    expect([...pool.state.pairs]).toEqual([]);
    // Long after its return, and about a node that was never away, it counts like any other.
    const next = pool.opened.at(-1)!;
    for (let i = 0; i < 40; i++) {
      pool.tick(1_000);
      for (const node of pool.ids) pool.online(node);
    }
    pool.accuse(next.team[1]!, next.team[2]!, next.round, 'PEER_LOST');
    pool.tick(SETTLED_MS);
    expect(pool.blamed.at(-1)).toEqual([]);
    expect(pool.state.pairs.size).toBe(1);
  });

  it('of nodes that were all away at once blame none of them', () => {
    const pool = trio({ stockMin: 1 });
    pool.tick();
    const { round, team } = pool.opened[0]!;
    pool.tick(1_000);
    for (const node of team) pool.offline(node);
    for (const node of team) pool.online(node);
    pool.tick(8_000);
    const [first, second] = team;
    for (const node of team) pool.accuse(node, node === first ? second! : first!, round, 'PEER_LOST');
    pool.tick(SETTLED_MS);
    expect(pool.blamed).toEqual([[]]);
    expect(pool.state.pairs.size).toBe(0);
  });

  it('of a node that is back at once counts if most of its team have lost it', () => {
    const pool = trio({ stockMin: 1 });
    pool.tick();
    const { round, team } = pool.opened[0]!;
    const [away, ...others] = team;
    pool.tick(1_000);
    pool.offline(away!);
    pool.online(away!);
    pool.tick(8_000);
    for (const node of others) pool.accuse(node, away!, round, 'PEER_LOST');
    pool.tick(SETTLED_MS);
    expect(pool.blamed).toEqual([[away]]);
    expect(pool.state.pairs.size).toBe(0);
  });

  it('does not cover the next one: that is another event', () => {
    const pool = trio({ stockMin: 6, failuresMin: 100 });
    const away = pool.ids[0]!;
    for (let departure = 0; departure < 3; departure++) {
      pool.tick(60_000);
      for (const node of pool.ids) pool.online(node);
      pool.tick();
      const open = [...pool.state.rounds.values()].filter(({ info }) => info.team.includes(away));
      pool.offline(away);
      for (const { info } of open)
        for (const node of info.team) if (node !== away) pool.accuse(node, away, info.round, 'PEER_LOST');
      pool.tick(SETTLED_MS);
      pool.online(away);
    }
    expect(pool.state.nodes.get(away)!.blamed.filter(Boolean)).toHaveLength(3);
  });
});

describe('a restart that was not announced', () => {
  /** Restarts of a node that is in all rounds; `first`: before each of them. */
  function restarts(times: number, first: (pool: Pool, node: NodeId) => void = () => {}) {
    const pool = trio({ stockMin: 2 });
    const [node] = pool.ids as [NodeId];
    for (let i = 0; i < times; i++) {
      pool.tick(6_000);
      for (const other of pool.ids) pool.online(other);
      pool.tick();
      first(pool, node);
      pool.restart(node);
    }
    return { pool, node, record: pool.state.nodes.get(node)! };
  }

  it('is one event of the node, however many rounds end by it, and repeated ones make it sit out', () => {
    const once = restarts(1);
    expect(once.pool.blamed).toEqual([[once.node], [once.node]]);
    expect(once.record.blamed).toEqual([true]);
    expect(once.record.sitsOutUntilMs).toBe(0);
    const thrice = restarts(3);
    expect(thrice.record.sitsOutUntilMs).toBeGreaterThan(thrice.pool.atMs);
    const quick = trio({ stockMin: 2 });
    const [liar, ...others] = quick.ids as [NodeId, NodeId, NodeId];
    for (let second = 0; second < 15; second++) {
      quick.tick(1_000);
      quick.restart(liar);
    }
    expect(quick.state.nodes.get(liar)!.sitsOutUntilMs).toBeGreaterThan(quick.atMs);
    for (const node of others) expect(quick.state.nodes.get(node)!.blamed).toEqual([]);
  });

  it('explains the departure before it: both are one event', () => {
    const departed = (isNoticed: boolean) =>
      restarts(2, (pool, node) => {
        const open = [...pool.state.rounds.values()].map(({ info }) => info);
        pool.offline(node);
        if (!isNoticed) return;
        // Its team has lost it in one round, and notices the others only when it is back.
        const [first] = open;
        for (const other of first!.team) if (other !== node) pool.accuse(other, node, first!.round, 'PEER_LOST');
        pool.tick(SETTLED_MS);
        pool.tick(1_000);
      });
    for (const isNoticed of [true, false]) {
      const { record } = departed(isNoticed);
      expect(record.blamed, String(isNoticed)).toEqual([true, true]);
      expect(record.sitsOutUntilMs).toBe(0);
    }
  });

  it('of a node without open rounds, or that had announced it, is nobody’s fault', () => {
    const drained = restarts(1, (pool, node) => {
      // One of its rounds takes messages, and is not over when the node stops.
      pool.standby(pool.opened[0]!);
      pool.tick();
      pool.online(node, undefined, 'draining: SIGTERM');
    });
    expect(drained.pool.blamed.length).toBeGreaterThan(1);
    expect(drained.pool.blamed.flat()).toEqual([]);
    expect(drained.record.blamed).toEqual([]);
    const idle = trio({ poolThreshold: 1, teamSize: 4 });
    for (let i = 0; i < 20; i++) idle.restart(idle.ids[0]!);
    expect(idle.state.nodes.get(idle.ids[0]!)!.blamed).toEqual([]);
  });
});

describe('an id that a node has used before', () => {
  it('is refused twenty times an hour at most, whatever rounds are precomputed in between', () => {
    const pool = trio({ stockMin: 1, failuresMin: 100 });
    const [liar] = pool.ids as [NodeId];
    const refuse = (times: number) => {
      for (let i = 0; i < times; i++) {
        pool.tick(SETTLED_MS);
        for (const node of pool.ids) pool.online(node);
        const { round } = pool.opened.at(-1)!;
        pool.say(liar, round, { code: 'ROUND_REUSED', named: liar });
        pool.tick(SETTLED_MS);
      }
    };
    const precompute = () => {
      pool.standby(pool.opened.at(-1)!);
      pool.send({
        type: 'params',
        params: { ...pool.state.params, stockMin: pool.state.params.stockMin + 1 },
        atMs: 0,
      });
    };
    refuse(10);
    precompute();
    refuse(10);
    expect(pool.blamed.flat()).toEqual([]);
    precompute();
    refuse(1);
    expect(pool.blamed.flat()).toEqual([liar]);
    pool.atMs += 3_600_000;
    refuse(1);
    expect(pool.blamed.flat()).toEqual([liar]);
  });

  it('leaps further with each refusal of one node, though rounds of other teams are precomputed in between', () => {
    const pool = new Pool(4, { stockMin: 1, failuresMin: 1 });
    const [older] = pool.ids as [NodeId];
    const used = 700;
    for (let i = 0; i < 200; i++) {
      pool.tick(1_000);
      for (const node of pool.ids) pool.online(node);
      pool.tick();
      const { round, team } = pool.opened.at(-1)!;
      if (team.includes(older) && round > used) break;
      if (team.includes(older)) pool.say(older, round, { code: 'ROUND_REUSED', named: older });
      else {
        pool.standby(pool.opened.at(-1)!);
        pool.send({ type: 'convicted', node: team[0]!, untilMs: 0, atMs: pool.atMs });
      }
    }
    expect(pool.opened.at(-1)!.round).toBeGreaterThan(used);
    expect(pool.state.nodes.get(older)!.blamed.filter(Boolean)).toEqual([]);
  });

  it('is nobody’s fault: ids soon leap until they are new', () => {
    const pool = trio({ stockMin: 1, failuresMin: 1 });
    // Ids that the nodes have used and that this history does not contain.
    const used = 700;
    for (let refusals = 0; refusals < 12; refusals++) {
      pool.tick();
      const { round, team } = pool.opened.at(-1)!;
      if (round > used) break;
      pool.say(team[refusals % 3]!, round, { code: 'ROUND_REUSED', named: team[refusals % 3]! });
    }
    expect(pool.opened.at(-1)!.round).toBeGreaterThan(used);
    pool.tick(SETTLED_MS);
    expect(pool.blamed.flat()).toEqual([]);
    expect([...pool.state.nodes.values()].every(({ sitsOutUntilMs }) => sitsOutUntilMs === 0)).toBe(true);
  });

  it('is a lie if it is reported again and again', () => {
    const pool = trio({ stockMin: 1, failuresMin: 1 });
    const liar = pool.ids[0]!;
    for (let i = 0; i < 120 && pool.state.nodes.get(liar)!.sitsOutUntilMs === 0; i++) {
      pool.tick(SETTLED_MS);
      for (const node of pool.ids) pool.online(node);
      for (const round of [...pool.state.rounds.values()].filter(({ state }) => state === 'PENDING')) {
        const { info } = round;
        pool.say(liar, info.round, { code: 'ROUND_REUSED', named: liar });
      }
    }
    expect(pool.state.nodes.get(liar)!.sitsOutUntilMs).toBeGreaterThan(0);
  });
});

describe('a network without senders', () => {
  /** A network that somebody asks for rounds once in ten seconds. The test decides how each round that takes messages ends. */
  function asked(seconds: number, end: (pool: Pool, info: RoundInfo, atMs: number) => void) {
    const pool = trio({ minimumDelayMs: 0, demandMs: 10_000, stockMin: 2 });
    const assignedMs: number[] = [];
    for (let second = 0; second < seconds; second++) {
      for (const node of pool.ids) pool.online(node);
      if (second % 10 === 0) pool.send({ type: 'wanted', node: pool.ids[1]!, atMs: pool.atMs });
      for (const { state, info } of [...pool.state.rounds.values()]) if (state === 'PENDING') pool.standby(info);
      const before = pool.of('assign').length;
      pool.tick(1_000);
      for (const effect of pool.of('assign').slice(before)) {
        if (effect.type !== 'assign') continue;
        assignedMs.push(pool.atMs);
        end(pool, pool.state.rounds.get(effect.round)!.info, pool.atMs);
      }
    }
    return { pool, assignedMs };
  }

  /** Ends a round as its team does if the first node has found too few senders. */
  const tooFew = (pool: Pool, { round, team }: RoundInfo) => {
    for (const node of team) pool.say(node, round, { code: 'TOO_FEW_SENDERS', source: team[0]! });
  };
  const mixed = (pool: Pool, { round, team }: RoundInfo) => {
    for (const stage of ['QUEUED', 'REALTIME', 'COMPLETED'] as const)
      for (const node of team) pool.report(node, round, stage);
  };

  it('but with somebody who asks for rounds and sends nothing fails fewer and fewer of them, and none is to blame', () => {
    const { pool, assignedMs } = asked(600, tooFew);
    const pauses = assignedMs.slice(1).map((atMs, i) => atMs - assignedMs[i]!);
    expect(pauses.slice(0, 6)).toEqual([1_000, 1_000, 1_000, 2_000, 4_000, 8_000]);
    // Senders who come now wait no longer than that.
    expect(Math.max(...pauses)).toBe(30_000);
    expect(assignedMs.length).toBeLessThan(30);
    for (const { sitsOutUntilMs } of pool.state.nodes.values()) expect(sitsOutUntilMs).toBe(0);
  });

  it('makes no pause once a round is mixed', () => {
    let rounds = 0;
    const { assignedMs } = asked(120, (pool, info, atMs) => {
      // Afterwards every second one has too few senders.
      if (atMs >= 60_000) rounds++;
      (rounds % 2 === 0 ? tooFew : mixed)(pool, info);
    });
    const late = assignedMs.filter((atMs) => atMs >= 60_000);
    expect(late.length).toBeGreaterThan(20);
    expect(Math.max(...late.slice(1).map((atMs, i) => atMs - late[i]!))).toBe(1_000);
  });

  it('keeps its stock waiting until a sender asks, and again when none has asked for a while', () => {
    const pool = trio({ minimumDelayMs: 0, demandMs: 10_000, stockMin: 2 });
    pool.tick();
    for (const info of pool.opened) pool.standby(info);
    for (let i = 0; i < 100; i++) {
      pool.tick(1_000);
      for (const node of pool.ids) pool.online(node);
    }
    expect(pool.opened).toHaveLength(2);
    expect(pool.of('assign')).toEqual([]);
    expect(pool.of('fail')).toEqual([]);
    // A node outside the pool creates no demand.
    pool.send({ type: 'wanted', node: 'somebody' as NodeId, atMs: pool.atMs });
    pool.tick();
    expect(pool.of('assign')).toEqual([]);
    pool.send({ type: 'wanted', node: pool.ids[1]!, atMs: pool.atMs });
    pool.tick();
    expect(pool.of('assign')).toHaveLength(1);
    pool.tick(11_000);
    // It fails for lack of senders, and no sender has asked since: no other round takes its place.
    const [first] = pool.opened;
    for (const node of first!.team) pool.report(node, first!.round, 'QUEUED');
    for (const node of first!.team) pool.say(node, first!.round, { code: 'TOO_FEW_SENDERS' });
    for (let i = 0; i < 15; i++) pool.tick(1_000);
    expect(pool.of('assign')).toHaveLength(1);
  });
});
