// A node in weeks of virtual time: its disk, and its processes, one after the other. Everything in them is real except the
// arithmetic of a round: follower, directory, round log, registry, registration desk, authenticator and hosts.

import type { BootId, NodeId, RoundId, SenderId } from '../../../src/base/ids.js';
import { silentLog } from '../../../src/base/log.js';
import { createMetrics } from '../../../src/base/metrics.js';
import { randomBytes } from '../../../src/base/rng.js';
import { Secret } from '../../../src/base/secret.js';
import { SenderKey } from '../../../src/cmix/senderKeys.js';
import type { SigningKey } from '../../../src/cmix/signatures.js';
import { SchedulerFollower } from '../../../src/node/schedulerFollower.js';
import type { Membership } from '../../../src/protocol/membership.js';
import type { RoundInfo } from '../../../src/protocol/roundInfo.js';
import type { Stage } from '../../../src/protocol/stages.js';
import { RoundDirectory } from '../../../src/round/directory.js';
import { RoundJournal } from '../../../src/round/journal.js';
import { isOver } from '../../../src/round/machine/admission.js';
import { solve } from '../../../src/round/submissions/admission.js';
import { RegistrationDesk } from '../../../src/round/submissions/registration.js';
import { EPOCH_MS_MAX, SenderRegistry } from '../../../src/round/submissions/senderRegistry.js';
import { HostManager, peerFacts } from '../../../src/transport/calling/hosts.js';
import { LinkMetrics } from '../../../src/transport/linkMetrics.js';
import { CallAuthenticator } from '../../../src/transport/serving/callAuthenticator.js';
import { MemoryStore } from '../../support/memoryStore.js';
import { SeededRng } from '../../support/seededRng.js';
import type { VirtualClock } from '../../support/virtualClock.js';
import { type Net, SimConnection } from '../scheduler/connection.js';
import { SimRounds, type Word } from '../scheduler/simRounds.js';
import type { Papers } from './papers.js';

export const NETWORK = 'days';
/** Small enough to be half full after some hours, so that keys are evicted. */
const SENDERS_MAX = 64;
export const RECORDS_MAX = 100;
export const OPEN_MAX = 16;

/** The environment of a node. */
export interface Surroundings extends Net {
  readonly clock: VirtualClock;
  readonly schedulerKey: Uint8Array;
  readonly membership: Membership;
  violate(what: string): void;
  tell(from: DayNode, info: RoundInfo, word: Word): void;
}

interface Process {
  readonly bootId: BootId;
  readonly rounds: SimRounds;
  readonly follower: SchedulerFollower;
  readonly directory: RoundDirectory;
  readonly log: RoundJournal;
  readonly registry: SenderRegistry;
  readonly desk: RegistrationDesk;
  readonly authenticator: CallAuthenticator;
  readonly hosts: HostManager;
}

export class DayNode {
  readonly id: NodeId;
  readonly key: SigningKey;
  readonly papers: Papers;
  readonly disk = new MemoryStore();
  readonly #around: Surroundings;
  readonly #code: string;
  #process: Process | undefined;
  #epochs: { epoch: number; readonly sinceMs: number }[] = [];
  #rotations = 0;
  #newest: SenderId | undefined;

  constructor(key: SigningKey, papers: Papers, code: string, around: Surroundings) {
    this.id = key.nodeId;
    this.key = key;
    this.papers = papers;
    this.#code = code;
    this.#around = around;
  }

  get process(): Process | undefined {
    return this.#process;
  }

  /** Number of key epochs begun. */
  get epochs(): number {
    return this.#rotations;
  }

