// The realtime phases of one node: it judges the slot table, has k∘r ready before its first chunk arrives, multiplies and
// passes on, permutes, and computes the outputs from what everybody opened. Multiplications only.
import { type Deferred, deferred, MixError, type SenderId, toHex } from '../../base/index.js';
import {
  applyRejections,
  checkDummies,
  decodeOutputs,
  dummySalt,
  encodeDummy,
  identifyFactor,
  outputDigest,
  type RejectionReason,
  realtimeDecrypt,
  realtimePermute,
  type SenderSecret,
  type SlotEntry,
  type SlotRejection,
  type SlotTable,
  slotKeys,
  TableJudge,
  tableDigest,
  verifyDecryption,
} from '../../cmix/index.js';
import type { Prepared } from '../../engine/index.js';
import { bigintToBytes } from '../../math/index.js';
import type { Claim, ClaimRejection, OpeningExtra } from '../../protocol/index.js';
import { Screener } from '../submissions/screening.js';
import { blame, type RoundContext } from './context.js';
import type { Precompute } from './precompute.js';

/** Outputs of a round as everybody computed them; they count with all signatures. */
export interface RoundOutputs {
  /** slots × width elements */
  readonly outputs: Uint8Array;
  readonly digest: Uint8Array;
  readonly messages: number;
  readonly dummies: number;
  /** Outputs that are equal to another: some node, or a sender, copied a message. */
  readonly copies: number;
  readonly invalidSlots: readonly number[];
}

/** The senders that this node knows. */
export interface RoundSenders {
  readonly secretOf: (sender: SenderId) => SenderSecret | undefined;
  /** The sender's secret will be needed until the round ends. */
  readonly hold: (sender: SenderId) => void;
  /** Messages of these senders are mixed. */
  readonly mixed: (senders: Iterable<SenderId>) => void;
}

/** A slot that a member has rejected. */
interface TeamRejection {
  /** Of the member, in the team. */
  readonly position: number;
  readonly reason: RejectionReason;
}

/** Slots that are judged before anything else has its turn: 6 ms of the main thread, with a MAC for each. */
const JUDGED_SLOTS = 1_024;
/** Slots whose keys are derived before anything else has its turn: some milliseconds of the main thread. */
const KEY_SLOTS = 256;

export class Realtime {
  readonly #round: RoundContext;
  readonly #precompute: Precompute;
  readonly #senders: RoundSenders;
  /** Judges what the first node hands on while the batch is being filled. */
  readonly #screener: Screener;
  /** k∘r, a few chunks each, as they are derived. */
  #keys: Deferred<Prepared>[] = [];
  /** Node 1 only: M of each slot as submitted; null for empty ones. */
  payloads: readonly (Uint8Array | null)[] | undefined;
  /** As proposed, with its digest, and as settled by all verdicts. */
  proposal: { readonly table: SlotTable; readonly digest: Uint8Array } | undefined;
  settled: SlotTable | undefined;
  #settledDigest: Uint8Array | undefined;
  /** Salts of the dummies in its empty slots, as hex. */
  readonly #dummies = new Set<string>();
  /** The proposal as this node has judged it; undefined before. */
  judged: TableJudge | undefined;
  readonly #verdicts: (readonly SlotRejection[])[] = [];
  /** The rejection of each slot that anybody has rejected, of the first of them in the team. */
  readonly #rejected = new Map<number, TeamRejection>();
  /** c⁻¹ and what is in of x′ and the shares, multiplied. */
  #identified: Promise<Uint8Array | Prepared> | undefined;
  #factors = 0;
  /** Evidence that came with each opening, by position. */
  readonly openings: (OpeningExtra | undefined)[] = [];

  constructor(round: RoundContext, precompute: Precompute, senders: RoundSenders) {
    this.#round = round;
    this.#precompute = precompute;
    this.#senders = senders;
    const { digest: roundDigest, info } = round.facts;
    this.#screener = new Screener({ roundDigest, slots: info.slots, ...senders });
  }

