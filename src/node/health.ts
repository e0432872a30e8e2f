// Health of a node: whether it can mix, and its faults, collected from all parts that can fail, for /readyz, the metrics and the log. A
// fault that keeps the node from rounds is reported to its scheduler, so that nobody waits for the node.
import { type Clock, type NodeId, sleep } from '../base/index.js';
import type { Logger } from '../base/log.js';
import type { Metrics } from '../base/metrics.js';
import type { DiskStore } from '../base/store.js';
import type { Member } from '../protocol/index.js';
import type { Readiness } from './http.js';
import { ClockWatch } from './process/clockWatch.js';
import { type Fault, FaultLog } from './process/faults.js';

/** Interval of polling for state that no event reports. */
const LOOK_MS = 5_000;

interface HealthDeps {
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: Metrics;
  readonly store: DiskStore;
  /** True if the scheduler is connected. */
  readonly isConnected: () => boolean;
  /** Ways in which the engine is worse than hoped for; it mixes all the same. */
  readonly degraded: () => readonly string[];
  readonly otherMembers: () => readonly Member[];
  /** Lead of a member's clock over this one, if it is known. */
  readonly clockLeadMs: (node: NodeId) => number | undefined;
  /** Called with the reason when the node takes no new rounds for a while, and with undefined when it does again. */
  readonly onPaused: (reason: string | undefined) => void;
}

export class NodeHealth {
  readonly #deps: HealthDeps;
  readonly #clock: ClockWatch;
  readonly #said: FaultLog;
  #paused = false;

  constructor(deps: HealthDeps) {
    this.#deps = deps;
    const { clock, metrics, log, store, otherMembers, clockLeadMs } = deps;
    this.#clock = new ClockWatch(clock, metrics, otherMembers, clockLeadMs);
    this.#said = new FaultLog(log);
    metrics.observed('store_failing', '1 if the store cannot be written now, else 0', () => (store.trouble ? 1 : 0));
  }

  readiness(): Readiness {
    const { isConnected, degraded } = this.#deps;
    const faults = this.#faults();
    const missing = isConnected() ? [] : ['no connection to the scheduler'];
    const fatal = faults.filter((fault) => fault.fatal);
    const reasons = [...missing, ...faults.map(({ reason }) => reason), ...degraded()];
    return { ready: isConnected() && fatal.length === 0, reasons };
  }

  /** Faults of this machine. They do not depend on who is connected. */
  #faults(): readonly Fault[] {
    const { store } = this.#deps;
    const wrongClock = this.#clock.fault;
    return [
      ...(store.trouble === undefined ? [] : [{ reason: `store: ${store.trouble}`, fatal: true }]),
      ...(wrongClock ? [wrongClock] : []),
    ];
  }

  /** Looks until the signal aborts; never rejects. Logs each change once. */
  async watch(signal: AbortSignal): Promise<void> {
    const stop = this.#deps.store.watch(() => this.#look());
    while (!signal.aborted) {
      this.#look();
      await sleep(this.#deps.clock, LOOK_MS, signal);
    }
    stop();
  }

  #look(): void {
    const { onPaused } = this.#deps;
    const faults = this.#faults();
    this.#said.note(faults);
    const fatal = faults.find((fault) => fault.fatal);
    if ((fatal !== undefined) === this.#paused) return;
    this.#paused = fatal !== undefined;
    onPaused(fatal?.reason);
  }
}
