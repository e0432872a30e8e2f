// A scheduler and its nodes for weeks of virtual time. Events of that time: nodes and the scheduler are restarted every day, keys
// and certificates are replaced, senders come and are forgotten, and visitors come with a registration code, stay an hour and
// leave the list. Rounds are few, and there are no faults: those are for the other simulations.
import { type Clock, nextTurn, sleep } from '../../../src/base/clock.js';
import { MixError } from '../../../src/base/errors.js';
import type { NodeId, RoundId } from '../../../src/base/ids.js';
import { silentLog } from '../../../src/base/log.js';
import { createMetrics } from '../../../src/base/metrics.js';
import { type Deferred, deferred } from '../../../src/base/promises.js';
import { randomFraction } from '../../../src/base/rng.js';
import { SigningKey } from '../../../src/cmix/signatures.js';
import { referenceEngine } from '../../../src/engine/open.js';
import { namedGroup } from '../../../src/math/group.js';
import { type Member, Membership } from '../../../src/protocol/membership.js';
import type { RoundInfo } from '../../../src/protocol/roundInfo.js';
import { isOver } from '../../../src/round/machine/admission.js';
import { DEFAULT_PARAMS, type SchedulerParams } from '../../../src/scheduler/parameters.js';
import { Scheduler } from '../../../src/scheduler/scheduler.js';
import { SchedulerStore } from '../../../src/scheduler/store.js';
import { MemoryStore } from '../../support/memoryStore.js';
import { SeededRng } from '../../support/seededRng.js';
import { VirtualClock } from '../../support/virtualClock.js';
import type { Run } from '../scheduler/connection.js';
import type { Word } from '../scheduler/simRounds.js';
import { codeOf, DayNode, NETWORK, type Surroundings } from './node.js';
import { Papers } from './papers.js';

const MINUTE_MS = 60_000;
export const HOUR_MS = 60 * MINUTE_MS;
export const DAY_MS = 24 * HOUR_MS;
const NODES = 6;
const SENDERS_PER_HOUR = 2;
/** Interval, in hours, at which all members call each other. */
const GREETING_HOURS = 4;
/** The scheduler ticks five times a second; here in large steps, so that weeks pass in a minute. */
const STEP_MS = 10_000;
/** Hours in which the scheduler is restarted; days between the last two, so that growth within one run shows. */
const RESTART_HOURS = [20, 30, 146];
const TEAM_LATENCY_MS = 50;
const RETRY_MS = 5_000;
const RETRIES = 20;

const PARAMS: SchedulerParams = {
  ...DEFAULT_PARAMS,
  teamSize: 3,
  group: 'TEST-512',
  slots: 10,
  chunkSlots: 5,
  minSenders: 1,
  quotaPerSender: 10,
  stockMin: 2,
  stockMax: 4,
  minimumDelayMs: 10 * MINUTE_MS,
  // Nodes report the demand of senders, and their own presence, every ten minutes.
  demandMs: 15 * MINUTE_MS,
  staleMs: 25 * MINUTE_MS,
};
/** Rounds as fast as large steps allow: on the first day, so that bounded containers are full when they are measured. */
const FAST: SchedulerParams = { ...PARAMS, minimumDelayMs: 25_000, stockMax: 12 };

export class DaysNetwork implements Surroundings {
  readonly clock = new VirtualClock();
  readonly rng: SeededRng;
  readonly violations: string[] = [];
  readonly disk = new MemoryStore();
  /** Nodes that stay; `#nodes` includes the visitor. */
  readonly residents: DayNode[] = [];
  readonly ends = { completed: 0, failed: 0 };
  readonly tally = { schedulers: 0, restarts: 0, visitors: 0, certificates: 0, handshakes: 0 };
  #nodes: readonly DayNode[] = [];
  #membership = new Membership(0, []);
  readonly #key: SigningKey;
  readonly #busy: boolean;
  #params: SchedulerParams;
  #run: (Run & { readonly kill: Deferred<never> }) | undefined;
  #hours = 0;
  /** Pending work in real time: virtual time stands still. */
  #working = 0;

  /** `busy`: a first day with many rounds. */
  constructor(seed: string, busy: boolean) {
    this.rng = new SeededRng(`days ${seed}`);
    this.#key = SigningKey.generate(this.rng);
    this.#busy = busy;
    this.#params = busy ? FAST : PARAMS;
  }

  get run(): Run | undefined {
    return this.#run;
  }

