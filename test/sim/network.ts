// A virtual network between simulated nodes, behind the Link port: delays, loses, duplicates and reorders packets by its seed,
// and cuts links and kills nodes on command. Time is the virtual clock's; everything asynchronous goes through it, so that a seed
// replays exactly.

import { MixError } from '../../src/base/errors.js';
import type { BootId, NodeId } from '../../src/base/ids.js';
import { type Rng, randomFraction } from '../../src/base/rng.js';
import type { BatchSink, BatchSource, Link, LinkReceiver } from '../../src/protocol/link.js';
import type { SignedTeamMessage } from '../../src/protocol/teamMessages.js';
import type { VirtualClock } from '../support/virtualClock.js';

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

/** Time after which a call without an answer fails, ms. */
const TIMEOUT_MS = 800;

/** Sees, and may change, messages and batches that a node sends: the way to make malicious nodes. Undefined drops one. */
export interface Tap {
  message?(to: NodeId, message: SignedTeamMessage): SignedTeamMessage | undefined;
  batch?(to: NodeId, source: BatchSource): BatchSource | undefined;
}

/** Sees the events of the network, and changes nothing. */
export interface NetworkObserver {
  /** A packet arrives: its kind, in a few words that replay exactly. */
  packet?(from: NodeId, to: NodeId, what: string): void;
  /** A node sends a message, whether or not it arrives. */
  said?(from: NodeId, message: SignedTeamMessage): void;
  /** A message reaches a node, before the node processes it. */
  arrived?(at: NodeId, message: SignedTeamMessage): void;
  /** The node refused the message. */
  refused?(at: NodeId, message: SignedTeamMessage): void;
  /** A node begins to send a batch. */
  sending?(from: NodeId, source: BatchSource): void;
}

/** The link of one run of a node's process; dead once the process is killed. */
interface Session {
  dead: boolean;
}

export class VirtualNetwork {
  readonly #clock: VirtualClock;
  readonly #rng: Rng;
  readonly #receivers = new Map<NodeId, LinkReceiver>();
  readonly #sessions = new Map<NodeId, Session>();
  readonly #cut = new Set<string>();
  readonly #taps = new Map<NodeId, Tap>();
  /** Stalled nodes, each with true if it is also silent. */
  readonly #stalled = new Map<NodeId, boolean>();
  faults: NetworkFaults;
  observer: NetworkObserver = {};
  packets = 0;

  constructor(clock: VirtualClock, rng: Rng, faults: NetworkFaults) {
    this.#clock = clock;
    this.#rng = rng;
    this.faults = faults;
  }

  attach(node: NodeId, receiver: LinkReceiver): void {
    this.#receivers.set(node, receiver);
  }

  /** Removes a node: nothing reaches it, and its packets in transit do not arrive. */
  detach(node: NodeId): void {
    this.#receivers.delete(node);
    const session = this.#sessions.get(node);
    if (session) session.dead = true;
  }

  tap(node: NodeId, tap: Tap): void {
    this.#taps.set(node, tap);
  }

  /** Cuts or restores both directions between two nodes. */
  cut(a: NodeId, b: NodeId, isCut = true): void {
    for (const key of [`${a}>${b}`, `${b}>${a}`]) {
      if (isCut) this.#cut.add(key);
      else this.#cut.delete(key);
    }
  }

  /** Stalls a node: it lives and answers, but sends no batch any more, and no message either if `silent`. */
  stall(node: NodeId, silent: boolean): void {
    this.#stalled.set(node, silent);
  }

