// Nodes that die, stall, restart or are given up: the others end the round, name the right node, and keep none of the round's
// secrets. All on the virtual clock.
import { describe, expect, it } from 'vitest';
import type { NodeId } from '../../src/base/ids.js';
import { findBlame, NOBODY, ownClaim } from '../../src/round/machine/blame.js';
import { initialState, step } from '../../src/round/machine/reducer.js';
import type { RoundEvent, RoundState } from '../../src/round/machine/state.js';
import { Attack, codeOf, expectAccused, TEXTS } from '../attacks/attack.js';
import { ends, heard, saying } from '../support/roundEvents.js';

const failedNaming = (code: string, culprit: number | undefined) => ({ stage: 'FAILED', code, culprit });

describe('a node that dies', () => {
  it.each(['PRECOMPUTING', 'STANDBY', 'QUEUED', 'REALTIME'])(
    'in %s is named by all others, which keep no secrets',
    async (stage) => {
      for (const position of [1, 3, 4]) {
        const attack = await Attack.begin([position]);
        attack.at(
          () => attack.stage(position) === stage,
          () => attack.team.crash(attack.node(position)),
        );
        // The first to notice ends the round; the others rely on its message.
        expectAccused(await attack.play(), 'PEER_LOST', position);
        for (const { manager } of attack.honest()) expect(manager.secretBytes).toBe(0);
      }
    },
  );

  it('after the end of a round affects no result', async () => {
    const attack = await Attack.begin([]);
    await attack.play();
    attack.team.crash(attack.node(2));
    await attack.team.until(() => false, 60_000);
    for (const position of [1, 3, 4]) expect(attack.verdict(attack.node(position)).stage).toBe('COMPLETED');
  });
});

describe('a node that restarts', () => {
  it.each(['PRECOMPUTING', 'STANDBY', 'REALTIME'])(
    'in %s has lost the round: the others notice at once',
    async (stage) => {
      const attack = await Attack.begin([3]);
      attack.at(
        () => attack.stage(3) === stage,
        async () => {
          attack.team.crash(attack.node(3));
          await attack.team.restart(attack.node(3));
        },
      );
      expectAccused(await attack.play(), 'PEER_RESTARTED', 3);
      // Far from any deadline, and before the node would count as unreachable.
      expect(attack.team.clock.nowMs()).toBeLessThan(6_000);
      expect(attack.team.failure(attack.node(3), attack.info.round)).toMatchObject({ code: 'PEER_RESTARTED' });
      const again = await codeOf(() => attack.node(3).manager.openRound(attack.signed));
      expect(again).toBe('ROUND_REUSED');
    },
  );
});

describe('a node that stalls', () => {
  it.each([
    ['PRECOMPUTING', 1],
    ['PRECOMPUTING', 2],
    ['PRECOMPUTING', 3],
    ['PRECOMPUTING', 4],
    ['REALTIME', 1],
    ['REALTIME', 2],
    ['REALTIME', 3],
    ['REALTIME', 4],
  ])(
    'in %s but answers pings is named by all others, at any position in the ring (node %i)',
    async (stage, position) => {
      const attack = await Attack.begin([position]);
      attack.at(
        () => attack.stage(position) === stage,
        () => attack.tap(position, { batch: () => undefined, message: () => undefined }),
      );
      for (const verdict of await attack.play()) {
        expect(verdict).toMatchObject(failedNaming('DEADLINE_MISSED', position));
      }
    },
  );

  it('and blames another node forms a circle with it: that node accuses it, and no honest node is accused', async () => {
    const attack = await Attack.begin([2]);
    attack.tap(2, { batch: () => undefined });
    const verdicts = await attack.play();
    for (const verdict of verdicts)
      expect(verdict).toMatchObject({ stage: 'FAILED', code: 'DEADLINE_MISSED', culprit: undefined });
    const accusers = verdicts.filter(({ accused }) => accused !== undefined);
    expect(accusers.map(({ accused, reporter }) => ({ accused, reporter }))).toEqual([{ accused: 2, reporter: 3 }]);
  });

  it.each([
    { told: 'one member', positions: [2] },
    { told: 'two members at once', positions: [2, 3] },
    { told: 'all', positions: [1, 2, 3] },
  ])('cannot have an honest node named by claiming early, to $told, that it is late', async ({ positions }) => {
    const attack = await Attack.begin([4]);
    // While the batch fills, all others wait for the first node.
    const culprit = attack.node(1).id;
    const claim = () => attack.message(4, { kind: 'roundError', code: 'DEADLINE_MISSED', culprit, detail: '' });
    attack.at(
      () => attack.stage(1) === 'QUEUED',
      () => {
        for (const { id } of positions.map((position) => attack.node(position)))
          void attack.team.network.tell(attack.node(4).id, id, claim());
      },
    );
    await attack.play();
    for (const node of attack.honest()) {
      const failure = attack.team.failure(node, attack.info.round)!;
      // A node that accepts the claim that the round is late reports its source, and names nobody for it.
      expect(failure).toMatchObject({ culprit: undefined, accused: culprit, reporter: attack.node(4).id });
    }
  });
});

