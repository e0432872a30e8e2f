// The team service: takes messages and batch streams from teammates and hands them to the rounds. The pinned certificate identifies the
// caller; a stream is checked frame by frame, so that a wrong one ends at its first wrong frame.
import { asMixError, isRoundId, MixError, systemClock } from '../../base/index.js';
import { type BatchSink, type LinkReceiver, type Member, TEAM_SIZE_MAX } from '../../protocol/index.js';
import {
  type AuthContext,
  asBytes,
  type CallErrors,
  fixed,
  type grpc,
  malformed,
  require_,
  services,
} from '../../transport/index.js';
import type { BatchFrame__Output } from '../../transport/proto/generated/millrace/v1/BatchFrame.js';
import type { TeamHandlers } from '../../transport/proto/generated/millrace/v1/Team.js';
import type { WarmFrame__Output } from '../../transport/proto/generated/millrace/v1/WarmFrame.js';
import { decodeClaims, decodeEnvelope, decodeHeader, decodeTrailer, encodeClaimRejections } from './codec.js';

interface TeamServiceDeps {
  readonly receiver: LinkReceiver;
  /** The member that calls. @throws MixError PEER_UNKNOWN, CERTIFICATE_EXPIRED */
  readonly identify: (context: AuthContext) => Member;
  /** A stream that sends nothing for this long is ended. */
  readonly idleMs: number;
}

/** Most bytes of one warming: a batch of 65,536 slots of one element of 4096 bits; more warms nothing. */
const WARM_BYTES_MAX = 1 << 25;
const CIRCLE_ID_BYTES = 16;
/** The last hop leads back to the first member. */
const HOPS_MAX = TEAM_SIZE_MAX;

export function addTeamService(server: grpc.Server, errors: CallErrors, deps: TeamServiceDeps): void {
  const { receiver, identify } = deps;
  const handlers: TeamHandlers = {
    Deliver: errors.unary('Deliver', async (request, context) => {
      await receiver.onMessage(identify(context).node, decodeEnvelope(request));
      return {};
    }),
    Ping: errors.unary('Ping', (_request, context) => ({
      bootId: receiver.onPing(identify(context).node),
      timeMs: Math.round(systemClock.wallMs()),
    })),
    Circle: errors.unary('Circle', ({ round, id, hop }, context) => {
      require_(isRoundId(round), 'round');
      require_(Number.isInteger(hop) && hop >= 1 && hop <= HOPS_MAX, 'hop');
      receiver.onCircle(identify(context).node, { round, id: fixed(id, CIRCLE_ID_BYTES, 'id'), hop });
      return {};
    }),
    Screen: errors.unary('Screen', ({ round, claims }, context) => {
      require_(isRoundId(round), 'round');
      const rejections = receiver.onScreen(identify(context).node, round, decodeClaims(asBytes(claims)));
      return { rejections: Buffer.from(encodeClaimRejections(rejections)) };
    }),
    Warm: (call, callback) => {
      let bytes = 0;
      const end = (error?: MixError) => {
        clearTimeout(idle);
        call.removeAllListeners('data');
        callback(error ? (errors.status('Warm', error) as grpc.ServiceError) : null, {});
      };
      const idle = setTimeout(() => end(new MixError('CHUNK_MISSING', { idleMs: deps.idleMs })), deps.idleMs);
      idle.unref();
      call.on('data', ({ content }: WarmFrame__Output) => {
        bytes += content.length;
        idle.refresh();
        if (bytes > WARM_BYTES_MAX) end(new MixError('MESSAGE_TOO_LARGE', { bytes, most: WARM_BYTES_MAX }));
      });
      call.on('end', () => end());
      call.on('cancelled', () => clearTimeout(idle));
      call.on('error', () => clearTimeout(idle));
    },
    Transfer: (call, callback) => {
      let member: Member;
      try {
        member = identify(call.getAuthContext());
      } catch (thrown) {
        callback(errors.status('Transfer', thrown) as grpc.ServiceError);
        return;
      }
      const stream = new IncomingStream(receiver, member, call, deps.idleMs);
      stream.done.then(
        () => callback(null, {}),
        (thrown) => callback(errors.status('Transfer', thrown) as grpc.ServiceError),
      );
    },
  };
  server.addService(services.Team.service, handlers);
}

/** One batch stream: header, chunks, trailer, in this order; anything else ends it. */
class IncomingStream {
  /** Resolves when the batch is acknowledged, rejects when the stream is refused. */
  readonly done: Promise<void>;
  readonly #receiver: LinkReceiver;
  readonly #member: Member;
  readonly #call: grpc.ServerReadableStream<BatchFrame__Output, unknown>;
  readonly #idleMs: number;
  #sink: BatchSink | undefined;
  #ended = false;
  #settle!: { resolve: () => void; reject: (reason: MixError) => void };
  #idle: NodeJS.Timeout | undefined;

  constructor(
    receiver: LinkReceiver,
    member: Member,
    call: grpc.ServerReadableStream<BatchFrame__Output, unknown>,
    idleMs: number,
  ) {
    this.#receiver = receiver;
    this.#member = member;
    this.#call = call;
    this.#idleMs = idleMs;
    this.done = new Promise((resolve, reject) => {
      this.#settle = { resolve, reject };
    });
    this.#touch();
    call.on('data', (frame: BatchFrame__Output) => this.#onFrame(frame));
    call.on('end', () => this.#onEnd());
    call.on('cancelled', () => this.#fail(new MixError('ABORTED', { what: 'the sender cancelled' })));
    call.on('error', (error: Error) => this.#fail(new MixError('LINK_DOWN', { detail: error.message })));
  }

  #onFrame(frame: BatchFrame__Output): void {
    if (this.#ended) return;
    this.#touch();
    try {
      this.#take(frame);
    } catch (thrown) {
      this.#fail(asMixError(thrown));
    }
  }

  #take(frame: BatchFrame__Output): void {
    switch (frame.frame) {
      case 'header':
        if (this.#sink) throw malformed('second header');
        this.#sink = this.#receiver.onBatch(this.#member.node, decodeHeader(frame.header!));
        return;
      case 'chunk': {
        const { index, content } = frame.chunk!;
        if (!this.#sink) throw malformed('chunk before header');
        this.#sink.chunk(index, asBytes(content));
        return;
      }
      case 'trailer': {
        if (!this.#sink) throw malformed('trailer before header');
        this.#stop();
        this.#sink.end(decodeTrailer(frame.trailer!)).then(this.#settle.resolve, this.#settle.reject);
        return;
      }
      default:
        throw malformed('empty frame');
    }
  }

  #onEnd(): void {
    if (this.#ended) return;
    // A cancelled stream ends, too, and reports its cancellation only after that.
    setImmediate(() => this.#fail(malformed('stream ended without trailer')));
  }

  #fail(error: MixError): void {
    this.#stop();
    this.#settle.reject(error);
  }

  #stop(): void {
    this.#ended = true;
    clearTimeout(this.#idle);
  }

  #touch(): void {
    clearTimeout(this.#idle);
    if (this.#ended) return;
    // Not a LINK error: the connection is fine, and the sender must not take this node for lost.
    const idle = () => this.#fail(new MixError('CHUNK_MISSING', { idleMs: this.#idleMs }));
    this.#idle = setTimeout(idle, this.#idleMs);
    this.#idle.unref();
    // A cancelled stream is not read to its end.
    if (this.#call.cancelled) this.#fail(new MixError('ABORTED'));
  }
}
