// A virtual network between simulated nodes, behind the Link port: it delays, loses, duplicates and reorders every packet
// as its seed says, cuts links and kills nodes when told. Time is the virtual clock's; nothing here is asynchronous but
// through it, so that a seed replays exactly.
import type { VirtualClock } from '../../src/base/clock.js';
import { MixError } from '../../src/base/errors.js';
import type { BootId, NodeId } from '../../src/base/ids.js';
import { type Rng, randomFraction } from '../../src/base/rng.js';
import type { BatchSink, BatchSource, Link, LinkReceiver } from '../../src/round/link.js';
import type { SignedTeamMessage } from '../../src/round/teamMessages.js';

export interface NetworkFaults {
  /** Probability that a packet is lost. */
  readonly loss: number;
  /** Probability that a packet arrives twice. */
  readonly duplication: number;
  readonly minDelayMs: number;
  /** Packets overtake each other within this span. */
  readonly maxDelayMs: number;
}

export const CALM: NetworkFaults = { loss: 0, duplication: 0, minDelayMs: 1, maxDelayMs: 1 };

/** How long a caller waits for an answer before it calls the attempt failed. */
const TIMEOUT_MS = 800;

/** Sees, and may change, what a node sends: how malicious nodes are made. Returning undefined drops it. */
export interface Tap {
  message?(to: NodeId, message: SignedTeamMessage): SignedTeamMessage | undefined;
  batch?(to: NodeId, source: BatchSource): BatchSource | undefined;
}

export class VirtualNetwork {
  readonly #clock: VirtualClock;
  readonly #rng: Rng;
  readonly #receivers = new Map<NodeId, LinkReceiver>();
  readonly #cut = new Set<string>();
  readonly #taps = new Map<NodeId, Tap>();
  faults: NetworkFaults;
  packets = 0;

  constructor(clock: VirtualClock, rng: Rng, faults: NetworkFaults) {
    this.#clock = clock;
    this.#rng = rng;
    this.faults = faults;
  }

  attach(node: NodeId, receiver: LinkReceiver): void {
    this.#receivers.set(node, receiver);
  }

  /** The node is gone: nothing reaches it, nothing it sends arrives. */
  detach(node: NodeId): void {
    this.#receivers.delete(node);
  }

  tap(node: NodeId, tap: Tap): void {
    this.#taps.set(node, tap);
  }

  /** Cuts, or mends, both directions between two nodes. */
  cut(a: NodeId, b: NodeId, isCut = true): void {
    for (const key of [`${a}>${b}`, `${b}>${a}`]) {
      if (isCut) this.#cut.add(key);
      else this.#cut.delete(key);
    }
  }

  /** One packet: `arrive` runs at the receiver once, twice or never. */
  #packet(from: NodeId, to: NodeId, arrive: (receiver: LinkReceiver) => void): void {
    const copies = randomFraction(this.#rng) < this.faults.duplication ? 2 : 1;
    for (let copy = 0; copy < copies; copy++) {
      const { minDelayMs, maxDelayMs, loss } = this.faults;
      const delayMs = minDelayMs + randomFraction(this.#rng) * (maxDelayMs - minDelayMs);
      const lost = randomFraction(this.#rng) < loss;
      this.packets++;
      this.#clock.after(delayMs, () => {
        const receiver = this.#receivers.get(to);
        if (lost || !receiver || !this.#receivers.has(from) || this.#cut.has(`${from}>${to}`)) return;
        arrive(receiver);
      });
    }
  }

  /** A call: packet there, answer back, or LINK_TIMEOUT. */
  #call<T>(from: NodeId, to: NodeId, signal: AbortSignal, serve: (receiver: LinkReceiver) => Promise<T> | T): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      const onAbort = () => reject(new MixError('ABORTED'));
      signal.addEventListener('abort', onAbort, { once: true });
      const stop = () => {
        signal.removeEventListener('abort', onAbort);
        cancelTimer();
      };
      const cancelTimer = this.#clock.after(TIMEOUT_MS, () => {
        stop();
        reject(new MixError('LINK_TIMEOUT', { to }));
      });
      const back = (settle: () => void) =>
        this.#packet(to, from, () => {
          stop();
          settle();
        });
      this.#packet(from, to, (receiver) => {
        Promise.resolve()
          .then(() => serve(receiver))
          .then(
            (value) => back(() => resolve(value)),
            (error) => back(() => reject(error)),
          );
      });
    });
  }

  async #transfer(from: NodeId, to: NodeId, source: BatchSource, signal: AbortSignal): Promise<void> {
    let sink: BatchSink | undefined;
    const open = (receiver: LinkReceiver) => {
      sink ??= receiver.onBatch(from, source.header);
      return sink;
    };
    const sent: Promise<void>[] = [];
    for (let index = 0; index < source.chunks; index++) {
      const bytes = (await source.chunk(index)).slice();
      const arrival = this.#call(from, to, signal, (receiver) => open(receiver).chunk(index, bytes));
      // A lost chunk shows when the end is refused with CHUNK_MISSING; its own failure is only noted.
      sent.push(arrival.catch((error: MixError) => void (error.retryable || Promise.reject(error))));
    }
    const trailer = await source.trailer();
    await Promise.all(sent);
    await this.#call(from, to, signal, (receiver) => open(receiver).end(trailer));
  }

  linkOf(from: NodeId): Link {
    return {
      deliver: (to, message, signal) => {
        const tap = this.#taps.get(from)?.message;
        const said = tap ? tap(to, message) : message;
        if (!said) return Promise.resolve();
        return this.#call(from, to, signal, (receiver) => receiver.onMessage(from, said));
      },
      transfer: (to, source, signal) => {
        const tap = this.#taps.get(from)?.batch;
        const sent = tap ? tap(to, source) : source;
        if (!sent) return Promise.resolve();
        return this.#transfer(from, to, sent, signal);
      },
      ping: (to, signal) => this.#call<BootId>(from, to, signal, (receiver) => receiver.onPing(from)),
    };
  }
}
