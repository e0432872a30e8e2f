// One TLS connection to a peer, from its dialling to its end. It never reconnects by itself: the holder of a connection that is down
// dials another one. So a failing call can tell its own connection from a newer one by its fingerprint.
import type { TLSSocket } from 'node:tls';
import { MixError, timeOfDayIn } from '../../base/index.js';
import type { CertificatePair } from '../certificates.js';
import { readBinding } from '../channelBinding.js';
import { grpc } from '../grpc.js';
import { transportError } from '../status.js';
import { ownConnection, pinnedCredentials } from './channels.js';

export interface DialOptions {
  /** The peer, for errors. */
  readonly peer: string;
  /** host:port */
  readonly address: string;
  /** Certificates of which the peer must show one, PEM. */
  readonly trusted: readonly string[];
  /** Our certificate, if the peer asks for one. */
  readonly own?: CertificatePair | undefined;
  readonly channel: grpc.ChannelOptions;
  readonly timeoutMs: number;
}

type SecureConnector = ReturnType<grpc.ChannelCredentials['_createSecureConnector']>;

/** Credentials that trust the given certificates and nothing else, and hand out the socket of each connection they make. */
class PinnedCredentials extends grpc.ChannelCredentials {
  readonly #inner: grpc.ChannelCredentials;
  readonly #onSocket: (socket: TLSSocket) => void;
  readonly #onFailure: (reason: Error) => void;

  constructor(
    inner: grpc.ChannelCredentials,
    onSocket: (socket: TLSSocket) => void,
    onFailure: (reason: Error) => void,
  ) {
    super();
    this.#inner = inner;
    this.#onSocket = onSocket;
    this.#onFailure = onFailure;
  }

  override _isSecure(): boolean {
    return true;
  }

  override _equals(other: grpc.ChannelCredentials): boolean {
    return this === other;
  }

  override _createSecureConnector(
    ...args: Parameters<grpc.ChannelCredentials['_createSecureConnector']>
  ): SecureConnector {
    const inner = this.#inner._createSecureConnector(...args);
    let dialled = false;
    return {
      connect: async (socket) => {
        const made = await inner.connect(socket).catch((reason: Error) => {
          this.#onFailure(reason);
          throw reason;
        });
        this.#onSocket(made.socket as TLSSocket);
        return made;
      },
      // grpc-js calls this before each dial of an address. It dials again by itself, also for a channel that is closed: nobody would know
      // of that connection, and a peer that comes back would have one for each dial that it had missed.
      waitForReady: async () => {
        if (dialled) throw new Error('a connection is dialled once');
        dialled = true;
        await inner.waitForReady();
      },
      getCallCredentials: () => inner.getCallCredentials(),
      destroy: () => inner.destroy(),
    };
  }
}

/**
 * Time after which grpc-js would dial again by itself. Its timer holds all of a failed connection, certificates and TLS context, 20 KiB:
 * with a day here, links that failed now and then cost a node 14 MiB an hour.
 */
const REDIAL_MS = 20_000;
const ONCE: grpc.ChannelOptions = {
  'grpc.initial_reconnect_backoff_ms': REDIAL_MS,
  'grpc.max_reconnect_backoff_ms': REDIAL_MS,
};

let dialled = 0;

export class Connection {
  /** Number of this connection, unique in this process. */
  readonly fingerprint: number;
  /** RFC 9266, 32 bytes. */
  readonly binding: Uint8Array;
  /** The certificate that we showed. */
  readonly own: CertificatePair | undefined;
  readonly channel: grpc.Channel;
  readonly #socket: TLSSocket;
  readonly #onDown = new Set<() => void>();
  #up = true;
  #retired = false;
  #calls = 0;

  private constructor(channel: grpc.Channel, socket: TLSSocket, own: CertificatePair | undefined) {
    this.fingerprint = ++dialled;
    this.channel = channel;
    this.own = own;
    this.#socket = socket;
    this.binding = readBinding(socket);
    socket.once('close', () => this.close());
    channel.watchConnectivityState(grpc.connectivityState.READY, Infinity, () => this.close());
  }

