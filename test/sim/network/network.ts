// A whole network: the real scheduler's reducer draws teams, keeps the stock and lets rounds take messages; simulated nodes play
// them (world.ts). The scheduler's messages travel like all others.
//
// A round is wanted when the messages of a full batch are there. The reducer lets `collecting` rounds take messages at a time;
// here that is always the number of those open plus those wanted, so that each wanted one is assigned by the reducer's own rule,
// at once if the stock holds one, and its batch is full as soon as its first node is told of it.

import { MixError } from '../../../src/base/errors.js';
import type { BootId, NodeId, RoundId } from '../../../src/base/ids.js';
import { randomBytes } from '../../../src/base/rng.js';
import { deriveNodeId } from '../../../src/cmix/signatures.js';
import type { RoundInfo } from '../../../src/protocol/roundInfo.js';
import type { Stage } from '../../../src/protocol/stages.js';
import { reduceScheduler } from '../../../src/scheduler/machine/reducer.js';
import { initialState, type SchedulerEvent, type SchedulerState } from '../../../src/scheduler/machine/state.js';
import type { SchedulerParams } from '../../../src/scheduler/parameters.js';
import { SeededRng } from '../../support/seededRng.js';
import { VirtualClock } from '../../support/virtualClock.js';
import type { Latency } from './links.js';
import type { Mark, RoundPlan } from './plan.js';
import { RunningRound, World } from './world.js';

/** The scheduler decides at events, and at this interval besides. */
const TICK_MS = 200;
/** In a large pool decisions are batched: every 10 ms with a thousand nodes, which is little compared with its links. */
const DECISION_MS_PER_NODE = 0.01;
/** Interval of the nodes' measurement reports: a scheduler forgets silent nodes. */
const REPORT_MS = 60_000;

export interface NetworkOptions {
  readonly seed: string;
  readonly nodes: number;
  readonly threads: number;
  readonly overtakeUs: number;
  readonly latencyMs: Latency;
  /** One-way latency between the scheduler and each node. */
  readonly schedulerMs: number;
  readonly mbitPerS: number;
  readonly params: SchedulerParams;
  readonly plan: RoundPlan;
  /** True if round trips differ, so that nodes' measurements matter for the order of a ring. */
  readonly reportsRoundTrips: boolean;
}

/** A round that is wanted. */
export interface Wanted {
  readonly atMs: number;
  /** No round was in stock when it was wanted. */
  waited: boolean;
}

/** The times of a round, by the simulation's clock; 0 for events that have not happened. */
export interface Life {
  readonly info: RoundInfo;
  readonly team: readonly number[];
  readonly openedMs: number;
  wanted: Wanted | undefined;
  standbyMs: number;
  /** The batch is closed: realtime begins. */
  closedMs: number;
  completedMs: number;
}

interface Open {
  readonly running: RunningRound;
  readonly life: Life;
  /** Number of positions that have reached each mark. */
  readonly reached: Map<Mark, number>;
}

export class Network {
  readonly clock = new VirtualClock();
  readonly world: World;
  readonly options: NetworkOptions;
  readonly #rng: SeededRng;
  readonly #ids: readonly NodeId[];
  readonly #numbers: ReadonlyMap<NodeId, number>;
  readonly #boot: BootId;
  readonly #open = new Map<RoundId, Open>();
  readonly #wanted: Wanted[] = [];
  #state: SchedulerState;
  #tickAt: number | undefined;
  #decidedMs = 0;
  /** Every available round is wanted. */
  greedy = false;
  onCompleted: (life: Life) => void = () => {};

  constructor(options: NetworkOptions) {
    this.options = options;
    const { nodes, threads, overtakeUs, latencyMs, mbitPerS, params } = options;
    this.world = new World({ clock: this.clock, nodes, threads, overtakeUs, latencyMs, mbitPerS });
    this.#rng = new SeededRng(`network ${options.seed}`);
    this.#ids = Array.from({ length: nodes }, () => deriveNodeId(randomBytes(this.#rng, 32)));
    this.#numbers = new Map(this.#ids.map((id, i) => [id, i]));
    this.#boot = Buffer.from(randomBytes(this.#rng, 16)).toString('hex') as BootId;
    this.#state = initialState('network', 0, params);
  }

  get state(): SchedulerState {
    return this.#state;
  }

  get rng(): SeededRng {
    return this.#rng;
  }

  /** Rounds that are ready and not requested. */
  get stock(): number {
    let count = 0;
    for (const { state, queuedMs } of this.#state.rounds.values()) {
      if (state === 'STANDBY' && queuedMs === undefined) count++;
    }
    return count;
  }

