// The senders that a node knows in its current key epoch, and the secret it shares with each. An epoch key lives at most a
// day; when the next one takes its place, every secret agreed under it is wiped and senders register again.
import { MixError } from '../../base/errors.js';
import type { SenderId } from '../../base/ids.js';
import type { Rng } from '../../base/rng.js';
import { EpochKey, type SenderSecret, senderIdOf } from '../../cmix/senderKeys.js';

export const EPOCH_MS_MAX = 24 * 3600 * 1000;

export class SenderRegistry {
  readonly #rng: Rng;
  readonly #capacity: number;
  readonly #secrets = new Map<SenderId, SenderSecret>();
  #key: EpochKey;

  /** `epoch`: number of the first epoch of this run; must differ from any earlier run's. */
  constructor(rng: Rng, epoch: number, capacity: number) {
    this.#rng = rng;
    this.#capacity = capacity;
    this.#key = EpochKey.generate(rng, epoch);
  }

  get epoch(): number {
    return this.#key.epoch;
  }

  get publicKey(): Uint8Array {
    return this.#key.publicKey;
  }

  get size(): number {
    return this.#secrets.size;
  }

  /**
   * Agrees on a secret with a sender; again for a sender already known changes nothing.
   * @throws MixError EPOCH_EXPIRED, REGISTRY_FULL, DH_SECRET_ZERO, LENGTH_MISMATCH
   */
  register(senderPublicKey: Uint8Array, epoch: number): SenderId {
    if (epoch !== this.epoch) throw new MixError('EPOCH_EXPIRED', { epoch, current: this.epoch });
    if (senderPublicKey.length !== 32) {
      throw new MixError('LENGTH_MISMATCH', { what: 'sender key', length: senderPublicKey.length, expected: 32 });
    }
    const sender = senderIdOf(senderPublicKey);
    if (this.#secrets.has(sender)) return sender;
    if (this.#secrets.size >= this.#capacity) throw new MixError('REGISTRY_FULL', { capacity: this.#capacity });
    this.#secrets.set(sender, this.#key.agree(senderPublicKey));
    return sender;
  }

  secretOf(sender: SenderId): SenderSecret | undefined {
    return this.#secrets.get(sender);
  }

  /** Starts the next epoch: a new key; everything derived from the old one is wiped. */
  rotate(): void {
    const next = EpochKey.generate(this.#rng, this.epoch + 1);
    this.wipe();
    this.#key = next;
  }

  wipe(): void {
    for (const secret of this.#secrets.values()) secret.wipe();
    this.#secrets.clear();
    this.#key.wipe();
  }
}
