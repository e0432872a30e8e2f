// Limits of a listener's callers: connections, streams, bytes and time. A stranger may have its share of them and no more: connections
// that ask nothing are closed, and so are requests that do not end and answers that nobody reads. One look a second finds all of these.
// Refused calls never reach gRPC, so that refusing costs less than asking.

import type * as http2 from 'node:http2';
import type { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { MixError, randomBelow, Shares, systemClock, systemRng } from '../../base/index.js';
import { plainFingerprint } from '../../protocol/index.js';
import { STREAMED_REQUESTS } from '../grpc.js';
import { toTrailers } from '../status.js';
import type { CallBudget } from './callBudget.js';
import type { Origins } from './origins.js';

export interface ServerLimits {
  readonly origins: Origins;
  /** Most connections in all, for which descriptors are kept. */
  readonly connections: number;
  /** Bytes that requests and answers of all callers may hold; undefined for members, who are known. */
  readonly streamBytes?: number;
  /** Budget of strangers' calls; undefined for members. */
  readonly budget?: CallBudget;
  /** True if a certificate (SHA-256, hex) is a member's; undefined if none is asked for. */
  readonly knows?: (certificate: string) => boolean;
  readonly times?: Partial<ServerTimes>;
}

/**
 * Most connections of one origin that have asked nothing yet. A TLS handshake costs the main thread a millisecond, and an honest caller
 * asks right after it: one address could otherwise spend a core on handshakes alone. Each counts for `silentMs`, even if it is closed
 * before, so that an origin has 26 such handshakes a second; those that are refused cost an accept and a close.
 */
const UNASKED_MAX = 256;
/** Bytes that one stream may hold: a message on its way in, or a frame on its way out and the one behind it. */
export const STREAM_BYTES = 128 * 1024;
/** Time limits of callers, ms. */
interface ServerTimes {
  /** For a stranger's request to be complete, the largest of which has 64 KiB; for a member's to end after its answer. */
  readonly requestMs: number;
  /** For a member's request of one message to be complete; the largest has 24 MiB, and members give up after ten seconds. */
  readonly memberRequestMs: number;
  /** For an answer of which nothing is read. */
  readonly stallMs: number;
  /** For a whole call; a sender gives up on outputs after a minute. */
  readonly callMs: number;
  /** For a connection that has asked nothing yet, or that has an unknown certificate and has been told so. */
  readonly silentMs: number;
  /** For a connection between calls; a sender that comes back has a handshake of a millisecond to make. */
  readonly idleMs: number;
  /** The same if more than half of the connections are taken. */
  readonly loadedIdleMs: number;
  /** For a stranger's connection, however busy; then it is made anew. */
  readonly ageMs: number;
  /** For a connection that is to end to finish its calls. */
  readonly graceMs: number;
  /** Between two looks at all callers. */
  readonly lookMs: number;
}

const SERVER_TIMES: ServerTimes = {
  requestMs: 10_000,
  memberRequestMs: 30_000,
  stallMs: 20_000,
  callMs: 75_000,
  silentMs: 10_000,
  idleMs: 600_000,
  loadedIdleMs: 10_000,
  ageMs: 4 * 3_600_000,
  graceMs: 30_000,
  lookMs: 1_000,
};

interface Caller {
  readonly origin: string;
  readonly session: http2.ServerHttp2Session;
  readonly ends: string;
  /** SHA-256 of the certificate that it showed, hex; empty without one. Read once, because a session that has ended has no socket. */
  readonly certificate: string;
  readonly sinceMs: number;
  /** Time at which its last call began or ended, or was refused; undefined before its first. */
  idleSinceMs: number | undefined;
  /** Streams that are open. */
  streams: number;
  endingSinceMs: number | undefined;
}

/** A connection that has asked nothing yet. */
interface Unasked {
  readonly origin: string;
  isReleased: boolean;
}

interface Stream {
  readonly stream: http2.ServerHttp2Stream;
  /** True if its request may have many messages: such a call has an idle limit of its own. */
  readonly isStreamed: boolean;
  readonly sinceMs: number;
  /** Time at which its answer was first seen to be complete. */
  answeredMs: number | undefined;
  /** Bytes that wait to be read by the caller, and the time since which their number has not changed. */
  waiting: number;
  waitingSinceMs: number;
}

/** Load of a server, for metrics and tests. */
export interface ServerLoad {
  readonly connections: number;
  readonly streams: number;
  readonly refusedConnections: number;
  readonly refusedStreams: number;
}

export class ServerGuard {
  readonly #limits: ServerLimits;
  readonly #times: ServerTimes;
  readonly #connections: Shares;
  readonly #bytes: Shares | undefined;
  readonly #callers = new Map<http2.Http2Session, Caller>();
  readonly #streams = new Set<Stream>();
  /** Connections to a team's port that have shown no member's certificate, by their ends. */
  readonly #unknown = new Map<string, Socket>();
  /** Connections that have asked nothing yet, by their ends, and the number that counts for each origin. */
  readonly #unasked = new Map<string, Unasked>();
  readonly #unaskedOf = new Map<string, number>();
  #servers = 0;
  #refusedConnections = 0;
  #refusedStreams = 0;
  #look: NodeJS.Timeout | undefined;

  constructor(limits: ServerLimits) {
    this.#limits = limits;
    this.#times = { ...SERVER_TIMES, ...limits.times };
    this.#connections = new Shares(limits.connections);
    this.#bytes = limits.streamBytes === undefined ? undefined : new Shares(limits.streamBytes);
  }

  get load(): ServerLoad {
    return {
      connections: this.#connections.total,
      streams: this.#streams.size,
      refusedConnections: this.#refusedConnections,
      refusedStreams: this.#refusedStreams,
    };
  }

  /** Guards a server; call it before the server's first connection. */
  guard(server: http2.Http2SecureServer): void {
    server.prependListener('connection', (socket: Socket) => this.#onConnection(socket));
    server.on('session', (session) => this.#onSession(session));
    const emit = server.emit.bind(server) as (event: string | symbol, ...args: unknown[]) => boolean;
    const guarded = (event: string | symbol, ...args: unknown[]): boolean =>
      event === 'stream' && !this.#admits(args[0] as http2.ServerHttp2Stream, args[1] as http2.IncomingHttpHeaders)
        ? false
        : emit(event, ...args);
    server.emit = guarded as typeof server.emit;
    // A name may have two addresses, and so two servers.
    this.#servers++;
    this.#look ??= setInterval(() => this.#lookAround(), this.#times.lookMs).unref();
    server.once('close', () => {
      if (--this.#servers > 0) return;
      clearInterval(this.#look);
      this.#look = undefined;
    });
  }

  /** Refuses a connection before TLS if its origin has its share already, which costs an accept and a close. */
  #onConnection(socket: Socket): void {
    const origin = this.#limits.origins.of(socket);
    const isOver = (this.#unaskedOf.get(origin) ?? 0) >= UNASKED_MAX;
    if (isOver || !this.#mayShakeHands(origin) || !this.#takesRoom(origin)) {
      this.#refusedConnections++;
      socket.destroy();
      return;
    }
    const entry: Unasked = { origin, isReleased: false };
    const ends = describeEnds(socket);
    this.#unasked.set(ends, entry);
    if (this.#limits.knows) this.#unknown.set(ends, socket);
    this.#unaskedOf.set(origin, (this.#unaskedOf.get(origin) ?? 0) + 1);
    const sinceMs = systemClock.nowMs();
    socket.once('close', () => {
      this.#connections.give(origin);
      if (this.#unasked.get(ends) === entry) this.#unasked.delete(ends);
      if (this.#unknown.get(ends) === socket) this.#unknown.delete(ends);
      if (entry.isReleased) return;
      const leftMs = sinceMs + this.#times.silentMs - systemClock.nowMs();
      systemClock.after(Math.max(0, leftMs), () => this.#release(entry));
    });
  }

  /**
   * Takes room for a connection. On a team's port all are strangers until their handshake ends, and silent ones would keep out a member
   * that comes back. So a random connection that has shown no member's certificate gives way to a new one: of the same origin if that has
   * its share, of any if the port is full.
   */
  #takesRoom(origin: string): boolean {
    if (this.#connections.take(origin)) return true;
    if (!this.#limits.knows) return false;
    const unknown = [...this.#unknown.values()];
    const own = unknown.filter((socket) => this.#limits.origins.of(socket) === origin);
    const isFull = this.#connections.total >= this.#limits.connections;
    const candidates = own.length > 0 ? own : unknown;
    if (isFull && candidates.length === 0) return false;
    if (isFull || own.length > 0) {
      const socket = candidates[randomBelow(systemRng, candidates.length)]!;
      this.#unknown.delete(describeEnds(socket));
      this.#refusedConnections++;
      socket.destroy();
    }
    this.#connections.hold(origin);
    return true;
  }

  /** While calls are limited, a handshake counts as a call. */
  #mayShakeHands(origin: string): boolean {
    const { budget } = this.#limits;
    return budget === undefined || budget.perS === Infinity || budget.admits(origin);
  }

  /** Counts a connection no more that has asked something, or whose time is over. */
  #release(entry: Unasked): void {
    if (entry.isReleased) return;
    entry.isReleased = true;
    const left = this.#unaskedOf.get(entry.origin)! - 1;
    if (left > 0) this.#unaskedOf.set(entry.origin, left);
    else this.#unaskedOf.delete(entry.origin);
  }

  #onSession(session: http2.ServerHttp2Session): void {
    const origin = this.#limits.origins.of(session.socket);
    const { fingerprint256 } = (session.socket as TLSSocket).getPeerCertificate();
    const certificate = plainFingerprint(fingerprint256);
    const sinceMs = systemClock.nowMs();
    const ends = describeEnds(session.socket);
    if (this.#limits.knows?.(certificate)) this.#unknown.delete(ends);
    const begun = { idleSinceMs: undefined, streams: 0, endingSinceMs: undefined };
    this.#callers.set(session, { origin, session, ends, certificate, sinceMs, ...begun });
    session.once('close', () => this.#callers.delete(session));
  }

  /** True if a stream may go on to gRPC; one that may not is answered here. */
  #admits(stream: http2.ServerHttp2Stream, { ':path': path = '' }: http2.IncomingHttpHeaders): boolean {
    const caller = stream.session && this.#callers.get(stream.session);
    if (!caller) return true;
    const nowMs = systemClock.nowMs();
    caller.idleSinceMs = nowMs;
    const { budget } = this.#limits;
    if (budget?.admits(caller.origin) === false) return this.#refuse(stream, TOO_MANY_CALLS);
    const unasked = this.#unasked.get(caller.ends);
    if (unasked) this.#release(unasked);
    // Origins with credit need no share: they are fewer than the origins that attack, and have more calls under way.
    if (budget?.hasCredit(caller.origin)) this.#bytes?.hold(caller.origin, STREAM_BYTES);
    else if (this.#bytes?.take(caller.origin, STREAM_BYTES) === false) return this.#refuse(stream, TOO_MANY_UNDER_WAY);
    const isStreamed = STREAMED_REQUESTS.has(path);
    const open = { stream, isStreamed, sinceMs: nowMs, answeredMs: undefined, waiting: 0, waitingSinceMs: nowMs };
    this.#streams.add(open);
    caller.streams++;
    stream.once('close', () => {
      this.#streams.delete(open);
      this.#bytes?.give(caller.origin, STREAM_BYTES);
      caller.idleSinceMs = systemClock.nowMs();
      caller.streams--;
    });
    return true;
  }

  #refuse(stream: http2.ServerHttp2Stream, answer: http2.OutgoingHttpHeaders): false {
    this.#refusedStreams++;
    // A stream that breaks while it is refused needs no handling.
    stream.on('error', () => {});
    stream.respond(answer, { endStream: true });
    stream.close();
    return false;
  }

  #lookAround(): void {
    const nowMs = systemClock.nowMs();
    this.#limits.budget?.look();
    for (const open of this.#streams) {
      if (this.#bytes) this.#lookAt(open, nowMs);
      else this.#lookAtMember(open, nowMs);
    }
    for (const caller of this.#callers.values()) this.#lookAfter(caller, nowMs);
  }

  #lookAt(open: Stream, nowMs: number): void {
    const { stream, sinceMs } = open;
    const waiting = stream.writableLength;
    if (waiting === 0 || waiting !== open.waiting) open.waitingSinceMs = nowMs;
    open.waiting = waiting;
    const isOver =
      (!stream.readableEnded && nowMs - sinceMs > this.#times.requestMs) ||
      nowMs - open.waitingSinceMs > this.#times.stallMs ||
      nowMs - sinceMs > this.#times.callMs;
    if (isOver) stream.close(ENHANCE_YOUR_CALM);
  }

  /**
   * A member's request holds memory until it is complete. So it ends in time, unless it is a stream; and one that goes on after its answer
   * ends soon, even a stream, whose last message may be held in part.
   */
  #lookAtMember(open: Stream, nowMs: number): void {
    const { stream, isStreamed, sinceMs } = open;
    if (stream.readableEnded) return;
    if (stream.writableEnded) open.answeredMs ??= nowMs;
    const isLate = !isStreamed && nowMs - sinceMs > this.#times.memberRequestMs;
    const isAnswered = open.answeredMs !== undefined && nowMs - open.answeredMs > this.#times.requestMs;
    if (isLate || isAnswered) stream.close(ENHANCE_YOUR_CALM);
  }

  #lookAfter(caller: Caller, nowMs: number): void {
    const { session, sinceMs, idleSinceMs, streams, endingSinceMs } = caller;
    if (endingSinceMs !== undefined) {
      if (nowMs - endingSinceMs > this.#times.graceMs) session.destroy();
      return;
    }
    const isStranger = this.#isStranger(caller);
    const idleMs = !isStranger
      ? Infinity
      : this.#connections.load > 1 / 2
        ? this.#times.loadedIdleMs
        : this.#times.idleMs;
    const asked = streams > 0 || idleSinceMs !== undefined;
    const isIdle = streams === 0 && idleSinceMs !== undefined && nowMs - idleSinceMs > idleMs;
    const isSilent = isStranger && !asked && nowMs - sinceMs > this.#times.silentMs;
    const isUnknown = isStranger && this.#limits.knows !== undefined && nowMs - sinceMs > this.#times.silentMs;
    if (isSilent || isUnknown) session.destroy();
    else if (isIdle || (isStranger && nowMs - sinceMs > this.#times.ageMs)) {
      caller.endingSinceMs = nowMs;
      session.close();
    }
  }

  /** A member keeps its connections; a caller with an unknown certificate is told so, and then closed. */
  #isStranger({ certificate }: Caller): boolean {
    const { knows } = this.#limits;
    return knows ? !knows(certificate) : this.#bytes !== undefined;
  }
}

/** Refusals that gRPC never sees, made once. */
const TOO_MANY_CALLS = toTrailers(new MixError('SHARE_USED', { what: 'calls while this node is overloaded' }));
const TOO_MANY_UNDER_WAY = toTrailers(new MixError('SHARE_USED', { what: 'calls under way' }));

/** Names a connection by its ends: TCP and the TLS on top of it have the same. */
const describeEnds = ({ remoteAddress, remotePort, localAddress }: Socket): string =>
  `${remoteAddress} ${remotePort} ${localAddress}`;

/** NGHTTP2_ENHANCE_YOUR_CALM: the caller takes more than it may. */
const ENHANCE_YOUR_CALM = 0xb;
