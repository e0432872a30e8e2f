// The Link port over gRPC. One call is one attempt, because the rounds retry by themselves (round/exchange/retryingSender.ts); comms
// repairs only what the rounds cannot see: a token or certificate that has changed. Precomputation and realtime have connections of their
// own, so that a realtime chunk never waits behind a precomputation's megabytes.
import {
  type BootId,
  HeardClocks,
  isBootId,
  MixError,
  type NodeId,
  type RoundId,
  systemClock,
} from '../../base/index.js';
import {
  type BatchPhase,
  type BatchSource,
  type CirclePing,
  type Claim,
  type ClaimRejection,
  isRealtime,
  type Link,
  type LinkProbe,
  type Membership,
  type SignedTeamMessage,
} from '../../protocol/index.js';
import {
  type Attempt,
  asBytes,
  checkSignal,
  clientStream,
  type grpc,
  type Host,
  type HostManager,
  type HostOptions,
  hasFeature,
  type Lane,
  MESSAGE_BYTES_MAX,
  peerFacts,
  services,
  transmit,
  unary,
} from '../../transport/index.js';
import type { Ack__Output } from '../../transport/proto/generated/millrace/v1/Ack.js';
import type { BatchFrame } from '../../transport/proto/generated/millrace/v1/BatchFrame.js';
import type { PingReply__Output } from '../../transport/proto/generated/millrace/v1/PingReply.js';
import type { ScreenReply__Output } from '../../transport/proto/generated/millrace/v1/ScreenReply.js';
import type { TeamClient } from '../../transport/proto/generated/millrace/v1/Team.js';
import type { WarmFrame } from '../../transport/proto/generated/millrace/v1/WarmFrame.js';
import { decodeClaimRejections, encodeClaims, encodeEnvelope, serializeFrame } from './codec.js';

/** Rounds retry by themselves, after pauses of up to a second: hosts must not wait for longer. */
export const TEAM_HOST_OPTIONS: Partial<HostOptions> = {
  retriesMax: 0,
  backoff: { firstMs: 25, longestMs: 1_000 },
  replyBytesMax: MESSAGE_BYTES_MAX,
};

/** 5 Mbit/s: a link that is slower than this is not worth warming. */
const SLOW_LINK_BITS_PER_MS = 5_000;
/** A frame of meaningless bytes. */
const FILLER = new Uint8Array(64 * 1024);

export class TeamLink implements Link, LinkProbe {
  readonly #membership: () => Membership;
  readonly #hosts: HostManager;
  readonly #options: Partial<HostOptions>;
  readonly #roundTrips = new Map<NodeId, number>();
  readonly #clocks = new HeardClocks<NodeId>(systemClock);

  /** The caller closes `hosts`. */
  constructor(membership: () => Membership, hosts: HostManager, options: Partial<HostOptions> = {}) {
    this.#membership = membership;
    this.#hosts = hosts;
    this.#options = { ...TEAM_HOST_OPTIONS, ...options };
  }

