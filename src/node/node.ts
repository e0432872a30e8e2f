// The composition root of a node: reads keys and membership, opens engine and store, and joins rounds, comms, scheduler and HTTP. The
// only place that knows all parts; no part constructs what it is given here.

import { join } from 'node:path';
import {
  abort,
  type BootId,
  busyMeter,
  checkMethods,
  keepingAlive,
  type NodeId,
  randomBytes,
  randomFraction,
  sleep,
  systemClock,
  systemRng,
  toHex,
} from '../base/index.js';
import { createLog, type Logger } from '../base/log.js';
import { createMetrics, type Metrics } from '../base/metrics.js';
import { type DiskStore, openLevelStore } from '../base/store.js';
import { addGatewayService, addTeamService, SCHEDULER_ID, SchedulerClient, TeamLink } from '../comms/index.js';
import { degradedBy, type Engine, openEngine } from '../engine/index.js';
import type { GroupName } from '../math/index.js';
import type { NodeReport } from '../protocol/index.js';
import {
  DEFAULT_RETRY,
  isOver,
  LinkWarmUp,
  RegistrationDesk,
  RoundDirectory,
  RoundJournal,
  RoundManager,
  type RoundManagerDeps,
  SenderRegistry,
} from '../round/index.js';
import {
  type AuthContext,
  addHandshakeService,
  CallAuthenticator,
  CallBudget,
  type CallFacts,
  HostManager,
  keepWarmMs,
  LinkMetrics,
  listen,
  Origins,
} from '../transport/index.js';
import { Engines } from './engines.js';
import { NodeHealth } from './health.js';
import { serveHttp } from './http.js';
import { descriptorLimit, descriptorShares } from './process/descriptors.js';
import { measureRoundTrips } from './roundTrips.js';
import { SchedulerFollower } from './schedulerFollower.js';
import { Credentials } from './settings/credentials.js';
import { loadCode, openDataDirectory } from './settings/keyFiles.js';
import { checkConfig, type NodeConfig } from './settings/nodeConfig.js';
import { toFloors } from './settings/sections.js';

const HOUR_MS = 3_600_000;
const MIB = 1 << 20;
/** A stream that sends nothing for this long is dropped; its sender starts it again. */
const STREAM_IDLE_MS = 120_000;
/** Time in which a closing node lets calls end and reports leave. */
const GRACE_MS = 2_000;
/** The scheduler is told at most this often that senders ask for rounds. */
const WANTED_MS = 1_000;
/** Interval at which a draining node checks whether its rounds are over. */
const DRAIN_LOOK_MS = 100;
/** Time for which a node that fails its open rounds goes on telling its team. */
const FAREWELL_MS = 500;

export interface RunningNode {
  readonly node: NodeId;
  readonly httpPort: number;
  /** Reads certificate and membership list again. @throws MixError if they cannot be used: nothing has changed then */
  reload(): void;
  /**
   * Takes no new rounds, waits for those that take messages or mix, at most for limits.drain_ms, then closes: nobody is to blame for an
   * announced departure.
   */
  drain(reason: string): Promise<void>;
  /** Fails open rounds, tells everybody, and closes what was opened, in reverse order. Idempotent. */
  close(reason: string): Promise<void>;
}

/** Starts a node. @throws MixError CONFIG_INVALID, CERTIFICATE_INVALID, ENGINE_*, STORE_FAILED, LINK_DOWN */
export async function startNode(given: NodeConfig, logger?: Logger): Promise<RunningNode> {
  const config = checkConfig(given);
  if (logger !== undefined) checkMethods(logger, 'log', ['info', 'warn', 'error', 'debug']);
  const log = logger ?? openLog(config);
  const closers: (() => unknown)[] = [];
  const closeAll = async () => {
    for (const close of closers.splice(0).reverse()) {
      try {
        await close();
      } catch (err) {
        log.warn({ err }, 'closing');
      }
    }
  };
  try {
    const own: Own = (opened, close) => {
      closers.push(() => close(opened));
      return opened;
    };
    return await keepingAlive(() => assemble(config, log, own, closeAll));
  } catch (error) {
    await closeAll();
    throw error;
  }
}