  get scheduler(): Scheduler {
    return this.#run!.scheduler;
  }

  get schedulerKey(): Uint8Array {
    return this.#key.publicKey;
  }

  get membership(): Membership {
    return this.#membership;
  }

  get nodes(): readonly DayNode[] {
    return this.#nodes;
  }

  violate(what: string): void {
    this.violations.push(what);
  }

  async begin(): Promise<void> {
    for (let i = 0; i < NODES; i++) this.residents.push(await this.#newNode(`code of resident ${i}`));
    this.#nodes = [...this.residents];
    this.#list();
    await this.#startScheduler();
    for (const node of this.residents) await node.start();
    this.#every(HOUR_MS, () => this.#hour());
    this.#every(10 * MINUTE_MS, async () => {
      for (const node of this.#nodes) node.process && node.pulse();
    });
  }

  /** Advances the clock to `endMs`, with everything that happens until then. */
  async until(endMs: number): Promise<void> {
    let over = false;
    this.clock.after(endMs - this.clock.nowMs(), () => {
      over = true;
    });
    while (!over) {
      do await nextTurn();
      while (this.#working > 0);
      if (!this.clock.step()) return;
    }
  }

  async #really<T>(work: Promise<T>): Promise<T> {
    this.#working++;
    try {
      return await work;
    } finally {
      this.#working--;
    }
  }

  async end(): Promise<void> {
    for (const node of this.#nodes) if (node.process) node.stop();
    this.#run!.alive = false;
    await this.scheduler.close();
  }

  #every(periodMs: number, act: () => Promise<void>): void {
    this.clock.after(periodMs, () => {
      act().catch((error: unknown) => this.violate(`${error}`));
      this.#every(periodMs, act);
    });
  }

  /** The events of an hour: each node, the scheduler and a visitor have theirs. */
  async #hour(): Promise<void> {
    const [day, hour] = [1 + Math.floor(this.#hours / 24), this.#hours++ % 24];
    if (hour === 0 && day === 2 && this.#busy) this.#setParams(PARAMS);
    for (const [index, node] of this.residents.entries()) {
      // Half of the nodes are never restarted: their containers must not grow either.
      if (index % 2 === 1 && hour === index) await this.#restart(node);
      if (hour === 8 + index) await this.#renew(node);
    }
    if (RESTART_HOURS.includes(this.#hours)) await this.#restartScheduler();
    await this.#visit();
    for (const node of this.#nodes) {
      if (!node.process) continue;
      await node.registerSenders(SENDERS_PER_HOUR);
      node.checkEpochs();
    }
    if (hour % GREETING_HOURS === 0) this.#greetings();
  }

  // Members.

  async #newNode(code: string): Promise<DayNode> {
    await new SchedulerStore(this.disk).addCode(code);
    const key = SigningKey.generate(this.rng);
    const papers = await this.#really(Papers.issue(key.nodeId, this.clock, this.rng));
    return new DayNode(key, papers, code, this);
  }

  /** Sends the present list, as the next generation, to all. */
  #list(): void {
    const members: Member[] = this.#nodes.map(({ id, key, papers }) => ({
      node: id,
      address: `${id}.example:1`,
      gatewayAddress: `${id}.example:2`,
      identityKey: key.publicKey,
      certificate: papers.pair.certificate,
      nextCertificate: papers.next?.certificate,
    }));
    this.#membership = new Membership(this.#membership.generation + 1, members);
    for (const node of this.#nodes) if (node.process) node.membershipChanged();
    this.#run?.scheduler.membershipChanged().catch((error: unknown) => this.violate(`${error}`));
  }

  /** A visitor registers with a code, after a wrong one, and leaves before the next one comes. */
  async #visit(): Promise<void> {
    for (const node of this.#nodes.filter((one) => !this.residents.includes(one))) this.#crash(node);
    const code = `code of visitor ${this.#hours}`;
    const visitor = await this.#newNode(code);
    this.#nodes = [...this.residents, visitor];
    this.#list();
    this.tally.visitors++;
    const register = (by: NodeId, which: string) =>
      this.scheduler.register(by, which).then(
        () => 'registered',
        (error: MixError) => error.code,
      );
    const first = await register(visitor.id, 'no code');
    if (first !== 'REGISTRATION_REFUSED') this.violate(`a wrong code: ${first}`);
    await visitor.start();
    this.clock.after(30 * MINUTE_MS, async () => {
      const known = this.scheduler.view().nodes.some(({ node }) => node === visitor.id);
      if (!known) this.violate(`a visitor with a code of its own is left out: hour ${this.#hours}`);
      const again = await register('f'.repeat(32) as NodeId, code);
      if (again !== 'REGISTRATION_REFUSED') this.violate(`a code that was used: ${again}`);
    });
  }

