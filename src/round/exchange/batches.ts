// The two ends of a batch stream on a node. An IncomingBatch takes each chunk once, ever: the same bytes again are a retry
// and change nothing, other bytes are a conflict that ends the round. An OutgoingBatch keeps what it sent, so that every
// attempt to send it again sends the very same bytes. Both hash slot by slot as chunks come, for the signed Merkle root;
// what is sent to nobody is not hashed.
import { type Deferred, DIGEST_BYTES, deferred, equalBytes, MixError } from '../../base/index.js';
import { batchLeaves, rootOfLeaves } from '../../cmix/index.js';
import { checkElements, type Group } from '../../math/index.js';
import {
  type BatchHeader,
  type BatchPhase,
  type BatchSink,
  type BatchSource,
  type BatchTrailer,
  chunkCount,
  chunkRange,
  phaseElements,
  type RoundInfo,
} from '../../protocol/index.js';

/** Shape of a batch of one phase, and where its chunks lie. */
class BatchShape {
  readonly header: BatchHeader;
  readonly chunks: number;
  readonly slotBytes: number;
  readonly #info: RoundInfo;

  constructor(info: RoundInfo, group: Group, phase: BatchPhase) {
    this.#info = info;
    const elements = phaseElements(phase, info.width);
    this.header = { round: info.round, phase, slots: info.slots, elements, chunkSlots: info.chunkSlots };
    this.chunks = chunkCount(info);
    this.slotBytes = elements * group.elementBytes;
  }

