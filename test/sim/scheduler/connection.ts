// A node's connection to the scheduler in the simulator: the SchedulerPort over virtual time. Updates and reports are delayed,
// the connection breaks when either end dies, and updates to a stream without a reader accumulate as in a socket.
import { type Clock, sleep } from '../../../src/base/clock.js';
import { MixError } from '../../../src/base/errors.js';
import type { NodeId } from '../../../src/base/ids.js';
import { deferred } from '../../../src/base/promises.js';
import { type Rng, randomBelow, randomFraction } from '../../../src/base/rng.js';
import { decodeUpdate } from '../../../src/comms/roundCodec.js';
import { pushUpdates, type UpdateStream } from '../../../src/comms/scheduler/service.js';
import type { NodeReport, SchedulerPort, SignedUpdate } from '../../../src/protocol/schedulerPort.js';
import type { Scheduler } from '../../../src/scheduler/scheduler.js';
import { type grpc, services } from '../../../src/transport/grpc.js';
import type {
  Update__Output,
  Update as WireUpdate,
} from '../../../src/transport/proto/generated/millrace/v1/Update.js';

/**
 * Updates that a socket takes before it reports back-pressure, and updates that may wait after that: small, so that both happen.
 */
const SOCKET_UPDATES = 2;
export const BACKLOG_MAX = 6;
const LATENCY_MS = 40;

/** One run of the scheduler. */
export interface Run {
  readonly scheduler: Scheduler;
  /** Rejects when the scheduler is killed. */
  readonly death: Promise<never>;
  alive: boolean;
}

/** The environment of a connection. */
export interface Net {
  readonly clock: Clock;
  readonly rng: Rng;
  readonly run: Run | undefined;
  isMember(node: NodeId): boolean;
  /** Rejects when the scheduler closes the node's connection. */
  broken(node: NodeId): Promise<never>;
  /** Resolves when the node reads again. */
  reading(node: NodeId): Promise<void>;
  /** Handles a report in transit: may deliver others with it; returns false if the report does not arrive by itself. */
  meddle(node: NodeId, report: NodeReport, deliver: (report: NodeReport) => void): boolean;
  onUpdate(node: NodeId, update: SignedUpdate): void;
  onStreamEnded(node: NodeId): void;
}

const { responseSerialize, responseDeserialize } = services.Scheduler.service.Updates as grpc.MethodDefinition<
  object,
  object
>;

const lost = (detail: string) => new MixError('LINK_DOWN', { peer: 'scheduler', detail });

interface Written {
  readonly update: SignedUpdate;
  readonly arrivesMs: number;
}

class SimStream implements UpdateStream {
  readonly #net: Net;
  readonly #listeners = new Set<() => void>();
  readonly #queue: Written[] = [];
  #arrivesMs = 0;
  #ended = false;
  #wake = () => {};

  constructor(net: Net) {
    this.#net = net;
  }

  write(wire: WireUpdate): boolean {
    const nowMs = this.#net.clock.nowMs();
    // A stream keeps its order, for any delay of each update.
    this.#arrivesMs = Math.max(this.#arrivesMs, nowMs + LATENCY_MS * randomFraction(this.#net.rng));
    const update = decodeUpdate(responseDeserialize(responseSerialize(wire)) as Update__Output);
    this.#queue.push({ update, arrivesMs: this.#arrivesMs });
    this.#wake();
    return this.#queue.length <= SOCKET_UPDATES;
  }

  end(): void {
    this.#ended = true;
    this.#wake();
  }

  /** The other end is gone: a random part of the updates in transit still arrives. */
  break(): void {
    const arrived = randomBelow(this.#net.rng, this.#queue.length + 1);
    this.#queue.length = arrived;
    this.end();
  }

  once(_event: string, listener: () => void): void {
    this.#listeners.add(listener);
  }

  close(): void {
    for (const listener of this.#listeners) listener();
  }

  /** The next update when it has arrived and the node reads; undefined after the end of the stream. */
  async next(node: NodeId): Promise<SignedUpdate | undefined> {
    while (this.#queue.length === 0 && !this.#ended) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    const [written] = this.#queue;
    if (!written) return undefined;
    const { clock } = this.#net;
    await sleep(clock, written.arrivesMs - clock.nowMs());
    await this.#net.reading(node);
    this.#queue.shift();
    return written.update;
  }
}

export class SimConnection implements SchedulerPort {
  readonly #net: Net;
  readonly #node: NodeId;
  readonly #alive: () => boolean;

  /** `alive`: returns true while this run of the node goes on. */
  constructor(net: Net, node: NodeId, alive: () => boolean) {
    this.#net = net;
    this.#node = node;
    this.#alive = alive;
  }

  async *updates(after: number, signal: AbortSignal, onOpen: () => void = () => {}): AsyncIterable<SignedUpdate> {
    const run = await this.#reach();
    const stream = new SimStream(this.#net);
    const stopped = deferred<undefined>();
    const stop = () => stopped.resolve(undefined);
    signal.addEventListener('abort', stop);
    run.death.catch(() => stream.break());
    const broken = this.#net.broken(this.#node);
    pushUpdates(run.scheduler, this.#node, after, stream, BACKLOG_MAX);
    onOpen();
    try {
      for (;;) {
        const update = await Promise.race([stream.next(this.#node), stopped.promise, broken]);
        if (signal.aborted) return;
        if (!update) {
          if (run.alive) this.#net.onStreamEnded(this.#node);
          throw lost('the stream ended');
        }
        this.#net.onUpdate(this.#node, update);
        yield update;
      }
    } finally {
      signal.removeEventListener('abort', stop);
      // A dead node does not close its stream: the scheduler notices the silent connection later.
      if (this.#alive()) stream.close();
      else this.#net.clock.after(500 * randomFraction(this.#net.rng), () => stream.close());
    }
  }

  async register(code: string): Promise<void> {
    const run = await this.#reach();
    await Promise.race([run.scheduler.register(this.#node, code), run.death]);
  }

  async report(report: NodeReport): Promise<void> {
    const run = await this.#reach();
    const deliver = (one: NodeReport) => {
      if (run.alive) run.scheduler.onReport(this.#node, one).catch(() => {});
    };
    if (this.#net.meddle(this.#node, report, deliver)) {
      await Promise.race([run.scheduler.onReport(this.#node, report), run.death]);
    }
    await sleep(this.#net.clock, LATENCY_MS * randomFraction(this.#net.rng));
    // The report was accepted; its acknowledgement may be lost with either end.
    if (!run.alive || !this.#alive()) throw lost('no answer');
  }

  /** Returns the scheduler that runs when a call arrives. @throws MixError LINK_DOWN, PEER_UNKNOWN */
  async #reach(): Promise<Run> {
    await sleep(this.#net.clock, LATENCY_MS * randomFraction(this.#net.rng));
    const { run } = this.#net;
    if (!run?.alive || !this.#alive()) throw lost('nobody there');
    if (!this.#net.isMember(this.#node)) throw new MixError('PEER_UNKNOWN', { node: this.#node });
    return run;
  }
}
