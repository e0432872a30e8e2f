// The timers of a round on one node: one pair for its stage, one pair for the phase within it (half of the time, and all of
// it), and the wait for the others' claims once a deadline was missed. They only send events, each with what it is about:
// what a deadline means, and that one of a wait that is over means nothing, is the reducer's (machine/reducer.ts).
import type { CancelTimer, Clock } from '../../base/index.js';
import type { RoundDeadlines, Stage } from '../../protocol/index.js';
import type { PhaseWait, RoundEvent } from './state.js';

/** How long the others have to say whom they wait for once a deadline was missed: a few attempts of a delivery. */
const CLAIMS_MS = 3_000;

const unarmed: CancelTimer = () => {};

/** The longest that a round may stay in a stage. */
export function stageMs(durations: RoundDeadlines, stage: Stage): number {
  const { precomputeMs, standbyMs, collectMs, realtimeMs } = durations;
  // Collecting ends when node 1 closes the batch; the others give it time to agree on the table, too.
  if (stage === 'QUEUED') return collectMs + realtimeMs;
  return stage === 'STANDBY' ? standbyMs : stage === 'REALTIME' ? realtimeMs : precomputeMs;
}

/** The longest that a node may be between two steps of its own in a stage. */
export function phaseMs(durations: RoundDeadlines, stage: Stage): number {
  return stage === 'PRECOMPUTING' ? durations.precomputePhaseMs : durations.realtimePhaseMs;
}

export class Deadlines {
  readonly #durations: RoundDeadlines;
  readonly #clock: Clock;
  readonly #dispatch: (event: RoundEvent) => void;
  #ofStage = unarmed;
  #ofPhase = unarmed;

  constructor(durations: RoundDeadlines, clock: Clock, dispatch: (event: RoundEvent) => void) {
    this.#durations = durations;
    this.#clock = clock;
    this.#dispatch = dispatch;
  }

  armStage(stage: Stage): void {
    this.#ofStage();
    this.#ofStage = this.#arm(stageMs(this.#durations, stage), { type: 'late', stage }, { type: 'deadline', stage });
  }

  /** Every step of the node starts this anew. */
  armPhase(wait: PhaseWait): void {
    this.#ofPhase();
    const durationMs = phaseMs(this.#durations, wait.stage);
    this.#ofPhase = this.#arm(durationMs, { type: 'phaseLate', wait }, { type: 'phaseDeadline', wait });
  }

  /** Nothing is left to be missed: all that is awaited now is what the others say. */
  armClaims(): void {
    this.disarm();
    this.#ofStage = this.#clock.after(CLAIMS_MS, () => this.#dispatch({ type: 'claimsDue' }));
  }

  disarm(): void {
    this.#ofStage();
    this.#ofPhase();
  }

  #arm(durationMs: number, half: RoundEvent, whole: RoundEvent): CancelTimer {
    const cancelHalf = this.#clock.after(durationMs / 2, () => this.#dispatch(half));
    const cancelWhole = this.#clock.after(durationMs, () => this.#dispatch(whole));
    return () => {
      cancelHalf();
      cancelWhole();
    };
  }
}