export const openLog = (config: NodeConfig): Logger => createLog({ name: 'millrace', ...config.log });

/** Notes how something that was opened is closed; closing is in reverse order. */
type Own = <T>(opened: T, close: (opened: T) => unknown) => T;

interface Common {
  readonly config: NodeConfig;
  readonly credentials: Credentials;
  readonly log: Logger;
  readonly metrics: Metrics;
  readonly bootId: BootId;
  readonly own: Own;
  readonly hosts: HostManager;
  readonly authenticator: CallAuthenticator;
}

function openEngines({ config, log, metrics, own }: Common): Engines {
  const { name, groups, threads, check_rate: checkRate } = config.engine;
  const make = (group: GroupName) =>
    openEngine({ engine: name, group, log, metrics, checkRate, ...(threads > 0 ? { threads } : {}) });
  return own(new Engines(groups, make), (engines) => engines.close());
}

/** Opens the hosts that this node calls, and the authenticator of its callers. */
function openComms(config: NodeConfig, credentials: Credentials, log: Logger, metrics: Metrics, own: Own) {
  const { key } = credentials;
  const { network } = config;
  const self = { network, id: key.nodeId, sign: (digest: Uint8Array) => key.sign(digest) };
  const ports = { clock: systemClock, rng: systemRng };
  const deps = { self, certificate: () => credentials.certificate, log, metrics: new LinkMetrics(metrics), ...ports };
  const hosts = own(new HostManager({}, deps), (it) => it.close());
  const tokensRequired = config.comms.tokens === 'required';
  const authenticator = new CallAuthenticator({
    network,
    self,
    membership: () => credentials.membership,
    tokensRequired,
    ...ports,
  });
  metrics.observed('sessions_open', 'Authenticated connections of peers', () => authenticator.size.sessions);
  return { hosts, authenticator };
}

function openFollower(
  { config, credentials, log, own, hosts, bootId }: Common,
  directory: RoundDirectory,
  greeting: () => readonly NodeReport[],
): SchedulerFollower {
  const { network } = config;
  const { scheduler: facts } = credentials;
  const scheduler = new SchedulerClient(facts, hosts);
  const codeFile = config.scheduler.registration_code_file;
  const registrationCode = codeFile === undefined ? undefined : loadCode(codeFile);
  const self = { node: credentials.key.nodeId, bootId };
  const ports = { scheduler, schedulerKey: facts.key, clock: systemClock, rng: systemRng, log };
  const deps = { self, network, directory, ...ports, greeting, registrationCode };
  return own(new SchedulerFollower(deps), (it) => it.close());
}

