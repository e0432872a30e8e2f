// The composition root of a node: reads keys and membership, opens engine and store, and joins rounds, comms, scheduler and
// HTTP. The only place that knows everybody; nothing else constructs what it is given here.
import { join } from 'node:path';
import { toHex } from '../base/bytes.js';
import { systemClock } from '../base/clock.js';
import { MixError } from '../base/errors.js';
import type { BootId, NodeId } from '../base/ids.js';
import { createLog, type Logger } from '../base/log.js';
import { createMetrics } from '../base/metrics.js';
import { randomBytes, systemRng } from '../base/rng.js';
import { openLevelStore, type Store } from '../base/store.js';
import { addGatewayService } from '../comms/gatewayService.js';
import { authenticatePeer } from '../comms/peers.js';
import { SchedulerClient } from '../comms/schedulerClient.js';
import { type Listener, listen } from '../comms/server.js';
import { TeamLink } from '../comms/teamLink.js';
import { addTeamService } from '../comms/teamService.js';
import type { Engine } from '../engine/engine.js';
import { openEngine } from '../engine/open.js';
import type { GroupName } from '../math/group.js';
import { DEFAULT_RETRY } from '../round/courier.js';
import { RoundLog } from '../round/roundLog.js';
import { RoundRunner } from '../round/roundRunner.js';
import { SenderRegistry } from '../round/senderRegistry.js';
import { loadMembership, type NodeConfig } from './config.js';
import { SchedulerFollower } from './follow.js';
import { type Readiness, serveHttp } from './http.js';
import { loadCertificate, loadSigningKey } from './keyFiles.js';

const HOUR_MS = 3_600_000;
/** A stream that sends nothing for this long is dropped; its sender starts it again. */
const STREAM_IDLE_MS = 120_000;
/** How long a closing node lets calls end and reports leave. */
const GRACE_MS = 2_000;

export interface RunningNode {
  readonly node: NodeId;
  readonly httpPort: number;
  /** Fails open rounds, tells everybody, and closes what was opened, in reverse order. Idempotent. */
  close(reason: string): Promise<void>;
}

/** Engines by group, opened when a round needs one; the default group's at start, so that a bad one shows at once. */
class Engines {
  readonly #open = new Map<GroupName, Promise<Engine>>();
  readonly #make: (group: GroupName) => Promise<Engine>;
  readonly #allowed: readonly GroupName[];

  constructor(allowed: readonly GroupName[], make: (group: GroupName) => Promise<Engine>) {
    this.#allowed = allowed;
    this.#make = make;
  }

