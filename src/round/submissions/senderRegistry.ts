// The senders that a node knows in its current key epoch, and the secret it shares with each. An epoch key lives at most a day;
// when the next one replaces it, every secret agreed under it is wiped and senders register again. A full registry makes room: it
// forgets first a key that was never used, of the origin that has most of these; so hoarded keys push out each other. Keys that an
// open round needs are never forgotten.
import { MixError, type Rng, type RoundId, type SenderId } from '../../base/index.js';
import { deriveSenderId, EpochKey, type SenderSecret } from '../../cmix/index.js';

export const EPOCH_MS_MAX = 24 * 3600 * 1000;

interface Known {
  readonly secret: SenderSecret;
  readonly origin: string;
  /** A message of this sender was mixed. */
  used: boolean;
  /** Number of open rounds that need the secret. */
  holds: number;
}

/** Observer of keys, by their origins. */
interface KeyWatcher {
  forgotten(origin: string): void;
  /** A member of a team rejected a submission of a key from this origin. */
  struck(origin: string): void;
}

/** Keys that were never used, by origin; finds an origin with the most keys without a search, however many origins there are. */
class UnusedKeys {
  readonly #origins = new Map<string, Set<SenderId>>();
  /** Origins by their number of keys. */
  readonly #bySize: Set<string>[] = [];
  #most = 0;

  add(origin: string, sender: SenderId): void {
    const keys = this.#origins.get(origin) ?? new Set();
    this.#origins.set(origin, keys);
    this.#resize(origin, keys, () => keys.add(sender));
  }

  delete(origin: string, sender: SenderId): void {
    const keys = this.#origins.get(origin);
    if (!keys?.has(sender)) return;
    this.#resize(origin, keys, () => keys.delete(sender));
    if (keys.size === 0) this.#origins.delete(origin);
  }

  /** Returns the oldest key of `origin`, or of an origin that has most. */
  oldest(origin?: string): SenderId | undefined {
    while (this.#most > 0 && !this.#bySize[this.#most]?.size) this.#most--;
    const from = origin ?? this.#bySize[this.#most]?.values().next().value;
    return from === undefined ? undefined : this.#origins.get(from)?.values().next().value;
  }

  clear(): void {
    this.#origins.clear();
    this.#bySize.length = 0;
    this.#most = 0;
  }

  #resize(origin: string, keys: Set<SenderId>, change: () => void): void {
    this.#bySize[keys.size]?.delete(origin);
    change();
    if (keys.size === 0) return;
    const same = this.#bySize[keys.size] ?? new Set();
    this.#bySize[keys.size] = same.add(origin);
    this.#most = Math.max(this.#most, keys.size);
  }
}

export class SenderRegistry {
  readonly #rng: Rng;
  readonly #capacity: number;
  readonly #known = new Map<SenderId, Known>();
  readonly #unused = new UnusedKeys();
  /** Keys that were used and are held by no open round; least recently used first. */
  readonly #idle = new Set<SenderId>();
  readonly #held = new Map<RoundId, Set<SenderId>>();
  #key: EpochKey;
  readonly #watchers = new Set<KeyWatcher>();

  /** `epoch`: number of the first epoch of this run; must differ from any earlier run's. */
  constructor(rng: Rng, epoch: number, capacity: number) {
    this.#rng = rng;
    this.#capacity = capacity;
    this.#key = EpochKey.generate(rng, epoch);
  }

  watch(watcher: KeyWatcher): void {
    this.#watchers.add(watcher);
  }

  get epoch(): number {
    return this.#key.epoch;
  }

  get publicKey(): Uint8Array {
    return this.#key.publicKey;
  }

  get size(): number {
    return this.#known.size;
  }

  get capacity(): number {
    return this.#capacity;
  }

  knows(sender: SenderId): boolean {
    return this.#known.has(sender);
  }

