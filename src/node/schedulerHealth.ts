// Health of a scheduler: whether it can draw a team and store its decisions, and its machine's faults, for /readyz, the metrics and the
// log. A wrong clock stops no round, because deadlines are durations, but a scheduler with one refuses the certificates of its nodes.
import { abort, type Clock, HeardClocks, type NodeId, sleep } from '../base/index.js';
import type { Logger } from '../base/log.js';
import type { Metrics } from '../base/metrics.js';
import type { DiskStore } from '../base/store.js';
import type { Member } from '../protocol/index.js';
import type { Scheduler } from '../scheduler/index.js';
import type { Readiness } from './http.js';
import { ClockWatch } from './process/clockWatch.js';
import { type Fault, FaultLog } from './process/faults.js';

/** Interval of polling for state that no event reports. */
const LOOK_MS = 5_000;

interface SchedulerHealthDeps {
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: Metrics;
  readonly store: Pick<DiskStore, 'trouble'>;
  readonly scheduler: Pick<Scheduler, 'view' | 'teamSize' | 'faults'>;
  readonly members: () => readonly Member[];
}

export class SchedulerHealth {
  readonly #deps: SchedulerHealthDeps;
  readonly #stop = new AbortController();
  readonly #clocks: HeardClocks<NodeId>;
  readonly #clock: ClockWatch;
  readonly #said: FaultLog;

  constructor(deps: SchedulerHealthDeps) {
    this.#deps = deps;
    const { clock, log, metrics, members } = deps;
    this.#clocks = new HeardClocks(clock);
    this.#clock = new ClockWatch(clock, metrics, members, (node) => this.#clocks.leadMs(node));
    this.#said = new FaultLog(log);
  }

  /** Takes a node's clock, as the node says it. */
  heardTime(node: NodeId, wallMs: number): void {
    this.#clocks.heard(node, wallMs);
  }

  /** Forgets the clocks of the other nodes. */
  keep(isKept: (node: NodeId) => boolean): void {
    this.#clocks.keep(isKept);
  }

  /** A scheduler is ready if it can draw a team and store its decisions, and its clock is not minutes wrong. */
  readiness(): Readiness {
    const { scheduler, store } = this.#deps;
    const active = scheduler.view().nodes.filter(({ status }) => status === 'active').length;
    const missing = active >= scheduler.teamSize ? [] : [`${active} of ${scheduler.teamSize} nodes for a team`];
    const wrongClock = this.#clock.fault;
    const faults: Fault[] = [...scheduler.faults, ...(wrongClock ? [wrongClock] : [])];
    // The scheduler has said it if it could not write.
    if (store.trouble !== undefined && !scheduler.faults.some(({ fatal }) => fatal)) {
      faults.unshift({ reason: `store: ${store.trouble}`, fatal: true });
    }
    return {
      ready: missing.length === 0 && !faults.some(({ fatal }) => fatal),
      reasons: [...missing, ...faults.map(({ reason }) => reason)],
    };
  }

  /** Looks at the clock until this is closed; never rejects. The store's faults are logged where they happen. */
  async watch(): Promise<void> {
    const { signal } = this.#stop;
    while (!signal.aborted) {
      const wrongClock = this.#clock.fault;
      this.#said.note(wrongClock ? [wrongClock] : []);
      await sleep(this.#deps.clock, LOOK_MS, signal);
    }
  }

  close(): void {
    abort(this.#stop);
  }
}
