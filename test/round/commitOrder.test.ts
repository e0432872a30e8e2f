// The order of steps is the security, as a model test: a whole team of reducers exchanges messages in random order, with honest
// and lying members. In every order, no reducer opens a share before it holds every commitment over its one C and H(x′), starts
// realtime before all have signed its table, or does anything after its end.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { toHex } from '../../src/base/bytes.js';
import type { NodeId } from '../../src/base/ids.js';
import type { BatchPhase } from '../../src/protocol/batchPhases.js';
import { listReceivers } from '../../src/protocol/batchPhases.js';
import type { TeamMessage } from '../../src/protocol/teamMessages.js';
import { isOver, refusal } from '../../src/round/machine/admission.js';
import { initialState, step } from '../../src/round/machine/reducer.js';
import type { PlainMessage, RoundEffect, RoundEvent, RoundState, Task } from '../../src/round/machine/state.js';
import { batchIn, heard, noProposal, saying } from '../support/roundEvents.js';

const same = (fill: number): Uint8Array => new Uint8Array(32).fill(fill);
const C = same(1);
const MIX = same(2);
const TABLE = same(3);

/** The result of a task in an honest team. */
function workOf(task: Task, position: number): RoundEvent {
  const say = (message: PlainMessage, digest: Uint8Array): RoundEvent => ({
    type: 'worked',
    task,
    say: message,
    digest: toHex(digest),
  });
  const signature = new Uint8Array(64);
  switch (task) {
    case 'keyShare':
      return { type: 'worked', task, say: { kind: 'keyShare', share: same(position) } };
    case 'teamKey':
      return say({ kind: 'sharesDigest', digest: same(4) }, same(4));
    case 'shares':
      return say({ kind: 'commitment', cipherDigest: C, revealSignature: signature, commitment: same(5) }, C);
    case 'judgeTable':
      return say({ kind: 'tableVerdict', proposalDigest: TABLE, proposalSignature: signature, rejections: [] }, TABLE);
    case 'settleTable':
      return say({ kind: 'tableSignature', digest: TABLE }, TABLE);
    case 'realtimePermute':
      if (position > 0) return { type: 'worked', task };
      return { type: 'worked', task, say: { kind: 'mixCommit', digest: MIX } };
    case 'outputs':
      return say({ kind: 'outputSignature', digest: same(6) }, same(6));
    default:
      return { type: 'worked', task };
  }
}

interface Pending {
  readonly to: number;
  readonly event: RoundEvent;
}

/** A team of reducers and the messages and batches in transit between them. */
class Model {
  readonly states: RoundState[];
  readonly pending: Pending[] = [];
  readonly effects: { readonly at: number; readonly effect: RoundEffect; readonly before: RoundState }[] = [];
  readonly #lie: (from: number, to: number, message: TeamMessage) => TeamMessage;

  constructor(size: number, lie: (from: number, to: number, message: TeamMessage) => TeamMessage = (_f, _t, m) => m) {
    const team = Array.from({ length: size }, (_, i) => String(i).repeat(32) as NodeId);
    this.states = team.map((_, position) => initialState(team, position));
    this.#lie = lie;
    for (let to = 0; to < size; to++) this.pending.push({ to, event: { type: 'open' } });
    for (let to = 0; to < size; to++) this.pending.push({ to, event: { type: 'assign' } });
  }

  /** Delivers the chosen event, or refuses it as the inbox does if it is too early or too late. */
  deliver(choice: number): void {
    const [{ to, event }] = this.pending.splice(choice % this.pending.length, 1) as [Pending];
    const state = this.states[to]!;
    const isSaid = event.type === 'said' || event.type === 'proposed';
    const kind = isSaid ? event.message.kind : event.type === 'batchIn' ? event.phase : undefined;
    const from = isSaid || event.type === 'batchIn' ? event.from : to;
    const refused = kind === undefined ? undefined : refusal(state, kind, from);
    // Put back, so that every order runs to its end; the wire never delivers an effect before its cause.
    if (refused === 'ROUND_WRONG_PHASE') this.pending.push({ to, event });
    if (refused === undefined) this.take(to, event);
  }

  take(to: number, event: RoundEvent): void {
    const before = this.states[to]!;
    const [after, effects] = step(before, event);
    this.states[to] = after;
    this.#checkPhase(before, after, effects);
    for (const effect of effects) {
      this.effects.push({ at: to, effect, before: after });
      this.#carryOut(to, effect);
    }
  }