/** Opens the rounds of this node, over its link, store and registry. */
async function openRounds(common: Common, engines: Engines, follower: SchedulerFollower) {
  const { config, credentials, log, metrics, bootId, own } = common;
  const { network, limits } = config;
  const { key } = credentials;
  openDataDirectory(config.data_dir);
  const store = own(await openLevelStore(join(config.data_dir, 'store')), (it) => it.close());
  const link = new TeamLink(() => credentials.membership, common.hosts);
  const ports = { clock: systemClock, rng: systemRng };
  const policy = { keepWarmMs: keepWarmMs(config.comms.keep_warm_ms) };
  const warmUp = new LinkWarmUp({ probe: link, self: key.nodeId, log, metrics, policy, ...ports });
  // Seconds since 1970: larger than any epoch of an earlier run, whatever that run rotated to.
  const registry = new SenderRegistry(systemRng, Math.floor(systemClock.wallMs() / 1000), limits.senders);
  const deps: RoundManagerDeps = {
    network,
    bootId,
    key,
    roundAuthority: credentials.scheduler.key,
    engineOf: (group) => engines.get(group),
    publicKeyOf: (node) => credentials.membership.find(node)?.identityKey,
    membershipGeneration: () => credentials.membership.generation,
    registry,
    journal: new RoundJournal(store, bootId),
    link,
    warmUp,
    ...ports,
    log,
    metrics,
    report: (report) => follower.report(report),
    limits: {
      floors: toFloors(config.floors),
      openRounds: limits.open_rounds,
      keptRounds: limits.kept_rounds,
      slots: limits.slots,
      width: limits.width,
      memoryBytes: limits.memory_mib * MIB,
    },
    retry: { ...DEFAULT_RETRY, peerLostMs: limits.peer_lost_ms },
  };
  const manager = own(new RoundManager(deps), (it) => it.close());
  const measuring = own(new AbortController(), (it) => abort(it));
  const others = () => credentials.membership.members.map(({ node }) => node).filter((node) => node !== key.nodeId);
  const report = (measured: NodeReport) => follower.report(measured);
  void measureRoundTrips({ link, others, clock: systemClock, report }, measuring.signal);
  const rotation = setInterval(() => manager.rotateEpoch(), limits.epoch_hours * HOUR_MS);
  own(rotation, clearInterval).unref();
  return { manager, registry, store, link };
}

/** Wraps `act`, which is then called at most once within `intervalMs`. */
function atMostEvery(intervalMs: number, act: () => void): () => void {
  let lastMs = Number.NEGATIVE_INFINITY;
  return () => {
    const nowMs = systemClock.nowMs();
    if (nowMs - lastMs < intervalMs) return;
    lastMs = nowMs;
    act();
  };
}

/** Starts the watch over the node's health. */
function openHealth(
  { credentials, log, metrics, own }: Common,
  parts: {
    readonly store: DiskStore;
    readonly link: TeamLink;
    readonly follower: SchedulerFollower;
    readonly engine: Engine;
    readonly pause: (reason: string) => void;
  },
): NodeHealth {
  const { store, link, follower, engine, pause } = parts;
  const others = () => credentials.membership.members.filter(({ node }) => node !== credentials.key.nodeId);
  const health = new NodeHealth({
    clock: systemClock,
    log,
    metrics,
    store,
    isConnected: () => follower.connected,
    degraded: () => degradedBy(engine),
    otherMembers: others,
    clockLeadMs: (node) => link.clockLeadMs(node),
    onPaused: (reason) => pause(reason ?? ''),
  });
  const watching = own(new AbortController(), (it) => abort(it));
  void health.watch(watching.signal);
  return health;
}

/** Opens the two listeners, for team members and for senders. */
async function openListeners(
  common: Common,
  parts: {
    readonly manager: RoundManager;
    readonly registry: SenderRegistry;
    readonly directory: RoundDirectory;
    readonly onWanted: () => void;
  },
) {
  const { manager, registry, directory, onWanted } = parts;
  const { config, credentials, log, metrics, own, authenticator } = common;
  const { key, certificate } = credentials;
  const identify = (context: AuthContext) => authenticator.identify(context);
  const options = { certificate, log, metrics };
  const authenticate = (call: CallFacts) => void authenticator.admit(call);
  const { by_connection: byConnection, connections, memory_mib: memoryMib } = config.strangers;
  const origins = new Origins(byConnection);
  const descriptors = descriptorShares(descriptorLimit(), credentials.membership.members.length, connections);
  log.info({ ...descriptors }, 'limit of descriptors, and its shares for connections');
  const knows = (fingerprint: string) => credentials.membership.byFingerprint(fingerprint) !== undefined;
  const ofTeam = { ...options, authenticate, limits: { origins, connections: descriptors.team, knows } };
  const team = await listen({ ...ofTeam, address: config.listen.team }, (server, errors) => {
    addHandshakeService(server, errors, authenticator);
    addTeamService(server, errors, { receiver: manager, identify, idleMs: STREAM_IDLE_MS });
  });
  own(team, (it) => it.close(GRACE_MS));
  const budget = new CallBudget(systemClock, busyMeter(), () => randomFraction(systemRng));
  manager.watchAccepted((origin) => budget.credit(origin));
  const limits = { origins, connections: descriptors.gateway, streamBytes: memoryMib * MIB, budget };
  const gateway = await listen({ ...options, limits, address: config.listen.gateway }, (server, errors) =>
    addGatewayService(server, errors, {
      network: config.network,
      node: key.nodeId,
      identityKey: key.publicKey,
      sign: (digest) => key.sign(digest),
      registry,
      registrations: new RegistrationDesk(key.nodeId, registry, systemClock),
      manager,
      collecting: () => manager.collecting(directory.collecting()),
      onWanted,
    }),
  );
  own(gateway, (it) => it.close(GRACE_MS));
  metrics.observed('gateway_connections_open', 'Connections to the gateway', () => gateway.load().connections);
  metrics.observed('gateway_calls_open', 'Calls of strangers that are under way', () => gateway.load().streams);
  metrics.observed(
    'gateway_connections_refused',
    'Connections to the gateway that were closed at once because their address had used its share',
    () => gateway.load().refusedConnections,
  );
  metrics.observed(
    'gateway_calls_refused',
    'Calls of strangers that were refused unread because their share was used or this node was overloaded',
    () => gateway.load().refusedStreams,
  );
  return { team, gateway };
}

