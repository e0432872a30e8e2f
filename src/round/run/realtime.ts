// The realtime phases of one node: it judges the slot table, has k∘r ready before its first chunk arrives, multiplies and passes
// on, permutes, and computes the outputs from everybody's openings. Multiplications only.
import { type Deferred, deferred, MixError, type SenderId, toHex } from '../../base/index.js';
import {
  applyRejections,
  checkDummies,
  decodeOutputs,
  dummySalt,
  encodeDummy,
  outputDigest,
  realtimeDecrypt,
  realtimePermute,
  type SenderSecret,
  type SlotEntry,
  type SlotRejection,
  type SlotTable,
  slotKeys,
  TableJudge,
  tableDigest,
  unblind,
  verifyDecryption,
} from '../../cmix/index.js';
import type { Prepared } from '../../engine/index.js';
import { bigintToBytes } from '../../math/index.js';
import { type Claim, type ClaimRejection, memberAt, shareContext } from '../../protocol/index.js';
import type { IncomingBatch, OutgoingBatch } from '../exchange/batches.js';
import type { Proposal, TeamOpening } from '../machine/state.js';
import { Screener } from '../submissions/screening.js';
import { blame, type RoundContext } from './context.js';
import { type Generated, publicShareAt, type Standby } from './precompute.js';

/** Outputs of a round as every member computes them; they count with the signatures of the whole team. */
export interface RoundOutputs {
  /** slots × width elements */
  readonly outputs: Uint8Array;
  readonly digest: Uint8Array;
  readonly messages: number;
  readonly dummies: number;
  /** Outputs that equal another: a node, or a sender, copied a message. */
  readonly copies: number;
  readonly invalidSlots: readonly number[];
}

/** The senders that this node knows. */
export interface RoundSenders {
  readonly secretOf: (sender: SenderId) => SenderSecret | undefined;
  /** Keeps the sender's secret until the round ends. */
  readonly hold: (sender: SenderId) => void;
  /** Messages of these senders are mixed. */
  readonly mixed: (senders: Iterable<SenderId>) => void;
}

/** Slots whose keys are derived in one go, whole chunks of them. */
interface KeySlice {
  readonly firstSlot: number;
  readonly slots: number;
  /** k∘r of these slots, once derived. */
  readonly keys: Deferred<Prepared>;
}

/** The settled table: the proposal after all verdicts. */
interface Settled {
  readonly table: SlotTable;
  /** All members sign it; dummies are made from it. */
  readonly digest: Uint8Array;
  readonly slices: readonly KeySlice[];
}

/** Slots that are judged before the thread yields: 6 ms of the main thread, with a MAC for each. */
const JUDGED_SLOTS = 1_024;
/** Slots whose keys are derived before the thread yields: some milliseconds of the main thread. */
const KEY_SLOTS = 256;

/** Cuts a whole batch into the chunks of another batch. */
const placesIn = (batch: Uint8Array, shape: OutgoingBatch) => (index: number) => shape.placeIn(batch, index);

export class Realtime {
  readonly #round: RoundContext;
  readonly #senders: RoundSenders;
  /** Judges the claims that the first node passes on while the batch is being filled. */
  readonly #screener: Screener;

  constructor(round: RoundContext, senders: RoundSenders) {
    this.#round = round;
    this.#senders = senders;
    const { digest: roundDigest, info } = round.facts;
    this.#screener = new Screener({ roundDigest, slots: info.slots, ...senders });
  }

  /** Returns which of the first node's submissions this node rejects. @throws MixError MESSAGE_TOO_LARGE */
  screen(claims: readonly Claim[]): ClaimRejection[] {
    return this.#screener.judge(claims);
  }

  /** Judges which slots of a proposed table this node rejects; `pause` yields the thread. */
  async judge(table: SlotTable, pause: () => Promise<void>): Promise<TableJudge> {
    const { digest: roundDigest, position, info } = this.#round.facts;
    const { quotaPerSender } = info;
    const { secretOf, hold } = this.#senders;
    const verified = (entry: SlotEntry, mac: Uint8Array) => this.#screener.knows(entry, mac);
    const facts = { roundDigest, nodeIndex: position, secretOf, verified, accepted: hold, quotaPerSender };
    const judge = new TableJudge(table, facts);
    for (judge.judge(JUDGED_SLOTS); judge.left > 0; judge.judge(JUDGED_SLOTS)) await pause();
    return judge;
  }

