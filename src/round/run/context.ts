// The shared part of a round's drivers: its fixed facts, the ports, its secrets, and its batches by phase. A driver computes; it
// neither decides the next step (machine/reducer.ts) nor uses the network (round.ts).

import { MixError, type Rng } from '../../base/index.js';
import type { SigningKey } from '../../cmix/index.js';
import type { Engine, WorkOptions } from '../../engine/index.js';
import {
  type BatchPhase,
  type BatchTrailer,
  listReceivers,
  type PhaseName,
  phaseElements,
  type RoundFacts,
  signTrailer,
} from '../../protocol/index.js';
import {
  IncomingBatch as Incoming,
  type IncomingBatch,
  type IncomingBatchEvents,
  OutgoingBatch,
} from '../exchange/batches.js';
import type { RoundSecrets } from './secrets.js';

interface RoundPorts {
  readonly engine: Engine;
  readonly rng: Rng;
  readonly key: SigningKey;
  /** Aborted when the round ends: stops engine work and waits. */
  readonly signal: AbortSignal;
  readonly secrets: RoundSecrets;
  /** Progress of this node in a phase: 0 at its start, 1 at its end. */
  readonly onProgress: (phase: PhaseName, fraction: number) => void;
}

export class RoundContext {
  readonly facts: RoundFacts;
  readonly ports: RoundPorts;
  readonly #incoming = new Map<string, IncomingBatch>();
  readonly #outgoing = new Map<BatchPhase, OutgoingBatch>();

  constructor(facts: RoundFacts, ports: RoundPorts) {
    this.facts = facts;
    this.ports = ports;
  }

  get size(): number {
    return this.facts.info.team.length;
  }

  get isFirst(): boolean {
    return this.facts.position === 0;
  }

  get isLast(): boolean {
    return this.facts.position === this.size - 1;
  }

  /** Older rounds first: rounds finish one after the other, instead of all of them late together. */
  get precompute(): WorkOptions {
    return { priority: 'precompute', ...this.#work };
  }

  get realtime(): WorkOptions {
    return { priority: 'realtime', ...this.#work };
  }

  /**
   * Every element that a round computes with is in range: batches are checked chunk by chunk as they come (IncomingBatch), payloads by
   * the desk, key shares and first messages with their proofs; all others are drawn or computed here.
   */
  get #work(): Pick<WorkOptions, 'order' | 'signal' | 'inRange'> {
    return { order: this.facts.info.round, signal: this.ports.signal, inRange: true };
  }

  /** Positions to which this node sends the batch of a phase. */
  receivers(phase: BatchPhase): readonly number[] {
    return listReceivers(phase, this.facts.position, this.size);
  }

  /** Returns the batch of this phase from this position, made on first use. */
  incoming(phase: BatchPhase, from: number, events: IncomingBatchEvents): IncomingBatch {
    const key = `${phase}/${from}`;
    let batch = this.#incoming.get(key);
    if (!batch) {
      const { info, group } = this.facts;
      batch = new Incoming(info, group, phase, this.#allocate(phase), events);
      this.#incoming.set(key, batch);
    }
    return batch;
  }

  received(phase: BatchPhase, from: number): IncomingBatch | undefined {
    return this.#incoming.get(`${phase}/${from}`);
  }

  /** Bytes of the batch of this phase from this position, or of this node's own; undefined if there is none yet. */
  held(phase: BatchPhase, from: number): Uint8Array | undefined {
    const batch = from === this.facts.position ? this.#outgoing.get(phase) : this.received(phase, from);
    return batch?.bytes;
  }

  /** The same, for a batch that the machine knows to be whole. @throws MixError INTERNAL if there is none */
  whole(phase: BatchPhase, from: number): Uint8Array {
    const bytes = this.held(phase, from);
    if (!bytes) throw new MixError('INTERNAL', { what: 'a batch that is not in', phase, from });
    return bytes;
  }

  /** Returns the batch that this node sends (or, at the turn of a ring, keeps) in this phase, made on first use. */
  outgoing(phase: BatchPhase): OutgoingBatch {
    let batch = this.#outgoing.get(phase);
    if (!batch) {
      const { info, group } = this.facts;
      batch = new OutgoingBatch(info, group, phase, this.#allocate(phase), this.receivers(phase).length === 0);
      this.#outgoing.set(phase, batch);
    }
    return batch;
  }

  /** Bytes of all batches that exist now. */
  get batchBytes(): number {
    let sum = 0;
    for (const { bytes } of this.#incoming.values()) sum += bytes.byteLength;
    for (const { bytes } of this.#outgoing.values()) sum += bytes.byteLength;
    return sum;
  }

  /** Signs the root of a batch whose chunks are all ready. */
  sign(phase: BatchPhase, extra?: Uint8Array): BatchTrailer {
    return signTrailer(this.ports.key, this.facts.digest, phase, this.outgoing(phase).root(), extra);
  }

  /** Rejects all waits for chunks. */
  abortBatches(reason: MixError): void {
    for (const batch of this.#incoming.values()) batch.abort(reason);
    for (const batch of this.#outgoing.values()) batch.abort(reason);
  }

  /** Frees every batch: no peer will ask for them again. */
  forgetBatches(): void {
    this.#incoming.clear();
    this.#outgoing.clear();
  }

  #allocate(phase: BatchPhase): Uint8Array {
    const { info } = this.facts;
    return this.ports.engine.allocate(info.slots, phaseElements(phase, info.width));
  }
}

/** Makes an error that names a position of the team as the culprit. */
export function blame(code: ConstructorParameters<typeof MixError>[0], culprit: number, detail = ''): MixError {
  return new MixError(code, detail === '' ? { culprit } : { culprit, detail });
}