type Listeners = Awaited<ReturnType<typeof openListeners>>;

/** Reads certificate and membership list again, while rounds go on. @throws MixError: nothing has changed then */
function reload(common: Common, manager: RoundManager, link: TeamLink, { team, gateway }: Listeners): void {
  const { credentials, hosts, authenticator, log } = common;
  const change = credentials.reload();
  const { certificate, membership } = credentials;
  if (change.certificate) for (const listener of [team, gateway]) listener.setCertificate(certificate);
  if (change.membership) {
    authenticator.follow(membership);
    hosts.follow(membership, [SCHEDULER_ID]);
    link.membershipChanged();
    manager.membershipChanged();
    // Drop open calls and connections of removed members.
    team.closeConnections((fingerprint) => membership.byFingerprint(fingerprint) !== undefined);
  }
  log.info({ ...change, generation: membership.generation }, 'certificate and membership list read again');
}

async function assemble(
  config: NodeConfig,
  log: Logger,
  own: Own,
  closeAll: () => Promise<void>,
): Promise<RunningNode> {
  const credentials = new Credentials(config);
  const { key } = credentials;
  const bootId = toHex(randomBytes(systemRng, 16)) as BootId;
  const metrics = createMetrics({ processMetrics: true });
  const comms = openComms(config, credentials, log, metrics, own);
  const common: Common = { config, credentials, log, metrics, bootId, own, ...comms };
  const engines = openEngines(common);
  const engine = await engines.get(config.engine.groups[0]!);
  let rounds: RoundManager | undefined;
  const directory = new RoundDirectory(key.nodeId, systemClock);
  const presence = new Presence(common, engine);
  const follower = openFollower(common, directory, () => [presence.online(), ...(rounds?.reports() ?? [])]);
  presence.onChange = (online) => follower.report(online);
  const { manager, registry, store, link } = await openRounds(common, engines, follower);
  rounds = manager;
  await manager.start();
  const onWanted = atMostEvery(WANTED_MS, () => follower.report({ kind: 'wanted' }));
  const listeners = await openListeners(common, { manager, registry, directory, onWanted });
  const health = openHealth(common, {
    store,
    link,
    follower,
    engine,
    pause: (reason) => presence.pause('machine', reason),
  });
  const readiness = () => health.readiness();
  const status = () => describeStatus(common, { engine, follower, manager, registry });
  const http = own(
    await serveHttp(config.listen.http, {
      clock: systemClock,
      log,
      hosts: config.listen.http_hosts,
      metrics,
      readiness,
      status,
    }),
    (it) => it.close(),
  );
  void follower.run(manager);
  const { team, gateway } = config.listen;
  log.info({ node: key.nodeId, team, gateway, http: http.port, bootId }, 'node is up');

  const close = makeCloser(common, manager, follower, closeAll);
  const drain = async (reason: string) => {
    log.info({ reason, limitMs: config.limits.drain_ms }, 'node drains');
    presence.pause('drain', `draining: ${reason}`);
    await emptied(manager, follower, config.limits.drain_ms);
    await close(reason);
  };
  return {
    node: key.nodeId,
    httpPort: http.port,
    reload: () => reload(common, manager, link, listeners),
    drain: (reason) => keepingAlive(() => drain(reason)),
    close,
  };
}

