// Communication of a team, as tasks of a table: signed messages to all, and batches streamed chunk by chunk, followed by their
// Merkle root. Sizes are those of the protocol; frames of gRPC, TLS and TCP are left to the bandwidth.
import type { Lane } from '../../../src/transport/calling/host.js';
import type { PlanBuilder, TaskId } from './plan.js';

const SIGNATURE_BYTES = 64;
const DIGEST_BYTES = 32;
/** Round, sender and kind of a message, or round, phase and shape of a batch: names and numbers. */
const HEADER_BYTES = 48;

/** Shape of all rounds of a run. */
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
  /** Per position, the task after which the message is verified there; for the sender, after which it is signed. */
  readonly heard: readonly TaskId[];
  /** The task after which the message has left its sender, for all receivers. */
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

  /** Sends a signed message to all others. */
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

  /** The task after which a position has the messages of all members, its own included. */
  allHeard(at: number, said: readonly Said[]): TaskId {
    return this.builder.join(
      at,
      said.map(({ heard }) => heard[at]!),
    );
  }

  /** Outgoing bytes pass through the sender's main thread, if that is counted. */
  #carry(from: number, us: number, after: TaskId): TaskId {
    return us === 0 ? after : this.builder.main(from, us, [after]);
  }

  /** All members send a message: for each position, the task after which it has all, its own included. */
  allSay(after: readonly (readonly TaskId[])[], bytes: number): TaskId[] {
    const said = this.positions.map((from) => this.say(from, bytes, after[from]!));
    return this.positions.map((at) => this.allHeard(at, said));
  }

  /** A batch computed chunk by chunk: each chunk is hashed when done, the root when all are. */
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

  /** Signs a batch with a known root. */
  signAgain(at: number, after: readonly TaskId[]): TaskId {
    return this.builder.main(at, this.builder.pricing.main('sign'), after);
  }

  signRoot(at: number, after: readonly TaskId[]): TaskId {
    const { pricing } = this.builder;
    return this.builder.main(at, pricing.main('root', this.shape.slots) + pricing.main('sign'), after);
  }

  /**
   * Streams a batch to a position: the tasks after which each chunk is accepted, and after which all are and the root is checked.
   */
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
