// Plays rounds on simulated nodes: each task of a round's table begins when its dependencies have ended, and uses its node's
// engine, main thread or link. The world knows nothing of the scheduler: it opens doors when told to and reports marks.
import type { Clock } from '../../../src/base/clock.js';
import type { PhaseName } from '../../../src/protocol/stages.js';
import { type Latency, Wires } from './links.js';
import type { Mark, RoundPlan, TaskId } from './plan.js';
import { EngineServer, MainThread } from './servers.js';

export interface WorldOptions {
  readonly clock: Clock;
  readonly nodes: number;
  readonly threads: number;
  /** Time that realtime work waits for a core in use by precomputation; default 0. */
  readonly overtakeUs?: number;
  readonly latencyMs: Latency;
  readonly mbitPerS: number;
  /** All nodes compute on this many shared cores, like those of a demo on one machine. */
  readonly sharedCores?: number | undefined;
}

/** Called when a node of a round reaches a mark, with its position. */
export type OnMark = (at: number, mark: Mark) => void;

/** Time span, in ms, in which any node computed or sent something of a phase. */
export type PhaseSpans = Map<PhaseName, { startMs: number; endMs: number }>;

export class World {
  readonly clock: Clock;
  readonly engines: readonly EngineServer[];
  readonly mains: readonly MainThread[];
  readonly wires: Wires;
  readonly #sharesCores: boolean;

  constructor({ clock, nodes, threads, overtakeUs, latencyMs, mbitPerS, sharedCores }: WorldOptions) {
    this.clock = clock;
    const shared = sharedCores === undefined ? undefined : new EngineServer(sharedCores, clock, overtakeUs);
    this.#sharesCores = shared !== undefined;
    this.engines = Array.from({ length: nodes }, () => shared ?? new EngineServer(threads, clock, overtakeUs));
    this.mains = Array.from({ length: nodes }, () => new MainThread(clock));
    this.wires = new Wires(clock, nodes, latencyMs, mbitPerS);
  }

  /** Runs work of a main thread: on its own, or on any free one of the shared cores. */
  main(node: number, us: number, done: () => void): void {
    if (this.#sharesCores)
      this.engines[node]!.submit({ chunks: 1, chunkUs: us, estimatedUs: Infinity }, 'realtime', done);
    else this.mains[node]!.submit(us, done);
  }
}

/** One round: its table, and its progress. */
export class RunningRound {
  readonly #world: World;
  readonly #plan: RoundPlan;
  /** Numbers of the nodes, in ring order. */
  readonly #team: readonly number[];
  readonly #missing: Uint16Array;
  readonly #onMark: OnMark;
  readonly #spans: PhaseSpans | undefined;

  constructor(world: World, plan: RoundPlan, team: readonly number[], onMark: OnMark, spans?: PhaseSpans) {
    this.#world = world;
    this.#plan = plan;
    this.#team = team;
    this.#missing = Uint16Array.from(plan.tasks, ({ needs }) => needs);
    this.#onMark = onMark;
    this.#spans = spans;
  }

  open(at: number): void {
    this.#step(this.#plan.open[at]!);
  }

  assign(at: number): void {
    this.#step(this.#plan.assigned[at]!);
  }

  /** Counts down a task's dependencies. */
  #step(id: TaskId): void {
    if (--this.#missing[id]! === 0) this.#begin(id);
  }

  #begin(id: TaskId): void {
    const { deed, phase } = this.#plan.tasks[id]!;
    const { clock, engines, wires } = this.#world;
    const node = this.#team[deed.at]!;
    const end = phase && this.#spans ? this.#noted(phase, id) : () => this.#end(id);
    switch (deed.kind) {
      case 'engine':
        engines[node]!.submit(deed.work, deed.priority, end);
        return;
      case 'main':
        this.#world.main(node, deed.us, end);
        return;
      case 'send':
        wires.send(node, this.#team[deed.to]!, deed.bytes, deed.lane, end);
        return;
      case 'wait':
        if (deed.us > 0) clock.after(deed.us / 1_000, end);
        else end();
        return;
      case 'join':
        if (deed.mark) this.#onMark(deed.at, deed.mark);
        end();
    }
  }

  #end(id: TaskId): void {
    for (const next of this.#plan.tasks[id]!.next) this.#step(next);
  }

  #noted(phase: PhaseName, id: TaskId): () => void {
    const spans = this.#spans!;
    const nowMs = this.#world.clock.nowMs();
    const span = spans.get(phase) ?? { startMs: nowMs, endMs: nowMs };
    spans.set(phase, span);
    return () => {
      span.endMs = this.#world.clock.nowMs();
      this.#end(id);
    };
  }
}