  /** Forgets the measurements of nodes that are no members any more. */
  membershipChanged(): void {
    const membership = this.#membership();
    for (const node of this.#roundTrips.keys()) if (!membership.find(node)) this.#roundTrips.delete(node);
    this.#clocks.keep((node) => membership.find(node) !== undefined);
  }

  async deliver(to: NodeId, message: SignedTeamMessage, signal: AbortSignal): Promise<void> {
    const envelope = encodeEnvelope(message);
    const attempt = unary(services.Team, (client: TeamClient, metadata, options, done) =>
      client.deliver(envelope, metadata, options, done),
    );
    await this.#send(to, 'control', attempt, signal);
  }

  async screen(
    to: NodeId,
    round: RoundId,
    claims: readonly Claim[],
    signal: AbortSignal,
  ): Promise<readonly ClaimRejection[]> {
    const request = { round, claims: encodeClaims(claims) };
    const attempt: Attempt<ScreenReply__Output> = (ready) => {
      // A peer of protocol 1.1 judges when the batch is closed; a slot that it rejects then becomes a dummy.
      if (!hasFeature(ready.hello, 'screen')) {
        return { done: Promise.resolve({ rejections: Buffer.alloc(0) }), cancel: () => {} };
      }
      return unary<TeamClient, ScreenReply__Output>(services.Team, (client, metadata, options, done) =>
        client.screen(request, metadata, options, done),
      )(ready);
    };
    const { rejections } = await this.#send(to, 'control', attempt, signal);
    return decodeClaimRejections(asBytes(rejections), claims.length);
  }

  async ping(to: NodeId, signal: AbortSignal): Promise<BootId> {
    let startMs = 0;
    const attempt = unary<TeamClient, PingReply__Output>(services.Team, (client, metadata, options, done) => {
      // The clock starts here, to measure the round trip without the dialling.
      startMs = systemClock.nowMs();
      return client.ping({}, metadata, options, done);
    });
    const { bootId, timeMs } = await this.#send(to, 'control', attempt, signal);
    const endMs = systemClock.nowMs();
    if (!isBootId(bootId)) throw new MixError('MESSAGE_MALFORMED', { what: 'boot id', peer: to });
    const roundTripMs = endMs - startMs;
    // The peer read its clock half a round trip ago.
    if (timeMs > 0) this.#clocks.heard(to, timeMs, roundTripMs / 2);
    this.#roundTrips.set(to, roundTripMs);
    this.#hosts.deps.metrics.roundTrip(to, roundTripMs);
    return bootId;
  }

  /** Lead of a member's clock over this one; undefined if it has not answered yet. */
  clockLeadMs(of: NodeId): number | undefined {
    return this.#clocks.leadMs(of);
  }

  roundTripMs(to: NodeId): number | undefined {
    return this.#roundTrips.get(to);
  }

  async transfer(to: NodeId, source: BatchSource, signal: AbortSignal): Promise<void> {
    checkSignal(signal);
    const { options } = this.#host(to);
    const lane = chooseLane(source.header.phase);
    const { path, responseDeserialize } = services.Team.service.Transfer;
    const attempt = clientStream(
      services.Team,
      (client: TeamClient, metadata, options, done: grpc.requestCallback<Ack__Output>) =>
        client.makeClientStreamRequest(path, serializeFrame, responseDeserialize, metadata, options, done),
      (write: (frame: BatchFrame) => Promise<void>, over) => writeBatch(source, write, over),
      options.stallMs,
    );
    await this.#send(to, lane, attempt, signal, options.streamTimeoutMs);
  }

  async warm(to: NodeId, phase: BatchPhase, bytes: number, signal: AbortSignal): Promise<void> {
    const lane = chooseLane(phase);
    const { stallMs } = this.#host(to).options;
    let startMs = 0;
    const attempt: Attempt<unknown> = (ready) => {
      // A peer of protocol 1.0 has a connection now, which is all that can be done for it.
      if (!hasFeature(ready.hello, 'warm')) return { done: Promise.resolve(), cancel: () => {} };
      startMs = systemClock.nowMs();
      return clientStream(
        services.Team,
        (client: TeamClient, metadata, options, done) => client.warm(metadata, options, done),
        async (write: (frame: WarmFrame) => Promise<void>, over) => {
          for (let left = bytes; left > 0 && !over(); left -= FILLER.length) {
            await write({ content: left < FILLER.length ? FILLER.subarray(0, left) : FILLER });
          }
        },
        stallMs,
      )(ready);
    };
    const { sendTimeoutMs } = this.#host(to).options;
    await this.#send(to, lane, attempt, signal, sendTimeoutMs + (bytes * 8) / SLOW_LINK_BITS_PER_MS);
    if (startMs > 0) this.#hosts.deps.metrics.transferred(to, lane, bytes, systemClock.nowMs() - startMs);
  }

  async circle(to: NodeId, ping: CirclePing, signal: AbortSignal): Promise<void> {
    const attempt: Attempt<unknown> = (ready) => {
      if (!hasFeature(ready.hello, 'circle'))
        throw new MixError('PROTOCOL_UNSUPPORTED', { peer: to, feature: 'circle' });
      return unary(services.Team, (client: TeamClient, metadata, options, done) =>
        client.circle({ ...ping }, metadata, options, done),
      )(ready);
    };
    await this.#send(to, 'control', attempt, signal);
  }

  #host(to: NodeId): Host {
    return this.#hosts.current(peerFacts(this.#membership().get(to)), this.#options);
  }

  async #send<Reply>(
    to: NodeId,
    lane: Lane,
    attempt: Attempt<Reply>,
    signal: AbortSignal,
    timeoutMs?: number,
  ): Promise<Reply> {
    const host = this.#host(to);
    return await transmit(host, this.#hosts.deps.metrics, attempt, {
      lane,
      signal,
      timeoutMs: timeoutMs ?? host.options.sendTimeoutMs,
      // Receivers take every message and every slot of a phase once; repeats change nothing.
      idempotent: true,
    });
  }
}

const chooseLane = (phase: BatchPhase): Lane => (isRealtime(phase) ? 'realtime' : 'precompute');

/** Writes the header, chunks as they become ready, and the trailer. */
async function writeBatch(
  source: BatchSource,
  write: (frame: BatchFrame) => Promise<void>,
  over: () => boolean,
): Promise<void> {
  await write({ header: { ...source.header } });
  for (let index = 0; index < source.chunks; index++) {
    const content = await source.chunk(index);
    if (over()) return;
    await write({ chunk: { index, content } });
  }
  const trailer = await source.trailer();
  if (!over()) await write({ trailer: { ...trailer } });
}
