// A scheduler and its nodes in virtual time: the real Scheduler over a store that outlives it, and nodes with the real follower.
// The faults of the scenario last for its duration; then everything heals and must work; then no more rounds are opened, and all
// must have ended. A seed replays exactly.
import { sleep } from '../../../src/base/clock.js';
import { type ErrorCode, MixError } from '../../../src/base/errors.js';
import type { NodeId, RoundId } from '../../../src/base/ids.js';
import { silentLog } from '../../../src/base/log.js';
import { createMetrics } from '../../../src/base/metrics.js';
import { deferred } from '../../../src/base/promises.js';
import { randomFraction } from '../../../src/base/rng.js';
import { SigningKey } from '../../../src/cmix/signatures.js';
import { referenceEngine } from '../../../src/engine/open.js';
import { namedGroup } from '../../../src/math/group.js';
import type { Membership } from '../../../src/protocol/membership.js';
import type { RoundInfo } from '../../../src/protocol/roundInfo.js';
import type { NodeReport, SignedUpdate } from '../../../src/protocol/schedulerPort.js';
import type { Stage } from '../../../src/protocol/stages.js';
import { isOver } from '../../../src/round/machine/admission.js';
import type {
  SchedulerEffect,
  SchedulerEvent,
  SchedulerState,
  SchedulerStep,
} from '../../../src/scheduler/machine/state.js';
import type { SchedulerParams } from '../../../src/scheduler/parameters.js';
import { Scheduler } from '../../../src/scheduler/scheduler.js';
import { SchedulerStore } from '../../../src/scheduler/store.js';
import { MemoryStore } from '../../support/memoryStore.js';
import { SeededRng } from '../../support/seededRng.js';
import { VirtualClock } from '../../support/virtualClock.js';
import { AimedStore } from './aimedStore.js';
import type { Run } from './connection.js';
import { Faults } from './faults.js';
import { type Coverage, Invariants } from './invariants.js';
import { paramsOf } from './params.js';
import { type SchedulerMoment, type SchedulerScenario, SECOND_MS } from './scenario.js';
import { type NodeNet, SimNode } from './simNode.js';
import type { Manner, Word } from './simRounds.js';
import { SkewedClock, TRUE } from './skewedClock.js';

/** Time to heal, and time for the last rounds to end by themselves. */
const HEALED_MS = 60 * SECOND_MS;
const DRAIN_MS = 150 * SECOND_MS;
/** Silence after which its teams consider a node lost, and time until they find that it has lost its rounds. */
const PEER_LOST_MS = 8 * SECOND_MS;
const PEER_FOUND_MS = SECOND_MS;
const TEAM_LATENCY_MS = 50;
const RETRY_MS = 500;

export interface SchedulerSimResult {
  readonly violations: readonly string[];
  readonly coverage: Coverage;
  readonly completed: number;
  readonly failed: number;
  readonly restarts: number;
  readonly deaths: number;
}

export class SchedulerSim implements NodeNet {
  readonly clock = new VirtualClock();
  readonly rng: SeededRng;
  readonly scenario: SchedulerScenario;
  readonly coverage: Coverage = new Map();
  readonly nodes: SimNode[];
  /** Nodes affected by faults. */
  readonly suspects = new Set<NodeId>();
  readonly invariants = new Invariants(this.coverage, this.suspects);
  readonly content = new MemoryStore();
  readonly faults: Faults;
  readonly #key: SigningKey;
  readonly #absent = new Set<NodeId>();
  readonly #away = new Set<SimNode>();
  #generation = 0;
  #run: (Run & { readonly store: AimedStore; readonly kill: () => void; readonly sinceMs: number }) | undefined;
  #state: SchedulerState | undefined;
  #params: SchedulerParams;
  #ends = { COMPLETED: 0, FAILED: 0 };
  #onEffect: (effect: SchedulerEffect, before: SchedulerState) => void = () => {};
  #restarts = 0;
  #deaths = 0;

  constructor(scenario: SchedulerScenario, params: SchedulerParams = paramsOf(scenario.teamSize)) {
    this.scenario = scenario;
    this.rng = new SeededRng(`scheduler ${scenario.seed}`);
    this.#key = SigningKey.generate(this.rng);
    this.#params = params;
    this.faults = new Faults(this);
    this.nodes = Array.from({ length: scenario.nodes }, (_, index) => {
      return new SimNode(this.faults.nodeFacts(SigningKey.generate(this.rng), index), this);
    });
  }

  get run(): Run | undefined {
    return this.#run;
  }

  /** Costs of this run of the scheduler: code scans, and its time up. */
  get runCosts(): { readonly codeScans: number; readonly upMs: number } {
    const { store, sinceMs } = this.#run!;
    return { codeScans: store.codeScans, upMs: this.clock.nowMs() - sinceMs };
  }

  get schedulerKey(): Uint8Array {
    return this.#key.publicKey;
  }

