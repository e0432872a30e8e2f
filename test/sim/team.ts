// A whole team in one process over the virtual network: real rounds, real keys and proofs, the reference engine, a virtual clock.
// Helpers to open rounds, submit messages and advance time until a condition is true.

import { toHex } from '../../src/base/bytes.js';
import { MixError } from '../../src/base/errors.js';
import type { BootId, NodeId, RoundId } from '../../src/base/ids.js';
import { silentLog } from '../../src/base/log.js';
import { createMetrics, type Metrics } from '../../src/base/metrics.js';
import { randomBytes } from '../../src/base/rng.js';
import { composeSubmissions, Sender } from '../../src/client/compose.js';
import { SenderKey } from '../../src/cmix/senderKeys.js';
import { SigningKey } from '../../src/cmix/signatures.js';
import type { Engine } from '../../src/engine/engine.js';
import { referenceEngine } from '../../src/engine/open.js';
import { type GroupName, namedGroup } from '../../src/math/group.js';
import {
  type RoundDeadlines,
  type RoundInfo,
  type SignedRoundInfo,
  signRoundInfo,
} from '../../src/protocol/roundInfo.js';
import type { NodeReport } from '../../src/protocol/schedulerPort.js';
import { RoundJournal } from '../../src/round/journal.js';
import { RoundManager, type RoundManagerDeps } from '../../src/round/manager.js';
import type { Submission } from '../../src/round/submissions/desk.js';
import { SenderRegistry } from '../../src/round/submissions/senderRegistry.js';
import { SeededRng } from '../support/seededRng.js';
import { VirtualClock } from '../support/virtualClock.js';
import { CALM, type NetworkFaults, VirtualNetwork } from './network.js';
import { Disk, type DiskHandle } from './store.js';

export interface TeamOptions {
  readonly seed: string | number;
  readonly nodes?: number;
  readonly slots?: number;
  readonly width?: number;
  readonly chunkSlots?: number;
  readonly group?: GroupName;
  readonly minSenders?: number;
  readonly quotaPerSender?: number;
  readonly faults?: NetworkFaults;
  readonly deadlines?: Partial<RoundDeadlines>;
  /** Overrides for the parts of a node, by its number. */
  readonly remake?: (index: number) => Partial<RoundManagerDeps>;
}

export interface SimNode {
  readonly index: number;
  readonly key: SigningKey;
  readonly id: NodeId;
  readonly disk: Disk;
  store: DiskHandle;
  manager: RoundManager;
  registry: SenderRegistry;
  metrics: Metrics;
  alive: boolean;
  readonly reports: NodeReport[];
}

/** The state that dies with the process. */
type Process = Pick<SimNode, 'store' | 'registry' | 'metrics' | 'manager'>;

const NETWORK = 'simulation';
const DEADLINES: RoundDeadlines = {
  precomputeMs: 60_000,
  standbyMs: 600_000,
  collectMs: 20_000,
  realtimeMs: 60_000,
  precomputePhaseMs: 20_000,
  realtimePhaseMs: 20_000,
};

export class SimTeam {
  readonly clock = new VirtualClock();
  readonly rng: SeededRng;
  readonly network: VirtualNetwork;
  readonly engine: Engine;
  readonly authority: SigningKey;
  readonly nodes: SimNode[] = [];
  readonly senders: Sender[] = [];
  readonly options: Required<TeamOptions>;
  #rounds = 0;
  #epochs = 0;

