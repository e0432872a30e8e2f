// The timers of a round on one node: one pair for its stage and one pair for its phase (half of the time, and all of it), and the
// wait for the others' claims after a missed deadline. They only dispatch events, each with its stage or wait; the reducer
// (machine/reducer.ts) interprets them and ignores those of a wait that is over.
import type { CancelTimer, Clock } from '../../base/index.js';
import type { RoundDeadlines, Stage } from '../../protocol/index.js';
import type { PhaseWait, RoundEvent } from './state.js';

/** Time for the others to send their claims after a missed deadline: a few attempts of a delivery. */
const CLAIMS_MS = 3_000;

const unarmed: CancelTimer = () => {};

/** Returns the longest that a round may stay in a stage, ms. */
export function stageMs(durations: RoundDeadlines, stage: Stage): number {
  const { precomputeMs, standbyMs, collectMs, realtimeMs } = durations;
  // Collecting ends when node 1 closes the batch; the others give it time to agree on the table, too.
  if (stage === 'QUEUED') return collectMs + realtimeMs;
  return stage === 'STANDBY' ? standbyMs : stage === 'REALTIME' ? realtimeMs : precomputeMs;
}

/** Returns the longest time between two steps of a node in a stage, ms. */
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

  /** Starts the time of a phase again, at every step of the node. */
  armPhase(wait: PhaseWait): void {
    this.#ofPhase();
    const durationMs = phaseMs(this.#durations, wait.stage);
    this.#ofPhase = this.#arm(durationMs, { type: 'phaseLate', wait }, { type: 'phaseDeadline', wait });
  }

  /** Disarms all deadlines and waits for the others' claims only. */
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
