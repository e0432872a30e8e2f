// Invariants of a simulated network of a scheduler and its nodes: at every step of the scheduler's machine, with every update
// that a node reads, and at the end, over the published updates.
import { toHex } from '../../../src/base/bytes.js';
import type { NodeId, RoundId } from '../../../src/base/ids.js';
import type { SignedUpdate } from '../../../src/protocol/schedulerPort.js';
import type { Stage } from '../../../src/protocol/stages.js';
import { isOver } from '../../../src/round/machine/admission.js';
import { behind, hasRoom, nodeStatus, openMax } from '../../../src/scheduler/machine/nodePool.js';
import type {
  NodeRecord,
  RoundRecord,
  SchedulerEvent,
  SchedulerState,
  SchedulerStep,
} from '../../../src/scheduler/machine/state.js';
import { stockTarget } from '../../../src/scheduler/machine/stock.js';
import type { Recovered } from '../../../src/scheduler/store.js';

/** Transitions of the machine that seeds must cover; those of `RARE` are legal too, but need old reports after a restart. */
export const TRANSITIONS = [
  'PENDING→PRECOMPUTING',
  'PENDING→STANDBY',
  'PENDING→QUEUED',
  'PENDING→REALTIME',
  'PRECOMPUTING→STANDBY',
  'STANDBY→QUEUED',
  'STANDBY→REALTIME',
  'QUEUED→REALTIME',
  'REALTIME→COMPLETED',
  'PENDING→FAILED',
  'PRECOMPUTING→FAILED',
  'STANDBY→FAILED',
  'QUEUED→FAILED',
  'REALTIME→FAILED',
] as const;
/** Transitions of a round that an earlier run assigned, if a member repeats an earlier report. */
const RARE: readonly string[] = ['PRECOMPUTING→QUEUED', 'PRECOMPUTING→REALTIME'];

/** A round that all have signed, completed without the report of a member that died. */
export const UNHEARD = 'REALTIME→COMPLETED without the word of one that died';

/** Number of times that each fault and each transition happened, added up over seeds. */
export type Coverage = Map<string, number>;

export function count(coverage: Coverage, what: string, times = 1): void {
  coverage.set(what, (coverage.get(what) ?? 0) + times);
}

export class Invariants {
  readonly violations = new Set<string>();
  readonly #coverage: Coverage;
  readonly #suspects: ReadonlySet<NodeId>;
  /** The newest update that each run of a node has read. */
  readonly #read = new Map<string, number>();
  /** The update that nodes have read under each number. */
  readonly #known = new Map<number, string>();
  readonly #endings = new Map<RoundId, number>();
  readonly #assigned = new Set<RoundId>();

  /** `suspects`: nodes affected by faults, which may be blamed. */
  constructor(coverage: Coverage, suspects: ReadonlySet<NodeId>) {
    this.#coverage = coverage;
    this.#suspects = suspects;
  }

  /** A scheduler that died may not have written an end: the next one reaches it again. */
  newRun(): void {
    this.#endings.clear();
  }

  violate(what: string): void {
    this.violations.add(what);
  }

  onStep(before: SchedulerState, event: SchedulerEvent, { state, effects }: SchedulerStep): void {
    for (const [round, { state: stage }] of state.rounds) this.#moved(round, before.rounds.get(round)?.state, stage);
    for (const [node, { sitsOutUntilMs }] of state.nodes) {
      const isOut = sitsOutUntilMs > (before.nodes.get(node)?.sitsOutUntilMs ?? 0);
      if (isOut && !this.#suspects.has(node)) this.violate(`an innocent node sits out after ${event.type}`);
    }
    for (const effect of effects) {
      if (effect.type === 'ended') {
        const { round, blamed } = effect;
        this.#moved(round.info.round, before.rounds.get(round.info.round)?.state, round.state);
        this.#ended(round.info.round, round.state, blamed);
        if (round.state === 'COMPLETED') this.#completed(round, event, state);
      }
      if (effect.type === 'assign') this.#assign(effect.round, state);
    }
    const opened = effects.flatMap((effect) => (effect.type === 'open' ? [effect.info] : []));
    for (const { round, team } of opened) {
      if (team.length !== state.params.teamSize || new Set(team).size !== team.length) {
        this.violate(`round ${round} has a team of ${new Set(team).size} nodes`);
      }
      for (const node of team) this.#drawn(node, state, event.atMs);
    }
    if (opened.length > 0)
      this.#share(
        opened.flatMap(({ team }) => team),
        state,
        event.atMs,
      );
  }

  #moved(round: RoundId, from: Stage | undefined, to: Stage): void {
    if (from === undefined || from === to) return;
    const transition = `${from}→${to}`;
    const known = (TRANSITIONS as readonly string[]).includes(transition) || RARE.includes(transition);
    if (!known) this.violate(`round ${round} went ${transition}`);
    count(this.#coverage, transition);
  }

