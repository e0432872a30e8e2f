// A round as a table: every piece of work, transfer and wait of every node, with its dependencies. The table is the same for all
// rounds of one shape, so that a network of a thousand nodes plays one table many times. phases.ts fills it, world.ts plays it.

import type { Priority } from '../../../src/engine/engine.js';
import type { PhaseName } from '../../../src/protocol/stages.js';
import type { Lane } from '../../../src/transport/calling/host.js';
import type { Pricing, Work } from './pricing.js';

export type TaskId = number;

/** Events reported to the outside: stages of a node, and the closing of the batch by the first node. */
export type Mark = 'PRECOMPUTING' | 'STANDBY' | 'QUEUED' | 'closed' | 'REALTIME' | 'COMPLETED';

/** The stage of a task: capacities are computed per stage. */
export type StageName = 'precomputation' | 'realtime';

/** The resource that a task uses. Positions count from 0, in ring order. */
export type Deed =
  | { readonly kind: 'engine'; readonly at: number; readonly work: Work; readonly priority: Priority }
  | { readonly kind: 'main'; readonly at: number; readonly us: number }
  | { readonly kind: 'wait'; readonly at: number; readonly us: number }
  | { readonly kind: 'send'; readonly at: number; readonly to: number; readonly bytes: number; readonly lane: Lane }
  /** Takes nothing: a join, or a door that the scheduler opens. */
  | { readonly kind: 'join'; readonly at: number; readonly mark: Mark | undefined };

export interface Task {
  readonly deed: Deed;
  readonly stage: StageName;
  readonly phase: PhaseName | undefined;
  /** Number of tasks and doors that it waits for. */
  readonly needs: number;
  readonly next: readonly TaskId[];
}

export interface RoundPlan {
  readonly size: number;
  readonly tasks: readonly Task[];
  /** Doors, by position: the round is opened on a node, and the node is told to take messages. */
  readonly open: readonly TaskId[];
  readonly assigned: readonly TaskId[];
}

type Draft = { -readonly [Key in keyof Task]: Task[Key] } & { next: TaskId[] };

/** Fills a table. A task is added after those it waits for, so that there are no cycles. */
export class PlanBuilder {
  readonly #tasks: Draft[] = [];
  readonly pricing: Pricing;
  /** Stage and phase of the tasks added next. */
  stage: StageName = 'precomputation';
  phase: PhaseName | undefined;

  constructor(pricing: Pricing) {
    this.pricing = pricing;
  }

  engine(at: number, work: Work, after: readonly TaskId[]): TaskId {
    const priority = this.stage === 'realtime' ? 'realtime' : 'precompute';
    return this.#add({ kind: 'engine', at, work, priority }, after);
  }

  main(at: number, us: number, after: readonly TaskId[]): TaskId {
    return this.#add({ kind: 'main', at, us }, after);
  }

  wait(at: number, us: number, after: readonly TaskId[]): TaskId {
    return this.#add({ kind: 'wait', at, us }, after);
  }

  send(at: number, to: number, bytes: number, lane: Lane, after: readonly TaskId[]): TaskId {
    return this.#add({ kind: 'send', at, to, bytes, lane }, after);
  }

  join(at: number, after: readonly TaskId[], mark?: Mark): TaskId {
    return this.#add({ kind: 'join', at, mark }, after);
  }

  /** Adds a join that also waits for the scheduler. */
  door(at: number, after: readonly TaskId[], mark: Mark): TaskId {
    const id = this.#add({ kind: 'join', at, mark }, after);
    this.#tasks[id]!.needs++;
    return id;
  }

  #add(deed: Deed, after: readonly TaskId[]): TaskId {
    const id = this.#tasks.length;
    const { stage, phase } = this;
    this.#tasks.push({ deed, stage, phase, needs: after.length, next: [] });
    for (const before of after) this.#tasks[before]!.next.push(id);
    return id;
  }

  build(size: number, open: readonly TaskId[], assigned: readonly TaskId[]): RoundPlan {
    return { size, tasks: this.#tasks, open, assigned };
  }
}