  constructor(options: TeamOptions) {
    this.options = {
      nodes: 5,
      slots: 6,
      width: 1,
      chunkSlots: 2,
      group: 'TEST-512',
      minSenders: 1,
      quotaPerSender: 4,
      faults: CALM,
      deadlines: {},
      remake: () => ({}),
      ...options,
    };
    this.rng = new SeededRng(this.options.seed);
    this.network = new VirtualNetwork(this.clock, new SeededRng(`network/${this.options.seed}`), this.options.faults);
    this.engine = referenceEngine(namedGroup(this.options.group));
    this.authority = SigningKey.generate(this.rng);
    for (let i = 0; i < this.options.nodes; i++) this.nodes.push(this.#createNode(i));
  }

  /** Starts every node and registers `count` senders with all of them. */
  async start(count = 3): Promise<this> {
    for (const node of this.nodes) await node.manager.start();
    for (let i = 0; i < count; i++) this.senders.push(this.newSender());
    return this;
  }

  newSender(): Sender {
    const sender = new Sender(SenderKey.generate(this.rng));
    for (const node of this.nodes) this.register(sender, node);
    return sender;
  }

  register(sender: Sender, node: SimNode): void {
    const { registry } = node;
    registry.register(sender.key.publicKey, registry.epoch);
    sender.agree(node.id, registry.publicKey, registry.epoch);
  }

  #createNode(index: number): SimNode {
    const key = SigningKey.generate(this.rng);
    const node = { index, key, id: key.nodeId, disk: new Disk(), alive: true, reports: [] as NodeReport[] };
    return Object.assign(node, this.#boot(node));
  }

  #boot(node: Pick<SimNode, 'index' | 'id' | 'key' | 'disk' | 'alive' | 'reports'>): Process {
    const bootId = toHex(randomBytes(this.rng, 16)) as BootId;
    const registry = new SenderRegistry(this.rng, ++this.#epochs * 1_000, 10_000);
    const metrics = createMetrics();
    const store = node.disk.open();
    const manager = new RoundManager({
      network: NETWORK,
      bootId,
      key: node.key,
      roundAuthority: this.authority.publicKey,
      engineOf: async () => this.engine,
      publicKeyOf: (id) => this.nodes.find((other) => other.id === id)?.key.publicKey,
      membershipGeneration: () => 0,
      registry,
      journal: new RoundJournal(store, bootId),
      link: this.network.linkOf(node.id),
      clock: this.clock,
      rng: this.rng,
      log: silentLog,
      metrics,
      report: (report) => {
        if (node.alive) node.reports.push(report);
      },
      ...this.options.remake(node.index),
    });
    this.network.attach(node.id, manager);
    return { store, registry, metrics, manager };
  }

  /** kill -9: the process is gone with all its memory; its store stays. */
  crash(node: SimNode): void {
    node.alive = false;
    node.store.kill();
    this.network.detach(node.id);
    node.manager.close();
  }

  /** Restarts a crashed node over its store. */
  async restart(node: SimNode): Promise<void> {
    node.alive = true;
    Object.assign(node, this.#boot(node));
    await node.manager.start();
  }

  roundInfo(changes: Partial<RoundInfo> = {}): SignedRoundInfo {
    const { slots, width, chunkSlots, group, minSenders, quotaPerSender } = this.options;
    const info: RoundInfo = {
      network: NETWORK,
      round: ++this.#rounds as RoundId,
      membership: 0,
      team: this.nodes.map(({ id }) => id),
      group,
      slots,
      width,
      chunkSlots,
      exponentBytes: 32,
      minSenders,
      quotaPerSender,
      deadlines: { ...DEADLINES, ...this.options.deadlines },
      ...changes,
    };
    return signRoundInfo(info, this.authority);
  }

  /** Opens a round on every living node. */
  async open(signed = this.roundInfo()): Promise<RoundInfo> {
    for (const node of this.nodes) if (node.alive) await node.manager.openRound(signed);
    return signed.info;
  }

  stage(node: SimNode, round: RoundId): string | undefined {
    return node.manager.stages.get(round);
  }

  /** The failure that a node has reported of a round. */
  failure(node: SimNode, round: RoundId) {
    for (const report of [...node.reports].reverse()) {
      if (report.kind === 'stage' && report.round === round && report.stage === 'FAILED') return report.failure;
    }
    return undefined;
  }

  /** Advances time until `done` is true or `limitMs` of virtual time are over; returns true if it is. */
  async until(done: () => boolean, limitMs = 300_000): Promise<boolean> {
    const endMs = this.clock.nowMs() + limitMs;
    for (;;) {
      // Everything between two timers is microtasks: one turn of the event loop ends them all.
      await new Promise((resolve) => setImmediate(resolve));
      if (done()) return true;
      if (this.clock.nowMs() > endMs || !this.clock.step()) return false;
    }
  }

  everyAlive(test: (node: SimNode) => boolean): boolean {
    return this.nodes.filter(({ alive }) => alive).every(test);
  }

  /** Waits until the round is in STANDBY everywhere and assigns it. */
  async standby(info: RoundInfo): Promise<void> {
    const ready = await this.until(() => this.everyAlive((node) => this.stage(node, info.round) === 'STANDBY'));
    if (!ready) throw new MixError('INTERNAL', { what: 'round did not reach STANDBY', round: info.round });
    for (const node of this.nodes) if (node.alive) node.manager.assign(info.round);
  }

  compose(info: RoundInfo, texts: readonly string[]): Promise<Submission[]> {
    const messages = texts.map((text, i) => ({
      sender: this.senders[i % this.senders.length]!,
      payload: new Uint8Array(Buffer.from(text)),
    }));
    return composeSubmissions(this.engine, this.rng, info, messages);
  }

  /** Ends every node: nothing is left waiting. */
  close(): void {
    for (const node of this.nodes) if (node.alive) this.crash(node);
  }

  /** The first node of a round's team. */
  first(info: RoundInfo): SimNode {
    return this.nodes.find(({ id }) => id === info.team[0])!;
  }
}
