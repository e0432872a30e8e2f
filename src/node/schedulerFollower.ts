// Follows the scheduler: takes its updates in order, each verified, hands them to the rounds, and sends reports back. The scheduler may
// be away at any moment: then the node keeps its rounds and its reports, and asks again from its last update on.
import {
  abort,
  asMixError,
  type BackoffBounds,
  type BootId,
  backoffMs,
  type Clock,
  MixError,
  type NodeId,
  type Rng,
  type Secret,
  sleep,
} from '../base/index.js';
import type { Logger } from '../base/log.js';
import {
  isSignedUpdate,
  type NodeReport,
  type RoundInfo,
  type RoundUpdate,
  type SchedulerPort,
  type SignedRoundInfo,
  type SignedUpdate,
} from '../protocol/index.js';
import type { RoundDirectory, RoundManager } from '../round/index.js';

const RETRY: BackoffBounds = { firstMs: 500, longestMs: 5_000 };
/** Reports kept while the scheduler is away; the oldest progress is dropped first. */
const REPORTS_MAX = 1_000;

/** The rounds that updates are for. */
export type FollowedRounds = Pick<RoundManager, 'openRound' | 'assign' | 'failRound' | 'stages'>;

interface FollowDeps {
  /** This node and the present run of its process. */
  readonly self: { readonly node: NodeId; readonly bootId: BootId };
  readonly scheduler: SchedulerPort;
  readonly schedulerKey: Uint8Array;
  readonly network: string;
  /** Learns of every round; only this node's rounds are handed to its manager. */
  readonly directory: RoundDirectory;
  readonly clock: Clock;
  readonly rng: Rng;
  readonly log: Logger;
  /** Reports for each new connection to the scheduler: this node is online, and the stages of its rounds. */
  readonly greeting?: () => readonly NodeReport[];
  /** Code by which this node registers, if the scheduler requires codes; registering again does no harm. */
  readonly registrationCode?: Secret | undefined;
}

export class SchedulerFollower {
  readonly #deps: FollowDeps;
  readonly #stop = new AbortController();
  readonly #reports: NodeReport[] = [];
  #last = 0;
  #lastUpdate: SignedUpdate | undefined;
  #newest: SignedRoundInfo | undefined;
  #sending = false;
  #connected = false;

  constructor(deps: FollowDeps) {
    this.#deps = deps;
  }

  get connected(): boolean {
    return this.#connected;
  }