  /** Brings nodes online with their measurements, and starts the scheduler. */
  start(): void {
    const { latencyMs, nodes, reportsRoundTrips } = this.options;
    for (const node of this.#ids) {
      this.#dispatch({ type: 'registered', node, atMs: 0 });
      this.#dispatch({ type: 'online', node, bootId: this.#boot, atMs: 0 });
    }
    for (let a = 0; reportsRoundTrips && a < nodes; a++) {
      for (let b = 0; b < nodes; b++) if (a !== b) this.#roundTrip(a, b, latencyMs(a, b) + latencyMs(b, a));
    }
    this.#every(REPORT_MS, () => {
      for (let a = 0; a < nodes; a++) {
        const b = (a + 1) % nodes;
        this.#roundTrip(a, b, latencyMs(a, b) + latencyMs(b, a));
      }
    });
    this.#every(TICK_MS, () => this.#tickSoon());
    this.#tickSoon();
  }

  #roundTrip(a: number, b: number, ms: number): void {
    const roundTrips = [{ peer: this.#ids[b]!, ms }];
    this.#dispatch({ type: 'roundTrips', node: this.#ids[a]!, roundTrips, atMs: this.clock.nowMs() });
  }

  #every(ms: number, act: () => void): void {
    this.clock.after(ms, () => {
      act();
      this.#every(ms, act);
    });
  }

  setParams(params: SchedulerParams): void {
    this.#dispatch({ type: 'params', params, atMs: this.clock.nowMs() });
    this.#tickSoon();
  }

  /** The messages of a full batch are there. */
  want(): Wanted {
    const wanted = { atMs: this.clock.nowMs(), waited: false };
    this.#wanted.push(wanted);
    this.#tickSoon();
    return wanted;
  }

  /** Advances time until a condition is true. */
  until(done: () => boolean): void {
    while (!done()) if (!this.clock.step()) throw new MixError('INTERNAL', { what: 'nothing happens any more' });
  }

  #dispatch(event: SchedulerEvent): void {
    const { state, effects } = reduceScheduler(this.#state, event);
    this.#state = state;
    for (const effect of effects) {
      if (effect.type === 'open') this.#begin(effect.info);
      if (effect.type === 'assign') this.#assign(effect.round);
      // There are no faults here: a failed round is a deadline missed under load.
      if (effect.type === 'fail') throw new MixError('DEADLINE_MISSED', { round: effect.round, why: effect.reason });
    }
  }

  /** Ticks at once if the scheduler is idle, else after its previous decisions. */
  #tickSoon(): void {
    if (this.#tickAt !== undefined) return;
    const nowMs = this.clock.nowMs();
    this.#tickAt = Math.max(nowMs, this.#decidedMs);
    this.clock.after(this.#tickAt - nowMs, () => this.#tick());
  }

  #tick(): void {
    const atMs = this.clock.nowMs();
    this.#tickAt = undefined;
    this.#decidedMs = atMs + DECISION_MS_PER_NODE * this.options.nodes;
    const collecting = this.greedy ? Number.MAX_SAFE_INTEGER : this.#taking() + this.#wanted.length;
    const { params } = this.#state;
    if (params.collecting !== collecting) this.#dispatch({ type: 'params', params: { ...params, collecting }, atMs });
    this.#dispatch({ type: 'tick', randomness: randomBytes(this.#rng, 32), atMs });
    for (const wanted of this.#wanted) wanted.waited = true;
  }

  /** Counts rounds that take messages as the reducer does. */
  #taking(): number {
    let count = 0;
    for (const { queuedMs, realtimeMs, state } of this.#state.rounds.values()) {
      if (queuedMs !== undefined && realtimeMs === undefined && state !== 'COMPLETED' && state !== 'FAILED') count++;
    }
    return count;
  }

  #begin(info: RoundInfo): void {
    const team = info.team.map((id) => this.#numbers.get(id)!);
    const openedMs = this.clock.nowMs();
    const life: Life = { info, team, openedMs, wanted: undefined, standbyMs: 0, closedMs: 0, completedMs: 0 };
    const reached = new Map<Mark, number>();
    const running = new RunningRound(this.world, this.options.plan, team, (at, mark) => this.#onMark(info, at, mark));
    this.#open.set(info.round, { running, life, reached });
    this.#tell(info, (at) => running.open(at));
  }

  #assign(round: RoundId): void {
    const { running, life } = this.#open.get(round)!;
    life.wanted = this.#wanted.shift();
    this.#tell(life.info, (at) => running.assign(at));
  }

  #tell({ team }: RoundInfo, act: (at: number) => void): void {
    this.clock.after(this.options.schedulerMs, () => {
      for (const at of team.keys()) act(at);
    });
  }

  #onMark(info: RoundInfo, at: number, mark: Mark): void {
    const { life, reached } = this.#open.get(info.round)!;
    const nowMs = this.clock.nowMs();
    if (mark === 'closed') {
      life.closedMs = nowMs;
      return;
    }
    const count = (reached.get(mark) ?? 0) + 1;
    reached.set(mark, count);
    if (count === life.team.length) {
      if (mark === 'STANDBY') life.standbyMs = nowMs;
      if (mark === 'COMPLETED') {
        life.completedMs = nowMs;
        this.#open.delete(info.round);
        this.onCompleted(life);
      }
    }
    this.#report(info.team[at]!, info.round, mark);
  }

  #report(node: NodeId, round: RoundId, stage: Stage): void {
    this.clock.after(this.options.schedulerMs, () => {
      this.#dispatch({ type: 'report', node, bootId: this.#boot, round, stage, atMs: this.clock.nowMs() });
      this.#tickSoon();
    });
  }
}
