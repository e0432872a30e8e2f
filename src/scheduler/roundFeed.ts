// The smallest thing that can stand behind the scheduler port: it numbers and signs updates, keeps them for nodes that were
// away, and turns what nodes report into one view per round. The demo runs its rounds with it; the scheduler proper will
// decide over the same feed.
import { deferred } from '../base/deferred.js';
import { MixError } from '../base/errors.js';
import type { BootId, NodeId, RoundId } from '../base/ids.js';
import type { SigningKey } from '../cmix/signatures.js';
import type { SchedulerFeed } from '../comms/schedulerService.js';
import type { PhaseName } from '../round/roundContext.js';
import { type RoundInfo, type SignedRoundInfo, signRoundInfo } from '../round/roundInfo.js';
import type { Stage } from '../round/roundState.js';
import {
  type FailureReport,
  type NodeReport,
  type RoundUpdate,
  type SignedUpdate,
  signUpdate,
} from '../round/schedulerPort.js';

/** Updates kept for nodes that come late. */
const HISTORY_MAX = 10_000;

export interface NodeView {
  readonly bootId: BootId;
  readonly engine: string;
  readonly enginePath: string;
}

/** What the nodes have said of a round. */
export interface RoundView {
  readonly signed: SignedRoundInfo;
  readonly stages: Map<NodeId, Stage>;
  readonly failures: FailureReport[];
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
  readonly #waits = new Set<StageWait>();
  readonly #onlineWaits = new Set<() => void>();
  #number = 0;

  constructor(key: SigningKey, network: string, listener: FeedListener = {}) {
    this.#key = key;
    this.#network = network;
    this.#listener = listener;
  }

  subscribe(_node: NodeId, after: number, push: (update: SignedUpdate) => void): () => void {
    for (const update of this.#history) if (update.number > after) push(update);
    this.#subscribers.add(push);
    return () => void this.#subscribers.delete(push);
  }

  onReport(node: NodeId, report: NodeReport): void {
    switch (report.kind) {
      case 'online': {
        const { bootId, engine, enginePath } = report;
        this.nodes.set(node, { bootId, engine, enginePath });
        for (const check of this.#onlineWaits) check();
        return;
      }
      case 'progress':
        this.#listener.onProgress?.(node, report.round, report.phase, report.fraction);
        return;
      case 'stage':
        this.#onStage(node, report);
    }
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
    this.#history.push(signed);
    if (this.#history.length > HISTORY_MAX) this.#history.shift();
    for (const push of this.#subscribers) push(signed);
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
  // The first node that names somebody saw the cause; what follows are its echoes.
  const first = view.failures.find(({ culprit }) => culprit !== undefined) ?? view.failures[0];
  const values = {
    round,
    code: first?.code ?? 'unknown',
    culprit: first?.culprit ?? 'unknown',
    detail: first?.detail ?? '',
  };
  return new MixError('SCHEDULER_FAILED', values);
}