  /** Runs until {@link close}; never rejects. */
  async run(manager: FollowedRounds): Promise<void> {
    const { scheduler, clock, rng, log } = this.#deps;
    const { signal } = this.#stop;
    let failures = 0;
    while (!signal.aborted) {
      try {
        let first = true;
        for await (const update of scheduler.updates(this.#last, signal, () => void this.#greet())) {
          failures = 0;
          await this.#take(update, manager, first);
          first = false;
        }
      } catch (thrown) {
        const { code, message } = asMixError(thrown);
        log.warn({ code, reason: message }, 'the scheduler cannot be reached; rounds go on, trying again');
      }
      this.#connected = false;
      await sleep(clock, backoffMs(RETRY, ++failures, rng), signal);
    }
  }

  async #greet(): Promise<void> {
    this.#connected = true;
    const { registrationCode, scheduler, log } = this.#deps;
    if (registrationCode) {
      try {
        await scheduler.register(Buffer.from(registrationCode.reveal()).toString('utf8'));
      } catch (thrown) {
        const { code, message } = asMixError(thrown);
        log.error({ code, reason: message }, 'the scheduler does not register this node: no round will include it');
      }
    }
    // Reported before `online`, upon which the scheduler may open rounds with this node.
    if (this.#lastUpdate) this.report({ kind: 'seen', last: this.#lastUpdate, newest: this.#newest });
    for (const report of this.#deps.greeting?.() ?? []) this.report(report);
  }

  /**
   * Takes an update. The first one of a stream may have a higher number than expected: updates that are no longer kept are of rounds that
   * are over.
   */
  async #take(signed: SignedUpdate, manager: FollowedRounds, first: boolean): Promise<void> {
    const { schedulerKey, network, log } = this.#deps;
    if (signed.number <= this.#last) {
      // The scheduler learns our last number from `seen` and continues above it; its updates until then are lost, which is logged.
      const values = { number: signed.number, seen: this.#last, update: signed.update.kind };
      if (first)
        log.error(values, 'the updates of the scheduler are older than the last one seen: was an older copy restored?');
      return;
    }
    if (signed.number !== this.#last + 1 && !first) {
      throw new MixError('UPDATE_INVALID', { number: signed.number, expected: this.#last + 1 });
    }
    if (!isSignedUpdate(schedulerKey, network, signed)) throw new MixError('UPDATE_INVALID', { number: signed.number });
    this.#last = signed.number;
    this.#lastUpdate = signed;
    const { update: heard } = signed;
    if (heard.kind === 'open' && heard.round.info.round > (this.#newest?.info.round ?? 0)) this.#newest = heard.round;
    try {
      if (this.#deps.directory.heard(signed.update)) await apply(signed.update, manager);
    } catch (thrown) {
      const error = asMixError(thrown);
      const { update } = signed;
      log.warn(
        { code: error.code, reason: error.message, update: update.kind },
        'an update of the scheduler was refused',
      );
      if (update.kind === 'open') this.#refuse(update.round.info, error, manager);
    }
  }

  /** Reports a round that cannot be opened here as failed, so that the others need not find out by a deadline. */
  #refuse({ round, team }: RoundInfo, { code, message }: MixError, manager: FollowedRounds): void {
    const { node, bootId } = this.#deps.self;
    // A round that is open already goes on if it is announced again.
    if (!team.includes(node) || manager.stages.has(round)) return;
    const failure = { code, culprit: node, reporter: node, detail: message };
    this.report({ kind: 'stage', round, bootId, stage: 'FAILED', failure });
  }

  /** Queues a report. Reports are sent in order, and again while the scheduler is away. */
  report(report: NodeReport): void {
    const last = this.#reports.at(-1);
    const waiting = this.#sending ? 1 : 0;
    if (report.kind === 'progress' && last?.kind === 'progress' && this.#reports.length > waiting) {
      const same = last.round === report.round && last.phase === report.phase;
      // A newer report of a phase's progress replaces one that has not left yet, except for the start of the phase.
      if (same && last.fraction > 0) this.#reports.pop();
    }
    this.#reports.push(report);
    if (this.#reports.length > REPORTS_MAX) {
      const oldest = this.#reports.findIndex(({ kind }, index) => index >= waiting && kind === 'progress');
      this.#reports.splice(Math.max(oldest, waiting), 1);
    }
    void this.#drain();
  }

  async #drain(): Promise<void> {
    if (this.#sending) return;
    this.#sending = true;
    const { clock, rng } = this.#deps;
    let failures = 0;
    for (let next = this.#reports[0]; next && !this.#stop.signal.aborted; next = this.#reports[0]) {
      try {
        await this.#deps.scheduler.report(next);
        this.#reports.shift();
        failures = 0;
      } catch (thrown) {
        const error = asMixError(thrown);
        if (error.retryable) {
          await sleep(clock, backoffMs(RETRY, ++failures, rng), this.#stop.signal);
          continue;
        }
        this.#deps.log.warn({ code: error.code, report: next.kind }, 'the scheduler refused a report');
        this.#reports.shift();
      }
    }
    this.#sending = false;
  }

  /** Waits until all reports are sent, at most `limitMs`. */
  async flush(limitMs: number): Promise<void> {
    const endMs = this.#deps.clock.nowMs() + limitMs;
    while (this.#reports.length > 0 && this.#deps.clock.nowMs() < endMs) await sleep(this.#deps.clock, 20);
  }

  close(): void {
    abort(this.#stop);
  }
}

async function apply(update: RoundUpdate, manager: FollowedRounds): Promise<void> {
  switch (update.kind) {
    case 'open':
      await manager.openRound(update.round);
      return;
    case 'assign':
      manager.assign(update.round);
      return;
    case 'fail':
      manager.failRound(update.round, update.reason);
  }
}