  /** Checks that every step after which a node waits for its team starts the time of the next phase, and that nothing else does. */
  #checkPhase(before: RoundState, { stage, progress }: RoundState, effects: readonly RoundEffect[]): void {
    const isStep = before.stage !== stage || before.progress !== progress;
    const isFree = stage === 'STANDBY' || (stage === 'QUEUED' && progress === 'commitment') || isOver(stage);
    const waits = isStep && !isFree ? [{ stage, progress }] : [];
    expect(effects.flatMap((effect) => (effect.type === 'phaseDeadline' ? [effect.wait] : []))).toEqual(waits);
  }

  #carryOut(at: number, effect: RoundEffect): void {
    const send = (to: number, event: RoundEvent) => this.pending.push({ to, event });
    if (effect.type === 'work') send(at, workOf(effect.task, at));
    if (effect.type === 'runRing') send(at, { type: 'ringDone', phase: effect.phase });
    if (effect.type === 'say' || effect.type === 'propose') {
      // A node's message reaches the node itself first, before anyone can answer.
      this.take(at, heard(at, effect.message));
      for (let to = 0; to < this.states.length; to++) {
        if (to !== at) send(to, heard(at, this.#lie(at, to, effect.message)));
      }
    }
    if (effect.type === 'send') this.#sendBatch(at, effect.phase);
    if (effect.type === 'openShares') this.#sendBatch(at, 'opening');
    if (effect.type === 'stage' && effect.stage === 'QUEUED' && at === 0) {
      const message = { kind: 'tableProposal', digest: TABLE, table: same(0) } as const;
      send(at, { type: 'tableReady', message, proposal: noProposal });
    }
  }

  #sendBatch(at: number, phase: BatchPhase): void {
    const event = batchIn(phase, at, phase === 'reveal' ? C : MIX);
    if (phase === 'reveal' || phase === 'mixed' || phase === 'opening') this.take(at, event);
    for (const to of listReceivers(phase, at, this.states.length)) this.pending.push({ to, event });
  }

  /** Checks every effect of a reducer against the state before it. */
  check(): void {
    for (const { at, effect, before } of this.effects) {
      const size = before.size;
      if (effect.type === 'openShares') {
        const commitments = before.said.commitment ?? [];
        expect(commitments.filter((said) => said?.says === before.made.shares)).toHaveLength(size);
        expect(before.said.mixCommit?.[0]).toBeDefined();
        expect(before.stage).toBe('REALTIME');
      }
      if (effect.type === 'runRing' && effect.phase === 'realtimeDecrypt') {
        const signed = before.said.tableSignature ?? [];
        expect(signed.filter((said) => said?.says === before.made.settleTable)).toHaveLength(size);
      }
      if (effect.type === 'work' && effect.task === 'outputs') {
        expect(before.batches.opening?.filter((end) => end !== undefined)).toHaveLength(size);
        expect(before.batches.mixed?.[0]?.root).toBe(toHex(MIX));
        expect(before.said.mixCommit?.[0]?.says).toBe(toHex(MIX));
      }
      if (effect.type === 'stage' && effect.stage === 'COMPLETED') {
        const outputs = before.said.outputSignature ?? [];
        expect(outputs.filter((said) => said?.says === before.made.outputs)).toHaveLength(size);
      }
      const count = this.effects.filter((other) => other.at === at && sameWork(other.effect, effect)).length;
      expect(count, 'every effect of a round happens once').toBe(1);
    }
  }
}

/** True if two effects are equal: sends, openings, rings and tasks must never happen twice on a node. */
function sameWork(a: RoundEffect, b: RoundEffect): boolean {
  return JSON.stringify(a, replacer) === JSON.stringify(b, replacer);
}
const replacer = (_: string, value: unknown) => (value instanceof Uint8Array ? toHex(value) : value);

const order = fc.infiniteStream(fc.nat(1_000_000));

function run(model: Model, choices: Iterator<number>, most = 2_000): void {
  for (let i = 0; i < most && model.pending.length > 0; i++) model.deliver(choices.next().value);
}

describe('a team of reducers', () => {
  it('opens shares, starts realtime and completes only when allowed, and always completes, in any order of events', () => {
    fc.assert(
      fc.property(fc.integer({ min: 2, max: 5 }), order, (size, choices) => {
        const model = new Model(size);
        run(model, choices[Symbol.iterator]());
        model.check();
        expect(new Set(model.states.map(({ stage }) => stage))).toEqual(new Set(['COMPLETED']));
      }),
      { numRuns: 150 },
    );
  });

  it.each<[string, TeamMessage['kind'], boolean]>([
    ['a C of its own', 'commitment', false],
    ['a table of its own', 'tableVerdict', false],
    ['a settled table of its own', 'tableSignature', false],
    ['a mix commitment of its own', 'mixCommit', true],
    ['outputs of its own', 'outputSignature', true],
  ])(
    'with a member that shows one node %s: no node that saw it completes, and none opens early',
    (_, kind, mayOpen) => {
      fc.assert(
        fc.property(order, fc.integer({ min: 1, max: 3 }), (choices, victim) => {
          const liar = kind === 'mixCommit' ? 0 : victim === 1 ? 2 : 1;
          const model = new Model(4, (from, to, message) => {
            if (from !== liar || to !== victim || message.kind !== kind) return message;
            const other = { ...message, digest: same(9), cipherDigest: same(9), proposalDigest: same(9) };
            return other as TeamMessage;
          });
          run(model, choices[Symbol.iterator]());
          model.check();
          const opened = model.effects.filter(({ effect }) => effect.type === 'openShares').map(({ at }) => at);
          if (!mayOpen) expect(opened).not.toContain(victim);
          expect(model.states[victim]!.stage).not.toBe('COMPLETED');
        }),
        { numRuns: 60 },
      );
    },
  );
});