  /**
   * Dials once: TCP, TLS 1.3 and the HTTP/2 settings.
   * @throws MixError LINK_DOWN, LINK_TIMEOUT, PEER_UNKNOWN if somebody else answers, CERTIFICATE_EXPIRED
   */
  static async dial(options: DialOptions): Promise<Connection> {
    const { peer, address, trusted, own, timeoutMs } = options;
    let socket: TLSSocket | undefined;
    let failure: Error | undefined;
    const credentials = new PinnedCredentials(
      pinnedCredentials(trusted, own),
      (made) => {
        socket = made;
      },
      (reason) => {
        failure = reason;
      },
    );
    const channel = new grpc.Channel(address, credentials, { ...ownConnection, ...options.channel, ...ONCE });
    try {
      await settled(channel, timeOfDayIn(timeoutMs));
    } catch (thrown) {
      if (thrown instanceof DialTimeout) {
        channel.close();
        const detail = failure?.message ?? `no answer from ${address}`;
        throw new MixError('LINK_TIMEOUT', { peer, address, timeoutMs, detail });
      }
      const reason = failure?.message ?? (await findReason(channel));
      channel.close();
      throw transportError(reason, peer, address);
    }
    if (!socket) throw new MixError('INTERNAL', { message: 'a ready channel without a socket' });
    try {
      if (!socket.destroyed) return new Connection(channel, socket, own);
    } catch {
      // The connection was gone while its binding was read.
    }
    channel.close();
    throw new MixError('LINK_DOWN', { peer, address, detail: 'closed at once' });
  }

  /** True if new calls may use it. */
  get up(): boolean {
    return this.#up && !this.#retired;
  }

  /** Counts a call that runs on the connection; returns a function that notes its end. */
  begin(): () => void {
    this.#calls++;
    let ended = false;
    return () => {
      if (ended) return;
      ended = true;
      this.#calls--;
      if (this.#retired && this.#calls === 0) this.close();
    };
  }

  /** Takes no more calls, and closes when the running ones have ended: one failing call ends no other. */
  retire(): void {
    this.#retired = true;
    if (this.#calls === 0) this.close();
  }

  /** Calls `listener` once when the connection ends; at once if it has ended. */
  onDown(listener: () => void): void {
    if (this.#up) this.#onDown.add(listener);
    else listener();
  }

  /** Ends the connection and every call on it. Idempotent. */
  close(): void {
    if (!this.#up) return;
    this.#up = false;
    this.channel.close();
    this.#socket.destroy();
    for (const listener of this.#onDown) listener();
    this.#onDown.clear();
  }
}

class DialTimeout extends Error {}

/** Resolves when the channel is ready, rejects at its first failure or the deadline: grpc-js would go on trying. */
function settled(channel: grpc.Channel, deadline: Date): Promise<void> {
  return new Promise((resolve, reject) => {
    const look = (timedOut?: Error) => {
      const state = channel.getConnectivityState(true);
      if (state === grpc.connectivityState.READY) resolve();
      else if (state === grpc.connectivityState.TRANSIENT_FAILURE) reject(new Error('failed'));
      else if (timedOut) reject(new DialTimeout());
      else channel.watchConnectivityState(state, deadline, look);
    };
    look();
  });
}

/** Bound of a call on a failed channel, which fails at once, with the reason. */
const REASON_MS = 1_000;

/** Finds the system's reason of a channel's failure. grpc-js reports it to a call only; this call never leaves the process. */
function findReason(channel: grpc.Channel): Promise<string> {
  const probe = new grpc.Client('', grpc.credentials.createInsecure(), { channelOverride: channel });
  const same = (bytes: Buffer) => bytes;
  return new Promise((resolve) => {
    probe.makeUnaryRequest('/none', same, same, Buffer.alloc(0), { deadline: timeOfDayIn(REASON_MS) }, (error) =>
      resolve(systemError(error?.details ?? '')),
    );
  });
}

/** The system's own message within that of grpc-js: `connect ECONNREFUSED 127.0.0.1:7410`. */
const systemError = (details: string): string =>
  /Last error: (?:Error: )?(.+?)\.? Resolution note:/.exec(details)?.[1] ?? details;