  #ended(round: RoundId, stage: Stage, blamed: readonly NodeId[]): void {
    const endings = (this.#endings.get(round) ?? 0) + 1;
    this.#endings.set(round, endings);
    if (endings > 1) this.violate(`round ${round} ended ${endings} times`);
    if (stage === 'COMPLETED' && !this.#assigned.has(round)) this.violate(`round ${round} completed unassigned`);
    const innocent = blamed.filter((node) => !this.#suspects.has(node));
    if (innocent.length > 0) this.violate(`round ${round} is laid to ${innocent.length} innocent nodes`);
  }

  /** Checks that a round is not completed while a connected member could still report otherwise. */
  #completed({ info, stages }: RoundRecord, event: SchedulerEvent, { nodes }: SchedulerState): void {
    const silent = info.team.filter((node) => stages.get(node) !== 'COMPLETED');
    if (silent.length === 0) return;
    count(this.#coverage, UNHEARD);
    // Reports of a node that is back as another process, or banned, do not count any more.
    const isGone = (node: NodeId) => (event.type === 'online' || event.type === 'banned') && event.node === node;
    const there = silent.filter((node) => nodes.get(node)?.connected && !isGone(node));
    if (there.length > 0 || 2 * silent.length > info.team.length) {
      this.violate(
        `round ${info.round} completed, of which ${silent.length} nodes have not said so, ${there.length} of them there`,
      );
    }
  }

  #assign(round: RoundId, state: SchedulerState): void {
    this.#assigned.add(round);
    for (const node of state.rounds.get(round)!.info.team) {
      const record = state.nodes.get(node);
      if (!record?.connected || record.banned) this.violate(`round ${round} is assigned to a team with a node away`);
    }
  }

  #drawn(node: NodeId, { nodes, params }: SchedulerState, nowMs: number): void {
    const record = nodes.get(node);
    const status = record && nodeStatus(record, params, nowMs);
    if (!record || status !== 'active') {
      this.violate(`a node was drawn that is ${status}`);
      return;
    }
    const most = openMax(record, params);
    if (record.activity.size > most) this.violate(`a node was given ${record.activity.size} rounds of ${most}`);
  }

  /** Checks that no node has more of the stock than its share while enough others, none of which holds rounds up, have less. */
  #share(drawn: readonly NodeId[], state: SchedulerState, nowMs: number): void {
    const { nodes, rounds, params, demand } = state;
    const late = behind(state, nowMs);
    const held = new Map<NodeId, number>();
    for (const { state, info } of rounds.values()) {
      if (!['PENDING', 'PRECOMPUTING', 'STANDBY'].includes(state)) continue;
      for (const node of info.team) held.set(node, (held.get(node) ?? 0) + 1);
    }
    const most = Math.max(1, Math.ceil(params.nodeShareMax * stockTarget(demand, params)));
    const free = (record: NodeRecord) =>
      !late.has(record.node) &&
      nodeStatus(record, params, nowMs) === 'active' &&
      hasRoom(record, params) &&
      (held.get(record.node) ?? 0) < most;
    if (!drawn.some((node) => (held.get(node) ?? 0) > most)) return;
    const others = [...nodes.values()].filter(free).length;
    if (others >= params.teamSize) this.violate(`a node is in more than its share while ${others} others are free`);
  }

  /** Checks that a node reads every update from the oldest open round on, in order. */
  onUpdate(node: NodeId, run: string, { number, signature }: SignedUpdate, oldestOpen: () => number | undefined): void {
    const key = `${node}/${run}`;
    const last = this.#read.get(key);
    const oldest = last === undefined ? oldestOpen() : undefined;
    if (oldest !== undefined && number > oldest) this.violate(`a node began with ${number}, not ${oldest}`);
    if (last !== undefined && number > last + 1) this.violate(`a node has read ${number} after ${last}`);
    this.#read.set(key, Math.max(last ?? 0, number));
    const content = toHex(signature);
    if ((this.#known.get(number) ?? content) !== content) this.violate(`update ${number} is not what it was`);
    this.#known.set(number, content);
  }

  /** Checks the published updates at the end. */
  published(updates: readonly SignedUpdate[], { ended }: Recovered): void {
    const opened = new Set<RoundId>();
    const assigned = new Set<RoundId>();
    for (const [index, { number, update }] of updates.entries()) {
      if (number !== index + 1) this.violate(`update ${number} in place ${index + 1}`);
      const round = update.kind === 'open' ? update.round.info.round : update.round;
      const once = update.kind === 'open' ? opened : update.kind === 'assign' ? assigned : undefined;
      if (once?.has(round)) this.violate(`round ${round} has two updates: ${update.kind}`);
      once?.add(round);
      if (update.kind !== 'open' && !opened.has(round)) this.violate(`round ${round} was never opened: ${update.kind}`);
    }
    // The blame may be lost with a scheduler that dies; the end of a round may not.
    for (const round of opened) if (!ended.has(round)) this.violate(`round ${round} has not ended`);
  }

  stillOpen(node: NodeId, stages: ReadonlyMap<RoundId, Stage>): void {
    for (const [round, stage] of stages) if (!isOver(stage)) this.violate(`round ${round} is ${stage} on ${node}`);
  }
}
