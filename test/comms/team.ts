// A small real team in one process: real listeners, mutual TLS and a scheduler on loopback, real rounds with the reference engine
// in TEST-512, the machine's clock. Assembled like node/node.ts, without its files and processes.

import { toHex } from '../../src/base/bytes.js';
import { systemClock } from '../../src/base/clock.js';
import type { BootId, NodeId, RoundId } from '../../src/base/ids.js';
import { type Logger, silentLog } from '../../src/base/log.js';
import { createMetrics, type Metrics } from '../../src/base/metrics.js';
import { type Rng, randomBytes, systemRng } from '../../src/base/rng.js';
import { Client } from '../../src/client/client.js';
import { SigningKey } from '../../src/cmix/signatures.js';
import { addGatewayService } from '../../src/comms/gateway/service.js';
import { SCHEDULER_ID, SchedulerClient } from '../../src/comms/scheduler/client.js';
import { addSchedulerService } from '../../src/comms/scheduler/service.js';
import { addTeamService } from '../../src/comms/team/service.js';
import type { Engine } from '../../src/engine/engine.js';
import { referenceEngine } from '../../src/engine/open.js';
import { namedGroup } from '../../src/math/group.js';
import { SchedulerFollower } from '../../src/node/schedulerFollower.js';
import { NO_FLOORS } from '../../src/protocol/floors.js';
import { type Member, Membership } from '../../src/protocol/membership.js';
import type { RoundInfo } from '../../src/protocol/roundInfo.js';
import { RoundDirectory } from '../../src/round/directory.js';
import { LinkWarmUp } from '../../src/round/exchange/warmUp.js';
import { RoundJournal } from '../../src/round/journal.js';
import { RoundManager } from '../../src/round/manager.js';
import { RegistrationDesk } from '../../src/round/submissions/registration.js';
import { SenderRegistry } from '../../src/round/submissions/senderRegistry.js';
import { RoundFeed } from '../../src/scheduler/feed.js';
import type { AuthContext } from '../../src/transport/grpc.js';
import { LinkMetrics } from '../../src/transport/linkMetrics.js';
import type { CallFacts } from '../../src/transport/serving/callAuthenticator.js';
import { addHandshakeService } from '../../src/transport/serving/handshakeService.js';
import { type Listener, listen } from '../../src/transport/serving/server.js';
import { MemoryStore } from '../support/memoryStore.js';
import { authenticatorOf, hostsOf, type Identity, identity, memberOf, OwnLink } from './support.js';

export const NETWORK = 'loopback';

export interface TeamNode extends Identity {
  readonly member: Member;
  readonly manager: RoundManager;
  readonly registry: SenderRegistry;
  readonly registrations: RegistrationDesk;
  readonly metrics: Metrics;
  readonly link: OwnLink;
}

export interface RealTeamOptions {
  readonly log?: Logger;
  readonly rng?: Rng;
  /** Default: the reference engine in TEST-512. */
  readonly engine?: Engine;
}

export class RealTeam {
  readonly engine: Engine;
  readonly authority = SigningKey.generate(systemRng);
  readonly feed = new RoundFeed(this.authority, NETWORK);
  readonly nodes: TeamNode[] = [];
  readonly schedulerMetrics = createMetrics();
  membership = new Membership(0, []);
  schedulerIdentity!: Identity;
  schedulerAddress = '';
  #rounds = 0;
  readonly #closers: (() => unknown)[] = [];

  readonly log: Logger;
  readonly rng: Rng;

  private constructor({ log = silentLog, rng = systemRng, engine }: RealTeamOptions) {
    this.log = log;
    this.rng = rng;
    this.engine = engine ?? referenceEngine(namedGroup('TEST-512'));
  }

  static async start(size = 3, options: RealTeamOptions = {}): Promise<RealTeam> {
    const team = new RealTeam(options);
    await team.#startScheduler();
    for (let i = 0; i < size; i++) team.nodes.push(await team.#startNode(await identity(`team node ${i}`)));
    team.membership = new Membership(
      0,
      team.nodes.map(({ member }) => member),
    );
    team.#follow();
    await team.feed.online(team.nodes.map(({ node }) => node));
    return team;
  }

  async #startScheduler(): Promise<void> {
    this.schedulerIdentity = await identity('scheduler');
    const { certificate } = this.schedulerIdentity;
    const authenticator = authenticatorOf(this.schedulerIdentity, () => this.membership, {
      network: NETWORK,
      self: { id: SCHEDULER_ID, sign: (bytes) => this.authority.sign(bytes) },
      rng: this.rng,
    });
    const authenticate = (call: CallFacts) => void authenticator.admit(call);
    const common = { certificate, log: this.log, metrics: this.schedulerMetrics, authenticate };
    const listener = await listen({ ...common, address: '127.0.0.1:0' }, (server, errors) => {
      addHandshakeService(server, errors, authenticator);
      addSchedulerService(server, errors, { feed: this.feed, identify: (context) => authenticator.identify(context) });
    });
    this.schedulerAddress = `127.0.0.1:${listener.port}`;
    this.#closers.push(() => listener.close(0));
  }