  async start(): Promise<void> {
    const { clock, rng, schedulerKey } = this.#around;
    const { id, key } = this;
    const bootId = Buffer.from(randomBytes(rng, 16)).toString('hex') as BootId;
    const log = new RoundJournal(this.disk, bootId, RECORDS_MAX);
    const lost = await log.recover();
    const alive = () => this.#process?.bootId === bootId;
    const used = new Set<RoundId>();
    const rounds = new SimRounds({
      ...{ self: id, key, bootId, clock, openMax: OPEN_MAX, used, alive },
      refusal: () => undefined,
      mannerOf: () => ({ precomputeMs: 2_000, mixMs: 1_000, way: 'honest' }),
      say: (info, word) => this.#around.tell(this, info, word),
      report: (report) => follower.report(report),
      onStage: (round, stage) => alive() && this.#onStage(round, stage, used),
    });
    const directory = new RoundDirectory(id, clock);
    const online = { kind: 'online', bootId, engine: 'sim', enginePath: 'sim', openRounds: OPEN_MAX } as const;
    const follower = new SchedulerFollower({
      self: { node: id, bootId },
      scheduler: new SimConnection(this.#around, id, alive),
      ...{ schedulerKey, network: NETWORK, directory, clock, rng, log: silentLog },
      greeting: () => [online, ...rounds.reports()],
      registrationCode: new Secret(Buffer.from(this.#code)),
    });
    // As on a real node: larger than any epoch of an earlier run.
    const registry = new SenderRegistry(rng, Math.floor(clock.wallMs() / 1000), SENDERS_MAX);
    const desk = new RegistrationDesk(id, registry, clock);
    this.#process = { bootId, rounds, follower, directory, log, registry, desk, ...this.#comms() };
    this.#begun(registry);
    this.#rotateLater(registry);
    for (const { round } of lost) {
      const failure = { code: 'PEER_RESTARTED', culprit: id, reporter: id, detail: '' } as const;
      follower.report({ kind: 'stage', round, bootId, stage: 'FAILED', failure });
    }
    void follower.run({
      get stages() {
        return rounds.stages;
      },
      openRound: async (signed) => {
        await log.open(signed.info.round);
        await rounds.openRound(signed);
      },
      assign: (round) => rounds.assign(round),
      failRound: (round, reason) => rounds.failRound(round, reason),
    });
  }

  #comms(): Pick<Process, 'authenticator' | 'hosts'> {
    const { clock } = this.#around;
    const self = { network: NETWORK, id: this.id, sign: (digest: Uint8Array) => this.key.sign(digest) };
    // A generator of its own, so that the draws of tokens change no round.
    const ports = { clock, rng: new SeededRng(`comms ${this.id}`) };
    const authenticator = new CallAuthenticator({
      network: NETWORK,
      self,
      membership: () => this.#around.membership,
      ...ports,
    });
    const deps = { self, certificate: () => this.papers.pair, log: silentLog, ...ports };
    return { authenticator, hosts: new HostManager({}, { ...deps, metrics: new LinkMetrics(createMetrics()) }) };
  }

  #onStage(round: RoundId, stage: Stage, used: Set<RoundId>): void {
    const { log, registry } = this.#process!;
    const written = (work: Promise<void>) => work.catch((error) => this.#around.violate(`${this.id}: ${error}`));
    if (stage === 'QUEUED' && this.#newest) registry.hold(this.#newest, round);
    if (stage === 'REALTIME') void written(log.reserveRealtime(round));
    if (!isOver(stage)) return;
    if (stage === 'COMPLETED' && this.#newest) registry.mixed([this.#newest]);
    registry.letGo(round);
    used.delete(round);
    void written(log.end(round, stage));
  }

  // Key epochs.

  #begun(registry: SenderRegistry): void {
    this.#epochs.push({ epoch: registry.epoch, sinceMs: this.#around.clock.nowMs() });
    this.#rotations++;
  }

  #rotateLater(registry: SenderRegistry): void {
    this.#around.clock.after(EPOCH_MS_MAX, () => {
      if (this.#process?.registry !== registry) return;
      const before = this.#newest && registry.findSecret(this.#newest);
      registry.rotate();
      if (before && !before.wiped) this.#around.violate(`${this.id}: a secret outlives its epoch`);
      if (registry.size > 0) this.#around.violate(`${this.id}: a sender outlives its epoch`);
      this.#begun(registry);
      this.#rotateLater(registry);
    });
  }

  /** Checks that no key is older than a day, and that every earlier one is refused. */
  checkEpochs(): void {
    const { registry } = this.#process!;
    const { rng, clock } = this.#around;
    const current = this.#epochs.at(-1)!;
    if (registry.epoch !== current.epoch) this.#around.violate(`${this.id}: another epoch than the one that began`);
    const ageMs = clock.nowMs() - current.sinceMs;
    if (ageMs > EPOCH_MS_MAX) this.#around.violate(`${this.id}: its key is ${ageMs} ms old`);
    for (const { epoch } of this.#epochs.slice(0, -1)) {
      const code = codeOf(() => registry.register(randomBytes(rng, 32), epoch));
      if (code !== 'EPOCH_EXPIRED') this.#around.violate(`${this.id}: the key of epoch ${epoch} is taken: ${code}`);
    }
  }

  // Senders.

  async registerSenders(count: number): Promise<void> {
    const { rng } = this.#around;
    const { desk, registry } = this.#process!;
    for (let i = 0; i < count; i++) {
      const key = SenderKey.generate(rng).publicKey;
      const { epoch } = registry;
      const work = await solve({ node: this.id, key, epoch }, desk.difficultyBits, rng, async () => {});
      // Two keys of others limit the crowd to its share of a registry that is half full: the crowd evicts its own keys.
      const place = registry.size < 2 ? `place ${registry.size}` : 'crowd';
      const [sender] = await desk.register({ senderKeys: [key], epoch, nonces: [work] }, place);
      this.#newest = sender;
    }
  }

  /** Periodic reports of a node: its presence, and the demand of senders. */
  pulse(): void {
    const { follower, directory } = this.#process!;
    const roundTrips = this.#around.membership.members
      .filter(({ node }) => node !== this.id)
      .map(({ node }) => ({ peer: node, ms: 20 }));
    follower.report({ kind: 'roundTrips', roundTrips });
    follower.report({ kind: 'wanted' });
    directory.collecting();
  }

  /** Authenticates to another node and calls it. */
  greet(to: DayNode): void {
    const { authenticator } = to.process!;
    const member = authenticator.identify(this.papers.context);
    this.#process!.hosts.current(peerFacts(this.#around.membership.get(to.id)));
    const token = this.papers.handshake(authenticator, member, { network: NETWORK, client: this.key, server: to.id });
    authenticator.admit({ ...this.papers.call, tokens: [token.toMetadata()], path: '/millrace.v1.Team/Ping' });
  }

  membershipChanged(): void {
    const { authenticator, hosts } = this.#process!;
    authenticator.follow(this.#around.membership);
    hosts.follow(this.#around.membership);
  }

  /** kill -9. Returns the rounds that were open. */
  stop(): ReadonlySet<RoundId> {
    const { rounds, follower } = this.#process!;
    this.#process = undefined;
    rounds.close();
    follower.close();
    return new Set(rounds.open);
  }
}

/** Returns the code of the error that a call throws; undefined without an error. */
export function codeOf(call: () => unknown): string | undefined {
  try {
    call();
    return undefined;
  } catch (thrown) {
    return (thrown as { readonly code?: string }).code ?? String(thrown);
  }
}