  /** What this node rejects of what the first node has taken. @throws MixError MESSAGE_TOO_LARGE */
  screen(claims: readonly Claim[]): ClaimRejection[] {
    return this.#screener.judge(claims);
  }

  /** Which slots of the proposal this node rejects; `pause` lets the rest of the process have its turn. */
  async judge(pause: () => Promise<void>): Promise<readonly SlotRejection[]> {
    const { digest: roundDigest, position, info } = this.#round.facts;
    const { quotaPerSender } = info;
    const { secretOf, hold } = this.#senders;
    const verified = (entry: SlotEntry, mac: Uint8Array) => this.#screener.knows(entry, mac);
    const facts = { roundDigest, nodeIndex: position, secretOf, verified, accepted: hold, quotaPerSender };
    const judge = new TableJudge(this.proposal!.table, facts);
    for (judge.judge(JUDGED_SLOTS); judge.left > 0; judge.judge(JUDGED_SLOTS)) await pause();
    this.judged = judge;
    this.keepVerdict(position, judge.rejections);
    return judge.rejections;
  }

  /** What a member rejects, this node included. */
  keepVerdict(position: number, rejections: readonly SlotRejection[]): void {
    this.#verdicts[position] = rejections;
    for (const { slot, reason } of rejections) {
      const before = this.#rejected.get(slot);
      if (!before || position < before.position) this.#rejected.set(slot, { position, reason });
    }
  }

  /** Who rejected a slot, and why. In constant time. */
  rejectionOf(slot: number): TeamRejection | undefined {
    return this.#rejected.get(slot);
  }

