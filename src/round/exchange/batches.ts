// The two ends of a batch stream on a node. An IncomingBatch accepts each chunk once: the same bytes again are a retry and change
// nothing, other bytes are a conflict that ends the round. An OutgoingBatch keeps what it sent, so that every retry sends the
// same bytes. Both hash slot by slot as chunks come, for the signed Merkle root; a batch without receivers is not hashed.
import { asMixError, type Deferred, DIGEST_BYTES, deferred, equalBytes, MixError } from '../../base/index.js';
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
  type OpeningExtra,
  phaseElements,
  type RoundInfo,
} from '../../protocol/index.js';

/** A chunk: its slots, its bytes in the batch, and its arrival. */
interface Chunk {
  readonly from: number;
  readonly slots: number;
  readonly bytes: Uint8Array;
  readonly done: Deferred<Uint8Array>;
}

/** A batch of one phase, cut into its chunks. */
class Chunks {
  readonly header: BatchHeader;
  readonly #slotBytes: number;
  readonly #chunks: readonly Chunk[];

  constructor(info: RoundInfo, group: Group, phase: BatchPhase, batch: Uint8Array) {
    const elements = phaseElements(phase, info.width);
    this.header = { round: info.round, phase, slots: info.slots, elements, chunkSlots: info.chunkSlots };
    this.#slotBytes = elements * group.elementBytes;
    this.#chunks = Array.from({ length: chunkCount(info) }, (_, index) => {
      const { from, to } = chunkRange(info, index);
      const bytes = batch.subarray(from * this.#slotBytes, to * this.#slotBytes);
      return { from, slots: to - from, bytes, done: deferred<Uint8Array>() };
    });
  }

  get count(): number {
    return this.#chunks.length;
  }

  /** @throws MixError CHUNK_INDEX */
  at(index: number): Chunk {
    const chunk = this.#chunks[index];
    if (!chunk) throw new MixError('CHUNK_INDEX', { index, chunks: this.count });
    return chunk;
  }

  /** Returns the range of a chunk in another batch of this shape. */
  placeIn(batch: Uint8Array, { from, slots }: Chunk): Uint8Array {
    return batch.subarray(from * this.#slotBytes, (from + slots) * this.#slotBytes);
  }

  /** Allocates room for the leaf of every slot. */
  leaves(): Buffer {
    return Buffer.alloc(this.header.slots * DIGEST_BYTES);
  }

  addLeaves(leaves: Buffer, { bytes, slots, from }: Chunk): void {
    batchLeaves(this.header.phase, bytes, slots, leaves, from);
  }

  /** Rejects the waits for chunks that have not arrived. */
  abort(reason: MixError): void {
    for (const { done } of this.#chunks) if (!done.settled) done.reject(reason);
  }
}

/** Events of an incoming batch, for its round. */
export interface IncomingBatchEvents {
  /** The batch is whole and its root right: checks the signature and returns the rest of the trailer; throws to refuse the batch. */
  verify(trailer: BatchTrailer): Promise<OpeningExtra | undefined>;
  /** The batch is verified. Called once. */
  complete(trailer: BatchTrailer, opening: OpeningExtra | undefined): void;
  /** The sender broke the protocol: the round cannot go on. */
  misbehaved(error: MixError): void;
}

export class IncomingBatch implements BatchSink {
  /** The batch, in shared memory; complete once {@link IncomingBatchEvents.complete} was called. */
  readonly bytes: Uint8Array;
  readonly #chunks: Chunks;
  readonly #group: Group;
  readonly #events: IncomingBatchEvents;
  readonly #leaves: Buffer;
  #missing: number;
  #verdict: Promise<void> | undefined;
  #trailer: BatchTrailer | undefined;
  #over: MixError | undefined;

  constructor(info: RoundInfo, group: Group, phase: BatchPhase, bytes: Uint8Array, events: IncomingBatchEvents) {
    this.#chunks = new Chunks(info, group, phase, bytes);
    this.#group = group;
    this.#events = events;
    this.bytes = bytes;
    this.#leaves = this.#chunks.leaves();
    this.#missing = this.#chunks.count;
  }

  /** Resolves with the view of chunk `index` once it is in. */
  arrival(index: number): Promise<Uint8Array> {
    return this.#chunks.at(index).done.promise;
  }

  /** @throws MixError BATCH_HEADER if a header does not describe this batch */
  checkHeader(header: BatchHeader): void {
    const own = this.#chunks.header;
    for (const key of ['slots', 'elements', 'chunkSlots'] as const) {
      if (header[key] !== own[key])
        throw new MixError('BATCH_HEADER', { field: key, got: header[key], expected: own[key] });
    }
  }

  chunk(index: number, bytes: Uint8Array): void {
    const chunk = this.#chunks.at(index);
    const { bytes: place, done } = chunk;
    if (bytes.length !== place.length) {
      throw new MixError('CHUNK_LENGTH', { index, length: bytes.length, expected: place.length });
    }
    this.#refuseLate();
    if (done.settled) {
      if (equalBytes(bytes, place)) return;
      throw this.#misbehaviour(new MixError('CHUNK_CONFLICT', { phase: this.#chunks.header.phase, index }));
    }
    try {
      checkElements(this.#group, bytes, this.#chunks.header.phase);
    } catch (error) {
      throw this.#misbehaviour(asMixError(error));
    }
    place.set(bytes);
    this.#chunks.addLeaves(this.#leaves, chunk);
    this.#missing--;
    done.resolve(place);
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
        this.#misbehaviour(new MixError('CHUNK_CONFLICT', { phase: this.#chunks.header.phase, index: -1 })),
      );
    }
    this.#trailer ??= trailer;
    this.#verdict ??= this.#judge(trailer);
    return this.#verdict;
  }

  /** Rejects the waits for missing chunks, and refuses chunks from now on if the batch is not whole. */
  abort(reason: MixError): void {
    if (this.#missing > 0) this.#over = new MixError('ROUND_OVER', { round: this.#chunks.header.round });
    this.#chunks.abort(reason);
  }

  /** Refuses input after the end of the round, unless the batch was whole by then: that is acknowledged as before. */
  #refuseLate(): void {
    if (this.#over) throw this.#over;
  }

  async #judge(trailer: BatchTrailer): Promise<void> {
    let opening: OpeningExtra | undefined;
    try {
      if (!equalBytes(trailer.root, rootOfLeaves(this.#leaves))) {
        throw new MixError('MERKLE_ROOT', { phase: this.#chunks.header.phase });
      }
      opening = await this.#events.verify(trailer);
    } catch (error) {
      throw error instanceof MixError ? this.#misbehaviour(error) : error;
    }
    this.#events.complete(trailer, opening);
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
  readonly #chunks: Chunks;
  /** Undefined if the batch has no receivers. */
  readonly #leaves: Buffer | undefined;
  #root: Uint8Array | undefined;
  readonly #trailer = deferred<BatchTrailer>();

  /** @param isKept at the turn of a ring: the batch has no receivers and is not hashed */
  constructor(info: RoundInfo, group: Group, phase: BatchPhase, bytes: Uint8Array, isKept = false) {
    this.#chunks = new Chunks(info, group, phase, bytes);
    this.#leaves = isKept ? undefined : this.#chunks.leaves();
    this.bytes = bytes;
  }

  get header(): BatchHeader {
    return this.#chunks.header;
  }

  get chunks(): number {
    return this.#chunks.count;
  }

  /** Memory in which chunk `index` is to be computed. */
  place(index: number): Uint8Array {
    return this.#chunks.at(index).bytes;
  }

  /** Returns the range of chunk `index` in another batch of this shape. */
  placeIn(batch: Uint8Array, index: number): Uint8Array {
    return this.#chunks.placeIn(batch, this.#chunks.at(index));
  }

  /** Chunk `index` is computed and final. */
  ready(index: number): void {
    const chunk = this.#chunks.at(index);
    if (this.#leaves) this.#chunks.addLeaves(this.#leaves, chunk);
    chunk.done.resolve(chunk.bytes);
  }

  readyAll(): void {
    for (let index = 0; index < this.chunks; index++) this.ready(index);
  }

  /** Returns the Merkle root; all chunks must be ready. @throws MixError INTERNAL if the batch is kept and not hashed */
  root(): Uint8Array {
    if (!this.#leaves) throw new MixError('INTERNAL', { what: 'a root for nobody', phase: this.#chunks.header.phase });
    this.#root ??= rootOfLeaves(this.#leaves);
    return this.#root;
  }

  finish(trailer: BatchTrailer): void {
    this.#trailer.resolve(trailer);
  }

  abort(reason: MixError): void {
    this.#chunks.abort(reason);
    if (!this.#trailer.settled) this.#trailer.reject(reason);
  }

  chunk(index: number): Promise<Uint8Array> {
    return this.#chunks.at(index).done.promise;
  }

  trailer(): Promise<BatchTrailer> {
    return this.#trailer.promise;
  }
}
