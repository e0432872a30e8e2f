// One node of the simulated network: its disk and its clock, and its runs, each a real follower of the scheduler over a simulated
// connection, with simulated rounds. A killed run sends nothing more; the next one has another boot id and knows only what is on
// the disk.
import { utf8 } from '../../../src/base/bytes.js';
import type { ErrorCode } from '../../../src/base/errors.js';
import type { BootId, NodeId, RoundId } from '../../../src/base/ids.js';
import { silentLog } from '../../../src/base/log.js';
import { randomBytes } from '../../../src/base/rng.js';
import { Secret } from '../../../src/base/secret.js';
import type { SigningKey } from '../../../src/cmix/signatures.js';
import { SchedulerFollower } from '../../../src/node/schedulerFollower.js';
import type { RoundInfo } from '../../../src/protocol/roundInfo.js';
import type { Stage } from '../../../src/protocol/stages.js';
import { RoundDirectory } from '../../../src/round/directory.js';
import { SeededRng } from '../../support/seededRng.js';
import type { VirtualClock } from '../../support/virtualClock.js';
import { type Net, SimConnection } from './connection.js';
import { type Manner, SimRounds, type Word } from './simRounds.js';
import { type Skew, SkewedClock } from './skewedClock.js';

/** The network around a node. */
export interface NodeNet extends Net {
  readonly clock: VirtualClock;
  readonly schedulerKey: Uint8Array;
  tell(from: SimNode, info: RoundInfo, word: Word): void;
  mannerOf(node: NodeId, info: RoundInfo): Manner;
  /** The code by which a node refuses a round that it could open; undefined if it opens the round. */
  refusal(node: NodeId): ErrorCode | undefined;
  onNodeStage(node: SimNode, round: RoundId, stage: Stage): void;
}

const MEASURE_MS = 3_000;

export interface NodeFacts {
  readonly id: NodeId;
  readonly key: SigningKey;
  readonly skew: Skew;
  /** Limit of rounds that it can have open. */
  readonly openMax: number;
  /** The limit that it announces, if any. */
  readonly openRounds: number | undefined;
  readonly code: string | undefined;
}

interface Life {
  readonly bootId: BootId;
  readonly rounds: SimRounds;
  readonly follower: SchedulerFollower;
  alive: boolean;
}

export class SimNode {
  readonly id: NodeId;
  readonly #facts: NodeFacts;
  readonly #net: NodeNet;
  readonly #clock: SkewedClock;
  /** Used round ids, on its disk. */
  readonly used = new Set<RoundId>();
  #life: Life | undefined;
  /** Rounds that were open when the last run was killed. */
  #lost: ReadonlySet<RoundId> = new Set();

  constructor(facts: NodeFacts, net: NodeNet) {
    this.id = facts.id;
    this.#facts = facts;
    this.#net = net;
    this.#clock = new SkewedClock(net.clock, facts.skew);
  }

  get key(): SigningKey {
    return this.#facts.key;
  }

  get up(): boolean {
    return this.#life !== undefined;
  }

  get bootId(): BootId | undefined {
    return this.#life?.bootId;
  }

  get rounds(): SimRounds | undefined {
    return this.#life?.rounds;
  }

  get lost(): ReadonlySet<RoundId> {
    return this.#lost;
  }

  start(): void {
    const { id, key, openMax, openRounds, code } = this.#facts;
    const net = this.#net;
    const bootId = Buffer.from(randomBytes(net.rng, 16)).toString('hex') as BootId;
    const alive = () => this.#life === life && life.alive;
    const rounds = new SimRounds({
      self: id,
      key,
      bootId,
      clock: this.#clock,
      openMax,
      used: this.used,
      mannerOf: (info) => net.mannerOf(id, info),
      refusal: () => net.refusal(id),
      say: (info, word) => net.tell(this, info, word),
      report: (report) => follower.report(report),
      onStage: (round, stage) => net.onNodeStage(this, round, stage),
      alive,
    });
    const follower = new SchedulerFollower({
      self: { node: id, bootId },
      scheduler: new SimConnection(net, id, alive),
      schedulerKey: net.schedulerKey,
      network: 'sim',
      directory: new RoundDirectory(id, this.#clock),
      clock: this.#clock,
      // A generator of its own, so that a pause changes no other node.
      rng: new SeededRng(`${bootId}/pauses`),
      log: silentLog,
      greeting: () => [{ kind: 'online', bootId, engine: 'sim', enginePath: 'sim', openRounds }, ...rounds.reports()],
      registrationCode: code === undefined ? undefined : new Secret(utf8(code)),
    });
    const life: Life = { bootId, rounds, follower, alive: true };
    this.#life = life;
    for (const round of this.#lost) {
      const failure = { code: 'PEER_RESTARTED', culprit: id, reporter: id, detail: '' } as const;
      follower.report({ kind: 'stage', round, bootId, stage: 'FAILED', failure });
    }
    void follower.run(rounds);
    this.#measure(life);
  }

  /** Periodic measurement report of a node, by which the scheduler knows that it is present; empty here. */
  #measure(life: Life): void {
    this.#net.clock.after(MEASURE_MS, () => {
      if (this.#life !== life) return;
      life.follower.report({ kind: 'roundTrips', roundTrips: [] });
      this.#measure(life);
    });
  }

  /** kill -9. */
  die(): void {
    const life = this.#life;
    if (!life) return;
    life.alive = false;
    this.#lost = new Set(life.rounds.open);
    this.#life = undefined;
    life.rounds.close();
    life.follower.close();
  }
}