  /** Renews a certificate as docs/comms.md describes: listed beside the old one, then used, then listed alone. */
  async #renew(node: DayNode): Promise<void> {
    const { papers } = node;
    await this.#really(papers.prepare());
    this.#list();
    this.clock.after(10 * MINUTE_MS, () => {
      papers.change();
      this.#greetings();
    });
    this.clock.after(20 * MINUTE_MS, () => {
      this.#list();
      this.tally.certificates++;
      for (const { process } of this.#nodes) {
        const code = process && codeOf(() => process.authenticator.identify(papers.before!));
        if (process && code !== 'PEER_UNKNOWN') this.violate(`a certificate that was replaced is taken: ${code}`);
      }
    });
  }

  #greetings(): void {
    for (const from of this.#nodes) {
      for (const to of this.#nodes) {
        if (from === to || !from.process || !to.process) continue;
        this.tally.handshakes++;
        const code = codeOf(() => from.greet(to));
        if (code) this.violate(`a member is not let in: ${code}`);
      }
    }
  }

  // Restarts.

  #crash(node: DayNode): void {
    const lost = node.stop();
    for (const { process } of this.#nodes) process?.rounds.trouble(node.id, 'PEER_RESTARTED', lost);
  }

  async #restart(node: DayNode): Promise<void> {
    this.#crash(node);
    this.tally.restarts++;
    await node.start();
  }

  async #restartScheduler(): Promise<void> {
    const run = this.#run!;
    run.alive = false;
    await run.scheduler.close();
    run.kill.reject(new MixError('LINK_DOWN', { detail: 'the scheduler was stopped' }));
    await this.#startScheduler();
  }

  async #startScheduler(): Promise<void> {
    const kill = deferred<never>();
    kill.promise.catch(() => {});
    this.tally.schedulers++;
    const scheduler = await Scheduler.open({
      network: NETWORK,
      key: this.#key,
      membership: () => this.#membership,
      params: this.#params,
      registration: 'codes',
      store: new SchedulerStore(this.disk),
      engineOf: async (group) => referenceEngine(namedGroup(group)),
      clock: inLargeSteps(this.clock),
      rng: this.rng,
      log: silentLog,
      metrics: createMetrics(),
      listener: {
        onEnded: ({ state }) => {
          if (isOver(state)) this.ends[state === 'COMPLETED' ? 'completed' : 'failed']++;
        },
      },
    });
    this.#run = { scheduler, death: kill.promise, kill, alive: true };
  }

  #setParams(params: SchedulerParams): void {
    this.#params = params;
    this.scheduler.setParams(params);
  }

  // Calls between nodes, and between them and the scheduler.

  tell(from: DayNode, info: RoundInfo, word: Word): void {
    for (const to of this.#nodes) {
      if (to !== from && info.team.includes(to.id)) void this.#deliver(from, to, info.round, word);
    }
  }

  /** Retries until the other node has opened the round, or the retries are used up. */
  async #deliver(from: DayNode, to: DayNode, round: RoundId, word: Word): Promise<void> {
    const { process } = from;
    await sleep(this.clock, TEAM_LATENCY_MS * randomFraction(this.rng));
    for (let attempts = 0; attempts < RETRIES && process && from.process === process; attempts++) {
      if (to.process?.rounds.hear(from.id, round, word)) return;
      const stage = process.rounds.stages.get(round);
      if (stage === undefined || isOver(stage)) return;
      await sleep(this.clock, RETRY_MS);
    }
  }

  isMember(node: NodeId): boolean {
    return this.#membership.find(node) !== undefined;
  }

  broken(): Promise<never> {
    return new Promise(() => {});
  }

  reading(): Promise<void> {
    return Promise.resolve();
  }

  meddle(): boolean {
    return true;
  }

  onUpdate(): void {}

  onStreamEnded(): void {}
}

/** Timers of this clock take at least a step. */
const inLargeSteps = (clock: Clock): Clock => ({
  nowMs: () => clock.nowMs(),
  wallMs: () => clock.wallMs(),
  after: (delayMs, fire) => clock.after(Math.max(delayMs, STEP_MS), fire),
});