/** Returns the content of /status. */
function describeStatus(
  { config, credentials, bootId, hosts }: Common,
  {
    engine: { name, path, threads },
    follower,
    manager,
    registry,
  }: {
    readonly engine: Engine;
    readonly follower: SchedulerFollower;
    readonly manager: RoundManager;
    readonly registry: SenderRegistry;
  },
): Record<string, unknown> {
  return {
    node: credentials.key.nodeId,
    network: config.network,
    bootId,
    engine: { name, path, threads },
    scheduler: { connected: follower.connected },
    membership: credentials.membership.generation,
    links: hosts.report(),
    rounds: [...manager.stages].map(([round, stage]) => ({ round, stage })),
    roundSecretBytes: manager.secretBytes,
    roundMemory: { bytes: manager.memoryBytes, mostBytes: config.limits.memory_mib * MIB },
    epoch: registry.epoch,
    senders: registry.size,
  };
}

/** Report to the scheduler that this node is online, with the reason if it takes no new rounds. */
class Presence {
  readonly #common: Common;
  readonly #engine: Engine;
  readonly #pauses = new Map<'drain' | 'machine', string>();
  onChange: (online: NodeReport) => void = () => {};

  constructor(common: Common, engine: Engine) {
    this.#common = common;
    this.#engine = engine;
  }

  online(): NodeReport {
    const { bootId, config } = this.#common;
    const { name, path } = this.#engine;
    const paused = [...this.#pauses.values()].join('; ');
    return { kind: 'online', bootId, engine: name, enginePath: path, openRounds: config.limits.open_rounds, paused };
  }

  /** Takes no new rounds for this reason; an empty one lifts the pause. */
  pause(why: 'drain' | 'machine', reason: string): void {
    if (reason === '') this.#pauses.delete(why);
    else this.#pauses.set(why, reason);
    this.onChange(this.online());
  }
}

/** Resolves when no round is open, or the scheduler is not connected and cannot learn of the pause, or after `limitMs`. */
async function emptied(manager: RoundManager, follower: SchedulerFollower, limitMs: number): Promise<void> {
  const endMs = systemClock.nowMs() + limitMs;
  const isOpen = () => [...manager.stages.values()].some((stage) => !isOver(stage));
  while (isOpen() && follower.connected && systemClock.nowMs() < endMs) await sleep(systemClock, DRAIN_LOOK_MS);
}

/** Fails open rounds, tells everybody, and closes all; once, however often it is called. */
function makeCloser(
  { log, credentials }: Common,
  manager: RoundManager,
  follower: SchedulerFollower,
  closeAll: () => Promise<void>,
): (reason: string) => Promise<void> {
  let closing: Promise<void> | undefined;
  const close = async (reason: string) => {
    log.info({ reason }, 'node stops');
    const busy = [...manager.stages.values()].some((stage) => !isOver(stage));
    manager.shutDown(reason);
    // The team learns of it by a message, not by a deadline.
    if (busy) await sleep(systemClock, FAREWELL_MS);
    await follower.flush(GRACE_MS);
    await closeAll();
    credentials.key.seed.wipe();
  };
  return (reason) => {
    closing ??= keepingAlive(() => close(reason));
    return closing;
  };
}
