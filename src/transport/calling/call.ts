// A call on one connection, unary or streaming, in the one shape that transmit handles: started with fresh metadata, it ends with
// a result or an error, and can be cancelled.
import { MixError } from '../../base/index.js';
import { grpc } from '../grpc.js';
import type { Token } from '../tokens.js';
import type { Hello } from '../versions.js';
import type { Connection } from './connection.js';

/** Metadata key of a session's token. */
export const TOKEN_KEY = 'mix-token';

/** Input of an attempt: a connection that is up, and authenticated if the host requires it. */
export interface ReadyConnection {
  readonly peer: string;
  readonly connection: Connection;
  /** The token of this connection's handshake, never one of an earlier connection. */
  readonly token: Token | undefined;
  /** Version and features of the peer. */
  readonly hello: Hello;
  readonly deadline: Date;
}

/** An attempt under way. */
interface Running<Result> {
  readonly done: Promise<Result>;
  cancel(): void;
}

/** Starts an attempt; called once for each, so that nothing is left over from one to the next. */
export type Attempt<Result> = (ready: ReadyConnection) => Running<Result>;

/** Fresh metadata for one call. */
export function callMetadata({ token }: ReadyConnection): grpc.Metadata {
  const metadata = new grpc.Metadata();
  if (token) metadata.set(TOKEN_KEY, token.toMetadata());
  return metadata;
}

type ServiceConstructor<Client> = new (
  address: string,
  credentials: grpc.ChannelCredentials,
  options: Partial<grpc.ClientOptions>,
) => Client;

/** A stub of a service on a connection. */
export function openStub<Client>(service: ServiceConstructor<Client>, connection: Connection): Client {
  // Address and credentials are those of the channel.
  return new service('', grpc.credentials.createInsecure(), { channelOverride: connection.channel });
}

/** An attempt at a unary call. */
export function unary<Client, Reply>(
  service: ServiceConstructor<Client>,
  make: (
    client: Client,
    metadata: grpc.Metadata,
    options: grpc.CallOptions,
    done: grpc.requestCallback<Reply>,
  ) => grpc.ClientUnaryCall,
): Attempt<Reply> {
  return (ready) => {
    let call: grpc.ClientUnaryCall | undefined;
    const done = new Promise<Reply>((resolve, reject) => {
      const client = openStub(service, ready.connection);
      call = make(client, callMetadata(ready), { deadline: ready.deadline }, (error, reply) => {
        if (error) reject(error);
        else if (reply === undefined) reject(new MixError('MESSAGE_MALFORMED', { what: 'no reply', peer: ready.peer }));
        else resolve(reply);
      });
    });
    return { done, cancel: () => call?.cancel() };
  };
}

/**
 * An attempt at a client stream: `pump` writes its frames with back-pressure, and is called anew for each attempt. The stream is given up
 * if the peer reads nothing for `stallMs`.
 */
export function clientStream<Client, Frame, Reply>(
  service: ServiceConstructor<Client>,
  make: (
    client: Client,
    metadata: grpc.Metadata,
    options: grpc.CallOptions,
    done: grpc.requestCallback<Reply>,
  ) => grpc.ClientWritableStream<Frame>,
  pump: (write: (frame: Frame) => Promise<void>, over: () => boolean) => Promise<void>,
  stallMs: number,
): Attempt<Reply> {
  return (ready) => {
    let call: grpc.ClientWritableStream<Frame> | undefined;
    const done = new Promise<Reply>((resolve, reject) => {
      let over = false;
      const stream = make(
        openStub(service, ready.connection),
        callMetadata(ready),
        { deadline: ready.deadline },
        (error, reply) => {
          over = true;
          if (error) reject(error);
          else resolve(reply!);
        },
      );
      call = stream;
      // The callback gets the end of the call; a late write to an ended stream is no error.
      stream.on('error', () => {});
      const write = async (frame: Frame) => {
        if (!(await written(stream, frame, stallMs))) throw new MixError('LINK_TIMEOUT', { peer: ready.peer, stallMs });
      };
      pump(write, () => over).then(
        () => stream.end(),
        (thrown) => {
          reject(thrown);
          stream.cancel();
        },
      );
    });
    return { done, cancel: () => call?.cancel() };
  };
}

/**
 * Resolves when the frame is buffered within the stream's limit, or the call has ended, which its callback reports. False if the peer
 * reads nothing for `stallMs`.
 */
function written<Frame>(call: grpc.ClientWritableStream<Frame>, frame: Frame, stallMs: number): Promise<boolean> {
  return new Promise((resolve) => {
    if (call.destroyed || call.writableEnded || call.write(frame)) return resolve(true);
    const end = (inTime: boolean) => {
      clearTimeout(timer);
      for (const event of ['drain', 'close', 'error'] as const) call.off(event, drained);
      resolve(inTime);
    };
    const drained = () => end(true);
    const timer = setTimeout(() => end(false), stallMs);
    timer.unref();
    for (const event of ['drain', 'close', 'error'] as const) call.once(event, drained);
  });
}
