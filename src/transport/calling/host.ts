// A peer that this process calls: its address, its identity, and the connections to it, one for each lane, so that a realtime chunk never
// waits behind a precomputation's megabytes. One connection attempt runs at a time, and all callers that wait for the same connection
// share its outcome. After a failure the next attempt waits, longer each time; a peer that keeps failing is left alone for a while, if
// that is configured. transport/calling/transmit.ts runs calls on the connections.

import {
  abort,
  asMixError,
  type BackoffBounds,
  backoffMs,
  type Clock,
  MixError,
  type Rng,
  sleep,
  timeOfDayIn,
  timestamp,
} from '../../base/index.js';
import type { Logger } from '../../base/log.js';
import type { CertificatePair } from '../certificates.js';
import type { grpc } from '../grpc.js';
import type { LinkMetrics } from '../linkMetrics.js';
import { isOutOfTime } from '../status.js';
import { LiveToken } from '../tokens.js';
import { FIRST_HELLO, type Hello, hasFeature } from '../versions.js';
import type { ReadyConnection } from './call.js';
import { Connection } from './connection.js';
import { CoolOff, type CoolOffPolicy } from './coolOff.js';
import { authenticate, type PeerIdentity, type Self } from './handshake.js';

export const LANES = ['control', 'precompute', 'realtime'] as const;
export type Lane = (typeof LANES)[number];

export interface HostOptions {
  /** Attempts after the first that a send makes while connections fail. */
  readonly retriesMax: number;
  /** Pauses between attempts to connect. */
  readonly backoff: BackoffBounds;
  /** Timeout of the first attempt to connect; later ones get more, up to the longest. */
  readonly dialTimeoutMs: number;
  readonly longestDialTimeoutMs: number;
  /** Leaves a peer alone that fails too often; undefined never does. */
  readonly coolOff: CoolOffPolicy | undefined;
  /** Timeout of a unary call, all its attempts together. */
  readonly sendTimeoutMs: number;
  /** Timeout of a stream, all its attempts together: a bound for streams that nobody aborts. */
  readonly streamTimeoutMs: number;
  /** Time for which a peer may leave a stream unread before the stream is given up. */
  readonly stallMs: number;
  /**
   * HTTP/2 pings find a connection whose other end is gone without a word, and one that was reset at the moment of a write: that write
   * takes the reset's only error, and Node.js reports it to nobody. The sum of both must be well below the time after which a peer counts
   * as lost. The timeout must be longer than a full socket buffer takes on the slowest link, because a ping waits behind it.
   */
  readonly keepaliveMs: number;
  readonly keepaliveTimeoutMs: number;
  /** True if connections are authenticated by token on top of TLS. */
  readonly auth: boolean;
  /** Largest message that the peer may answer with. */
  readonly replyBytesMax: number;
}

const DEFAULT_HOST_OPTIONS: HostOptions = {
  retriesMax: 100,
  backoff: { firstMs: 50, longestMs: 5_000 },
  dialTimeoutMs: 2_000,
  longestDialTimeoutMs: 15_000,
  coolOff: undefined,
  sendTimeoutMs: 10_000,
  streamTimeoutMs: 3_600_000,
  stallMs: 30_000,
  keepaliveMs: 2_000,
  keepaliveTimeoutMs: 3_000,
  auth: true,
  replyBytesMax: 1024 * 1024,
};

/** A peer as the membership list, or the configuration, names it. */
export interface PeerFacts extends PeerIdentity {
  /** host:port */
  readonly address: string;
  /** Certificates of which it may show any, PEM: two while it changes from one to the next. */
  readonly certificates: readonly string[];
}

export interface HostDeps {
  readonly self: Self;
  /** Our present certificate; a connection keeps the one that it has shown. */
  readonly certificate: () => CertificatePair | undefined;
  readonly clock: Clock;
  readonly rng: Rng;
  readonly log: Logger;
  readonly metrics: LinkMetrics;
}

export type HostState = 'down' | 'connecting' | 'up' | 'coolingOff' | 'closed';

interface LaneState {
  readonly lane: Lane;
  readonly token: LiveToken;
  connection: Connection | undefined;
  /** Version and features of the peer; undefined until this connection's handshake. */
  hello: Hello | undefined;
  /** Callers wait for this while the connection is being opened. */
  opening: Promise<void> | undefined;
}

