// The rules of one round on one node, as a pure reducer (state, event) → (state, effects). No clock, no network, no bytes of
// batches: only messages, batches that are in, and their consequences. The order of the protocol's steps is its security, and it
// is enforced here: a node opens its share (`openShares`) only if it holds every commitment over one C *and* H(x′); outputs are
// signed only over verified openings; realtime starts only when all signed one table. Exhaustive test:
// test/round/commitOrder.test.ts.
import { type ErrorCode, type NodeId, toHex } from '../../base/index.js';
import type { Stage, TeamMessage } from '../../protocol/index.js';
import { isOver, reached } from './admission.js';
import {
  describePhase,
  findBlame,
  findHoldUp,
  isInWait,
  lateAsSeen,
  NOBODY,
  ownClaim,
  phaseWait,
  seesDelay,
} from './blame.js';
import {
  allSaid,
  type Missed,
  type Progress,
  type RoundEffect,
  type RoundEvent,
  type RoundFailure,
  type RoundState,
  type Said,
  saidBy,
  type TeamOpening,
} from './state.js';

type Step = readonly [RoundState, readonly RoundEffect[]];

export function initialState(team: readonly NodeId[], position: number): RoundState {
  const size = team.length;
  return {
    team,
    size,
    position,
    stage: 'PENDING',
    progress: 'opened',
    said: {},
    batches: {},
    rejected: new Map(),
    made: {},
    assigned: false,
    late: false,
    shown: [],
  };
}

const advance = (state: RoundState, progress: Progress): RoundState =>
  reached(state, progress) ? state : { ...state, progress };

function enter(state: RoundState, stage: Stage): Step {
  const effects: RoundEffect[] = [{ type: 'stage', stage }];
  if (!isOver(stage)) effects.push({ type: 'deadline', stage });
  return [{ ...state, stage, late: false, holdUp: undefined }, effects];
}

function fail(state: RoundState, code: ErrorCode, detail: string, culprit?: number): Step {
  return failBy(state, { code, culprit, accused: undefined, detail, reporter: state.position });
}

function failBy(state: RoundState, failure: RoundFailure): Step {
  const [next, effects] = enter({ ...state, failure }, 'FAILED');
  return [next, [...effects, { type: 'fail', failure }]];
}

const unanimous = (all: readonly Said[], own: string | undefined): boolean => all.every(({ says }) => says === own);

function put<K extends string, Value>(
  table: { readonly [key in K]?: readonly (Value | undefined)[] },
  key: K,
  size: number,
  position: number,
  value: Value,
): { readonly [key in K]?: readonly (Value | undefined)[] } {
  const row = [...(table[key] ?? new Array<Value | undefined>(size).fill(undefined))];
  row[position] = value;
  return { ...table, [key]: row };
}

/** Returns the value by which messages of a kind are compared between positions. */
function comparable(message: TeamMessage): string {
  switch (message.kind) {
    case 'commitment':
      return toHex(message.cipherDigest);
    case 'tableVerdict':
      return toHex(message.proposalDigest);
    case 'keyShare':
    case 'roundError':
      return 'said';
    default:
      return toHex(message.digest);
  }
}

const SETTLES: readonly RoundEvent['type'][] = ['claimsDue', 'fault'];
const isRoundError = (event: RoundEvent): boolean => event.type === 'said' && event.message.kind === 'roundError';

/** Takes one step. Events after the end, or repeated, change nothing; an event that moves the round on restarts its phase's time. */
export function step(before: RoundState, event: RoundEvent): Step {
  const [state, effects] = follow(before, event);
  const wait = phaseWait(state);
  return !wait || isInWait(before, wait) ? [state, effects] : [state, [...effects, { type: 'phaseDeadline', wait }]];
}

