// Faults of the machine that a node or a scheduler runs on, in its log: each change once. Apart from health.ts because
// schedulerHealth.ts logs faults, too.
import type { Logger } from '../../base/log.js';

/** A fault of this machine; `fatal` if it keeps the process from its work. */
export interface Fault {
  readonly reason: string;
  readonly fatal: boolean;
}

export class FaultLog {
  readonly #log: Logger;
  #said = '';

  constructor(log: Logger) {
    this.#log = log;
  }

  /** Logs the present faults, unless they are those of the last time. */
  note(faults: readonly Fault[]): void {
    const said = faults.map(({ reason }) => withoutTimes(reason)).join('; ');
    if (said === this.#said) return;
    this.#said = said;
    if (faults.length === 0) this.#log.info('this machine is in order again');
    for (const { reason, fatal } of faults)
      this.#log[fatal ? 'error' : 'warn']({ reason }, 'something is wrong with this machine');
  }
}

/** Drops numbers, so that the same fault at another time is not logged again. */
const withoutTimes = (reason: string): string => reason.replaceAll(/\d/g, '');