export class Host {
  readonly facts: PeerFacts;
  readonly options: HostOptions;
  readonly #deps: HostDeps;
  readonly #lanes = new Map<Lane, LaneState>();
  readonly #coolOff: CoolOff | undefined;
  readonly #closed = new AbortController();
  /** Settles when the previous attempt to connect has ended. */
  #turn: Promise<void> = Promise.resolve();
  #failures = 0;
  #nextDialMs = 0;

  constructor(facts: PeerFacts, options: Partial<HostOptions>, deps: HostDeps) {
    this.facts = facts;
    this.options = { ...DEFAULT_HOST_OPTIONS, ...options };
    this.#deps = deps;
    const { coolOff } = this.options;
    this.#coolOff = coolOff && new CoolOff(coolOff, deps.clock);
  }

  get state(): HostState {
    if (this.#closed.signal.aborted) return 'closed';
    const lanes = [...this.#lanes.values()];
    if (lanes.some((state) => this.#isReady(state))) return 'up';
    if ((this.#coolOff?.waitMs() ?? 0) > 0) return 'coolingOff';
    return lanes.some(({ opening }) => opening) ? 'connecting' : 'down';
  }

  get clock(): Clock {
    return this.#deps.clock;
  }

  /** Connections that are up, with lane, fingerprint and hello. */
  connections(): readonly { readonly lane: Lane; readonly fingerprint: number; readonly hello: Hello }[] {
    return [...this.#lanes.values()].flatMap(({ lane, connection, hello }) =>
      connection?.up && hello ? [{ lane, fingerprint: connection.fingerprint, hello }] : [],
    );
  }

  /**
   * Gives a connection of a lane that is up and authenticated; dials if there is none.
   * @throws MixError LINK_DOWN, LINK_TIMEOUT, COOLING_OFF, PEER_UNKNOWN, HANDSHAKE_REFUSED, PROTOCOL_UNSUPPORTED, ABORTED
   */
  async connect(lane: Lane, endMs: number, signal: AbortSignal): Promise<ReadyConnection> {
    const state = this.#laneState(lane);
    // A connection that was opened may have ended before this caller goes on; then another is opened.
    while (!this.#isReady(state)) {
      this.#checkOpen();
      if (!state.opening) {
        state.opening = this.#inTurn(() => this.#open(state)).finally(() => {
          state.opening = undefined;
        });
        // Callers that wait get the error; if all have gone, it must not be an unhandled rejection.
        state.opening.catch(() => {});
      }
      await this.#waitFor(state.opening, endMs, signal);
    }
    const { connection, token, hello } = state;
    return {
      peer: this.facts.id,
      connection: connection!,
      token: token.get(),
      hello: hello!,
      deadline: timeOfDayIn(endMs - this.clock.nowMs()),
    };
  }

  /**
   * Waits before a call is repeated whose connection has failed under it. The first repeat does not wait: the connection may just be old.
   */
  async pauseBefore(retry: number, signal: AbortSignal): Promise<void> {
    if (retry === 0) return;
    await sleep(this.#deps.clock, backoffMs(this.options.backoff, retry, this.#deps.rng), signal);
  }

  /** Takes a connection out of use on which a call failed; the lane forgets it, unless it has another one by now. */
  retire(lane: Lane, { connection }: ReadyConnection): void {
    const state = this.#laneState(lane);
    connection.retire();
    if (state.connection?.fingerprint === connection.fingerprint) this.#forget(state);
  }

  /** Forgets a token that the peer refused, unless a newer one is there: the next call authenticates again. */
  refuseToken(lane: Lane, { token }: ReadyConnection): void {
    if (this.#laneState(lane).token.clearIf(token)) this.#deps.metrics.reauthentication(this.facts.id);
  }

  /** True if our certificate has changed since the connection was made. */
  isOutdated({ connection }: ReadyConnection): boolean {
    return connection.own?.certificate !== this.#deps.certificate()?.certificate;
  }

  /** Ends all connections and what runs on them; the next call dials. */
  disconnect(): void {
    for (const state of this.#lanes.values()) {
      state.connection?.close();
      this.#forget(state);
    }
  }

  /** Disconnects for good. */
  close(): void {
    abort(this.#closed);
    this.disconnect();
  }

  #laneState(lane: Lane): LaneState {
    let state = this.#lanes.get(lane);
    if (!state) {
      state = { lane, token: new LiveToken(), connection: undefined, hello: undefined, opening: undefined };
      this.#lanes.set(lane, state);
    }
    return state;
  }

  #isReady({ connection, token, hello }: LaneState): boolean {
    if (!connection?.up || !hello) return false;
    return token.present || !hasFeature(hello, 'session-tokens');
  }

  #forget(state: LaneState): void {
    state.connection = undefined;
    state.hello = undefined;
    state.token.clearIf(state.token.get());
    this.#deps.metrics.down(this.facts.id, state.lane);
  }

  #checkOpen(): void {
    if (this.#closed.signal.aborted) throw new MixError('LINK_DOWN', { peer: this.facts.id, detail: 'removed' });
  }

  /** Runs `work` when the attempts before it have ended. */
  #inTurn(work: () => Promise<void>): Promise<void> {
    const mine = this.#turn.then(work);
    // The caller gets the error; the next in turn only waits for the end.
    this.#turn = mine.catch(() => {});
    return mine;
  }

  async #open(state: LaneState): Promise<void> {
    const { clock, rng, metrics, log } = this.#deps;
    this.#coolOff?.check(this.facts.id);
    const pauseMs = this.#nextDialMs - clock.nowMs();
    if (pauseMs > 0) await sleep(clock, pauseMs, this.#closed.signal);
    this.#checkOpen();
    try {
      const connection = state.connection?.up ? state.connection : await this.#dial(state);
      await this.#authenticate(state, connection);
      this.#failures = 0;
      this.#nextDialMs = 0;
    } catch (thrown) {
      const error = asMixError(thrown);
      const redialMs = backoffMs(this.options.backoff, ++this.#failures, rng);
      this.#nextDialMs = clock.nowMs() + redialMs;
      this.#coolOff?.count(error);
      metrics.dialFailed(this.facts.id);
      const said = { peer: this.facts.id, lane: state.lane, code: error.code, reason: error.message, redialMs };
      // One of two clocks is wrong. A person has to set it, and needs both times to tell which.
      if (isOutOfTime(error.code)) log.warn({ ...said, ownClockSays: timestamp() }, 'no connection');
      else log.debug(said, 'no connection');
      throw error;
    }
  }

  async #dial(state: LaneState): Promise<Connection> {
    const { id, address, certificates } = this.facts;
    const { dialTimeoutMs, longestDialTimeoutMs, keepaliveMs, keepaliveTimeoutMs, replyBytesMax } = this.options;
    const channel: grpc.ChannelOptions = {
      'grpc.max_receive_message_length': replyBytesMax,
      'grpc.keepalive_time_ms': keepaliveMs,
      'grpc.keepalive_timeout_ms': keepaliveTimeoutMs,
    };
    // A peer far away, or one that is busy, gets more time at each attempt.
    const timeoutMs = Math.min(dialTimeoutMs * (this.#failures / 4 + 1), longestDialTimeoutMs);
    const own = this.#deps.certificate();
    const connection = await Connection.dial({ peer: id, address, trusted: certificates, own, channel, timeoutMs });
    if (this.#closed.signal.aborted) connection.close();
    this.#checkOpen();
    state.connection = connection;
    this.#deps.metrics.up(id, state.lane);
    connection.onDown(() => {
      if (state.connection === connection) this.#forget(state);
    });
    return connection;
  }

  async #authenticate(state: LaneState, connection: Connection): Promise<void> {
    if (!this.options.auth) {
      state.hello = FIRST_HELLO;
      return;
    }
    const end = connection.begin();
    try {
      const { self } = this.#deps;
      const { token, hello } = await authenticate(connection, self, this.facts, this.options.dialTimeoutMs);
      // If the connection has ended in the meantime, the lane belongs to the next one, for which this token means nothing.
      if (state.connection !== connection) throw new MixError('LINK_DOWN', { peer: this.facts.id, detail: 'ended' });
      state.hello = hello;
      if (token) state.token.set(token);
    } catch (thrown) {
      // Close connections that fail authentication.
      connection.close();
      throw thrown;
    } finally {
      end();
    }
  }

  async #waitFor(opening: Promise<void>, endMs: number, signal: AbortSignal): Promise<void> {
    const { clock } = this.#deps;
    const waited = new AbortController();
    const stop = () => abort(waited);
    signal.addEventListener('abort', stop, { once: true });
    const late = sleep(clock, Math.max(0, endMs - clock.nowMs()), waited.signal).then(() => {
      if (signal.aborted) throw new MixError('ABORTED');
      throw new MixError('LINK_TIMEOUT', { peer: this.facts.id, detail: 'not connected in time' });
    });
    // If the connection wins the race, nobody handles this rejection.
    late.catch(() => {});
    try {
      if (signal.aborted) throw new MixError('ABORTED');
      await Promise.race([opening, late]);
    } finally {
      signal.removeEventListener('abort', stop);
      stop();
    }
  }
}