  view(bytes: Uint8Array, index: number): Uint8Array {
    const { from, to } = chunkRange(this.#info, index);
    return bytes.subarray(from * this.slotBytes, to * this.slotBytes);
  }

  /** Room for the leaf of every slot. */
  leaves(): Buffer {
    return Buffer.alloc(this.#info.slots * DIGEST_BYTES);
  }

  addLeaves(leaves: Buffer, bytes: Uint8Array, index: number): void {
    const { from, to } = chunkRange(this.#info, index);
    batchLeaves(this.header.phase, this.view(bytes, index), to - from, leaves, from);
  }
}

/** What an incoming batch reports to its round. */
export interface IncomingBatchEvents {
  /** The batch is whole and its root right: check the signature and what else the trailer carries; throw to refuse it. */
  verify(trailer: BatchTrailer): Promise<void>;
  /** Verified: happens once. */
  complete(trailer: BatchTrailer): void;
  /** The sender did what no honest node does: the round cannot go on. */
  misbehaved(error: MixError): void;
}

export class IncomingBatch implements BatchSink {
  /** The batch, in shared memory; complete once {@link IncomingBatchEvents.complete} was called. */
  readonly bytes: Uint8Array;
  readonly #shape: BatchShape;
  readonly #group: Group;
  readonly #events: IncomingBatchEvents;
  readonly #arrived: Deferred<Uint8Array>[];
  readonly #leaves: Buffer;
  #missing: number;
  #verdict: Promise<void> | undefined;
  #trailer: BatchTrailer | undefined;
  #over: MixError | undefined;

  constructor(info: RoundInfo, group: Group, phase: BatchPhase, bytes: Uint8Array, events: IncomingBatchEvents) {
    this.#shape = new BatchShape(info, group, phase);
    this.#group = group;
    this.#events = events;
    this.bytes = bytes;
    this.#leaves = this.#shape.leaves();
    this.#missing = this.#shape.chunks;
    this.#arrived = Array.from({ length: this.#missing }, () => deferred<Uint8Array>());
  }

  /** Resolves with the view of chunk `index` once it is in. */
  arrival(index: number): Promise<Uint8Array> {
    return this.#arrived[index]!.promise;
  }

  /** @throws MixError BATCH_HEADER where a header does not describe this very batch */
  checkHeader(header: BatchHeader): void {
    const own = this.#shape.header;
    for (const key of ['slots', 'elements', 'chunkSlots'] as const) {
      if (header[key] !== own[key])
        throw new MixError('BATCH_HEADER', { field: key, got: header[key], expected: own[key] });
    }
  }

  chunk(index: number, bytes: Uint8Array): void {
    const { chunks } = this.#shape;
    if (!Number.isInteger(index) || index < 0 || index >= chunks) throw new MixError('CHUNK_INDEX', { index, chunks });
    const place = this.#shape.view(this.bytes, index);
    if (bytes.length !== place.length) {
      throw new MixError('CHUNK_LENGTH', { index, length: bytes.length, expected: place.length });
    }
    const arrival = this.#arrived[index]!;
    this.#refuseLate();
    if (arrival.settled) {
      if (equalBytes(bytes, place)) return;
      throw this.#misbehaviour(new MixError('CHUNK_CONFLICT', { phase: this.#shape.header.phase, index }));
    }
    try {
      checkElements(this.#group, bytes, this.#shape.header.phase);
    } catch (error) {
      throw this.#misbehaviour(error as MixError);
    }
    place.set(bytes);
    this.#shape.addLeaves(this.#leaves, this.bytes, index);
    this.#missing--;
    arrival.resolve(place);
  }

  end(trailer: BatchTrailer): Promise<void> {
    try {
      this.#refuseLate();
    } catch (error) {
      return Promise.reject(error);
    }
    if (this.#missing > 0) return Promise.reject(new MixError('CHUNK_MISSING', { missing: this.#missing }));
    if (this.#trailer && !sameTrailer(this.#trailer, trailer)) {
      return Promise.reject(
        this.#misbehaviour(new MixError('CHUNK_CONFLICT', { phase: this.#shape.header.phase, index: -1 })),
      );
    }
    this.#trailer ??= trailer;
    this.#verdict ??= this.#judge(trailer);
    return this.#verdict;
  }

  /** Nothing more will come: whoever waits for a chunk is told. */
  abort(reason: MixError): void {
    if (this.#missing > 0) this.#over = new MixError('ROUND_OVER', { round: this.#shape.header.round });
    for (const arrival of this.#arrived) if (!arrival.settled) arrival.reject(reason);
  }

  /** What was whole when the round ended is acknowledged as before; what was not is taken no more. */
  #refuseLate(): void {
    if (this.#over) throw this.#over;
  }

  async #judge(trailer: BatchTrailer): Promise<void> {
    try {
      if (!equalBytes(trailer.root, rootOfLeaves(this.#leaves))) {
        throw new MixError('MERKLE_ROOT', { phase: this.#shape.header.phase });
      }
      await this.#events.verify(trailer);
    } catch (error) {
      throw error instanceof MixError ? this.#misbehaviour(error) : error;
    }
    this.#events.complete(trailer);
  }

  #misbehaviour(error: MixError): MixError {
    this.#events.misbehaved(error);
    return error;
  }
}

function sameTrailer(a: BatchTrailer, b: BatchTrailer): boolean {
  return equalBytes(a.root, b.root) && equalBytes(a.extra, b.extra) && equalBytes(a.signature, b.signature);
}

export class OutgoingBatch implements BatchSource {
  /** The batch, in shared memory; each chunk is final once {@link ready} was called for it. */
  readonly bytes: Uint8Array;
  readonly #shape: BatchShape;
  readonly #ready: Deferred<Uint8Array>[];
  /** None where nobody is sent the batch. */
  readonly #leaves: Buffer | undefined;
  #root: Uint8Array | undefined;
  readonly #trailer = deferred<BatchTrailer>();

  /** @param isKept at the turn of a ring: nobody is sent it, and nothing of it is hashed */
  constructor(info: RoundInfo, group: Group, phase: BatchPhase, bytes: Uint8Array, isKept = false) {
    this.#shape = new BatchShape(info, group, phase);
    this.#leaves = isKept ? undefined : this.#shape.leaves();
    this.bytes = bytes;
    this.#ready = Array.from({ length: this.#shape.chunks }, () => deferred<Uint8Array>());
  }

  get header(): BatchHeader {
    return this.#shape.header;
  }

  get chunks(): number {
    return this.#shape.chunks;
  }

  /** Where chunk `index` is to be computed. */
  place(index: number): Uint8Array {
    return this.#shape.view(this.bytes, index);
  }

  /** The same place in another batch of this shape. */
  placeIn(batch: Uint8Array, index: number): Uint8Array {
    return this.#shape.view(batch, index);
  }

  /** Chunk `index` is computed, and will never change again. */
  ready(index: number): void {
    if (this.#leaves) this.#shape.addLeaves(this.#leaves, this.bytes, index);
    this.#ready[index]!.resolve(this.place(index));
  }

  readyAll(): void {
    for (let index = 0; index < this.chunks; index++) this.ready(index);
  }

  /** The Merkle root; all chunks must be ready. @throws MixError INTERNAL of a batch that is kept */
  root(): Uint8Array {
    if (!this.#leaves) throw new MixError('INTERNAL', { what: 'a root for nobody', phase: this.#shape.header.phase });
    this.#root ??= rootOfLeaves(this.#leaves);
    return this.#root;
  }

  finish(trailer: BatchTrailer): void {
    this.#trailer.resolve(trailer);
  }

  abort(reason: MixError): void {
    for (const ready of this.#ready) if (!ready.settled) ready.reject(reason);
    if (!this.#trailer.settled) this.#trailer.reject(reason);
  }

  chunk(index: number): Promise<Uint8Array> {
    return this.#ready[index]!.promise;
  }

  trailer(): Promise<BatchTrailer> {
    return this.#trailer.promise;
  }
}