  /** One packet: `arrive` runs at the receiver once, twice or never. */
  #packet(session: Session, from: NodeId, to: NodeId, what: string, arrive: (receiver: LinkReceiver) => void): void {
    const copies = randomFraction(this.#rng) < this.faults.duplication ? 2 : 1;
    for (let copy = 0; copy < copies; copy++) {
      const { minDelayMs, maxDelayMs, loss } = this.faults;
      const delayMs = minDelayMs + randomFraction(this.#rng) * (maxDelayMs - minDelayMs);
      const lost = randomFraction(this.#rng) < loss;
      this.packets++;
      this.#clock.after(delayMs, () => {
        const receiver = this.#receivers.get(to);
        if (lost || !receiver || session.dead || this.#cut.has(`${from}>${to}`)) return;
        this.observer.packet?.(from, to, what);
        arrive(receiver);
      });
    }
  }

  /** A call: packet there, answer back, or LINK_TIMEOUT. */
  #call<T>(call: Call, serve: (receiver: LinkReceiver) => Promise<T> | T): Promise<T> {
    const { session, from, to, what, signal } = call;
    return new Promise<T>((resolve, reject) => {
      if (signal.aborted) return reject(new MixError('ABORTED'));
      const onAbort = () => {
        cancelTimer();
        reject(new MixError('ABORTED'));
      };
      signal.addEventListener('abort', onAbort, { once: true });
      const stop = () => {
        signal.removeEventListener('abort', onAbort);
        cancelTimer();
      };
      const cancelTimer = this.#clock.after(TIMEOUT_MS, () => {
        stop();
        reject(new MixError('LINK_TIMEOUT', { to }));
      });
      this.#packet(session, from, to, what, (receiver) => {
        const answering = this.#sessions.get(to) ?? { dead: false };
        const back = (settle: () => void) =>
          this.#packet(answering, to, from, `${what}/answer`, () => {
            stop();
            settle();
          });
        Promise.resolve()
          .then(() => serve(receiver))
          .then(
            (value) => back(() => resolve(value)),
            (error) => back(() => reject(error)),
          );
      });
    });
  }

  async #transfer(session: Session, from: NodeId, to: NodeId, source: BatchSource, signal: AbortSignal): Promise<void> {
    let sink: BatchSink | undefined;
    const open = (receiver: LinkReceiver) => {
      sink ??= receiver.onBatch(from, source.header);
      return sink;
    };
    const { phase } = source.header;
    const sent: Promise<void>[] = [];
    for (let index = 0; index < source.chunks; index++) {
      const bytes = (await source.chunk(index)).slice();
      const call = { session, from, to, signal, what: `${phase}/${index}` };
      const arrival = this.#call(call, (receiver) => open(receiver).chunk(index, bytes));
      // A lost chunk shows when the end is refused with CHUNK_MISSING; its own failure is only recorded.
      const noted = arrival.catch((error: MixError) => {
        if (!error.retryable) throw error;
      });
      noted.catch(() => {});
      sent.push(noted);
    }
    const trailer = await source.trailer();
    await Promise.all(sent);
    const call = { session, from, to, signal, what: `${phase}/end` };
    await this.#call(call, (receiver) => open(receiver).end(trailer));
  }

  /** The link of a new run of `from`. */
  linkOf(from: NodeId): Link {
    const session: Session = { dead: false };
    this.#sessions.set(from, session);
    return {
      deliver: (to, message, signal) => {
        if (this.#stalled.get(from)) return new Promise(() => {});
        const tap = this.#taps.get(from)?.message;
        const said = tap ? tap(to, message) : message;
        if (!said) return Promise.resolve();
        this.observer.said?.(from, said);
        return this.#deliver({ session, from, to, signal, what: said.message.kind }, said);
      },
      transfer: (to, source, signal) => {
        if (this.#stalled.has(from)) return new Promise(() => {});
        const tap = this.#taps.get(from)?.batch;
        const sent = tap ? tap(to, source) : source;
        if (!sent) return Promise.resolve();
        this.observer.sending?.(from, sent);
        return this.#transfer(session, from, to, sent, signal);
      },
      screen: (to, round, claims, signal) => {
        if (this.#stalled.get(from)) return new Promise(() => {});
        const call = { session, from, to, signal, what: `screening/${claims.length}` };
        return this.#call(call, (receiver) => receiver.onScreen(from, round, claims));
      },
      ping: (to, signal) =>
        this.#call<BootId>({ session, from, to, signal, what: 'ping' }, (receiver) => receiver.onPing(from)),
    };
  }

  /** Sends a batch from a node outside its rounds: for attackers. */
  inject(from: NodeId, to: NodeId, source: BatchSource): Promise<void> {
    this.observer.sending?.(from, source);
    return this.#transfer({ dead: false }, from, to, source, new AbortController().signal);
  }

  /** Sends a message from a node outside its rounds: for attackers. Settles with the receiver's answer. */
  tell(from: NodeId, to: NodeId, message: SignedTeamMessage): Promise<void> {
    const { signal } = new AbortController();
    return this.#deliver({ session: { dead: false }, from, to, signal, what: message.message.kind }, message);
  }

  #deliver(call: Call, message: SignedTeamMessage): Promise<void> {
    return this.#call(call, async (receiver) => {
      this.observer.arrived?.(call.to, message);
      try {
        await receiver.onMessage(call.from, message);
      } catch (error) {
        this.observer.refused?.(call.to, message);
        throw error;
      }
    });
  }
}

interface Call {
  readonly session: Session;
  readonly from: NodeId;
  readonly to: NodeId;
  readonly signal: AbortSignal;
  /** Kind of the packet, for the trace. */
  readonly what: string;
}
