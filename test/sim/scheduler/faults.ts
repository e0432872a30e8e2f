// Causes the faults of a scenario, and counts each one that happened: all draws follow from the scenario's seed.

import { type ErrorCode, MixError } from '../../../src/base/errors.js';
import type { BootId, NodeId, RoundId } from '../../../src/base/ids.js';
import { type Deferred, deferred } from '../../../src/base/promises.js';
import { randomBelow, randomBytes, randomFraction } from '../../../src/base/rng.js';
import { deriveNodeId, type SigningKey } from '../../../src/cmix/signatures.js';
import type { RoundInfo } from '../../../src/protocol/roundInfo.js';
import type { NodeReport } from '../../../src/protocol/schedulerPort.js';
import { STAGES, type Stage } from '../../../src/protocol/stages.js';
import { ATTEMPTS_MAX, ATTEMPTS_WINDOW_MS } from '../../../src/scheduler/registration.js';
import { SchedulerStore } from '../../../src/scheduler/store.js';
import { count } from './invariants.js';
import { Liars } from './liars.js';
import { otherParams } from './params.js';
import { around, deathStage, type Fault, type SchedulerMoment, SECOND_MS } from './scenario.js';
import type { NodeFacts, SimNode } from './simNode.js';
import type { Manner } from './simRounds.js';
import { type Skew, TRUE } from './skewedClock.js';
import type { SchedulerSim } from './world.js';

const OUTSIDERS = 3;
/** Wrong codes that an outsider tries at once. */
const BURST = 100;
/** A node's own limit, above the scheduler's, and the limit of a node that never announces it. */
const OPEN_MAX = 16;
const SMALL_OPEN_MAX = 2;
/** Time that a scheduler adds to a round's deadlines before it gives the round up. */
const GRACE_MS = 10 * SECOND_MS;

export class Faults {
  readonly #sim: SchedulerSim;
  /** By node: settled while it reads, pending while it does not. */
  readonly #deaf = new Map<NodeId, Deferred<void>>();
  readonly #openedMs = new Map<RoundId, { readonly atMs: number; readonly info: RoundInfo }>();
  readonly #banned = new Set<NodeId>();
  /** By node: rejected when its connection to the scheduler is closed. */
  readonly #breaks = new Map<NodeId, Deferred<never>>();
  readonly #held: { readonly node: NodeId; readonly deliver: () => void }[] = [];
  readonly #outsiders: readonly NodeId[];
  readonly #codes: readonly string[];
  readonly liars: Liars;
  #saboteur: NodeId | undefined;
  #liar: NodeId | undefined;
  #over = false;
  /** True if the next process that reaches the scenario's stage, or moment, dies. */
  #aimed = { node: false, scheduler: false };

  constructor(sim: SchedulerSim) {
    this.#sim = sim;
    this.liars = new Liars(sim);
    this.#outsiders = Array.from({ length: OUTSIDERS }, () => deriveNodeId(randomBytes(sim.rng, 32)));
    this.#codes = Array.from({ length: sim.scenario.nodes + 1 }, (_, i) => `code ${i} of ${sim.scenario.seed}`);
  }

  has(fault: Fault): boolean {
    return !this.#over && this.#sim.scenario.faults.has(fault);
  }

  /** True if the scheduler requires codes, from its start to its end. */
  get asksForCodes(): boolean {
    return this.#sim.scenario.faults.has('registration flood');
  }

  get outsiders(): readonly NodeId[] {
    return this.asksForCodes ? this.#outsiders : [];
  }

