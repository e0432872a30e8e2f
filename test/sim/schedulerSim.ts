// A scheduler and simulated nodes in virtual time: the real Scheduler over a store in memory, nodes that precompute, wait, take
// messages and mix as their delays say, and whatever may go wrong between them: nodes and scheduler that die at any moment, reports
// that come late, twice, out of order or are lies, floods of registrations, parameters that change. A seed replays exactly.
import { VirtualClock } from '../../src/base/clock.js';
import type { BootId, NodeId, RoundId } from '../../src/base/ids.js';
import { silentLog } from '../../src/base/log.js';
import { createMetrics } from '../../src/base/metrics.js';
import { type Rng, randomBelow, randomBytes, randomFraction, SeededRng } from '../../src/base/rng.js';
import { MemoryStore } from '../../src/base/store.js';
import { nodeIdOf, SigningKey } from '../../src/cmix/signatures.js';
import type { Membership } from '../../src/comms/peers.js';
import type { RoundInfo } from '../../src/round/roundInfo.js';
import type { Stage } from '../../src/round/roundState.js';
import type { FailureReport, SignedUpdate } from '../../src/round/schedulerPort.js';
import { Scheduler } from '../../src/scheduler/scheduler.js';
import { DEFAULT_PARAMS, type SchedulerParams } from '../../src/scheduler/schedulerParams.js';
import type { RoundRecord } from '../../src/scheduler/schedulerState.js';
import { SchedulerStore } from '../../src/scheduler/schedulerStore.js';

const SECOND_MS = 1_000;
/** A node's own limit (16 rounds) against the scheduler's (12). */
const NODE_SLACK = 4;

export interface SchedulerScenario {
  readonly seed: string;
  readonly nodes: number;
  readonly teamSize: number;
  /** Mean pause between deaths of a node, and of the scheduler; Infinity for none. */
  readonly nodeDeathMs: number;
  readonly schedulerDeathMs: number;
  /** Probability that a report comes twice, late, or is a lie. */
  readonly mischief: number;
  /** A node that fails every round that it is in. */
  readonly saboteur: boolean;
  readonly durationMs: number;
}

/** What a round's life looked like from outside. */
export interface SimRound {
  readonly info: RoundInfo;
  assigned: number;
  ended: RoundRecord | undefined;
  endings: number;
}

export interface SchedulerSimResult {
  readonly rounds: ReadonlyMap<RoundId, SimRound>;
  readonly violations: readonly string[];
  readonly completed: number;
  readonly failed: number;
  readonly restarts: number;
  readonly deaths: number;
  readonly satOut: number;
}

interface SimNode {
  readonly id: NodeId;
  bootId: BootId;
  up: boolean;
  stop: (() => void) | undefined;
  last: number;
  /** When the newest update on its way arrives. */
  arrivesMs: number;
  /** Rounds that this run of it is in. */
  readonly rounds: Map<RoundId, Stage>;
}

export function scenarioOf(seed: string): SchedulerScenario {
  const rng = new SeededRng(`scheduler scenario ${seed}`);
  const nodes = 6 + randomBelow(rng, 10);
  const often = () => (randomBelow(rng, 3) === 0 ? Infinity : (5 + randomBelow(rng, 40)) * SECOND_MS);
  return {
    seed,
    nodes,
    teamSize: 3 + randomBelow(rng, 3),
    nodeDeathMs: often(),
    schedulerDeathMs: often(),
    mischief: randomBelow(rng, 2) * 0.1,
    saboteur: randomBelow(rng, 3) === 0,
    durationMs: 90 * SECOND_MS,
  };
}

export class SchedulerSim {
  readonly clock = new VirtualClock();
  readonly violations: string[] = [];
  readonly rounds = new Map<RoundId, SimRound>();
  readonly #rng: Rng;
  readonly #scenario: SchedulerScenario;
  readonly #key: SigningKey;
  readonly #store = new MemoryStore();
  readonly #nodes: SimNode[];
  readonly #saboteur: NodeId | undefined;
  #params: SchedulerParams;
  #scheduler: Scheduler | undefined;
  #restarts = 0;
  #deaths = 0;
  #satOut = 0;