  /**
   * Applies all verdicts, in ring order. `proposal`: the table as proposed, with its digest.
   * @throws MixError TOO_FEW_SENDERS: the round fails closed; EPOCH_EXPIRED
   */
  settle(
    proposal: { readonly table: SlotTable; readonly digest: Uint8Array },
    verdicts: readonly (readonly SlotRejection[])[],
  ): Settled {
    const { info, digest: roundDigest } = this.#round.facts;
    const table = applyRejections(proposal.table, verdicts);
    const senders = new Set(table.flatMap((entry) => (entry ? [entry.sender] : [])));
    if (senders.size < info.minSenders) {
      throw new MixError('TOO_FEW_SENDERS', { senders: senders.size, least: info.minSenders });
    }
    this.#findSecrets(table);
    this.#senders.mixed(senders);
    const isWhole = verdicts.every(({ length }) => length === 0);
    const digest = isWhole ? proposal.digest : tableDigest(roundDigest, table);
    return { table, digest, slices: this.#slices() };
  }

  #slices(): KeySlice[] {
    const { slots, chunkSlots } = this.#round.facts.info;
    const most = Math.max(1, Math.floor(KEY_SLOTS / chunkSlots)) * chunkSlots;
    return Array.from({ length: Math.ceil(slots / most) }, (_, index) => {
      const firstSlot = index * most;
      return { firstSlot, slots: Math.min(most, slots - firstSlot), keys: deferred<Prepared>() };
    });
  }

