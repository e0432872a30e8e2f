// Counter of refused inputs, by error code and kind of input. Apart from manager.ts, which decides
// nothing by it.
import { asMixError, type MixError } from '../../base/index.js';
import type { Metrics } from '../../base/metrics.js';

export class Refusals {
  readonly #count;

  constructor(metrics: Metrics) {
    this.#count = metrics.counter('refused_inputs_total', 'Inputs refused, by error code', ['code', 'what']);
  }

  /** Runs asynchronous work whose rejection counts as a refusal. @throws MixError: the work's own */
  async counted<T>(what: string, work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (thrown) {
      throw this.#counted(what, thrown);
    }
  }

  /** Runs synchronous work, likewise. */
  countedNow<T>(what: string, work: () => T): T {
    try {
      return work();
    } catch (thrown) {
      throw this.#counted(what, thrown);
    }
  }

  #counted(what: string, thrown: unknown): MixError {
    const error = asMixError(thrown);
    this.#count.inc({ code: error.code, what });
    return error;
  }
}