function follow(state: RoundState, event: RoundEvent): Step {
  if (isOver(state.stage)) return [state, []];
  // The round has failed; only the culprit is open.
  if (state.missed && !SETTLES.includes(event.type) && !isRoundError(event)) return [state, []];
  switch (event.type) {
    case 'open': {
      const [next, effects] = enter(state, 'PRECOMPUTING');
      return [next, [...effects, { type: 'work', task: 'keyShare' }]];
    }
    case 'said':
      return onSaid(state, event);
    case 'proposed':
      return onProposed(state, event);
    case 'batchIn':
      return onBatch(state, event);
    case 'ringDone':
      return onRingDone(state, event.phase);
    case 'worked':
      return onWorked(state, event);
    case 'assign':
      return state.stage === 'STANDBY' ? enter(state, 'QUEUED') : [{ ...state, assigned: true }, []];
    case 'tableReady':
      return state.stage === 'QUEUED' && state.position === 0
        ? [state, [{ type: 'propose', message: event.message, proposal: event.proposal }]]
        : [state, []];
    case 'deadline':
      return event.stage === state.stage ? onDeadline(state, `stage ${state.stage}`) : [state, []];
    case 'late':
      return [event.stage === state.stage ? { ...state, late: true } : state, []];
    case 'phaseDeadline':
      return isInWait(state, event.wait) ? onPhaseDeadline(state) : [state, []];
    case 'phaseLate':
      return [isInWait(state, event.wait) ? { ...state, holdUp: findHoldUp(state) } : state, []];
    case 'claimsDue':
      return state.missed ? settleClaims(state, state.missed) : [state, []];
    case 'fault':
      return onFault(state, event);
  }
}

function onFault(state: RoundState, { code, detail, culprit, shown = [] }: RoundEvent & { type: 'fault' }): Step {
  return fail({ ...state, shown }, code, detail, culprit);
}

/** Records a message; returns undefined if the same position has sent this kind before. */
function hear(state: RoundState, from: number, message: TeamMessage, signature: Uint8Array): RoundState | undefined {
  const { kind } = message;
  if (saidBy(state, kind, from)) return undefined;
  return { ...state, said: put(state.said, kind, state.size, from, { message, signature, says: comparable(message) }) };
}

function onSaid(before: RoundState, { from, message, signature, proven }: RoundEvent & { type: 'said' }): Step {
  const state = hear(before, from, message, signature);
  if (!state) return [before, []];
  switch (message.kind) {
    case 'keyShare':
      return onKeyShare(state);
    case 'sharesDigest':
      return onSharesDigest(state);
    case 'commitment':
      return onCommitment(state);
    case 'tableVerdict':
      return onVerdict({ ...state, rejected: withRejections(state.rejected, from, message) });
    case 'tableSignature':
      return onTableSignature(state);
    case 'mixCommit':
      return maybeOpen(state);
    case 'outputSignature':
      return onOutputSignature(state);
    case 'roundError':
      return onRoundError(state, from, message, proven);
  }
}

function onProposed(
  before: RoundState,
  { from, message, signature, proposal }: RoundEvent & { type: 'proposed' },
): Step {
  const state = hear(before, from, message, signature);
  if (!state) return [before, []];
  return [state, [{ type: 'work', task: 'judgeTable', proposal, digest: message.digest, signature }]];
}

function onKeyShare(state: RoundState): Step {
  const all = allSaid(state, 'keyShare');
  return [state, all ? [{ type: 'work', task: 'teamKey', shares: all.map(({ message }) => message.share) }] : []];
}

function withRejections(
  before: RoundState['rejected'],
  position: number,
  { rejections }: TeamMessage & { kind: 'tableVerdict' },
): RoundState['rejected'] {
  if (rejections.length === 0) return before;
  const rejected = new Map(before);
  for (const { slot, reason } of rejections) {
    const known = rejected.get(slot);
    if (!known || position < known.position) rejected.set(slot, { position, reason });
  }
  return rejected;
}