  async #startNode(own: Identity): Promise<TeamNode> {
    const { key, certificate } = own;
    const { log, rng } = this;
    const metrics = createMetrics();
    const registry = new SenderRegistry(rng, 1, 1_000);
    const registrations = new RegistrationDesk(key.nodeId, registry, systemClock);
    const self = { network: NETWORK, id: own.node, sign: (bytes: Uint8Array) => key.sign(bytes) };
    const hosts = hostsOf(own, {}, { self, log, rng, metrics: new LinkMetrics(metrics) });
    const link = new OwnLink(() => this.membership, own, hosts);
    const bootId = toHex(randomBytes(systemRng, 16)) as BootId;
    const scheduler = new SchedulerClient(
      {
        address: this.schedulerAddress,
        certificate: this.schedulerIdentity.certificate.certificate,
        key: this.authority.publicKey,
      },
      hosts,
    );
    const directory = new RoundDirectory(own.node, systemClock);
    const follower = new SchedulerFollower({
      directory,
      self: { node: own.node, bootId },
      rng,
      scheduler,
      schedulerKey: this.authority.publicKey,
      network: NETWORK,
      clock: systemClock,
      log,
    });
    const ports = { clock: systemClock, rng };
    const care = new LinkWarmUp({ probe: link, self: own.node, log, metrics, policy: { keepWarmMs: 50 }, ...ports });
    const manager = new RoundManager({
      network: NETWORK,
      bootId,
      key,
      roundAuthority: this.authority.publicKey,
      engineOf: async () => this.engine,
      publicKeyOf: (id) => this.membership.find(id)?.identityKey,
      membershipGeneration: () => 0,
      registry,
      journal: new RoundJournal(new MemoryStore(), bootId),
      link,
      warmUp: care,
      ...ports,
      log,
      metrics,
      report: (report) => follower.report(report),
    });
    const authenticator = authenticatorOf(own, () => this.membership, { network: NETWORK, rng });
    const authenticate = (call: CallFacts) => void authenticator.admit(call);
    const identify = (context: AuthContext) => authenticator.identify(context);
    const common = { certificate, log, metrics, address: '127.0.0.1:0' };
    const team = await listen({ ...common, authenticate }, (server, errors) => {
      addHandshakeService(server, errors, authenticator);
      addTeamService(server, errors, { receiver: manager, identify, idleMs: 3_000 });
    });
    const gateway = await listen(common, (server, errors) =>
      addGatewayService(server, errors, {
        network: NETWORK,
        node: key.nodeId,
        identityKey: key.publicKey,
        sign: (digest) => key.sign(digest),
        registry,
        registrations,
        manager,
        collecting: () => manager.collecting(directory.collecting()),
      }),
    );
    this.#starters.push(async () => {
      await manager.start();
      void follower.run(manager);
      follower.report({ kind: 'online', bootId, engine: 'reference', enginePath: 'bigint' });
    });
    const closing: readonly { close(graceMs?: number): unknown }[] = [follower, manager, link];
    this.#closers.push(...closing.map((part) => () => part.close()), ...closersOf(team, gateway));
    return { ...own, member: memberOf(own, team.port, gateway.port), manager, registry, registrations, metrics, link };
  }

  readonly #starters: (() => Promise<void>)[] = [];

  #follow(): void {
    for (const start of this.#starters.splice(0)) void start();
  }

  roundInfo(changes: Partial<RoundInfo> = {}): RoundInfo {
    return {
      network: NETWORK,
      round: ++this.#rounds as RoundId,
      membership: 0,
      team: this.nodes.map(({ node }) => node),
      group: this.engine.group.name as RoundInfo['group'],
      slots: 6,
      width: 1,
      chunkSlots: 2,
      exponentBytes: 32,
      minSenders: 1,
      quotaPerSender: 6,
      deadlines: {
        precomputeMs: 60_000,
        standbyMs: 60_000,
        collectMs: 60_000,
        realtimeMs: 60_000,
        precomputePhaseMs: 30_000,
        realtimePhaseMs: 30_000,
      },
      ...changes,
    };
  }

  /** Opens a round and waits until it accepts messages. */
  async collecting(changes: Partial<RoundInfo> = {}): Promise<RoundInfo> {
    const info = this.roundInfo(changes);
    this.feed.open(info);
    await this.feed.reached(info.round, 'STANDBY');
    this.feed.assign(info.round);
    await this.feed.reached(info.round, 'QUEUED');
    return info;
  }

  client(changes: Partial<ConstructorParameters<typeof Client>[0]> = {}): Client {
    const client = new Client({
      network: NETWORK,
      membership: this.membership,
      roundAuthority: this.authority.publicKey,
      engine: this.engine,
      floors: NO_FLOORS,
      ...changes,
    });
    this.#closers.push(() => client.close());
    return client;
  }

  node(id: NodeId): TeamNode {
    return this.nodes.find(({ node }) => node === id)!;
  }

  async close(): Promise<void> {
    for (const close of this.#closers.splice(0).reverse()) await close();
  }
}

const closersOf = (...listeners: readonly Listener[]) => listeners.map((listener) => () => listener.close(0));
