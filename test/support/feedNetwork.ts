// Real node processes that follow a bare feed in this process, for tests that open, assign and fail rounds themselves.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { systemClock } from '../../src/base/clock.js';
import { MixError } from '../../src/base/errors.js';
import type { NodeId, RoundId } from '../../src/base/ids.js';
import { createLog } from '../../src/base/log.js';
import { createMetrics } from '../../src/base/metrics.js';
import { systemRng } from '../../src/base/rng.js';
import {
  CERTIFICATE_DAYS,
  type NodeProcess,
  NodeProcesses,
  type NodeProcessesOptions,
} from '../../src/cli/demo/nodeProcesses.js';
import { SigningKey } from '../../src/cmix/signatures.js';
import { SCHEDULER_ID } from '../../src/comms/scheduler/client.js';
import { addSchedulerService } from '../../src/comms/scheduler/service.js';
import type { Membership } from '../../src/protocol/membership.js';
import type { RoundInfo } from '../../src/protocol/roundInfo.js';
import { drawTeam } from '../../src/protocol/sortition.js';
import { type FeedListener, RoundFeed } from '../../src/scheduler/feed.js';
import { createCertificate } from '../../src/transport/certificates.js';
import { CallAuthenticator, type CallFacts } from '../../src/transport/serving/callAuthenticator.js';
import { addHandshakeService } from '../../src/transport/serving/handshakeService.js';
import { type Listener, listen } from '../../src/transport/serving/server.js';

const START_LIMIT_MS = 60_000;
const NETWORK = 'feed';

export interface FeedNetworkOptions extends Omit<NodeProcessesOptions, 'network'> {
  readonly listener?: FeedListener;
}

/** The part of a round that a test chooses; the rest is generous. */
export type RoundWishes = Pick<RoundInfo, 'group' | 'slots' | 'chunkSlots' | 'deadlines'>;

export class FeedNetwork {
  readonly name = NETWORK;
  readonly authority = SigningKey.generate(systemRng);
  readonly feed: RoundFeed;
  readonly processes: NodeProcesses;
  readonly #advertise: (address: string) => Promise<string>;
  #listener: Listener | undefined;

  constructor(options: FeedNetworkOptions) {
    this.feed = new RoundFeed(this.authority, NETWORK, options.listener);
    this.#advertise = options.advertise ?? (async (address) => address);
    this.processes = new NodeProcesses({ ...options, network: NETWORK });
  }

  get nodes(): NodeProcess[] {
    return this.processes.nodes;
  }

  get membership(): Membership {
    return this.processes.membership;
  }

  /** Starts all processes and waits until every node is online. */
  async start(): Promise<void> {
    await this.processes.create();
    const certificate = await createCertificate('scheduler', CERTIFICATE_DAYS);
    writeFileSync(join(this.processes.directory, 'scheduler.pem'), certificate.certificate);
    const authenticator = new CallAuthenticator({
      network: NETWORK,
      self: { id: SCHEDULER_ID, sign: (digest) => this.authority.sign(digest) },
      membership: () => this.membership,
      clock: systemClock,
      rng: systemRng,
    });
    const authenticate = (call: CallFacts) => void authenticator.admit(call);
    const log = createLog({ name: 'scheduler', level: 'error' });
    const options = { address: '127.0.0.1:0', certificate, log, metrics: createMetrics(), authenticate };
    this.#listener = await listen(options, (server, errors) => {
      addHandshakeService(server, errors, authenticator);
      addSchedulerService(server, errors, { feed: this.feed, identify: (context) => authenticator.identify(context) });
    });
    const address = await this.#advertise(`127.0.0.1:${this.#listener.port}`);
    const { publicKey } = this.authority;
    this.processes.start({ address, certificate: certificate.certificate, publicKey });
    const late = new Promise<never>((_, reject) =>
      setTimeout(
        () => reject(new MixError('DEADLINE_MISSED', { what: 'nodes did not come up' })),
        START_LIMIT_MS,
      ).unref(),
    );
    late.catch(() => {});
    const online = this.feed.online(this.nodes.map(({ id }) => id));
    await Promise.race([online, this.processes.anyDied(), late]);
  }

  /** A round of all remaining nodes, in an order drawn from `randomness`. */
  info(round: number, wishes: RoundWishes, randomness: Uint8Array): RoundInfo {
    const pool: NodeId[] = this.nodes.map(({ id }) => id);
    const id = round as RoundId;
    return {
      network: NETWORK,
      round: id,
      membership: this.membership.generation,
      team: drawTeam(pool, pool.length, id, randomness),
      width: 1,
      exponentBytes: 32,
      minSenders: 1,
      quotaPerSender: wishes.slots,
      ...wishes,
    };
  }

  killAll(): void {
    this.processes.killAll();
  }

  async stop(): Promise<void> {
    await this.processes.stop();
    await this.#listener?.close(500);
    this.processes.removeFiles();
  }
}