/** A member ended the round: it is over here, too, for the member's reason. The node that it accuses is hearsay. */
function onRoundError(
  state: RoundState,
  from: number,
  message: TeamMessage & { kind: 'roundError' },
  proven: number | undefined,
): Step {
  if (from === state.position) return [state, []];
  if (message.code === 'DEADLINE_MISSED') return onClaim(state, from, message);
  // If it names a culprit, the reporter only heard this claim and found it unfounded (see `unfounded`): hearsay like any other.
  const doubts = message.code === 'OUTPUTS_INCOMPLETE' && message.culprit === undefined;
  if (doubts) return onOutputsDoubted(state, from, message);
  return failBy(state, hearsay(state, from, message, proven));
}

/**
 * A member claims that a dummy is missing. Only a member that has all openings, this node's included, can see that; a node that
 * has opened checks the claim by its own outputs.
 */
function onOutputsDoubted(state: RoundState, from: number, { code }: TeamMessage & { kind: 'roundError' }): Step {
  if (state.stage !== 'REALTIME' || !reached(state, 'opening'))
    return fail(state, code, 'said before it could be', from);
  const doubted = { from, code };
  return reached(state, 'outputSignature') ? unfounded(state, doubted) : [{ ...state, doubted }, []];
}

const unfounded = (state: RoundState, { from, code }: NonNullable<RoundState['doubted']>): Step =>
  fail(state, code, 'the outputs are those of the table', from);

/** Returns the failure that a member reports. Only evidence that this node has checked convicts a member, or its own word. */
function hearsay(
  { team }: RoundState,
  from: number,
  { code, detail, culprit: named }: TeamMessage & { kind: 'roundError' },
  proven?: number,
): RoundFailure {
  const position = named === undefined ? -1 : team.indexOf(named);
  const accused = position < 0 ? undefined : position;
  const culprit = proven ?? (accused === from ? from : undefined);
  return { code, culprit, accused: culprit === undefined ? accused : undefined, detail, reporter: from };
}

function onPhaseDeadline(state: RoundState): Step {
  const holdUp = state.holdUp?.after === state.progress ? state.holdUp : findHoldUp(state);
  return onDeadline({ ...state, holdUp }, describePhase(state));
}

/** Returns this node's claim after a missed deadline, and the wait for the others' claims. */
function claimed(
  state: RoundState,
  what: string,
): { readonly missed: Missed; readonly effects: readonly RoundEffect[] } {
  const claim = ownClaim(state);
  const claims = Array.from({ length: state.size }, (_, i) => (i === state.position ? claim : undefined));
  const culprit = claim === NOBODY ? undefined : state.team[claim];
  return {
    missed: { what, claims },
    effects: [
      { type: 'say', message: { kind: 'roundError', code: 'DEADLINE_MISSED', culprit, detail: what } },
      { type: 'awaitClaims' },
    ],
  };
}

/** A deadline is missed: asks all members which one they wait for. A precomputation that was not used in time just expires. */
function onDeadline(state: RoundState, what: string): Step {
  if (state.stage === 'STANDBY') return fail(state, 'DEADLINE_MISSED', 'nobody used the precomputation in time');
  const { missed, effects } = claimed(state, what);
  return [{ ...state, missed }, effects];
}

/**
 * A member reports a missed deadline. A node that has seen no delay itself answers and ends the round, but names nobody: the
 * member that another waits for need not be at fault, and the delay itself is hearsay.
 */
function onClaim(state: RoundState, from: number, message: TeamMessage & { kind: 'roundError' }): Step {
  if (state.stage === 'STANDBY') return failBy(state, hearsay(state, from, message));
  const known = state.missed ? { missed: state.missed, effects: [] } : claimed(state, lateAsSeen(state));
  if (!seesDelay(state)) {
    const [over, more] = failBy({ ...state, missed: undefined }, hearsay(state, from, message));
    // The answer brings the claim: to the others it must not look like the first word of a node that has been held up.
    const answers = known.effects.flatMap((effect) => (effect.type === 'say' ? [{ ...effect, answers: from }] : []));
    return [over, [...answers, ...more]];
  }
  const claim = message.culprit === undefined ? NOBODY : state.team.indexOf(message.culprit);
  const missed = { ...known.missed, claims: known.missed.claims.map((before, i) => (i === from ? claim : before)) };
  const isSettled = !missed.claims.includes(undefined);
  const [next, more] = isSettled ? settleClaims(state, missed) : [{ ...state, missed }, []];
  return [next, [...known.effects, ...more]];
}

