// Draft of a scheduler's next state: the changes and effects of one event. Only reducer.ts makes one.
import type { NodeId, RoundId } from '../../base/index.js';
import type { Stage } from '../../protocol/index.js';
import type { NodeRecord, RoundRecord, SchedulerEffect, SchedulerState } from './state.js';

export const isOver = (stage: Stage): boolean => stage === 'COMPLETED' || stage === 'FAILED';

/** A state that one event is changing, and the effects of that event. */
export class Draft {
  #state: SchedulerState;
  readonly #effects: SchedulerEffect[] = [];

  constructor(state: SchedulerState) {
    this.#state = state;
  }

  get state(): SchedulerState {
    return this.#state;
  }

  get effects(): readonly SchedulerEffect[] {
    return this.#effects;
  }

  change(changes: Partial<SchedulerState>): void {
    this.#state = { ...this.#state, ...changes };
  }

  ask(effect: SchedulerEffect): void {
    this.#effects.push(effect);
  }

  node(node: NodeId, change: (record: NodeRecord) => NodeRecord): void {
    const record = this.#state.nodes.get(node);
    if (record) this.change({ nodes: new Map(this.#state.nodes).set(node, change(record)) });
  }

  round(round: RoundRecord): void {
    this.change({ rounds: new Map(this.#state.rounds).set(round.info.round, round) });
  }

  forget(round: RoundId): void {
    const rounds = new Map(this.#state.rounds);
    rounds.delete(round);
    this.change({ rounds });
  }

  /** Writes the stage of a round into the records of its team; removes the round from a record if the stage is over or undefined. */
  activity(round: RoundRecord, stageOf: (node: NodeId) => Stage | undefined): void {
    const nodes = new Map(this.#state.nodes);
    for (const node of round.info.team) {
      const record = nodes.get(node);
      if (!record) continue;
      const activity = new Map(record.activity);
      const stage = stageOf(node);
      if (stage === undefined || isOver(stage)) activity.delete(round.info.round);
      else activity.set(round.info.round, stage);
      nodes.set(node, { ...record, activity });
    }
    this.change({ nodes });
  }
}
