// The slot table of a closed batch: the sender and payload digest of each slot, with one MAC per node. Node 1 builds it, every
// node judges it by its own MACs and its own count, and a slot that any node rejects becomes a dummy for all, so that a bad
// submission costs itself and not the round. All nodes sign one digest of the settled table.
import { digest, isSenderId, MixError, type SenderId, toHex } from '../base/index.js';
import { MAC_BYTES, SALT_BYTES, type SenderSecret, verifyMac } from './senderKeys.js';

const SENDER_BYTES = 32;
const PAYLOAD_DIGEST_BYTES = 32;
const COUNT_BYTES = 4;
/** The number of MACs of an entry is one byte on the wire; 0 stands for a dummy. */
const TEAM_SIZE_MAX = 255;

/** One occupied slot. */
export interface SlotEntry {
  readonly sender: SenderId;
  /** SALT_BYTES bytes. */
  readonly salt: Uint8Array;
  /** H(M), 32 bytes. */
  readonly payloadDigest: Uint8Array;
  /** One per node, in team order, 32 bytes each. */
  readonly macs: readonly Uint8Array[];
}

/** One entry per slot; null is a dummy. */
export type SlotTable = readonly (SlotEntry | null)[];

export const REJECTION_REASONS = ['MAC_INVALID', 'SENDER_UNKNOWN', 'SENDER_QUOTA', 'SUBMISSION_REPLAYED'] as const;
export type RejectionReason = (typeof REJECTION_REASONS)[number];

/** A node's verdict on one slot. */
export interface SlotRejection {
  readonly slot: number;
  readonly reason: RejectionReason;
}

interface TableShape {
  readonly slots: number;
  readonly teamSize: number;
}

const isBytes = (value: unknown, length: number): boolean => value instanceof Uint8Array && value.length === length;

/** Returns the wrong field of an entry; undefined if there is none. */
function entryFault(entry: SlotEntry, teamSize: number): string | undefined {
  if (!isSenderId(entry.sender)) return 'sender';
  if (!isBytes(entry.salt, SALT_BYTES)) return 'salt';
  if (!isBytes(entry.payloadDigest, PAYLOAD_DIGEST_BYTES)) return 'payloadDigest';
  if (!Array.isArray(entry.macs) || entry.macs.length !== teamSize) return 'macs';
  return entry.macs.every((mac) => isBytes(mac, MAC_BYTES)) ? undefined : 'macs';
}

/** H(table), 32 bytes; all nodes sign it. @throws MixError TABLE_INVALID for a malformed entry */
export function tableDigest(roundDigest: Uint8Array, table: SlotTable): Uint8Array {
  return encodedTableDigest(roundDigest, encodeTable(table));
}

/** The same of an encoded table ({@link encodeTable}, {@link decodeTable}): a table has one encoding only. */
export function encodedTableDigest(roundDigest: Uint8Array, encoded: Uint8Array): Uint8Array {
  return digest('slot-table', roundDigest, encoded);
}

export interface Judge {
  readonly roundDigest: Uint8Array;
  /** The judging node's position in the team, from 0; selects its own MAC. */
  readonly nodeIndex: number;
  /** Returns the node's secret with a sender in this key epoch; undefined if the sender is not registered. */
  readonly secretOf: (sender: SenderId) => SenderSecret | undefined;
  readonly quotaPerSender: number;
  /** True if the node has verified this MAC before. */
  readonly verified?: (entry: SlotEntry, mac: Uint8Array) => boolean;
  /** Called with the sender of each accepted entry. */
  readonly accepted?: (sender: SenderId) => void;
}

/** Identifies a submission: the salt is random, so the pair is fresh for every message. */
export const submissionKey = (sender: SenderId, salt: Uint8Array): string => `${sender}/${toHex(salt)}`;

/**
 * Judges which slots of a table this node rejects, some slots at a time: a large table takes longer than the main thread may be
 * held. The table is as {@link decodeTable} gives it. A slot whose MAC is wrong counts neither against its alleged sender's quota
 * nor as the first use of its salt: otherwise anyone could crowd a sender out by naming it.
 */
export class TableJudge {
  readonly #table: SlotTable;
  readonly #judge: Judge;
  readonly #rejections: SlotRejection[] = [];
  readonly #taken = new Map<SenderId, number>();
  readonly #standing = new Map<string, number>();
  readonly #rejected = new Map<string, number>();
  #next = 0;

  constructor(table: SlotTable, judge: Judge) {
    this.#table = table;
    this.#judge = judge;
  }

  /** Number of slots that are not judged yet. */
  get left(): number {
    return this.#table.length - this.#next;
  }

  /** Rejections, at most one per slot, ascending. */
  get rejections(): readonly SlotRejection[] {
    return this.#rejections;
  }

