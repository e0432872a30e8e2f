// Registration of senders: the cost of a key to its owner, and its limit to the node. A few keys per call, a few keys of the main
// thread at a time, shares of the registry under load, and a proof of work if more keys come than a node can bear.
import {
  type Clock,
  type Deferred,
  deferred,
  MixError,
  nextTurn,
  type SenderId,
  Shares,
  sleep,
} from '../../base/index.js';
import { deriveSenderId } from '../../cmix/index.js';
import { difficultyBits, isSolved, Pressure } from './admission.js';
import type { SenderRegistry } from './senderRegistry.js';

/** Keys per call: bounds the work that one message can ask for. */
export const REGISTER_MAX = 32;
/** Keys agreed before the thread yields: 0.7 ms of the main thread, 0.18 ms per key. */
const AGREED_AT_ONCE = 4;
/** Limit of queued keys: 1.5 s of the main thread. */
const QUEUE_MAX = 8_192;
/**
 * Keys in a burst, and per second after it; no work is required below half of the burst. So senders that do no work get 2,048
 * keys and then 32 a second, 6 ms of the main thread; with 200 a second, four nodes on one core mixed 39 % of what they were
 * sent.
 */
const BURST_KEYS = 4_096;
const KEYS_PER_S = 32;
/** Pressure of a submission that the team rejects, in keys: it costs five nodes a MAC, and an honest sender has none. */
const STRIKE_KEYS = 4;

interface RegistrationRequest {
  readonly senderKeys: readonly Uint8Array[];
  readonly epoch: number;
  /** The proof of work for each key, if required. */
  readonly nonces: readonly Uint8Array[];
}

/** Pause between two parts under load: registration takes 15 % of the main thread, 0.7 ms of each 4.7. */
const LOADED_PAUSE_MS = 4;

interface Job {
  readonly senderKeys: readonly Uint8Array[];
  readonly epoch: number;
  readonly origin: string;
  /** Senders registered so far. */
  readonly senders: SenderId[];
  readonly done: Deferred<SenderId[]>;
}

export class RegistrationDesk {
  readonly #clock: Clock;
  readonly #node: string;
  readonly #registry: SenderRegistry;
  readonly #registered: Shares;
  readonly #queued = new Shares(QUEUE_MAX);
  readonly #pressure: Pressure;
  /** Queued jobs, by origin; origins in the order of their turns. */
  readonly #jobs = new Map<string, Job[]>();
  #running = false;

  constructor(node: string, registry: SenderRegistry, clock: Clock) {
    this.#node = node;
    this.#clock = clock;
    this.#registry = registry;
    this.#registered = new Shares(registry.capacity);
    this.#pressure = new Pressure(clock, BURST_KEYS, KEYS_PER_S);
    registry.watch({
      forgotten: (origin) => this.#registered.give(origin),
      struck: () => this.#pressure.add(STRIKE_KEYS),
    });
  }

  /** Work required for a key now, in bits. */
  get difficultyBits(): number {
    return difficultyBits(Math.max(this.#registered.load, this.#pressure.load));
  }

  /**
   * Registers keys from an origin and returns their ids, in order.
   * @throws MixError MESSAGE_TOO_LARGE, EPOCH_EXPIRED, PUZZLE_REQUIRED, SHARE_USED, LENGTH_MISMATCH, DH_SECRET_ZERO,
   *   REGISTRY_FULL
   */
  async register(request: RegistrationRequest, origin: string): Promise<SenderId[]> {
    const { senderKeys, epoch } = request;
    if (senderKeys.length > REGISTER_MAX) {
      throw new MixError('MESSAGE_TOO_LARGE', { what: 'sender keys', count: senderKeys.length, most: REGISTER_MAX });
    }
    this.#registry.checkEpoch(epoch);
    this.#checkWork(request);
    const count = senderKeys.length;
    if (count === 0) return [];
    if (!this.#queued.take(origin, count)) throw new MixError('SHARE_USED', { what: 'registrations under way' });
    const job: Job = { ...{ senderKeys, epoch, origin }, senders: [], done: deferred() };
    const waiting = this.#jobs.get(origin);
    if (waiting) waiting.push(job);
    else this.#jobs.set(origin, [job]);
    if (!this.#running) void this.#run();
    try {
      return await job.done.promise;
    } finally {
      this.#queued.give(origin, count);
    }
  }

  /** @throws MixError PUZZLE_REQUIRED: one hash per key, before any other computation for it */
  #checkWork({ senderKeys, epoch, nonces }: RegistrationRequest): void {
    const bits = this.difficultyBits;
    for (const [index, key] of senderKeys.entries()) {
      if (isSolved({ node: this.#node, key, epoch }, nonces[index] ?? new Uint8Array(0), bits)) continue;
      if (key.length === 32 && this.#registry.knows(deriveSenderId(key))) continue;
      throw new MixError('PUZZLE_REQUIRED', { bits });
    }
  }

  /** Agrees on a few keys of each origin in turn, and yields the thread in between. */
  async #run(): Promise<void> {
    this.#running = true;
    for (let next = this.#nextJob(); next; next = this.#nextJob()) {
      this.#agree(next);
      if (this.difficultyBits > 0) await sleep(this.#clock, LOADED_PAUSE_MS);
      else await nextTurn();
    }
    this.#running = false;
  }

  /** Returns the first job of the next origin, and moves that origin to the end. */
  #nextJob(): Job | undefined {
    const [turn] = this.#jobs;
    if (!turn) return undefined;
    const [origin, jobs] = turn;
    const [job] = jobs;
    this.#jobs.delete(origin);
    if (job && job.senderKeys.length <= job.senders.length + AGREED_AT_ONCE) jobs.shift();
    if (jobs.length > 0) this.#jobs.set(origin, jobs);
    return job;
  }

  #agree({ senderKeys, epoch, origin, senders, done }: Job): void {
    // An earlier part has failed and its caller has been told.
    if (done.settled) return;
    try {
      for (const key of senderKeys.slice(senders.length, senders.length + AGREED_AT_ONCE)) {
        senders.push(this.#registerOne(key, epoch, origin));
      }
      if (senders.length === senderKeys.length) done.resolve(senders);
    } catch (thrown) {
      done.reject(thrown);
    }
  }

  #registerOne(key: Uint8Array, epoch: number, origin: string): SenderId {
    const known = key.length === 32 && this.#registry.knows(deriveSenderId(key));
    if (!known && !this.#registered.may(origin) && this.#registry.size < this.#registry.capacity) {
      // An origin that has used its share forgets one of its own unused keys.
      if (!this.#registry.forgetUnused(origin)) throw new MixError('SHARE_USED', { what: 'registered keys' });
    }
    const sender = this.#registry.register(key, epoch, origin);
    if (!known) {
      this.#registered.hold(origin);
      this.#pressure.add();
    }
    return sender;
  }
}
