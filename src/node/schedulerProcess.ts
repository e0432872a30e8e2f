// The composition root of a scheduler: keys, store, listener and HTTP around scheduler/scheduler.ts.
import type { ServerResponse } from 'node:http';
import { join } from 'node:path';
import { type NodeId, randomBytes, systemClock, systemRng } from '../base/index.js';
import { createLog, type Logger } from '../base/log.js';
import { createMetrics, type Metrics } from '../base/metrics.js';
import { openLevelStore } from '../base/store.js';
import { addSchedulerService, SCHEDULER_ID } from '../comms/index.js';
import { openEngine } from '../engine/index.js';
import { GROUP_NAMES, namedGroup, TEST_GROUP_NAMES } from '../math/index.js';
import type { Membership } from '../protocol/index.js';
import { Scheduler, SchedulerStore } from '../scheduler/index.js';
import {
  type AuthContext,
  addHandshakeService,
  CallAuthenticator,
  type CallFacts,
  type CertificatePair,
  CONNECTIONS_MAX,
  listen,
} from '../transport/index.js';
import { Engines } from './engines.js';
import { serveHttp } from './http.js';
import { descriptorLimit, descriptorShares } from './process/descriptors.js';
import { SchedulerHealth } from './schedulerHealth.js';
import { loadCertificate, loadSigningKey, openDataDirectory } from './settings/keyFiles.js';
import { loadMembership } from './settings/membershipFile.js';
import { type SchedulerConfig, toParams } from './settings/schedulerConfig.js';

const GRACE_MS = 1_000;

export interface RunningScheduler {
  readonly scheduler: Scheduler;
  readonly port: number;
  readonly httpPort: number;
  /** Changes the parameters, and reads the membership list again. @throws MixError: nothing has changed then */
  reload(config: SchedulerConfig): Promise<void>;
  close(): Promise<void>;
}

/** Pages that a scheduler serves to browsers. */
interface Pages {
  answer(path: string, response: ServerResponse): boolean;
  close(): void;
}

function loadOwnCertificate(identity: SchedulerConfig['identity']) {
  const { certificate_file: certificateFile, certificate_key_file: certificateKeyFile } = identity;
  return loadCertificate({ certificateFile, certificateKeyFile });
}

/** Engines that check the evidence that nodes bring. One thread: evidence is examined one piece after the other, and is rare. */
function openEngines(log: Logger): Engines {
  return new Engines([...GROUP_NAMES, ...TEST_GROUP_NAMES], (group) =>
    openEngine({ engine: 'auto', group: namedGroup(group), threads: 1, log }),
  );
}

/** Counts the descriptors of this process, and returns the connections that nodes may have of them. */
function nodeConnections(members: number, log: Logger): number {
  const { limit, team } = descriptorShares(descriptorLimit(), members, CONNECTIONS_MAX);
  log.info({ limit, team }, 'limit of descriptors, and its share for connections of nodes');
  return team;
}

/** Opens the listener for the members of the list. @throws MixError LINK_DOWN */
function listenForNodes(
  config: SchedulerConfig,
  parts: {
    readonly certificate: CertificatePair;
    readonly authenticator: CallAuthenticator;
    readonly scheduler: Scheduler;
    readonly health: SchedulerHealth;
    readonly log: Logger;
    readonly metrics: Metrics;
  },
  membership: () => Membership,
): ReturnType<typeof listen> {
  const { certificate, authenticator, scheduler, health, log, metrics } = parts;
  const authenticate = (call: CallFacts) => void authenticator.admit(call);
  const knows = (fingerprint: string) => membership().byFingerprint(fingerprint) !== undefined;
  const limits = { connections: nodeConnections(membership().members.length, log), knows };
  const options = { address: config.listen.nodes, certificate, authenticate, limits, log, metrics };
  return listen(options, (server, errors) => {
    addHandshakeService(server, errors, authenticator);
    const identify = (context: AuthContext) => authenticator.identify(context);
    const onTime = (node: NodeId, wallMs: number) => health.heardTime(node, wallMs);
    addSchedulerService(server, errors, { feed: scheduler, identify, onTime });
  });
}

/** Starts a scheduler. @throws MixError CONFIG_INVALID, CERTIFICATE_INVALID, STORE_FAILED, LINK_DOWN */
export async function startScheduler(
  config: SchedulerConfig,
  log: Logger = createLog({ name: 'millrace', ...config.log }),
  pagesOf: (scheduler: Scheduler) => Pages = () => ({ answer: () => false, close: () => {} }),
): Promise<RunningScheduler> {
  const { network, identity } = config;
  const key = loadSigningKey(identity.key_file);
  const certificate = loadOwnCertificate(identity);
  let membership = loadMembership(config.membership_file);
  const metrics = createMetrics({ processMetrics: true });
  openDataDirectory(config.data_dir);
  const store = await openLevelStore(join(config.data_dir, 'store'));
  const ports = { clock: systemClock, rng: systemRng };
  const engines = openEngines(log);
  const scheduler = await Scheduler.open({
    network,
    key,
    membership: () => membership,
    params: toParams(config),
    registration: config.registration,
    store: new SchedulerStore(store),
    engineOf: (group) => engines.get(group),
    log,
    metrics,
    ...ports,
  });
  const health = new SchedulerHealth({ ...ports, log, metrics, store, scheduler, members: () => membership.members });
  const self = { id: SCHEDULER_ID, sign: (digest: Uint8Array) => key.sign(digest) };
  const authenticator = new CallAuthenticator({ network, self, membership: () => membership, ...ports });
  const parts = { certificate, authenticator, scheduler, health, log, metrics };
  const listener = await listenForNodes(config, parts, () => membership);
  void health.watch();
  const pages = pagesOf(scheduler);
  const http = await serveHttp(config.listen.http, {
    clock: systemClock,
    ...{ log, metrics, hosts: config.listen.http_hosts },
    pages: (path, response) => pages.answer(path, response),
    readiness: () => health.readiness(),
    status: () => ({ network, membership: membership.generation, ...scheduler.view() }),
  });
  log.info({ nodes: config.listen.nodes, http: http.port, members: membership.members.length }, 'scheduler is up');
  return {
    scheduler,
    port: listener.port,
    httpPort: http.port,
    reload: async (changed) => {
      const [params, next] = [toParams(changed), loadMembership(changed.membership_file)];
      scheduler.setParams(params);
      membership = next;
      health.keep((node) => next.find(node) !== undefined);
      authenticator.follow(next);
      await scheduler.membershipChanged();
      listener.closeConnections((fingerprint) => next.byFingerprint(fingerprint) !== undefined);
      log.info({ generation: next.generation }, 'parameters and membership list read again');
    },
    close: async () => {
      health.close();
      await scheduler.close();
      await engines.close();
      pages.close();
      await listener.close(GRACE_MS);
      await http.close();
      await store.close();
      key.seed.wipe();
    },
  };
}

/** Makes registration codes. They are shown once, and only their hashes are stored. The scheduler must not be running. */
export async function createCodes(config: SchedulerConfig, count: number): Promise<string[]> {
  openDataDirectory(config.data_dir);
  const store = await openLevelStore(join(config.data_dir, 'store'));
  try {
    const codes = Array.from({ length: count }, () => Buffer.from(randomBytes(systemRng, 15)).toString('base64url'));
    for (const code of codes) await new SchedulerStore(store).addCode(code);
    return codes;
  } finally {
    await store.close();
  }
}
