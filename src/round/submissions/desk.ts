// What the first node of a team does for senders: takes messages for a round, refuses what it can see is wrong before it
// keeps anything, and closes the batch into the slot table that all nodes then judge.
import { equalBytes } from '../../base/bytes.js';
import { MixError } from '../../base/errors.js';
import type { SenderId } from '../../base/ids.js';
import { MAC_BYTES, payloadDigest, SALT_BYTES, verifyMac } from '../../cmix/senderKeys.js';
import { type SlotEntry, type SlotTable, submissionKey } from '../../cmix/slotTable.js';
import { checkElements } from '../../math/batch.js';
import type { Group } from '../../math/group.js';
import type { RoundInfo } from '../roundInfo.js';
import type { SenderRegistry } from './senderRegistry.js';

/** A message on its way in: M = m ∘ (∏k_i)⁻¹ and one MAC per node, in team order. */
export interface Submission {
  readonly sender: SenderId;
  readonly salt: Uint8Array;
  /** width elements */
  readonly payload: Uint8Array;
  readonly macs: readonly Uint8Array[];
}

export class SubmissionDesk {
  readonly #info: RoundInfo;
  readonly #group: Group;
  readonly #digest: Uint8Array;
  readonly #registry: SenderRegistry;
  readonly #taken = new Map<string, { entry: SlotEntry; payload: Uint8Array }>();
  readonly #perSender = new Map<SenderId, number>();
  #closed = false;

  constructor(info: RoundInfo, group: Group, roundDigest: Uint8Array, registry: SenderRegistry) {
    this.#info = info;
    this.#group = group;
    this.#digest = roundDigest;
    this.#registry = registry;
  }

  get count(): number {
    return this.#taken.size;
  }

  get full(): boolean {
    return this.#taken.size >= this.#info.slots;
  }

  get distinctSenders(): number {
    return this.#perSender.size;
  }

  has(sender: SenderId, salt: Uint8Array): boolean {
    return this.#taken.has(submissionKey(sender, salt));
  }

  /**
   * Takes a submission, cheap checks first. The very same submission again is acknowledged again (its sender may not have
   * seen the first answer); the same (sender, salt) with other contents is a replay.
   * @throws MixError LENGTH_MISMATCH, ELEMENT_RANGE, SENDER_UNKNOWN, MAC_INVALID, SUBMISSION_REPLAYED, SENDER_QUOTA,
   *   ROUND_FULL, ROUND_NOT_COLLECTING
   */
  take(submission: Submission): void {
    const { sender, salt, payload, macs } = submission;
    this.#checkShape(submission);
    const key = submissionKey(sender, salt);
    const digest = payloadDigest(payload);
    const before = this.#taken.get(key);
    // Also when the batch is closed by now: what was taken before stays taken, and its sender is to know.
    if (before && equalBytes(before.entry.payloadDigest, digest)) return;
    if (this.#closed) throw new MixError('ROUND_NOT_COLLECTING', { round: this.#info.round });
    if (before) throw new MixError('SUBMISSION_REPLAYED', { round: this.#info.round });
    if (this.full) throw new MixError('ROUND_FULL', { slots: this.#info.slots });
    const used = this.#perSender.get(sender) ?? 0;
    if (used >= this.#info.quotaPerSender) throw new MixError('SENDER_QUOTA', { quota: this.#info.quotaPerSender });
    const secret = this.#registry.secretOf(sender);
    if (!secret) throw new MixError('SENDER_UNKNOWN', { epoch: this.#registry.epoch });
    checkElements(this.#group, payload, 'payload', this.#info.width);
    const claim = { roundDigest: this.#digest, sender, salt, payloadDigest: digest };
    // The first node is position 0; the other MACs are for the others to judge.
    if (!verifyMac(secret, claim, macs[0]!)) throw new MixError('MAC_INVALID', { round: this.#info.round });
    const entry = { sender, salt: salt.slice(), payloadDigest: digest, macs: macs.map((mac) => mac.slice()) };
    this.#taken.set(key, { entry, payload: payload.slice() });
    this.#perSender.set(sender, used + 1);
  }

  /** Takes no more; the table lists what was taken in order of arrival, then empty slots. */
  close(): { readonly table: SlotTable; readonly payloads: readonly (Uint8Array | null)[] } {
    this.#closed = true;
    const taken = [...this.#taken.values()];
    const empty = new Array<null>(this.#info.slots - taken.length).fill(null);
    return {
      table: [...taken.map(({ entry }) => entry), ...empty],
      payloads: [...taken.map(({ payload }) => payload), ...empty],
    };
  }

  get closed(): boolean {
    return this.#closed;
  }

  #checkShape({ salt, payload, macs }: Submission): void {
    const bytes = this.#info.width * this.#group.elementBytes;
    const rules: readonly (readonly [string, number, number])[] = [
      ['salt', salt.length, SALT_BYTES],
      ['payload', payload.length, bytes],
      ['macs', macs.length, this.#info.team.length],
    ];
    for (const [what, length, expected] of rules) {
      if (length !== expected) throw new MixError('LENGTH_MISMATCH', { what, length, expected });
    }
    if (macs.some((mac) => mac.length !== MAC_BYTES)) {
      throw new MixError('LENGTH_MISMATCH', { what: 'mac', expected: MAC_BYTES });
    }
  }
}
