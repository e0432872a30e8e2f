// A scheduler's metrics: about rounds and nodes, never about senders or messages.
import type { ErrorCode, NodeId } from '../base/index.js';
import type { Metrics } from '../base/metrics.js';
import type { RoundRecord, SchedulerView } from './machine/state.js';

/** Code of a round that the scheduler gave up before a node had failed it; nodes count it by the same code. */
const GIVEN_UP: ErrorCode = 'SCHEDULER_FAILED';
const SECONDS = [0.1, 0.3, 1, 2, 3, 5, 10, 30, 60, 300];

export class SchedulerMetrics {
  readonly #rounds;
  readonly #blamed;
  readonly #stages;
  readonly #ignored;
  readonly #convicted;
  readonly #false;
  readonly #outByPairs;
  readonly #barred;

  constructor(metrics: Metrics, show: () => SchedulerView) {
    const view = oncePerLook(show);
    this.#rounds = metrics.counter('scheduler_rounds_total', 'Rounds that ended; failed ones by error code', [
      'state',
      'code',
    ]);
    this.#blamed = metrics.counter('scheduler_blamed_total', 'Failed rounds that a node was to blame for', ['node']);
    this.#stages = metrics.histogram('scheduler_stage_seconds', 'Time of rounds in a stage', SECONDS, ['stage']);
    this.#ignored = metrics.counter('scheduler_ignored_total', 'Reports that were late, repeated or of no round');
    this.#convicted = metrics.counter('scheduler_convicted_total', 'Rounds in which evidence convicted a node', [
      'node',
    ]);
    this.#barred = metrics.counter(
      'scheduler_barred_total',
      'Rounds in which a node has copied a message over another',
    );
    this.#false = metrics.counter('scheduler_false_reports_total', 'Reports with invalid evidence or signatures', [
      'node',
    ]);
    this.#outByPairs = metrics.counter(
      'scheduler_out_by_pairs_total',
      'Times that a node sat out because it was in too many pairs',
      ['node'],
    );
    metrics.observed('scheduler_stock', 'Rounds in STANDBY', () => view().stock);
    metrics.observed(
      'scheduler_stock_target',
      'Target of rounds in STANDBY or in precomputation',
      () => view().stockTarget,
    );
    metrics.observed('scheduler_precomputing', 'Rounds that are precomputed now', () => view().precomputing);
    metrics.observed('scheduler_realtime', 'Rounds that take messages or mix them', () => view().realtime);
    metrics.observed(
      'scheduler_waited_total',
      'Times that a round was wanted and none was in STANDBY',
      () => view().waited,
    );
    metrics.observed(
      'scheduler_overlap_share',
      'Share of the last minute in realtime in which another round was precomputed',
      () => view().overlapShare ?? 0,
    );
    metrics.observed('scheduler_nodes_active', 'Nodes that may be drawn', () => {
      return view().nodes.filter(({ status }) => status === 'active').length;
    });
  }

  ended(round: RoundRecord, blamed: readonly NodeId[]): void {
    this.#rounds.inc({ state: round.state, code: failureCode(round) });
    for (const node of blamed) this.#blamed.inc({ node });
    // This run does not know the times of an earlier run's rounds.
    if (round.resumed) return;
    const { openedMs, standbyMs, queuedMs, realtimeMs, endedMs } = round;
    const took = (stage: string, from: number | undefined, to: number | undefined) => {
      if (from !== undefined && to !== undefined) this.#stages.observe({ stage }, (to - from) / 1000);
    };
    took('precomputing', openedMs, standbyMs);
    took('standby', standbyMs, queuedMs);
    took('collecting', queuedMs, realtimeMs);
    took('realtime', realtimeMs, round.state === 'COMPLETED' ? endedMs : undefined);
  }

  convicted(node: NodeId): void {
    this.#convicted.inc({ node });
  }

  falseReport(node: NodeId): void {
    this.#false.inc({ node });
  }

  barred(): void {
    this.#barred.inc();
  }

  outByPairs(node: NodeId): void {
    this.#outByPairs.inc({ node });
  }

  ignored(): void {
    this.#ignored.inc();
  }
}

/** All gauges of one scrape are read from one view, because a view of many nodes is costly. */
function oncePerLook(show: () => SchedulerView): () => SchedulerView {
  let seen: SchedulerView | undefined;
  return () => {
    if (!seen) {
      seen = show();
      queueMicrotask(() => {
        seen = undefined;
      });
    }
    return seen;
  };
}

/** Code of a round's failure, as reported first, or that of the scheduler's own decision; empty if it did not fail. */
const failureCode = ({ state, failures }: RoundRecord): string =>
  state === 'FAILED' ? ([...failures.values()][0]?.code ?? GIVEN_UP) : '';
