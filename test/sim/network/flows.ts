// How a team talks, as tasks of a table: signed messages to all, and batches that stream chunk by chunk with their Merkle root behind.
// Sizes are those of the protocol; frames of gRPC, TLS and TCP are left to the bandwidth.
import type { Lane } from '../../../src/transport/calling/host.js';
import type { PlanBuilder, TaskId } from './plan.js';

const SIGNATURE_BYTES = 64;
const DIGEST_BYTES = 32;
/** Round, speaker and kind of a message, or round, phase and shape of a batch: names and numbers. */
const HEADER_BYTES = 48;

/** What is fixed of every round of a run. */
export interface RoundShape {
  readonly size: number;
  readonly slots: number;
  readonly width: number;
  /** Slots of each chunk. */
  readonly chunks: readonly number[];
}

export function shapeOf(size: number, slots: number, chunkSlots: number, width = 1): RoundShape {
  const count = Math.ceil(slots / chunkSlots);
  const chunks = Array.from({ length: count }, (_, k) => Math.min(chunkSlots, slots - k * chunkSlots));
  return { size, slots, width, chunks };
}

/** A message to all others. */
export interface Said {
  /** When each position has it checked; the speaker, once it is signed. */
  readonly heard: readonly TaskId[];
  /** When it has left its speaker, for the last of them. */
  readonly left: TaskId;
}

/** A batch that its sender has hashed, chunk by chunk, and signed. */
export interface Handed {
  readonly at: number;
  readonly elements: number;
  readonly chunks: readonly TaskId[];
  readonly root: TaskId;
}

export class Flows {
  readonly builder: PlanBuilder;
  readonly shape: RoundShape;
  readonly positions: readonly number[];

  constructor(builder: PlanBuilder, shape: RoundShape) {
    this.builder = builder;
    this.shape = shape;
    this.positions = Array.from({ length: shape.size }, (_, at) => at);
  }

  /** A signed message to all others. */
  say(from: number, bytes: number, after: readonly TaskId[]): Said {
    const { pricing } = this.builder;
    const signed = this.builder.main(from, pricing.main('sign'), after);
    let last = signed;
    const heard = this.positions.map((to) => {
      if (to === from) return signed;
      const wireBytes = HEADER_BYTES + bytes + SIGNATURE_BYTES;
      last = this.#carry(from, pricing.transport('messageOut', wireBytes), signed);
      const sent = this.builder.send(from, to, wireBytes, 'control', [last]);
      return this.builder.main(to, pricing.transport('messageIn', wireBytes) + pricing.main('verify'), [sent]);
    });
    return { heard, left: last };
  }

  /** When a position has heard what everybody has said, itself included. */
  allHeard(at: number, said: readonly Said[]): TaskId {
    return this.builder.join(
      at,
      said.map(({ heard }) => heard[at]!),
    );
  }

  /** What leaves passes through its sender's main thread, where that is counted. */
  #carry(from: number, us: number, after: TaskId): TaskId {
    return us === 0 ? after : this.builder.main(from, us, [after]);
  }

  /** Everybody says something: when each position has heard all, itself included. */
  allSay(after: readonly (readonly TaskId[])[], bytes: number): TaskId[] {
    const said = this.positions.map((from) => this.say(from, bytes, after[from]!));
    return this.positions.map((at) => this.allHeard(at, said));
  }

  /** Chunks that are computed one by one: hashed as they are, the root once all are. */
  give(at: number, elements: number, computed: readonly TaskId[]): Handed {
    const { pricing } = this.builder;
    const chunks = computed.map((done, k) =>
      this.builder.main(at, pricing.slots('give', this.shape.chunks[k]!, elements), [done]),
    );
    return { at, elements, chunks, root: this.signRoot(at, chunks) };
  }

  /** A batch that is computed as a whole: its chunks go out together. */
  giveAll(at: number, elements: number, after: readonly TaskId[]): Handed {
    const hashed = this.builder.main(at, this.builder.pricing.slots('give', this.shape.slots, elements), after);
    return { at, elements, chunks: this.shape.chunks.map(() => hashed), root: this.signRoot(at, [hashed]) };
  }

  /** Whose root is known already. */
  signAgain(at: number, after: readonly TaskId[]): TaskId {
    return this.builder.main(at, this.builder.pricing.main('sign'), after);
  }

  signRoot(at: number, after: readonly TaskId[]): TaskId {
    const { pricing } = this.builder;
    return this.builder.main(at, pricing.main('root', this.shape.slots) + pricing.main('sign'), after);
  }

  /** Streams a batch to somebody: when each of its chunks is taken, and when all are and the root was checked. */
  stream(batch: Handed, to: number, lane: Lane, extraBytes = 0): { taken: TaskId[]; whole: TaskId } {
    const { builder: b, shape } = this;
    const { pricing } = b;
    const slotBytes = batch.elements * pricing.elementBytes;
    const taken = batch.chunks.map((ready, k) => {
      const slots = shape.chunks[k]!;
      const bytes = slots * slotBytes;
      const left = this.#carry(batch.at, pricing.transport('batchOut', bytes, k > 0), ready);
      const sent = b.send(batch.at, to, bytes, lane, [left]);
      const takeUs = pricing.transport('batchIn', bytes, k > 0) + pricing.slots('take', slots, batch.elements);
      return b.main(to, takeUs, [sent]);
    });
    const trailerBytes = HEADER_BYTES + DIGEST_BYTES + SIGNATURE_BYTES + extraBytes;
    const trailer = b.send(batch.at, to, trailerBytes, lane, [batch.root]);
    const checkUs = pricing.main('root', shape.slots) + pricing.main('verify');
    return { taken, whole: b.main(to, checkUs, [...taken, trailer]) };
  }
}