  nodeFacts(key: SigningKey, index: number): NodeFacts {
    const id = key.nodeId;
    if (this.has('saboteur') && index === 0) this.#suspect(id, 'saboteur');
    if (this.has('saboteur') && index === 0) this.#saboteur = id;
    if (index === 1) this.#liar = id;
    const { lie, nodes } = this.#sim.scenario;
    if (lie && index >= nodes - lie.liars) {
      this.liars.add(id);
      this.#suspect(id);
    }
    const small = this.has('node refuses rounds') && index >= 2 && index < 4;
    const openMax = small ? SMALL_OPEN_MAX : OPEN_MAX;
    // A node that announces its small limit is given no more.
    const openRounds = index % 2 === 0 && small ? undefined : openMax;
    return {
      id,
      key,
      skew: this.skew(),
      openMax,
      openRounds,
      code: this.asksForCodes ? this.#codes[index] : undefined,
    };
  }

  skew(): Skew {
    if (!this.has('clocks are wrong')) return TRUE;
    count(this.#sim.coverage, 'clocks are wrong');
    const { rng } = this.#sim;
    const sign = randomBelow(rng, 2) === 0 ? -1 : 1;
    return { offsetMs: sign * 5 * SECOND_MS * randomFraction(rng), rate: 0.98 + 0.04 * randomFraction(rng) };
  }

  async prepare(): Promise<void> {
    const store = new SchedulerStore(this.#sim.content);
    if (this.asksForCodes) for (const code of this.#codes) await store.addCode(code);
  }

  begin(): void {
    const sim = this.#sim;
    const { rng, nodes } = sim;
    const anyNode = () => nodes[randomBelow(rng, nodes.length)]!;
    this.#every(8, () => this.#aim('node'));
    this.#every(8, () => this.#aim('scheduler'));
    this.#often('nodes die at random', 15, () => sim.killNode(anyNode()));
    this.#often('scheduler dies at random', 15, () => sim.killScheduler());
    this.#often('parameters change', 5, () => sim.setParams(otherParams(rng, nodes.length)));
    this.#often('node does not read', 10, () => this.#plugEars(anyNode()));
    this.#often('member leaves and returns', 12, () => this.#sendAway(anyNode()));
    this.#often('node banned', 12, () => this.#ban(anyNode()));
    this.#often('registration flood', 3, () => this.#flood());
  }

  /** Ends all faults; undoes those that last. */
  async heal(): Promise<void> {
    this.#over = true;
    const { nodes } = this.#sim;
    for (const ears of this.#deaf.values()) ears.resolve();
    for (const { id } of nodes) if (!this.#sim.isMember(id)) await this.#sim.setMember(id, true);
    for (const node of this.#banned) this.#letIn(node);
    for (const { deliver } of this.#held.splice(0)) deliver();
  }

  /** Checks that are possible when everything has healed. */
  check(): void {
    const { run, nodes, invariants } = this.#sim;
    if (!this.asksForCodes) return;
    const registered = new Set(run!.scheduler.view().nodes.map(({ node }) => node));
    for (const { id } of nodes)
      if (!registered.has(id)) invariants.violate('a node with a code of its own is left out');
    if (registered.size > this.#codes.length)
      invariants.violate(`${registered.size} nodes by ${this.#codes.length} codes`);
    // For any number of attempts, the cost is bounded by the number of nodes and their rate of attempts.
    const { codeScans, upMs } = this.#sim.runCosts;
    const windows = 1 + Math.ceil(upMs / ATTEMPTS_WINDOW_MS);
    const most = (nodes.length + OUTSIDERS) * ATTEMPTS_MAX * windows;
    if (codeScans > most) invariants.violate(`all codes were looked at ${codeScans} times, of ${most}`);
  }

  #every(meanSeconds: number, act: () => void): void {
    const { clock, rng } = this.#sim;
    const again = () => {
      if (this.#over) return;
      act();
      clock.after(around(rng, meanSeconds * SECOND_MS), again);
    };
    clock.after(around(rng, meanSeconds * SECOND_MS), again);
  }

  #often(fault: Fault, meanSeconds: number, act: () => void): void {
    if (!this.has(fault)) return;
    this.#every(meanSeconds, () => {
      act();
      if (!SEEN_LATER.includes(fault)) count(this.#sim.coverage, fault);
    });
  }

  #suspect(node: NodeId, fault?: Fault): void {
    this.#sim.suspects.add(node);
    if (fault) count(this.#sim.coverage, fault);
  }

  // Deaths.

  #aim(whom: 'node' | 'scheduler'): void {
    this.#aimed = { ...this.#aimed, [whom]: true };
  }

  onNodeStage(node: SimNode, round: RoundId, stage: Stage): void {
    if (!this.#over) this.liars.onStage(node, this.#openedMs.get(round)?.info, stage);
    if (!this.#aimed.node || this.#over) return;
    const fault = [...this.#sim.scenario.faults].find((one) => deathStage(one) === stage);
    if (!fault) return;
    this.#aimed = { ...this.#aimed, node: false };
    count(this.#sim.coverage, fault);
    // Before any other node hears of the stage, or when all have.
    if (randomBelow(this.#sim.rng, 2) === 0) this.#sim.killNode(node);
    else this.#sim.clock.after(200, () => this.#sim.killNode(node));
  }

  takesAim(moment: SchedulerMoment): boolean {
    if (!this.#aimed.scheduler || !this.has(moment)) return false;
    this.#aimed = { ...this.#aimed, scheduler: false };
    count(this.#sim.coverage, moment);
    return true;
  }

  // Slow teams.

  onOpened(info: RoundInfo): void {
    const { round, team } = info;
    this.#openedMs.set(round, { atMs: this.#sim.clock.nowMs(), info });
    if (this.#slow(round)) for (const node of team) this.#sim.suspects.add(node);
  }

  #slow(round: RoundId): Fault | undefined {
    if (round % 3 > 0) return undefined;
    return SLOW.find((fault) => this.has(fault));
  }

  mannerOf(node: NodeId, { round }: RoundInfo): Manner {
    const { rng, coverage } = this.#sim;
    const precomputeMs = 500 + 1_500 * randomFraction(rng);
    const mixMs = 300 + 300 * randomFraction(rng);
    const slow = this.#slow(round) === SLOW[0];
    if (slow) count(coverage, SLOW[0]);
    const lies = node === this.#saboteur && !this.#over;
    return { precomputeMs, mixMs, way: lies ? 'lies' : slow ? 'deadline' : 'honest' };
  }

  /** The code by which a node refuses a round that it could open; undefined if it opens the round. */
  refusal(node: NodeId): ErrorCode | undefined {
    return this.#over ? undefined : this.liars.refusal(node);
  }

  // Reports.

  /** Returns false if the report does not arrive by itself. */
  meddle(node: NodeId, report: NodeReport, deliver: (report: NodeReport) => void): boolean {
    const disguised = this.liars.disguised(node, report);
    if (disguised) {
      if (this.meddle(node, disguised, deliver)) deliver(disguised);
      return false;
    }
    if (report.kind !== 'stage' || this.#over) return true;
    if (!this.liars.lets(node, report.stage)) return false;
    const { clock, rng, coverage } = this.#sim;
    const happens = (fault: Fault, share = 0.15) => {
      const does = this.has(fault) && randomFraction(rng) < share;
      if (does) count(coverage, fault);
      return does;
    };
    const later = (delayMs: number, one: NodeReport) => clock.after(delayMs, () => deliver(one));
    for (const { deliver: late } of this.#held.splice(0)) queueMicrotask(late);
    if (report.stage === 'FAILED' && report.failure?.code === 'ROUND_LIMIT') this.#suspect(node, 'node refuses rounds');
    if (happens('report twice')) deliver(report);
    if (happens('report late')) later(3 * SECOND_MS, report);
    if (happens('report of another run')) deliver({ ...report, bootId: this.#bootId(), stage: 'COMPLETED' });
    if (happens('report of no round')) deliver({ ...report, round: (report.round + 1_000) as RoundId });
    if (node === this.#liar && happens('report of a wrong stage', 0.3)) {
      this.#suspect(node);
      const stage = STAGES[randomBelow(rng, STAGES.length)]!;
      const culprit = this.#sim.nodes[0]!.id;
      const failure = { code: 'ELEMENT_RANGE', culprit, reporter: node, detail: '' } as const;
      deliver({ ...report, stage, failure: stage === 'FAILED' ? failure : undefined });
    }
    if (report.stage === 'STANDBY' && this.#slow(report.round) === SLOW[1]) {
      const { atMs, info } = this.#openedMs.get(report.round)!;
      // At the moment at which the scheduler gives the round up, or one millisecond later.
      const momentMs = atMs + info.deadlines.precomputeMs + GRACE_MS + randomBelow(rng, 2);
      count(coverage, SLOW[1]);
      later(momentMs - clock.nowMs(), report);
      return false;
    }
    if (node === this.#liar && happens('report out of order', 0.3)) {
      this.#suspect(node);
      this.#held.push({ node, deliver: () => deliver(report) });
      return false;
    }
    return true;
  }

  #bootId(): BootId {
    return Buffer.from(randomBytes(this.#sim.rng, 16)).toString('hex') as BootId;
  }

  // Streams.

  async reading(node: NodeId): Promise<void> {
    await this.#deaf.get(node)?.promise;
  }

  /** Breaks a node's connection to the scheduler; the node dials again. */
  cut(node: NodeId, detail: string): void {
    this.#breaks.get(node)?.reject(new MixError('LINK_DOWN', { detail }));
    this.#breaks.delete(node);
  }

  /** Rejects when a node's connection to the scheduler breaks. */
  broken(node: NodeId): Promise<never> {
    const breaks = this.#breaks.get(node) ?? deferred<never>();
    this.#breaks.set(node, breaks);
    return breaks.promise;
  }

  #plugEars({ id }: SimNode): void {
    if (this.#deaf.get(id)?.settled === false) return;
    const ears = deferred<void>();
    this.#deaf.set(id, ears);
    this.#suspect(id);
    this.#sim.clock.after(around(this.#sim.rng, 15 * SECOND_MS), () => ears.resolve());
  }

  onStreamEnded(node: NodeId): void {
    if (this.#deaf.has(node)) count(this.#sim.coverage, 'node does not read');
  }

  // Members.

  #sendAway({ id }: SimNode): void {
    if (!this.#sim.isMember(id)) return;
    this.#suspect(id);
    void this.#sim.setMember(id, false);
    this.cut(id, 'no member any more');
    this.#sim.clock.after(around(this.#sim.rng, 6 * SECOND_MS), () => {
      if (!this.#sim.isMember(id)) void this.#sim.setMember(id, true);
    });
  }

  #ban({ id }: SimNode): void {
    const { run, clock, rng } = this.#sim;
    if (!run?.alive || this.#banned.has(id)) return;
    this.#suspect(id);
    this.#banned.add(id);
    void run.scheduler.ban(id, true).catch(() => {});
    clock.after(around(rng, 6 * SECOND_MS), () => this.#letIn(id));
  }

  /** Lets a node in, or retries later if no scheduler runs. */
  #letIn(node: NodeId): void {
    const { run, clock } = this.#sim;
    if (!run?.alive) {
      clock.after(SECOND_MS, () => this.#letIn(node));
      return;
    }
    this.#banned.delete(node);
    void run.scheduler.ban(node, false).catch(() => {});
  }

  /** Two outsiders present the same good code at once, and all outsiders try many wrong ones. */
  #flood(): void {
    const { run, rng } = this.#sim;
    if (!run?.alive) return;
    const [shared] = this.#codes.slice(-1);
    for (const node of this.#outsiders.slice(0, 2)) run.scheduler.register(node, shared!).catch(() => {});
    for (const node of this.#outsiders) {
      for (let i = 0; i < BURST; i++) run.scheduler.register(node, `guess ${randomFraction(rng)}`).catch(() => {});
    }
  }
}

const SLOW = ['team slow: node timeout races', 'team slow: scheduler timeout races'] as const;
/** Faults counted when they show. */
const SEEN_LATER: readonly Fault[] = ['node does not read'];
