// A node's network connection: chunks wait for its uplink, travel, and wait for the other end's downlink, each as a whole. There
// is one connection for each peer and lane, as in src/comms, and connections share the uplink in turn, so that a realtime chunk
// does not wait behind a precomputation's megabytes. Links are warm (src/round/exchange/warmUp.ts), so there is no slow start.
import type { Clock } from '../../../src/base/clock.js';
import type { Lane } from '../../../src/transport/calling/host.js';
import type { Done } from './servers.js';

/** One-way latency between nodes by their number, ms. */
export type Latency = (from: number, to: number) => number;

interface Packet {
  readonly ms: number;
  readonly arrived: Done;
}

/** Sends one packet at a time, from each waiting connection in turn. */
export class Uplink {
  readonly #clock: Clock;
  readonly #connections = new Map<string, Packet[]>();
  /** Connections with packets to send. */
  readonly #turns: Packet[][] = [];
  #sending = false;
  busyMs = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  send(connection: string, packet: Packet): void {
    let queue = this.#connections.get(connection);
    if (!queue) {
      queue = [];
      this.#connections.set(connection, queue);
    }
    queue.push(packet);
    if (queue.length === 1) this.#turns.push(queue);
    if (!this.#sending) this.#next();
  }

  #next(): void {
    const queue = this.#turns.shift();
    this.#sending = queue !== undefined;
    if (!queue) return;
    const packet = queue[0]!;
    this.#clock.after(packet.ms, () => {
      this.busyMs += packet.ms;
      queue.shift();
      if (queue.length > 0) this.#turns.push(queue);
      packet.arrived();
      this.#next();
    });
  }
}

/** Receives packets in the order of their arrival. */
export class Downlink {
  readonly #clock: Clock;
  #freeMs = 0;
  busyMs = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  take({ ms, arrived }: Packet): void {
    const nowMs = this.#clock.nowMs();
    this.#freeMs = Math.max(this.#freeMs, nowMs) + ms;
    this.busyMs += ms;
    this.#clock.after(this.#freeMs - nowMs, arrived);
  }
}

/** All links of a network. */
export class Wires {
  readonly #clock: Clock;
  readonly #latencyMs: Latency;
  readonly #bitsPerMs: number;
  readonly up: readonly Uplink[];
  readonly down: readonly Downlink[];

  constructor(clock: Clock, nodes: number, latencyMs: Latency, mbitPerS: number) {
    this.#clock = clock;
    this.#latencyMs = latencyMs;
    this.#bitsPerMs = mbitPerS * 1_000;
    this.up = Array.from({ length: nodes }, () => new Uplink(clock));
    this.down = Array.from({ length: nodes }, () => new Downlink(clock));
  }

  send(from: number, to: number, bytes: number, lane: Lane, arrived: Done): void {
    const ms = (bytes * 8) / this.#bitsPerMs;
    const travel = () => this.#clock.after(this.#latencyMs(from, to), () => this.down[to]!.take({ ms, arrived }));
    this.up[from]!.send(`${to} ${lane}`, { ms, arrived: travel });
  }
}