describe('a mix commitment', () => {
  const team = ['a', 'b', 'c'].map((name) => name.repeat(32) as NodeId);
  const ready: RoundState = {
    ...initialState(team, 1),
    stage: 'REALTIME',
    progress: 'realtimePermute',
    made: { shares: 'C' },
    said: { commitment: saying('commitment', 'C', 'C', 'C') },
  };
  const committed = heard(0, { kind: 'mixCommit', digest: MIX });
  const opens = (state: RoundState) => step(state, committed)[1].some(({ type }) => type === 'openShares');

  it('opens the shares of a node that holds every commitment over its C, and of no other', () => {
    expect(opens(ready)).toBe(true);
    expect(opens({ ...ready, said: {} })).toBe(false);
    expect(opens({ ...ready, said: { commitment: saying('commitment', 'C', 'C', undefined) } })).toBe(false);
    expect(opens({ ...ready, said: { commitment: saying('commitment', 'C', 'C', 'D') } })).toBe(false);
    expect(opens({ ...ready, made: {} })).toBe(false);
    expect(opens({ ...ready, progress: 'realtimeDecrypt' })).toBe(false);
    expect(opens({ ...ready, stage: 'QUEUED' })).toBe(false);
    expect(opens({ ...ready, missed: { what: '', claims: [undefined, 0, undefined] } })).toBe(false);
  });

  it('opens the shares once', () => {
    const [opened] = step(ready, committed);
    expect(step(opened, committed)).toEqual([opened, []]);
    expect(opens({ ...ready, progress: 'opening' })).toBe(false);
  });
});

describe('a round that has ended', () => {
  it('ignores every event', () => {
    const model = new Model(3);
    while (model.pending.length > 0) model.deliver(0);
    const ended = model.states[1]!;
    const events: RoundEvent[] = [
      { type: 'open' },
      { type: 'assign' },
      { type: 'deadline', stage: 'REALTIME' },
      { type: 'claimsDue' },
      { type: 'late', stage: 'REALTIME' },
      { type: 'phaseDeadline', wait: { stage: 'REALTIME', progress: ended.progress } },
      { type: 'phaseLate', wait: { stage: 'COMPLETED', progress: ended.progress } },
      { type: 'fault', code: 'EQUIVOCATION', culprit: 0, detail: '' },
      { type: 'ringDone', phase: 'realtimeDecrypt' },
      batchIn('opening', 0),
      heard(0, { kind: 'mixCommit', digest: same(8) }),
      heard(2, { kind: 'roundError', code: 'INTERNAL', culprit: undefined, detail: '' }),
    ];
    for (const event of events) expect(step(ended, event)).toEqual([ended, []]);
    const [failed] = step(initialState(ended.team, 0), { type: 'fault', code: 'INTERNAL', detail: '' });
    expect(isOver(failed.stage)).toBe(true);
    for (const event of events) expect(step(failed, event)).toEqual([failed, []]);
  });
});

describe('the order of messages', () => {
  const team = ['a', 'b', 'c'].map((name) => name.repeat(32) as NodeId);
  const at = (changes: Partial<RoundState>): RoundState => ({
    ...initialState(team, 1),
    stage: 'PRECOMPUTING',
    ...changes,
  });

  it('refuses a message that could only answer a step not yet taken: wrong phase', () => {
    expect(refusal(at({ progress: 'opened' }), 'sharesDigest', 0)).toBe('ROUND_WRONG_PHASE');
    expect(refusal(at({ progress: 'keyShare' }), 'sharesDigest', 0)).toBeUndefined();
    expect(refusal(at({ progress: 'sharesDigest' }), 'precompPermute', 2)).toBe('ROUND_WRONG_PHASE');
    expect(refusal(at({ progress: 'precompDecrypt' }), 'precompPermute', 2)).toBeUndefined();
    expect(refusal(at({ progress: 'realtimeDecrypt' }), 'mixCommit', 0)).toBe('ROUND_WRONG_PHASE');
    expect(refusal(at({ progress: 'realtimePermute' }), 'outputSignature', 0)).toBe('ROUND_WRONG_PHASE');
  });

  it('accepts tables and the commitment to the mixed batch from node 1 only', () => {
    expect(refusal(at({ progress: 'realtimePermute' }), 'mixCommit', 2)).toBe('PHASE_SENDER_WRONG');
    expect(refusal(at({ progress: 'commitment' }), 'tableProposal', 2)).toBe('PHASE_SENDER_WRONG');
    expect(refusal(at({ progress: 'commitment' }), 'tableProposal', 0)).toBeUndefined();
  });

  it('accepts nothing after the end but round errors', () => {
    expect(refusal(at({ stage: 'FAILED' }), 'keyShare', 0)).toBe('ROUND_OVER');
    expect(refusal(at({ stage: 'COMPLETED' }), 'opening', 0)).toBe('ROUND_OVER');
    expect(refusal(at({ stage: 'COMPLETED' }), 'roundError', 0)).toBeUndefined();
  });
});
