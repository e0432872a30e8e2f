// The feed of updates to nodes: numbers and signs updates, stores them before any node sees them, keeps them for nodes that were away,
// and turns the nodes' reports into one view per round. It decides nothing: scheduler.ts does.

import { type BootId, deferred, MixError, type NodeId, type RoundId } from '../base/index.js';
import type { SigningKey } from '../cmix/index.js';
import type { SchedulerFeed } from '../comms/index.js';
import {
  type FailureReport,
  type NodeReport,
  type PhaseName,
  type RoundInfo,
  type RoundUpdate,
  type SignedRoundInfo,
  type SignedUpdate,
  type Stage,
  signRoundInfo,
  signUpdate,
} from '../protocol/index.js';

/** Updates kept for nodes that come late. */
export const HISTORY_MAX = 10_000;
/** Ended rounds whose views are kept: as many as the kept updates can name. */
const ENDED_MAX = HISTORY_MAX;

interface NodeView {
  readonly bootId: BootId;
  readonly engine: string;
  readonly enginePath: string;
}

/** The nodes' reports on a round. */
interface RoundView {
  readonly signed: SignedRoundInfo;
  readonly stages: Map<NodeId, Stage>;
  readonly failures: FailureReport[];
}

/** Stores updates, so that none is repeated or lost when the scheduler restarts. */
interface UpdateKeeper {
  /** Updates that an earlier run has published, oldest first. */
  readonly published: readonly SignedUpdate[];
  /** Durable when it resolves. */
  keep(update: SignedUpdate): Promise<void>;
  /** Repeats a write until it succeeds; later writes wait. Rejects only when the scheduler stops. */
  insist(write: () => Promise<void>): Promise<void>;
}

export interface FeedListener {
  onProgress?(node: NodeId, round: RoundId, phase: PhaseName, fraction: number): void;
  onStage?(node: NodeId, round: RoundId, stage: Stage): void;
}

interface StageWait {
  readonly round: RoundId;
  readonly stage: Stage;
  readonly resolve: () => void;
  readonly reject: (error: MixError) => void;
}

export class RoundFeed implements SchedulerFeed {
  readonly nodes = new Map<NodeId, NodeView>();
  readonly rounds = new Map<RoundId, RoundView>();
  readonly #key: SigningKey;
  readonly #network: string;
  readonly #listener: FeedListener;
  readonly #history: SignedUpdate[] = [];
  readonly #subscribers = new Set<(update: SignedUpdate) => void>();
  readonly #ended = new Set<RoundId>();
  readonly #waits = new Set<StageWait>();
  readonly #onlineWaits = new Set<() => void>();
  /** Without `published`: the history holds those updates, and drops the oldest. */
  readonly #keeper: Pick<UpdateKeeper, 'keep' | 'insist'> | undefined;
  #number = 0;
  /** Settles when the update that was published last is stored. */
  #kept: Promise<void> = Promise.resolve();

  constructor(key: SigningKey, network: string, listener: FeedListener = {}, keeper?: UpdateKeeper) {
    this.#key = key;
    this.#network = network;
    this.#listener = listener;
    this.#keeper = keeper && { keep: (update) => keeper.keep(update), insist: (write) => keeper.insist(write) };
    for (const update of keeper?.published ?? []) this.#history.push(update);
    this.#number = this.#history.at(-1)?.number ?? 0;
  }