  get(group: GroupName): Promise<Engine> {
    if (!this.#allowed.includes(group)) {
      return Promise.reject(new MixError('ROUND_INFO_INVALID', { field: 'group', got: group }));
    }
    let engine = this.#open.get(group);
    if (!engine) {
      engine = this.#make(group);
      this.#open.set(group, engine);
      engine.catch(() => this.#open.delete(group));
    }
    return engine;
  }

  async close(): Promise<void> {
    for (const engine of this.#open.values()) await engine.then((opened) => opened.close()).catch(() => {});
  }
}

/** Starts a node. @throws MixError CONFIG_INVALID, CERTIFICATE_INVALID, ENGINE_*, STORE_FAILED, LINK_DOWN */
export async function startNode(config: NodeConfig, log: Logger = logOf(config)): Promise<RunningNode> {
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
    return await assemble(config, log, closers, closeAll);
  } catch (error) {
    await closeAll();
    throw error;
  }
}

export const logOf = (config: NodeConfig): Logger => createLog({ name: 'millrace', ...config.log });

async function assemble(
  config: NodeConfig,
  log: Logger,
  closers: (() => unknown)[],
  closeAll: () => Promise<void>,
): Promise<RunningNode> {
  const { network, identity, listen: at, limits, engine: wanted } = config;
  const key = loadSigningKey(identity.key_file);
  const certificate = loadCertificate({
    certificateFile: identity.certificate_file,
    certificateKeyFile: identity.certificate_key_file,
  });
  const membership = loadMembership(config.membership_file);
  membership.get(key.nodeId);
  const schedulerKey = new Uint8Array(Buffer.from(config.scheduler.key, 'hex'));
  const metrics = createMetrics({ processMetrics: true });
  const clock = systemClock;
  const bootId = toHex(randomBytes(systemRng, 16)) as BootId;

  const engines = new Engines(wanted.groups, (group) =>
    openEngine({
      engine: wanted.name,
      group,
      log,
      metrics,
      ...(wanted.threads > 0 ? { threads: wanted.threads } : {}),
    }),
  );
  closers.push(() => engines.close());
  const engine = await engines.get(wanted.groups[0]!);

  const store: Store = await openLevelStore(join(config.data_dir, 'store'));
  closers.push(() => store.close());
  const link = new TeamLink(() => membership, certificate);
  closers.push(() => link.close());
  const { certificate: schedulerCertificate } = loadCertificate({
    certificateFile: config.scheduler.certificate_file,
    certificateKeyFile: identity.certificate_key_file,
  });
  const scheduler = new SchedulerClient(config.scheduler.address, schedulerCertificate, certificate);
  closers.push(() => scheduler.close());
  const follower = new SchedulerFollower({ scheduler, schedulerKey, network, clock, log });
  closers.push(() => follower.close());

  // Seconds since 1970: larger than any epoch of an earlier run, whatever that run rotated to.
  const registry = new SenderRegistry(systemRng, Math.floor(clock.wallMs() / 1000), limits.senders);
  const runner = new RoundRunner({
    network,
    bootId,
    key,
    roundAuthority: schedulerKey,
    engineOf: (group) => engines.get(group),
    publicKeyOf: (node) => membership.find(node)?.identityKey,
    membershipGeneration: () => membership.generation,
    registry,
    roundLog: new RoundLog(store, bootId),
    link,
    clock,
    rng: systemRng,
    log,
    metrics,
    report: (report) => follower.report(report),
    limits: {
      openRounds: limits.open_rounds,
      keptRounds: limits.kept_rounds,
      slots: limits.slots,
      width: limits.width,
    },
    retry: { ...DEFAULT_RETRY, peerLostMs: limits.peer_lost_ms },
  });
  closers.push(() => runner.close());
  follower.report({ kind: 'online', bootId, engine: engine.name, enginePath: engine.path });
  await runner.start();
  const rotation = setInterval(() => runner.rotateEpoch(), limits.epoch_hours * HOUR_MS);
  rotation.unref();
  closers.push(() => clearInterval(rotation));

  const identify = (context: Parameters<typeof authenticatePeer>[0]) => authenticatePeer(context, membership, clock);
  const common = { certificate, log, metrics };
  const team = await listen({ ...common, address: at.team, authenticate: identify }, (server, errors) =>
    addTeamService(server, errors, { receiver: runner, identify, idleMs: STREAM_IDLE_MS }),
  );
  closers.push(() => team.close(GRACE_MS));
  const gateway: Listener = await listen({ ...common, address: at.gateway }, (server, errors) =>
    addGatewayService(server, errors, {
      network,
      node: key.nodeId,
      identityKey: key.publicKey,
      sign: (digest) => key.sign(digest),
      registry,
      runner,
    }),
  );
  closers.push(() => gateway.close(GRACE_MS));

  const readiness = (): Readiness => {
    const reasons = follower.connected ? [] : ['no connection to the scheduler'];
    return { ready: reasons.length === 0, reasons };
  };
  const status = () => ({
    node: key.nodeId,
    network,
    bootId,
    engine: { name: engine.name, path: engine.path, threads: engine.threads },
    scheduler: { connected: follower.connected },
    rounds: [...runner.stages].map(([round, stage]) => ({ round, stage })),
    roundSecretBytes: runner.secretBytes,
    epoch: registry.epoch,
    senders: registry.size,
  });
  const http = await serveHttp(at.http, { metrics, readiness, status });
  closers.push(() => http.close());
  void follower.run(runner);
  log.info({ node: key.nodeId, team: at.team, gateway: at.gateway, http: http.port, bootId }, 'node is up');

  let closing: Promise<void> | undefined;
  const close = async (reason: string) => {
    log.info({ reason }, 'node stops');
    runner.shutDown(reason);
    await follower.flush(GRACE_MS);
    await closeAll();
    key.seed.wipe();
  };
  return { node: key.nodeId, httpPort: http.port, close: (reason) => (closing ??= close(reason)) };
}