  get params(): SchedulerParams {
    return this.#params;
  }

  async play(): Promise<SchedulerSimResult> {
    const { durationMs } = this.scenario;
    await this.faults.prepare();
    await this.startScheduler();
    for (const node of this.nodes) node.start();
    this.faults.begin();
    await this.#until(durationMs);
    await this.faults.heal();
    for (const node of this.nodes) if (!node.up) this.startNode(node);
    this.setParams(paramsOf(this.scenario.teamSize));
    await this.#until(durationMs + HEALED_MS / 2);
    const healed = this.#ends.COMPLETED;
    await this.#until(durationMs + HEALED_MS);
    if (this.#ends.COMPLETED === healed) this.invariants.violate('no round is completed when everything has healed');
    this.faults.check();
    // A team larger than the pool: no more rounds are opened.
    this.setParams({ ...this.#params, poolThreshold: 1, teamSize: Math.min(64, this.nodes.length + 10) });
    await this.#until(durationMs + HEALED_MS + DRAIN_MS);
    await this.#check();
    return {
      violations: [...this.invariants.violations],
      coverage: this.coverage,
      completed: this.#ends.COMPLETED,
      failed: this.#ends.FAILED,
      restarts: this.#restarts,
      deaths: this.#deaths,
    };
  }

  /** Plays for `durationMs` without an end, and shows the scheduler's effects as they happen. */
  async watch(durationMs: number, onEffect: (effect: SchedulerEffect, before: SchedulerState) => void): Promise<void> {
    this.#onEffect = onEffect;
    await this.startScheduler();
    for (const node of this.nodes) node.start();
    this.faults.begin();
    await this.#until(durationMs);
    for (const node of this.nodes) node.die();
    await this.#run!.scheduler.close();
  }

  async #check(): Promise<void> {
    const { scheduler } = this.#run!;
    for (const { id, rounds } of this.nodes) this.invariants.stillOpen(id, rounds!.stages);
    const recovered = await new SchedulerStore(this.content).recover();
    this.invariants.published(scheduler.feed.published, recovered);
    for (const node of this.nodes) node.die();
    await scheduler.close();
  }

  async #until(endMs: number): Promise<void> {
    let over = false;
    this.clock.after(endMs - this.clock.nowMs(), () => {
      over = true;
    });
    while (!over) {
      // Completes everything that follows from the last step, including the store's work, before the next one.
      await new Promise((resolve) => setImmediate(resolve));
      if (!this.clock.step()) return;
    }
  }

  // The scheduler.

  async startScheduler(): Promise<void> {
    const death = deferred<never>();
    const store: AimedStore = new AimedStore(this.content, (moment) => this.#killsIn(moment, store));
    this.invariants.newRun();
    const scheduler = await Scheduler.open({
      network: 'sim',
      key: this.#key,
      membership: () => this.#membership(),
      params: this.#params,
      registration: this.faults.asksForCodes ? 'codes' : 'members',
      store: new SchedulerStore(store),
      engineOf: async (group) => referenceEngine(namedGroup(group)),
      clock: new SkewedClock(this.clock, this.faults.has('clocks are wrong') ? { offsetMs: -4_000, rate: 1.01 } : TRUE),
      rng: this.rng,
      log: silentLog,
      metrics: createMetrics(),
      listener: { onStep: (before, event, step) => this.#onStep(before, event, step) },
    });
    const kill = () => death.reject(new MixError('LINK_DOWN', { detail: 'killed' }));
    this.#run = { scheduler, death: death.promise, store, alive: true, kill, sinceMs: this.clock.nowMs() };
  }

  #killsIn(moment: SchedulerMoment, store: AimedStore): boolean {
    // While it recovers the state of the last run, it cannot be killed.
    if (this.#run?.store !== store || !this.faults.takesAim(moment)) return false;
    this.killScheduler();
    return true;
  }

  /** Kills the scheduler silently; another one takes over its store a moment later. */
  killScheduler(): void {
    const run = this.#run;
    if (!run?.alive) return;
    run.alive = false;
    run.store.kill();
    void run.scheduler.close();
    run.kill();
    this.#restarts++;
    this.clock.after(randomFraction(this.rng) * 5 * SECOND_MS, () => void this.startScheduler());
  }

  setParams(params: SchedulerParams): void {
    this.#params = params;
    if (this.#run?.alive) this.#run.scheduler.setParams(params);
  }

  #onStep(before: SchedulerState, event: SchedulerEvent, step: SchedulerStep): void {
    this.#state = step.state;
    this.invariants.onStep(before, event, step);
    for (const effect of step.effects) {
      this.#onEffect(effect, before);
      if (effect.type === 'open') this.faults.onOpened(effect.info);
      if (effect.type === 'ended' && isOver(effect.round.state)) this.#ends[effect.round.state as 'FAILED']++;
    }
  }

  // Members.

  isMember(node: NodeId): boolean {
    return !this.#absent.has(node);
  }

  #membership(): Membership {
    const nodes = this.nodes.map(({ id, key }) => ({ node: id, identityKey: key.publicKey }));
    const all = [...nodes, ...this.faults.outsiders.map((node) => ({ node }))];
    const members = all.filter(({ node }) => !this.#absent.has(node));
    const find = (node: NodeId) => members.find((one) => one.node === node);
    // The part of a membership list that the scheduler reads.
    return { generation: this.#generation, members, find } as unknown as Membership;
  }

  async setMember(node: NodeId, isMember: boolean): Promise<void> {
    if (isMember) this.#absent.delete(node);
    else this.#absent.add(node);
    this.#generation++;
    if (this.#run?.alive) await this.#run.scheduler.membershipChanged();
  }

  // Nodes.

  startNode(node: SimNode): void {
    const { lost } = node;
    node.start();
    this.clock.after(PEER_FOUND_MS, () => this.#trouble(node, 'PEER_RESTARTED', lost));
  }

  killNode(node: SimNode): void {
    if (!node.up) return;
    this.#deaths++;
    this.suspects.add(node.id);
    node.die();
    this.clock.after(PEER_LOST_MS, () => {
      if (node.up) return;
      const theirs = this.nodes.flatMap(({ rounds }) => rounds?.open ?? []);
      this.#trouble(node, 'PEER_LOST', new Set(theirs));
    });
    const downMs = SECOND_MS + 15 * SECOND_MS * randomFraction(this.rng);
    this.clock.after(downMs, () => {
      if (!node.up) this.startNode(node);
    });
  }

  /** A node cuts its links until its teams have lost it. Its scheduler has it back at once. */
  goAway(node: SimNode): void {
    if (this.#away.has(node)) return;
    this.#away.add(node);
    const open = new Set(node.rounds?.open);
    this.faults.cut(node.id, 'gone for a moment');
    this.clock.after(PEER_LOST_MS, () => {
      this.#away.delete(node);
      this.#trouble(node, 'PEER_LOST', open);
    });
  }

  #trouble(peer: SimNode, code: 'PEER_LOST' | 'PEER_RESTARTED', rounds: ReadonlySet<RoundId>): void {
    for (const node of this.nodes) if (node !== peer) node.rounds?.trouble(peer.id, code, rounds);
  }

  tell(from: SimNode, info: RoundInfo, word: Word): void {
    for (const to of this.nodes) {
      if (to !== from && info.team.includes(to.id)) void this.#deliver(from, to, info.round, word);
    }
  }

  tellOne(from: SimNode, to: NodeId, round: RoundId, word: Word): void {
    const receiver = this.nodes.find(({ id }) => id === to);
    if (receiver) void this.#deliver(from, receiver, round, word);
  }

  /** Retries while the other node is away or has not opened the round yet, until the round is over. */
  async #deliver(from: SimNode, to: SimNode, round: RoundId, word: Word): Promise<void> {
    const { bootId } = from;
    await sleep(this.clock, TEAM_LATENCY_MS * randomFraction(this.rng));
    for (let attempts = 0; attempts < 40 && from.bootId === bootId; attempts++) {
      if (to.rounds?.hear(from.id, round, word)) return;
      const stage = from.rounds?.stages.get(round);
      if (stage !== undefined && isOver(stage) && word.kind !== 'failed') return;
      if (to.rounds && to.used.has(round)) from.rounds?.trouble(to.id, 'PEER_RESTARTED', new Set([round]));
      await sleep(this.clock, RETRY_MS);
    }
  }

  mannerOf(node: NodeId, info: RoundInfo): Manner {
    return this.faults.mannerOf(node, info);
  }

  refusal(node: NodeId): ErrorCode | undefined {
    return this.faults.refusal(node);
  }

  onNodeStage(node: SimNode, round: RoundId, stage: Stage): void {
    this.faults.onNodeStage(node, round, stage);
  }

  reading(node: NodeId): Promise<void> {
    return this.faults.reading(node);
  }

  broken(node: NodeId): Promise<never> {
    return this.faults.broken(node);
  }

  meddle(node: NodeId, report: NodeReport, deliver: (report: NodeReport) => void): boolean {
    return this.faults.meddle(node, report, deliver);
  }

  onStreamEnded(node: NodeId): void {
    this.faults.onStreamEnded(node);
  }

  onUpdate(node: NodeId, update: SignedUpdate): void {
    const run = this.nodes.find(({ id }) => id === node)!.bootId!;
    const oldestOpen = () =>
      this.#run!.scheduler.feed.published.find(({ update: one }) => {
        const known = one.kind === 'open' ? this.#state?.rounds.get(one.round.info.round) : undefined;
        return known && !isOver(known.state);
      })?.number;
    this.invariants.onUpdate(node, run, update, oldestOpen);
  }
}