  constructor(scenario: SchedulerScenario) {
    this.#scenario = scenario;
    this.#rng = new SeededRng(`scheduler ${scenario.seed}`);
    this.#key = SigningKey.generate(this.#rng);
    this.#nodes = Array.from({ length: scenario.nodes }, () => ({
      id: nodeIdOf(randomBytes(this.#rng, 32)),
      bootId: this.#boot(),
      up: false,
      stop: undefined,
      last: 0,
      arrivesMs: 0,
      rounds: new Map(),
    }));
    this.#saboteur = scenario.saboteur ? this.#nodes[0]!.id : undefined;
    this.#params = {
      ...DEFAULT_PARAMS,
      teamSize: scenario.teamSize,
      slots: 10,
      chunkSlots: 5,
      minSenders: 1,
      quotaPerSender: 10,
      group: 'TEST-512',
      precomputingPerNode: 3,
      openPerNode: 8,
      stockMin: 2,
      staleMs: 20 * SECOND_MS,
      sitOutMs: 30 * SECOND_MS,
      deadlines: {
        precomputeMs: 10 * SECOND_MS,
        standbyMs: 60 * SECOND_MS,
        collectMs: 2 * SECOND_MS,
        realtimeMs: 10 * SECOND_MS,
        precomputePhaseMs: 5 * SECOND_MS,
        realtimePhaseMs: 5 * SECOND_MS,
      },
      standbyLifetimeMs: 50 * SECOND_MS,
    };
  }

  async play(): Promise<SchedulerSimResult> {
    const { durationMs, nodeDeathMs, schedulerDeathMs } = this.#scenario;
    await this.#startScheduler();
    for (const node of this.#nodes) this.#start(node);
    this.#every(nodeDeathMs, () => this.#killNode());
    this.#every(schedulerDeathMs, () => void this.#restartScheduler());
    this.#every(15 * SECOND_MS, () => this.#changeParams());
    await this.#until(durationMs);
    // Everything heals and comes to its end: what is open then ends by itself.
    this.#params = { ...this.#params, poolThreshold: 1, teamSize: Math.min(64, this.#nodes.length + 1) };
    this.#scheduler?.setParams(this.#params);
    await this.#until(durationMs + 200 * SECOND_MS);
    if (!this.#scheduler) await this.#startScheduler();
    await this.#until(durationMs + 210 * SECOND_MS);
    await this.#scheduler?.close();
    await this.#check();
    const ended = [...this.rounds.values()].map(({ ended: record }) => record?.state);
    return {
      rounds: this.rounds,
      violations: [...new Set(this.violations)],
      completed: ended.filter((state) => state === 'COMPLETED').length,
      failed: ended.filter((state) => state === 'FAILED').length,
      restarts: this.#restarts,
      deaths: this.#deaths,
      satOut: this.#satOut,
    };
  }

  async #until(endMs: number): Promise<void> {
    let over = false;
    this.clock.after(endMs - this.clock.nowMs(), () => {
      over = true;
    });
    while (!over) {
      // All that follows from the last step, the store's work included, before the next one.
      await new Promise((resolve) => setImmediate(resolve));
      if (!this.clock.step()) return;
    }
  }

  #boot(): BootId {
    return Buffer.from(randomBytes(this.#rng, 16)).toString('hex') as BootId;
  }

  #every(meanMs: number, act: () => void): void {
    if (!Number.isFinite(meanMs)) return;
    const again = () => {
      if (this.clock.nowMs() > this.#scenario.durationMs) return;
      act();
      this.clock.after(2 * meanMs * randomFraction(this.#rng) + 1, again);
    };
    this.clock.after(2 * meanMs * randomFraction(this.#rng) + 1, again);
  }

  async #startScheduler(): Promise<void> {
    const members = this.#nodes.map(({ id }) => ({ node: id }));
    const membership = { generation: 0, members, find: (node: NodeId) => members.find((one) => one.node === node) };
    this.#scheduler = await Scheduler.open({
      network: 'sim',
      key: this.#key,
      membership: () => membership as unknown as Membership,
      params: this.#params,
      registration: 'members',
      store: new SchedulerStore(this.#store),
      clock: this.clock,
      rng: this.#rng,
      log: silentLog,
      metrics: createMetrics(),
      listener: { onEnded: (round, blamed) => this.#onEnded(round, blamed) },
    });
  }

  /** Dies without a word; another one takes up its store a moment later. */
  async #restartScheduler(): Promise<void> {
    const dead = this.#scheduler;
    if (!dead) return;
    this.#scheduler = undefined;
    this.#restarts++;
    void dead.close();
    for (const node of this.#nodes) node.stop = undefined;
    this.clock.after(randomFraction(this.#rng) * 5 * SECOND_MS, () => {
      void this.#startScheduler().then(() => {
        for (const node of this.#nodes) if (node.up) this.#follow(node);
      });
    });
  }

  #changeParams(): void {
    this.#params = {
      ...this.#params,
      stockMin: 1 + randomBelow(this.#rng, 4),
      minimumDelayMs: randomBelow(this.#rng, 500),
    };
    this.#scheduler?.setParams(this.#params);
  }

  #start(node: SimNode): void {
    node.up = true;
    node.bootId = this.#boot();
    node.last = 0;
    node.rounds.clear();
    this.#follow(node);
  }

  #follow(node: SimNode): void {
    const scheduler = this.#scheduler;
    if (!scheduler) return;
    node.stop = scheduler.subscribe(node.id, node.last, (update) => {
      // A stream keeps its order, however long each update takes.
      const nowMs = this.clock.nowMs();
      const arrivesMs = Math.max(node.arrivesMs, nowMs + 1 + 40 * randomFraction(this.#rng));
      node.arrivesMs = arrivesMs;
      const { bootId } = node;
      this.clock.after(arrivesMs - nowMs, () => node.up && node.bootId === bootId && this.#take(node, update));
    });
    void scheduler.onReport(node.id, { kind: 'online', bootId: node.bootId, engine: 'sim', enginePath: 'sim' });
    for (const [round, stage] of node.rounds) this.#say(node, node.bootId, round, stage);
  }

  #killNode(): void {
    const node = this.#nodes[randomBelow(this.#rng, this.#nodes.length)]!;
    if (!node.up) return;
    this.#deaths++;
    node.up = false;
    const rounds = [...node.rounds.keys()];
    const { bootId, stop } = node;
    // Its stream ends, and its teams find out after a while.
    this.clock.after(500 * randomFraction(this.#rng), () => stop?.());
    for (const other of this.#nodes) {
      for (const round of rounds) {
        if (other.id !== node.id && other.rounds.has(round)) {
          this.clock.after(8 * SECOND_MS, () => this.#fail(other, round, 'PEER_LOST', node.id));
        }
      }
    }
    this.clock.after(2 * SECOND_MS + 20 * SECOND_MS * randomFraction(this.#rng), () => {
      if (node.bootId === bootId) this.#start(node);
    });
  }

  #fail(node: SimNode, round: RoundId, code: FailureReport['code'], culprit: NodeId): void {
    if (!node.up || !node.rounds.has(round)) return;
    node.rounds.delete(round);
    const failure = { code, culprit, reporter: node.id, detail: '' };
    // Its team hears of it from itself, each a moment later.
    for (const other of this.#nodes) {
      const { bootId } = other;
      const tell = () => other.bootId === bootId && this.#fail(other, round, code, culprit);
      if (other.rounds.has(round)) this.clock.after(50 * randomFraction(this.#rng), tell);
    }
    void this.#scheduler?.onReport(node.id, { kind: 'stage', round, bootId: node.bootId, stage: 'FAILED', failure });
  }

  #take(node: SimNode, { number, update }: SignedUpdate): void {
    if (number <= node.last) return;
    node.last = number;
    if (update.kind === 'open') this.#open(node, update.round.info);
    else if (update.kind === 'fail') node.rounds.delete(update.round);
    else if (node.rounds.get(update.round) === 'STANDBY') this.#mix(node, update.round);
  }

  #open(node: SimNode, info: RoundInfo): void {
    if (!this.rounds.has(info.round)) this.rounds.set(info.round, { info, assigned: 0, ended: undefined, endings: 0 });
    if (!info.team.includes(node.id) || node.rounds.has(info.round)) return;
    this.#enter(node, info.round, 'PRECOMPUTING');
    const sabotage = this.#saboteur !== undefined && info.team.includes(this.#saboteur);
    this.clock.after(500 + 1_500 * randomFraction(this.#rng), () => {
      if (sabotage) this.#fail(node, info.round, 'DECRYPTION_PROOF', this.#saboteur!);
      else if (this.#allIn(info)) this.#enter(node, info.round, 'STANDBY');
    });
  }

  /** A precomputation ends where everybody of the team is in it. */
  #allIn({ round, team }: RoundInfo): boolean {
    return team.every((id) => this.#nodes.some((node) => node.id === id && node.up && node.rounds.has(round)));
  }

  #mix(node: SimNode, round: RoundId): void {
    const { info } = this.rounds.get(round)!;
    this.#enter(node, round, 'QUEUED');
    this.clock.after(1_000, () => {
      if (!this.#allIn(info)) return;
      this.#enter(node, round, 'REALTIME');
      this.clock.after(300 + 300 * randomFraction(this.#rng), () => {
        if (node.up && node.rounds.has(round)) this.#enter(node, round, 'COMPLETED');
        this.clock.after(2 * SECOND_MS, () => node.rounds.delete(round));
      });
    });
  }

  #enter(node: SimNode, round: RoundId, stage: Stage): void {
    if (!node.up || (stage !== 'PRECOMPUTING' && !node.rounds.has(round))) return;
    node.rounds.set(round, stage);
    this.#say(node, node.bootId, round, stage);
    const { mischief } = this.#scenario;
    const happens = () => randomFraction(this.#rng) < mischief;
    const { bootId } = node;
    if (happens()) this.#say(node, bootId, round, stage);
    if (happens()) this.clock.after(3 * SECOND_MS, () => this.#say(node, bootId, round, stage));
    if (happens()) this.#say(node, this.#boot(), round, 'COMPLETED');
    if (happens()) this.#say(node, bootId, (round + 1_000) as RoundId, 'STANDBY');
  }

  #say(node: SimNode, bootId: BootId, round: RoundId, stage: Stage): void {
    void this.#scheduler?.onReport(node.id, { kind: 'stage', round, bootId, stage, failure: undefined });
    this.#watch();
  }

  #onEnded(record: RoundRecord, blamed: readonly NodeId[]): void {
    const round = this.rounds.get(record.info.round);
    if (!round) return;
    round.ended = record;
    round.endings++;
    this.#satOut += blamed.filter((node) => node === this.#saboteur).length;
    if (record.state === 'COMPLETED' && record.queuedMs === undefined) {
      this.violations.push(`round ${record.info.round} completed and was never assigned`);
    }
  }

  /**
   * What holds at every moment: no node has more rounds open than it may. It learns a moment later than the scheduler that a round
   * has failed, and has room for a few more than it is given.
   */
  #watch(): void {
    for (const { id, rounds } of this.#nodes) {
      const open = [...rounds.values()].filter((stage) => stage !== 'COMPLETED').length;
      if (open > this.#params.openPerNode + NODE_SLACK) this.violations.push(`node ${id} is in ${open} rounds`);
    }
  }

  /** What holds in the end, by what was published. */
  async #check(): Promise<void> {
    const over = (await new SchedulerStore(this.#store).recover()).ended;
    const opened = new Map<RoundId, number>();
    let last = 0;
    for (const { number, update } of this.#scheduler!.feed.published) {
      if (number !== last + 1) this.violations.push(`update ${number} after ${last}`);
      last = number;
      const round = update.kind === 'open' ? update.round.info.round : update.round;
      if (update.kind === 'open') opened.set(round, (opened.get(round) ?? 0) + 1);
      if (update.kind === 'assign') this.rounds.get(round)!.assigned++;
    }
    for (const [round, times] of opened) {
      if (times > 1) this.violations.push(`round ${round} was opened ${times} times`);
      const known = this.rounds.get(round);
      if (!known) continue;
      if (known.assigned > 1) this.violations.push(`round ${round} was assigned ${known.assigned} times`);
      if (known.endings > 1) this.violations.push(`round ${round} ended ${known.endings} times`);
      // Who is to blame may be forgotten with a scheduler that dies; that a round is over may not.
      if (!over.has(round)) this.violations.push(`round ${round} has not ended`);
    }
  }
}