describe('a stage that no node holds up', () => {
  it('expires in STANDBY if it is never used, and names nobody', async () => {
    const attack = await Attack.begin([], { deadlines: { standbyMs: 5_000 } });
    await attack.team.open(attack.signed);
    const ended = await attack.team.until(() =>
      attack.team.nodes.every(({ index }) => attack.stage(index + 1) === 'FAILED'),
    );
    expect(ended).toBe(true);
    for (const node of attack.team.nodes) {
      expect(attack.verdict(node)).toMatchObject(failedNaming('DEADLINE_MISSED', undefined));
    }
  });

  it('closes the collection at its time limit with the messages received', async () => {
    const attack = await Attack.begin([]);
    for (const { stage, texts } of await attack.play(TEXTS.slice(0, 2)))
      expect([stage, texts.length]).toEqual(['COMPLETED', 2]);
  });

  it('tells all members the reason if the scheduler gives the round up or a node stops', async () => {
    const given = await Attack.begin([]);
    given.at(
      () => given.stage(2) === 'STANDBY',
      () => given.node(2).manager.failRound(given.info.round, 'given up'),
    );
    for (const verdict of await given.play())
      expect(verdict).toMatchObject(failedNaming('SCHEDULER_FAILED', undefined));
    const stopped = await Attack.begin([3]);
    stopped.at(
      () => stopped.stage(3) === 'STANDBY',
      () => stopped.node(3).manager.shutDown('maintenance'),
    );
    for (const verdict of await stopped.play()) expect(verdict).toMatchObject(failedNaming('SHUTTING_DOWN', 3));
    expect(await codeOf(() => stopped.node(3).manager.openRound(stopped.team.roundInfo()))).toBe('SHUTTING_DOWN');
  });

  it('fails at the end of the key epoch if it waits for messages of that epoch', async () => {
    const attack = await Attack.begin([]);
    attack.at(
      () => attack.stage(2) === 'QUEUED',
      () => attack.node(2).manager.rotateEpoch(),
    );
    for (const verdict of await attack.play()) expect(verdict).toMatchObject(failedNaming('EPOCH_EXPIRED', undefined));
  });
});

describe('the chain of claims', () => {
  const team = ['a', 'b', 'c', 'd'].map((name) => name.repeat(32) as NodeId);

  it('ends at the node that waits for nobody, or makes no claim', () => {
    expect(findBlame(3, [1, NOBODY, 1, 2])).toEqual({ culprit: 1, circle: [] });
    expect(findBlame(3, [1, 2, undefined, 0])).toEqual({ culprit: 2, circle: [] });
    expect(findBlame(3, [1, 2, 3, NOBODY])).toEqual({ culprit: 3, circle: [] });
  });

  it('names nobody if it runs in a circle', () => {
    expect(findBlame(3, [1, 0, 1, 2])).toEqual({ culprit: undefined, circle: [1, 0] });
  });

  it('does not blame a neighbour whose batch has arrived: the node itself is late', () => {
    const state: RoundState = {
      ...initialState(team, 2),
      stage: 'PRECOMPUTING',
      progress: 'sharesDigest',
      said: { sharesDigest: saying('sharesDigest', 'x', 'x', 'x', 'x') },
    };
    expect(ownClaim(state)).toBe(1);
    expect(ownClaim({ ...state, batches: { precompDecrypt: ends(undefined, 'root', undefined, undefined) } })).toBe(
      NOBODY,
    );
  });

  it('begins when a deadline passes, and ends with the last claim or after a time limit', () => {
    const start: RoundState = { ...initialState(team, 3), stage: 'PRECOMPUTING', progress: 'keyShare', late: true };
    const claim = (from: number, culprit: number | undefined): RoundEvent =>
      heard(from, {
        kind: 'roundError',
        code: 'DEADLINE_MISSED',
        culprit: culprit === undefined ? undefined : team[culprit],
        detail: '',
      });
    const [asked, effects] = step(start, { type: 'deadline', stage: 'PRECOMPUTING' });
    expect(effects.map(({ type }) => type)).toEqual(['say', 'awaitClaims']);
    const [one] = step(asked, claim(0, 1));
    const [two] = step(one, claim(2, 1));
    expect(two.stage).toBe('PRECOMPUTING');
    // Node 1's own claim names the first silent position, which waits for the second, which makes no claim.
    expect(step(two, { type: 'claimsDue' })[0].failure).toMatchObject({ code: 'DEADLINE_MISSED', culprit: 1 });
    expect(step(two, claim(1, undefined))[0].failure).toMatchObject({ code: 'DEADLINE_MISSED', culprit: 1 });
    expect(step(two, claim(1, 0))[0].failure).toMatchObject({ code: 'DEADLINE_MISSED', culprit: undefined });
    // A proven fault ends the wait at once.
    const fault: RoundEvent = { type: 'fault', code: 'EQUIVOCATION', culprit: 2, detail: '' };
    expect(step(two, fault)[0].failure).toMatchObject({ code: 'EQUIVOCATION', culprit: 2 });
  });

  it("does not begin on another's claim if this node's deadline is far off: the round ends and names nobody", () => {
    const start: RoundState = { ...initialState(team, 3), stage: 'PRECOMPUTING', progress: 'keyShare' };
    const claim = heard(0, { kind: 'roundError', code: 'DEADLINE_MISSED', culprit: team[2], detail: '' });
    const [failed, effects] = step(start, claim);
    expect(failed.failure).toMatchObject({ culprit: undefined, reporter: 0 });
    expect(effects.map(({ type }) => type)).toEqual(['say', 'stage', 'fail']);
  });
});
