// Whether a node can mix, and in which way it is worse than it could be: everything that can fail is asked, for /readyz, the metrics and
// the log. What takes rounds away from a node is told to its scheduler, so that nobody waits for it.
import { type Clock, sleep } from '../base/index.js';
import type { Logger } from '../base/log.js';
import type { Metrics } from '../base/metrics.js';
import type { DiskStore } from '../base/store.js';
import type { Readiness } from './http.js';
import { clockErrorMs, clockTrouble, type ValidTime } from './process/clockWatch.js';

/** How often what nobody tells is looked at. */
const LOOK_MS = 5_000;

interface HealthDeps {
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: Metrics;
  readonly store: DiskStore;
  /** Whether the scheduler is connected. */
  readonly isConnected: () => boolean;
  /** In which ways the engine is worse than hoped for: it mixes all the same. */
  readonly degraded: () => readonly string[];
  /** By how much each other member's clock is ahead of this one, milliseconds. */
  readonly clockOffsetsMs: () => readonly number[];
  readonly otherCertificates: () => readonly ValidTime[];
  /** Told when the node takes no new rounds for a while, and why; undefined when it does again. */
  readonly onPaused: (reason: string | undefined) => void;
}

export class NodeHealth {
  readonly #deps: HealthDeps;
  #said = '';
  #paused = false;

  constructor(deps: HealthDeps) {
    this.#deps = deps;
    const { metrics, store, clockOffsetsMs } = deps;
    metrics.observed('store_failing', 'Whether the store cannot be written now', () => (store.trouble ? 1 : 0));
    metrics.observed(
      'clock_error_seconds',
      'How far this clock is ahead of the median of the members',
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

  /** Looks until the signal aborts; never rejects. What changes is said once. */
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

/** The same trouble a moment later is no news. */
const withoutTimes = (reason: string): string => reason.replaceAll(/\d/g, '');