  /** A node that has seen no update (`after` is 0) begins with the oldest round that has not ended; it needs none that ended before. */
  subscribe(_node: NodeId, after: number, push: (update: SignedUpdate) => void): () => void {
    const from = after === 0 ? this.#firstOpen() - 1 : after;
    for (const update of this.#history) if (update.number > from) push(update);
    this.#subscribers.add(push);
    return () => void this.#subscribers.delete(push);
  }

  /** A feed by itself knows no codes: every member may follow it. */
  async register(): Promise<void> {}

  onReport(node: NodeId, report: NodeReport): void {
    switch (report.kind) {
      case 'online': {
        const { bootId, engine, enginePath } = report;
        this.nodes.set(node, { bootId, engine, enginePath });
        for (const check of this.#onlineWaits) check();
        return;
      }
      case 'roundTrips':
        return;
      case 'progress':
        this.#listener.onProgress?.(node, report.round, report.phase, report.fraction);
        return;
      case 'stage':
        this.#onStage(node, report);
    }
  }

  /** Forgets nodes that have left the membership list. */
  keep(members: ReadonlySet<NodeId>): void {
    for (const node of this.nodes.keys()) if (!members.has(node)) this.nodes.delete(node);
  }

  #onStage(node: NodeId, { round, stage, failure }: NodeReport & { kind: 'stage' }): void {
    const view = this.rounds.get(round);
    if (!view?.signed.info.team.includes(node)) return;
    view.stages.set(node, stage);
    if (failure) view.failures.push(failure);
    this.#listener.onStage?.(node, round, stage);
    for (const wait of [...this.#waits]) {
      if (wait.round !== round) continue;
      if (stage === 'FAILED') {
        this.#waits.delete(wait);
        wait.reject(roundFailed(round, view));
      } else if (this.#allAt(view, wait.stage)) {
        this.#waits.delete(wait);
        wait.resolve();
      }
    }
  }

  #allAt(view: RoundView, stage: Stage): boolean {
    return view.signed.info.team.every((node) => view.stages.get(node) === stage);
  }

  #publish(update: RoundUpdate): void {
    const signed = signUpdate(this.#key, this.#network, ++this.#number, update);
    const keeper = this.#keeper;
    if (!keeper) this.#announce(signed);
    else {
      this.inOrder(() => keeper.keep(signed));
      this.#kept = this.#kept.then(() => this.#announce(signed));
      // An update that could not be stored is never announced.
      this.#kept.catch(() => {});
    }
  }

  /** Number of the last update. */
  get number(): number {
    return this.#number;
  }

  /** Continues above a number that nodes have seen and this history does not know. */
  goOnAbove(number: number): void {
    if (number > this.#number) this.#number = number;
  }

  /** Runs a write after the updates that were published before it, and before later ones. */
  inOrder(write: () => Promise<void>): void {
    const { insist = (work: () => Promise<void>) => work() } = this.#keeper ?? {};
    this.#kept = this.#kept.then(() => insist(write));
    // If the scheduler stops, the next run resumes from what is stored.
    this.#kept.catch(() => {});
  }

  #announce(signed: SignedUpdate): void {
    this.#history.push(signed);
    if (this.#history.length > HISTORY_MAX) this.#history.shift();
    for (const push of this.#subscribers) push(signed);
  }

  /** Number of the update that opened the oldest round that has not ended; the next number if all have ended. */
  #firstOpen(): number {
    const open = this.#history.find(
      ({ update }) => update.kind === 'open' && !this.#ended.has(update.round.info.round),
    );
    return open?.number ?? this.#number + 1;
  }

  /** Marks a round as over; its view is dropped ENDED_MAX rounds later, so that readers have time. */
  ended(round: RoundId): void {
    this.#ended.add(round);
    const [oldest] = this.#ended;
    if (this.#ended.size > ENDED_MAX && oldest !== undefined) {
      this.#ended.delete(oldest);
      this.rounds.delete(oldest);
    }
  }

  /** Resumes a round of an earlier run, with an empty view. */
  resume(signed: SignedRoundInfo): void {
    this.rounds.set(signed.info.round, { signed, stages: new Map(), failures: [] });
  }

  /** Updates that are kept, oldest first. */
  get published(): readonly SignedUpdate[] {
    return this.#history;
  }

  /** Resolves when all that was published is stored. */
  async settled(): Promise<void> {
    // The keeper repeats failed writes; it rejects only when the scheduler stops.
    await this.#kept.catch(() => {});
  }

  /** Signs and announces a round. */
  open(info: RoundInfo): SignedRoundInfo {
    const signed = signRoundInfo(info, this.#key);
    this.rounds.set(info.round, { signed, stages: new Map(), failures: [] });
    this.#publish({ kind: 'open', round: signed });
    return signed;
  }

  /** Lets a round that is in STANDBY take messages. */
  assign(round: RoundId): void {
    this.#publish({ kind: 'assign', round });
  }

  /** Gives a round up. */
  fail(round: RoundId, reason: string): void {
    this.#publish({ kind: 'fail', round, reason });
  }

  /** Resolves when every node of the team has reported this stage; rejects when one reports FAILED, naming the culprit. */
  async reached(round: RoundId, stage: Stage): Promise<void> {
    const view = this.rounds.get(round);
    if (!view) throw new MixError('ROUND_UNKNOWN', { round });
    if ([...view.stages.values()].includes('FAILED')) throw roundFailed(round, view);
    if (this.#allAt(view, stage)) return;
    const wait = deferred<void>();
    this.#waits.add({ round, stage, resolve: () => wait.resolve(), reject: wait.reject });
    await wait.promise;
  }

  /** Resolves when all these nodes are online. */
  async online(nodes: readonly NodeId[]): Promise<void> {
    const ready = deferred<void>();
    const check = () => nodes.every((node) => this.nodes.has(node)) && ready.resolve();
    this.#onlineWaits.add(check);
    check();
    await ready.promise;
    this.#onlineWaits.delete(check);
  }
}

function roundFailed(round: RoundId, view: RoundView): MixError {
  // The first node that names a culprit saw the cause; later reports echo it.
  const first = view.failures.find(({ culprit }) => culprit !== undefined) ?? view.failures[0];
  const values = {
    round,
    code: first?.code ?? 'unknown',
    culprit: first?.culprit ?? 'unknown',
    detail: first?.detail ?? '',
  };
  return new MixError('SCHEDULER_FAILED', values);
}
