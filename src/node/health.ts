// Health of a node: whether it can mix, and its faults, collected from all parts that can fail, for /readyz, the metrics and the log. A
// fault that keeps the node from rounds is reported to its scheduler, so that nobody waits for the node.
import { type Clock, sleep } from '../base/index.js';
import type { Logger } from '../base/log.js';
import type { Metrics } from '../base/metrics.js';
import type { DiskStore } from '../base/store.js';
import type { Readiness } from './http.js';
import { clockErrorMs, clockTrouble, type ValidTime } from './process/clockWatch.js';

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
  /** Lead of each other member's clock over this one, ms. */
  readonly clockOffsetsMs: () => readonly number[];
  readonly otherCertificates: () => readonly ValidTime[];
  /** Called with the reason when the node takes no new rounds for a while, and with undefined when it does again. */
  readonly onPaused: (reason: string | undefined) => void;
}

export class NodeHealth {
  readonly #deps: HealthDeps;
  #said = '';
  #paused = false;

  constructor(deps: HealthDeps) {
    this.#deps = deps;
    const { metrics, store, clockOffsetsMs } = deps;
    metrics.observed('store_failing', '1 if the store cannot be written now, else 0', () => (store.trouble ? 1 : 0));
    metrics.observed(
      'clock_error_seconds',
      'Lead of this clock over the median of the members',
      () => Math.round(clockErrorMs(clockOffsetsMs()) ?? 0) / 1_000,
    );
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
  #faults(): readonly { readonly reason: string; readonly fatal: boolean }[] {
    const { clock, store, clockOffsetsMs, otherCertificates } = this.#deps;
    const wrongClock = clockTrouble(clock.wallMs(), clockOffsetsMs(), otherCertificates());
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
    const { log, onPaused } = this.#deps;
    const faults = this.#faults();
    const said = faults.map(({ reason }) => withoutTimes(reason)).join('; ');
    if (said !== this.#said) {
      this.#said = said;
      if (faults.length === 0) log.info('this machine is in order again');
      for (const { reason, fatal } of faults)
        log[fatal ? 'error' : 'warn']({ reason }, 'something is wrong with this machine');
    }
    const fatal = faults.find((fault) => fault.fatal);
    if ((fatal !== undefined) === this.#paused) return;
    this.#paused = fatal !== undefined;
    onPaused(fatal?.reason);
  }
}

/** Drops numbers, so that the same fault at another time is not logged again. */
const withoutTimes = (reason: string): string => reason.replaceAll(/\d/g, '');