  /** A slot that is left has passed this node's MAC check: its sender is missing only if the epoch has ended since. */
  #findSecrets(table: SlotTable): (SenderSecret | null)[] {
    return table.map((entry) => {
      const secret = entry && this.#senders.secretOf(entry.sender);
      if (secret === undefined) throw new MixError('EPOCH_EXPIRED', { round: this.#round.facts.info.round });
      return secret;
    });
  }

  /**
   * Derives k∘r for every slot that is left, ready when all have signed the table: the ring begins then. Returns the salts of the
   * dummies in empty slots, as hex.
   * @throws MixError EPOCH_EXPIRED, ABORTED, …: also passed to the waits of the ring
   */
  async deriveKeys(settled: Settled, r: Prepared): Promise<ReadonlySet<string>> {
    try {
      if (this.#round.ports.signal.aborted) throw new MixError('ABORTED', { what: 'slot keys' });
      return await this.#deriveSlices(settled, this.#findSecrets(settled.table), r);
    } catch (reason) {
      for (const { keys } of settled.slices) if (!keys.settled) keys.reject(reason);
      throw reason;
    }
  }

  /** Derives k∘r, slice by slice; empty slots have k = 1. Pending messages can leave between slices. */
  async #deriveSlices(
    { table, digest, slices }: Settled,
    known: readonly (SenderSecret | null)[],
    preparedR: Prepared,
  ): Promise<ReadonlySet<string>> {
    const { info, digest: roundDigest, group } = this.#round.facts;
    const { engine, secrets } = this.#round.ports;
    const dummies = new Set<string>();
    const slotBytes = info.width * group.elementBytes;
    const one = bigintToBytes(1n, group.elementBytes);
    for (const { firstSlot: from, slots, keys: done } of slices) {
      const keys = secrets.hold(engine.allocate(slots, info.width));
      for (let slot = 0; slot < slots; slot++) {
        const [entry, secret] = [table[from + slot], known[from + slot]];
        if (entry && secret) {
          const slotKey = slotKeys(group, secret, roundDigest, entry.salt, info.width);
          keys.set(slotKey, slot * slotBytes);
          slotKey.fill(0);
          continue;
        }
        dummies.add(toHex(dummySalt(digest, from + slot)));
        for (let e = 0; e < info.width; e++) keys.set(one, slot * slotBytes + e * group.elementBytes);
      }
      const r = preparedR.slice(from * info.width, (from + slots) * info.width);
      const combined = secrets.hold(await engine.mul(keys, r, this.#round.realtime));
      done.resolve(secrets.hold(await engine.prepare(combined, this.#round.realtime)));
      for (const used of [keys, combined]) secrets.drop(used);
    }
    secrets.drop(preparedR);
    return dummies;
  }

  /**
   * This node's part of the decrypt ring: x ← x ∘ (k∘r), each chunk as soon as it is in. The first node has no input and begins
   * with `payloads`: M of each slot.
   */
  async runRing(settled: Settled, payloads: Proposal['payloads'], incoming: IncomingBatch | undefined): Promise<void> {
    const round = this.#round;
    const { chunkSlots, width } = round.facts.info;
    const { elementBytes } = round.facts.group;
    const out = round.outgoing('realtimeDecrypt');
    const arrival = incoming
      ? (index: number) => incoming.arrival(index)
      : placesIn(this.#firstInput(settled, payloads), out);
    round.ports.onProgress('realtimeDecrypt', 0);
    let done = 0;
    const chunk = async ({ firstSlot, keys: derived }: KeySlice, slot: number) => {
      const index = slot / chunkSlots;
      const input = await arrival(index);
      const place = out.place(index);
      const from = (slot - firstSlot) * width;
      const keys = (await derived.promise).slice(from, from + place.length / elementBytes);
      await realtimeDecrypt(round.ports.engine, input, keys, { ...round.realtime, out: place });
      out.ready(index);
      round.ports.onProgress('realtimeDecrypt', ++done / out.chunks);
    };
    const chunks: Promise<void>[] = [];
    for (const slice of settled.slices) {
      const end = slice.firstSlot + slice.slots;
      for (let slot = slice.firstSlot; slot < end; slot += chunkSlots) chunks.push(chunk(slice, slot));
    }
    await Promise.all(chunks);
    for (const { keys } of settled.slices) round.ports.secrets.drop(await keys.promise);
  }

  /** M of every slot; a dummy, which anyone can recompute, if the slot is empty or was rejected. */
  #firstInput({ table, digest }: Settled, payloads: Proposal['payloads']): Uint8Array {
    const { info, group } = this.#round.facts;
    const batch = this.#round.ports.engine.allocate(info.slots, info.width);
    const slotBytes = info.width * group.elementBytes;
    for (const [slot, entry] of table.entries()) {
      const payload = entry ? payloads[slot] : encodeDummy(group, info.width, digest, slot);
      if (!payload) throw new MixError('INTERNAL', { what: 'a payload for each slot that is taken' });
      batch.set(payload, slot * slotBytes);
    }
    return batch;
  }

  /** x′[k] = x[π⁻¹(k)] ∘ s[k], once the whole batch is in. Node 1's result is the mixed batch that it commits to. */
  async permute({ s, source }: Generated): Promise<void> {
    const round = this.#round;
    const { info, position } = round.facts;
    round.ports.onProgress('realtimePermute', 0);
    const input = round.isLast
      ? round.whole('realtimeDecrypt', position)
      : round.whole('realtimePermute', position + 1);
    const out = round.outgoing(round.isFirst ? 'mixed' : 'realtimePermute');
    const options = { ...round.realtime, width: info.width, out: out.bytes };
    await realtimePermute(round.ports.engine, input, source, s, options);
    round.ports.secrets.drop(s);
    round.ports.secrets.drop(source);
    out.readyAll();
    round.ports.onProgress('realtimePermute', 1);
  }

  /** Multiplies x′ or a D_i into the product that becomes the outputs. */
  accumulate(product: Uint8Array | Prepared, factor: Uint8Array): Promise<Uint8Array> {
    return unblind(this.#round.ports.engine, product, factor, this.#round.realtime);
  }

  /**
   * Decodes out = x′ ∘ ∏D_i ∘ c⁻¹. If an output does not decode, checks every member's share against its proof.
   * @param outputs the product of all factors
   * @throws MixError DECRYPTION_PROOF or EQUIVOCATION with the culprit; OUTPUTS_INCOMPLETE
   */
  async decode(
    outputs: Uint8Array,
    standby: Standby,
    expectedDummies: ReadonlySet<string>,
    openings: readonly TeamOpening[],
  ): Promise<RoundOutputs> {
    const round = this.#round;
    const { info, group, digest: roundDigest } = round.facts;
    const { messages, dummies, dummySalts, invalidSlots, copies } = decodeOutputs(group, info.width, outputs);
    // A wrong share spoils dummies, too: blame its sender first.
    if (invalidSlots.length > 0) await this.#blameShares(standby, openings);
    checkDummies(expectedDummies, dummySalts);
    round.ports.onProgress('identify', 1);
    const digest = outputDigest(roundDigest, outputs);
    return { outputs, digest, messages: messages.length, dummies, copies, invalidSlots };
  }

  /** The slow path: names the node whose share is wrong. If all are right, the message was mauled elsewhere, and stays invalid. */
  async #blameShares({ key, c0, reveal }: Standby, openings: readonly TeamOpening[]): Promise<void> {
    const { facts, ports, realtime } = this.#round;
    for (const { position, extra } of openings) {
      const statement = {
        publicShares: publicShareAt(key, position),
        c0,
        shares: this.#round.whole('opening', position),
        batchDigest: reveal.root,
        proof: extra.proof,
      };
      const context = shareContext(facts, memberAt(facts, position).node);
      const holds = await verifyDecryption(ports.engine, context, statement, realtime);
      if (!holds) throw blame('DECRYPTION_PROOF', position);
    }
  }
}