function settleClaims(state: RoundState, missed: Missed): Step {
  const { culprit, circle } = findBlame(state.position, missed.claims);
  const among = circle.map((position) => state.team[position]).join(' and ');
  const detail = `${missed.what}${among === '' ? '' : `: ${among} wait for each other`}`;
  const failure = { code: 'DEADLINE_MISSED', culprit, accused: opposite(state, circle), detail } as const;
  return failBy({ ...state, missed }, { ...failure, reporter: state.position });
}

/**
 * The other half of a circle of two that this node is in: that node claims to wait for this one, while this one waits for it. One of the
 * two is wrong, or the link between them is, and only they can say so.
 */
function opposite({ position }: RoundState, circle: readonly number[]): number | undefined {
  const isHalf = circle.length === 2 && circle.includes(position);
  return isHalf ? circle.find((other) => other !== position) : undefined;
}

function onSharesDigest(state: RoundState): Step {
  const all = allSaid(state, 'sharesDigest');
  if (!all) return [state, []];
  if (!unanimous(all, state.made.teamKey))
    return fail(state, 'KEY_SHARES_DISAGREE', 'digests of the share lists differ');
  return [
    state,
    [
      { type: 'work', task: 'generate' },
      { type: 'runRing', phase: 'precompDecrypt' },
    ],
  ];
}

function onCommitment(state: RoundState): Step {
  const all = allSaid(state, 'commitment');
  if (!all) return [state, []];
  // Every commitment carries node 1's signature under its C, checked on arrival: a difference is node 1's fault.
  if (!unanimous(all, state.made.shares))
    return fail(state, 'EQUIVOCATION', 'the first node revealed two ciphertexts', 0);
  const [standby, effects] = enter(state, 'STANDBY');
  const [queued, more] = state.assigned ? enter(standby, 'QUEUED') : [standby, []];
  // A verdict can overtake the last commitment: if all verdicts are in, continue here.
  const [next, rest] = onVerdict(queued);
  return [next, [...effects, ...more, ...rest]];
}

function onVerdict(state: RoundState): Step {
  const all = allSaid(state, 'tableVerdict');
  if (!all || (state.stage !== 'STANDBY' && state.stage !== 'QUEUED')) return [state, []];
  // Every verdict carries node 1's signature under the proposal, likewise.
  if (!unanimous(all, state.made.judgeTable))
    return fail(state, 'EQUIVOCATION', 'the first node proposed two tables', 0);
  const [next, effects] = enter(state, 'REALTIME');
  const verdicts = all.map(({ message }) => message.rejections);
  return [next, [...effects, { type: 'work', task: 'settleTable', verdicts }]];
}

function onTableSignature(state: RoundState): Step {
  const all = allSaid(state, 'tableSignature');
  if (!all) return [state, []];
  if (!unanimous(all, state.made.settleTable)) return fail(state, 'TABLE_DISAGREE', 'the settled tables differ');
  return [state, [{ type: 'runRing', phase: 'realtimeDecrypt' }]];
}

function onOutputSignature(state: RoundState): Step {
  const all = allSaid(state, 'outputSignature');
  if (!all) return [state, []];
  if (!unanimous(all, state.made.outputs)) return fail(state, 'OUTPUTS_DISAGREE', 'the signed outputs differ');
  return enter(state, 'COMPLETED');
}