  /**
   * Agrees on a secret with a sender; idempotent for a known sender. `origin`: its origin.
   * @throws MixError EPOCH_EXPIRED, DH_SECRET_ZERO, LENGTH_MISMATCH; REGISTRY_FULL if open rounds need all keys
   */
  register(senderPublicKey: Uint8Array, epoch: number, origin = ''): SenderId {
    this.checkEpoch(epoch);
    if (senderPublicKey.length !== 32) {
      throw new MixError('LENGTH_MISMATCH', { what: 'sender key', length: senderPublicKey.length, expected: 32 });
    }
    const sender = deriveSenderId(senderPublicKey);
    if (this.#known.has(sender)) return sender;
    const secret = this.#key.agree(senderPublicKey);
    if (this.#known.size >= this.#capacity && !this.#makeRoom()) {
      secret.wipe();
      throw new MixError('REGISTRY_FULL', { capacity: this.#capacity });
    }
    this.#known.set(sender, { secret, origin, used: false, holds: 0 });
    this.#unused.add(origin, sender);
    return sender;
  }

  /** @throws MixError EPOCH_EXPIRED if it is not the current one */
  checkEpoch(epoch: number): void {
    if (epoch !== this.epoch) throw new MixError('EPOCH_EXPIRED', { epoch, current: this.epoch });
  }

  findSecret(sender: SenderId): SenderSecret | undefined {
    return this.#known.get(sender)?.secret;
  }

  /** Keeps a sender until the round has ended: a round that loses a secret fails. */
  hold(sender: SenderId, round: RoundId): void {
    const known = this.#known.get(sender);
    const held = this.#held.get(round) ?? new Set();
    if (!known || held.has(sender)) return;
    this.#held.set(round, held.add(sender));
    known.holds++;
    this.#unused.delete(known.origin, sender);
    this.#idle.delete(sender);
  }

  /** Releases the senders of an ended round: they may be forgotten. */
  letGo(round: RoundId): void {
    const held = this.#held.get(round);
    this.#held.delete(round);
    for (const sender of held ?? []) {
      const known = this.#known.get(sender);
      if (!known || --known.holds > 0) continue;
      if (known.used) this.#idle.add(sender);
      else this.#unused.add(known.origin, sender);
    }
  }

  /** Marks the keys of these senders as used: their messages are mixed. */
  mixed(senders: Iterable<SenderId>): void {
    for (const sender of senders) {
      const known = this.#known.get(sender);
      if (known) known.used = true;
    }
  }

  /** Reports that another member rejected a sender's submission. That may be the member's fault, so the key stays. */
  strike(sender: SenderId): void {
    const known = this.#known.get(sender);
    if (!known) return;
    for (const watcher of this.#watchers) watcher.struck(known.origin);
  }

  /** Forgets the oldest unused key of an origin; returns false if it has none. */
  forgetUnused(origin: string): boolean {
    return this.#forget(this.#unused.oldest(origin));
  }

  #makeRoom(): boolean {
    return this.#forget(this.#unused.oldest() ?? this.#idle.values().next().value);
  }

  #forget(sender: SenderId | undefined): boolean {
    const known = sender === undefined ? undefined : this.#known.get(sender);
    if (sender === undefined || !known) return false;
    known.secret.wipe();
    this.#known.delete(sender);
    this.#idle.delete(sender);
    this.#unused.delete(known.origin, sender);
    for (const watcher of this.#watchers) watcher.forgotten(known.origin);
    return true;
  }

  /** Starts the next epoch: a new key; everything derived from the old one is wiped. */
  rotate(): void {
    const next = EpochKey.generate(this.#rng, this.epoch + 1);
    this.wipe();
    this.#key = next;
  }

  wipe(): void {
    for (const { secret, origin } of this.#known.values()) {
      secret.wipe();
      for (const watcher of this.#watchers) watcher.forgotten(origin);
    }
    for (const group of [this.#known, this.#unused, this.#idle, this.#held]) group.clear();
    this.#key.wipe();
  }
}