  /** Judges the next slots. */
  judge(slots: number): void {
    const end = Math.min(this.#table.length, this.#next + slots);
    for (; this.#next < end; this.#next++) {
      const entry = this.#table[this.#next];
      if (!entry) continue;
      const name = submissionKey(entry.sender, entry.salt);
      const reason = this.#judgeEntry(entry, name);
      if (reason) {
        this.#rejections.push({ slot: this.#next, reason });
        if (!this.#rejected.has(name)) this.#rejected.set(name, this.#next);
      } else this.#standing.set(name, this.#next);
    }
  }

  /** Finds the slot of a judged submission: the accepted one, else the first that was rejected. O(1). */
  findSlot(sender: SenderId, salt: Uint8Array): number | undefined {
    const name = submissionKey(sender, salt);
    return this.#standing.get(name) ?? this.#rejected.get(name);
  }

  #judgeEntry(entry: SlotEntry, name: string): RejectionReason | undefined {
    const { roundDigest, nodeIndex, secretOf, quotaPerSender, verified } = this.#judge;
    const { sender, salt, payloadDigest } = entry;
    const secret = secretOf(sender);
    if (!secret) return 'SENDER_UNKNOWN';
    const mac = entry.macs[nodeIndex];
    const fields = { roundDigest, sender, salt, payloadDigest };
    if (!mac || !(verified?.(entry, mac) || verifyMac(secret, fields, mac))) return 'MAC_INVALID';
    if (this.#standing.has(name)) return 'SUBMISSION_REPLAYED';
    const count = this.#taken.get(sender) ?? 0;
    if (count >= quotaPerSender) return 'SENDER_QUOTA';
    this.#taken.set(sender, count + 1);
    this.#judge.accepted?.(sender);
    return undefined;
  }
}

/**
 * Returns the table in which every slot that any node rejected is a dummy.
 * @param rejections one list per node
 * @throws MixError TABLE_INVALID for a rejection of a slot that does not exist
 */
export function applyRejections(table: SlotTable, rejections: readonly (readonly SlotRejection[])[]): SlotTable {
  const left = [...table];
  for (const [list, verdicts] of rejections.entries()) {
    for (const { slot } of verdicts) {
      if (!Number.isInteger(slot) || slot < 0 || slot >= left.length) {
        throw new MixError('TABLE_INVALID', { rejection: list, slots: left.length });
      }
      left[slot] = null;
    }
  }
  return left;
}

/** Counts the different senders of a table. */
export function distinctSenders(table: SlotTable): number {
  return new Set(table.flatMap((entry) => (entry ? [entry.sender] : []))).size;
}

/**
 * Encodes the table: the number of slots (4, little-endian), then per slot the number of MACs (1 byte, 0 for a dummy) and, for an
 * entry, sender (32), salt (16), payload digest (32) and the MACs (32 each).
 * @throws MixError TABLE_INVALID for a malformed entry
 */
export function encodeTable(table: SlotTable): Uint8Array {
  let length = COUNT_BYTES;
  for (const [slot, entry] of table.entries()) {
    const teamSize = entry?.macs?.length ?? 0;
    const hasSize = teamSize >= 1 && teamSize <= TEAM_SIZE_MAX;
    const fault = entry && (hasSize ? entryFault(entry, teamSize) : 'macs');
    if (fault) throw new MixError('TABLE_INVALID', { slot, field: fault });
    length += 1 + (entry ? entryBytes(teamSize) : 0);
  }
  const out = Buffer.alloc(length);
  out.writeUInt32LE(table.length, 0);
  let at = COUNT_BYTES;
  for (const entry of table) {
    if (!entry) {
      at++;
      continue;
    }
    out[at++] = entry.macs.length;
    out.write(entry.sender, at, SENDER_BYTES, 'hex');
    out.set(entry.salt, at + SENDER_BYTES);
    out.set(entry.payloadDigest, at + SENDER_BYTES + SALT_BYTES);
    at += SENDER_BYTES + SALT_BYTES + PAYLOAD_DIGEST_BYTES;
    for (const mac of entry.macs) {
      out.set(mac, at);
      at += MAC_BYTES;
    }
  }
  return new Uint8Array(out.buffer, out.byteOffset, length);
}

function entryBytes(teamSize: number): number {
  return SENDER_BYTES + SALT_BYTES + PAYLOAD_DIGEST_BYTES + teamSize * MAC_BYTES;
}

/**
 * Decodes a table of exactly this shape. Takes hostile bytes: nothing is allocated for a slot before its bytes are there.
 * @throws MixError MESSAGE_MALFORMED
 */
export function decodeTable(bytes: Uint8Array, { slots, teamSize }: TableShape): SlotTable {
  const refuse = (reason: string, slot = -1): never => {
    throw new MixError('MESSAGE_MALFORMED', { what: 'slot table', reason, slot });
  };
  if (!(bytes instanceof Uint8Array) || bytes.length < COUNT_BYTES) return refuse('too short');
  const count = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength).getUint32(0, true);
  if (count !== slots) return refuse('number of slots');
  const table: (SlotEntry | null)[] = [];
  let at = COUNT_BYTES;
  const take = (length: number): Uint8Array => {
    at += length;
    return bytes.slice(at - length, at);
  };
  for (let slot = 0; slot < slots; slot++) {
    if (at >= bytes.length) refuse('too short', slot);
    const macs = bytes[at++]!;
    if (macs === 0) {
      table.push(null);
      continue;
    }
    if (macs !== teamSize) refuse('number of MACs', slot);
    if (bytes.length - at < entryBytes(teamSize)) refuse('too short', slot);
    table.push({
      sender: toHex(take(SENDER_BYTES)) as SenderId,
      salt: take(SALT_BYTES),
      payloadDigest: take(PAYLOAD_DIGEST_BYTES),
      macs: Array.from({ length: teamSize }, () => take(MAC_BYTES)),
    });
  }
  if (at !== bytes.length) refuse('too long');
  return table;
}