  /**
   * Applies all verdicts. The digest is what all sign.
   * @throws MixError TOO_FEW_SENDERS: the round fails closed; EPOCH_EXPIRED
   */
  settle(): Uint8Array {
    const { info, digest: roundDigest } = this.#round.facts;
    const verdicts = Array.from({ length: info.team.length }, (_, position) => this.#verdicts[position] ?? []);
    const proposal = this.proposal!;
    const table = applyRejections(proposal.table, verdicts);
    const senders = new Set(table.flatMap((entry) => (entry ? [entry.sender] : [])));
    if (senders.size < info.minSenders) {
      throw new MixError('TOO_FEW_SENDERS', { senders: senders.size, least: info.minSenders });
    }
    this.#secretsOf(table);
    this.#senders.mixed(senders);
    this.settled = table;
    this.#keys = Array.from({ length: Math.ceil(info.slots / this.#keySlots) }, () => deferred<Prepared>());
    const isWhole = verdicts.every(({ length }) => length === 0);
    this.#settledDigest = isWhole ? proposal.digest : tableDigest(roundDigest, table);
    return this.#settledDigest;
  }

  /** A slot that survived has our own MAC: only an epoch that ended in between can have taken its sender away. */
  #secretsOf(table: SlotTable): (SenderSecret | null)[] {
    return table.map((entry) => {
      const secret = entry && this.#senders.secretOf(entry.sender);
      if (secret === undefined) throw new MixError('EPOCH_EXPIRED', { round: this.#round.facts.info.round });
      return secret;
    });
  }

  /**
   * k∘r for every slot that is left, ready when all have signed the table: the ring begins then.
   * @throws MixError EPOCH_EXPIRED, ABORTED, …: what the ring is told, too
   */
  async deriveKeys(): Promise<void> {
    try {
      if (this.#round.ports.signal.aborted) throw new MixError('ABORTED', { what: 'slot keys' });
      await this.#deriveSlices(this.settled!, this.#secretsOf(this.settled!));
    } catch (reason) {
      for (const keys of this.#keys) if (!keys.settled) keys.reject(reason);
      throw reason;
    }
  }

  /** Slots whose keys are derived in one go: whole chunks. */
  get #keySlots(): number {
    const { chunkSlots } = this.#round.facts.info;
    return Math.max(1, Math.floor(KEY_SLOTS / chunkSlots)) * chunkSlots;
  }

  /** k∘r, some slots after the others; slots that are empty have k = 1. Between them, what was said meanwhile can leave. */
  async #deriveSlices(table: SlotTable, known: readonly (SenderSecret | null)[]): Promise<void> {
    const { info, digest: roundDigest, group } = this.#round.facts;
    const { engine, secrets } = this.#round.ports;
    const preparedR = this.#precompute.preparedR!;
    const slotBytes = info.width * group.elementBytes;
    const one = bigintToBytes(1n, group.elementBytes);
    for (const [slice, done] of this.#keys.entries()) {
      const from = slice * this.#keySlots;
      const slots = Math.min(this.#keySlots, info.slots - from);
      const keys = secrets.hold(engine.allocate(slots, info.width));
      for (let slot = 0; slot < slots; slot++) {
        const [entry, secret] = [table[from + slot], known[from + slot]];
        if (entry && secret) {
          const slotKey = slotKeys(group, secret, roundDigest, entry.salt, info.width);
          keys.set(slotKey, slot * slotBytes);
          slotKey.fill(0);
          continue;
        }
        this.#dummies.add(toHex(dummySalt(this.#settledDigest!, from + slot)));
        for (let e = 0; e < info.width; e++) keys.set(one, slot * slotBytes + e * group.elementBytes);
      }
      const r = preparedR.slice(from * info.width, (from + slots) * info.width);
      const combined = secrets.hold(await engine.mul(keys, r, this.#round.realtime));
      done.resolve(secrets.hold(await engine.prepare(combined, this.#round.realtime)));
      for (const used of [keys, combined]) secrets.drop(used);
    }
    secrets.drop(preparedR);
  }

  /** This node's part of the decrypt ring: x ← x ∘ (k∘r), each chunk as soon as it is in. */
  async runRing(): Promise<void> {
    const round = this.#round;
    const { info, position } = round.facts;
    const out = round.outgoing('realtimeDecrypt');
    const inputs = round.isFirst ? this.#firstInput() : undefined;
    round.ports.onProgress('realtimeDecrypt', 0);
    let done = 0;
    const chunk = async (index: number) => {
      const input = inputs
        ? out.placeIn(inputs, index)
        : await round.received('realtimeDecrypt', position - 1)!.arrival(index);
      const first = index * info.chunkSlots;
      const place = out.place(index);
      const derived = await this.#keys[Math.floor(first / this.#keySlots)]!.promise;
      const from = (first % this.#keySlots) * info.width;
      const keys = derived.slice(from, from + place.length / round.facts.group.elementBytes);
      await realtimeDecrypt(round.ports.engine, input, keys, { ...round.realtime, out: place });
      out.ready(index);
      round.ports.onProgress('realtimeDecrypt', ++done / out.chunks);
    };
    await Promise.all(Array.from({ length: out.chunks }, (_, index) => chunk(index)));
    for (const keys of this.#keys) round.ports.secrets.drop(await keys.promise);
  }

  /** M of every slot; dummies, which anybody can recompute, where a slot is empty or was rejected. */
  #firstInput(): Uint8Array {
    const { info, group } = this.#round.facts;
    const batch = this.#round.ports.engine.allocate(info.slots, info.width);
    const slotBytes = info.width * group.elementBytes;
    for (const [slot, entry] of this.settled!.entries()) {
      const payload = entry ? this.payloads![slot]! : encodeDummy(group, info.width, this.#settledDigest!, slot);
      batch.set(payload, slot * slotBytes);
    }
    return batch;
  }

  /** x′[k] = x[π⁻¹(k)] ∘ s[k], once the whole batch is in. Node 1's result is the mixed batch that it commits to. */
  async permute(): Promise<void> {
    const round = this.#round;
    const { info, position } = round.facts;
    round.ports.onProgress('realtimePermute', 0);
    const input = round.isLast
      ? round.outgoing('realtimeDecrypt').bytes
      : round.received('realtimePermute', position + 1)!.bytes;
    const out = round.outgoing(round.isFirst ? 'mixed' : 'realtimePermute');
    const { preparedS, source } = this.#precompute;
    const options = { ...round.realtime, width: info.width, out: out.bytes };
    await realtimePermute(round.ports.engine, input, source!, preparedS!, options);
    round.ports.secrets.drop(preparedS!);
    round.ports.secrets.drop(source!);
    out.readyAll();
    round.ports.onProgress('realtimePermute', 1);
  }

  /** The product is of no use any more, or among the outputs. */
  forget(): void {
    this.#identified = undefined;
  }

  /**
   * Somebody's shares, which are what was committed to, or x′, of which that is known when all is in: their part of the outputs, while
   * the others are on their way.
   */
  multiplyIn(phase: 'mixed' | 'opening', from: number): void {
    const { ports, realtime } = this.#round;
    const factor = phase === 'mixed' ? this.#mixed() : this.#sharesOf(from);
    const before = this.#identified ?? Promise.resolve(this.#precompute.inversePayload!);
    this.#identified = before.then((product) => identifyFactor(ports.engine, product, factor, realtime));
    // Whoever wants the outputs is told.
    this.#identified.catch(() => {});
    this.#factors++;
  }

  #mixed(): Uint8Array {
    const round = this.#round;
    return round.isFirst ? round.outgoing('mixed').bytes : round.received('mixed', 0)!.bytes;
  }

  #sharesOf(position: number): Uint8Array {
    const round = this.#round;
    return position === round.facts.position
      ? this.#precompute.own!.shares
      : round.received('opening', position)!.bytes;
  }

  /**
   * out = x′ ∘ ∏D_i ∘ c⁻¹, all of which are in. Where an output does not decode, every node's share is checked against its proof.
   * @throws MixError DECRYPTION_PROOF or EQUIVOCATION with the culprit; OUTPUTS_INCOMPLETE
   */
  async outputs(mixDigest: Uint8Array, cipherDigest: Uint8Array): Promise<RoundOutputs> {
    const round = this.#round;
    const { info, group, digest: roundDigest } = round.facts;
    round.ports.onProgress('identify', 0.5);
    // Every opening carries node 1's signature under the mix commitment it followed, checked on arrival.
    for (const opening of this.openings) {
      if (opening && toHex(opening.mixDigest) !== toHex(mixDigest))
        throw blame('EQUIVOCATION', 0, 'two mix commitments');
    }
    if (this.#factors !== round.size + 1) throw new MixError('INTERNAL', { what: 'factors', got: this.#factors });
    const outputs = (await this.#identified) as Uint8Array;
    const { messages, dummies, dummySalts, invalidSlots, copies } = decodeOutputs(group, info.width, outputs);
    // A wrong share spoils dummies, too: who sent it is to blame first.
    if (invalidSlots.length > 0) await this.#blameShares(cipherDigest);
    checkDummies(this.#dummies, dummySalts);
    round.ports.onProgress('identify', 1);
    const digest = outputDigest(roundDigest, outputs);
    return { outputs, digest, messages: messages.length, dummies, copies, invalidSlots };
  }

  /** The slow path: names the node whose share is wrong. All right: the message was mauled elsewhere, and stays invalid. */
  async #blameShares(batchDigest: Uint8Array): Promise<void> {
    const { position, info } = this.#round.facts;
    for (const other of info.team.keys()) {
      if (other === position) continue;
      const statement = {
        publicShares: this.#precompute.publicShare(other),
        c0: this.#precompute.c0!,
        shares: this.#sharesOf(other),
        batchDigest,
        proof: this.openings[other]!.proof,
      };
      const context = this.#precompute.shareContext(other);
      const holds = await verifyDecryption(this.#round.ports.engine, context, statement, this.#round.realtime);
      if (!holds) throw blame('DECRYPTION_PROOF', other);
    }
  }
}