/** The commit-before-release rule: all com_i over one C, and H(x′), before D_i leaves. */
function maybeOpen(state: RoundState): Step {
  const commitments = allSaid(state, 'commitment');
  const mixCommit = saidBy(state, 'mixCommit', 0);
  const committed = commitments !== undefined && unanimous(commitments, state.made.shares);
  if (!committed || !mixCommit || state.stage !== 'REALTIME' || !reached(state, 'realtimePermute')) return [state, []];
  if (reached(state, 'opening')) return [state, []];
  const { message, signature } = mixCommit;
  const effects: RoundEffect[] = [{ type: 'openShares', mixCommit: { digest: message.digest, signature } }];
  if (state.position === 0) effects.push({ type: 'send', phase: 'mixed' });
  return [advance(state, 'opening'), effects];
}

function onBatch(before: RoundState, { phase, from, trailer, opening }: RoundEvent & { type: 'batchIn' }): Step {
  const end = { root: toHex(trailer.root), trailer, opening };
  const state = { ...before, batches: put(before.batches, phase, before.size, from, end) };
  switch (phase) {
    case 'precompPermute':
    case 'realtimePermute':
      return [state, [{ type: 'work', task: phase }]];
    case 'reveal':
      return [state, [{ type: 'work', task: 'shares', reveal: trailer }]];
    case 'mixed':
    case 'opening': {
      const [next, effects] = maybeOutputs(state);
      return [next, [{ type: 'accumulate', phase, from }, ...effects]];
    }
    default:
      return [state, []];
  }
}

/** Requests the outputs once every opening is in and verified, and x′ is the committed one. */
function maybeOutputs(state: RoundState): Step {
  const ends = (state.batches.opening ?? []).filter((end) => end !== undefined);
  const mixed = state.batches.mixed?.[0];
  if (ends.length < state.size || mixed === undefined) return [state, []];
  const mixCommit = saidBy(state, 'mixCommit', 0);
  if (mixed.root !== mixCommit?.says) return fail(state, 'EQUIVOCATION', 'the mixed batch is not the committed one', 0);
  const openings = ends.flatMap(({ opening }, position): TeamOpening[] =>
    opening ? [{ position, extra: opening }] : [],
  );
  return [state, [{ type: 'work', task: 'outputs', mixDigest: mixCommit.message.digest, openings }]];
}

function onRingDone(state: RoundState, phase: 'precompDecrypt' | 'realtimeDecrypt'): Step {
  const next = advance(state, phase);
  const permute = phase === 'precompDecrypt' ? 'precompPermute' : 'realtimePermute';
  // The last node turns the ring round: it permutes its own output.
  return [next, state.position === state.size - 1 ? [{ type: 'work', task: permute }] : []];
}

function onWorked(before: RoundState, event: RoundEvent & { type: 'worked' }): Step {
  const { task, say, digest } = event;
  const state = digest === undefined ? before : { ...before, made: { ...before.made, [task]: digest } };
  const saying: readonly RoundEffect[] = say ? [{ type: 'say', message: say }] : [];
  switch (task) {
    case 'keyShare':
      return [advance(state, 'keyShare'), saying];
    case 'teamKey':
      return [advance(state, 'sharesDigest'), saying];
    case 'generate':
      return [state, []];
    case 'precompPermute':
      return [
        advance(state, 'precompPermute'),
        [{ type: 'send', phase: state.position === 0 ? 'reveal' : 'precompPermute' }],
      ];
    case 'shares':
      return [advance(state, 'commitment'), saying];
    case 'judgeTable':
      return [advance(state, 'tableVerdict'), saying];
    case 'settleTable':
      return [advance(state, 'tableSignature'), [...saying, { type: 'work', task: 'slotKeys' }]];
    case 'slotKeys':
      return [state, []];
    case 'realtimePermute':
      // The first node sends H(x′); every other node sends the batch on.
      return [advance(state, 'realtimePermute'), say ? saying : [{ type: 'send', phase: 'realtimePermute' }]];
    case 'outputs':
      if (state.doubted) return unfounded(state, state.doubted);
      return [advance(state, 'outputSignature'), saying];
  }
}
