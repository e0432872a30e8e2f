// The Link port: how a round reaches its team. comms/ implements it over gRPC and mutual TLS, the simulator over a virtual
// network that loses, delays, duplicates and reorders. One call is one attempt; retrying is round/exchange/retryingSender.ts's business,
// and safe because receivers take every (round, phase, slot) and every message kind once.

import type { BootId, NodeId, RoundId, SenderId } from '../base/index.js';
import type { RejectionReason } from '../cmix/index.js';
import type { BatchPhase } from './batchPhases.js';
import type { BatchTrailer, SignedTeamMessage } from './teamMessages.js';

/** Opens a batch stream; the receiver checks it against its RoundInfo before it takes a byte. */
export interface BatchHeader {
  readonly round: RoundId;
  readonly phase: BatchPhase;
  readonly slots: number;
  /** Elements of a slot in this phase. */
  readonly elements: number;
  readonly chunkSlots: number;
}

/**
 * A batch on its way out. Chunks become ready one by one; they and the trailer never change, so that any attempt may read them again, and
 * a link when it comes to write them.
 */
export interface BatchSource {
  readonly header: BatchHeader;
  readonly chunks: number;
  chunk(index: number): Promise<Uint8Array>;
  trailer(): Promise<BatchTrailer>;
}

/** A batch on its way in. Methods throw MixError at once where the peer's input is wrong. */
export interface BatchSink {
  /** Takes a chunk: copies `bytes`, which are the link's, before it returns. */
  chunk(index: number, bytes: Uint8Array): void;
  /** Resolves when the whole batch is in and its root verified: the acknowledgement. */
  end(trailer: BatchTrailer): Promise<void>;
}

/** A submission as one member of the team is to judge it: the payload stays with the first node. */
export interface Claim {
  readonly sender: SenderId;
  readonly salt: Uint8Array;
  readonly payloadDigest: Uint8Array;
  /** The one for this member. */
  readonly mac: Uint8Array;
}

/** A claim that a member rejects, by its place in what it was asked. */
export interface ClaimRejection {
  readonly index: number;
  readonly reason: RejectionReason;
}

/** Claims of one message: 64 MACs are a third of a millisecond for a member. */
export const CLAIMS_MAX = 64;
export interface Link {
  /** Delivers a message; resolves when the peer acknowledged it. Rejects with the peer's MixError or LINK_*. */
  deliver(to: NodeId, message: SignedTeamMessage, signal: AbortSignal): Promise<void>;
  /** Streams a batch, each chunk as soon as it is ready; resolves with the peer's acknowledgement of the whole. */
  transfer(to: NodeId, source: BatchSource, signal: AbortSignal): Promise<void>;
  /** Has a peer judge what the first node has taken for a round; resolves with what it rejects. */
  screen(to: NodeId, round: RoundId, claims: readonly Claim[], signal: AbortSignal): Promise<readonly ClaimRejection[]>;
  /** Asks a peer which run of its process answers. */
  ping(to: NodeId, signal: AbortSignal): Promise<BootId>;
}

/** A ping round the ring of a team, as it goes from member to member. */
export interface CirclePing {
  readonly round: RoundId;
  /** Of this ping, chosen by the first member: 16 random bytes. */
  readonly id: Uint8Array;
  /** Members that have had it, the first one included. */
  readonly hop: number;
}

/** Work for links ahead of rounds. It may fail without effect on any round. */
export interface LinkProbe {
  /** Sends `bytes` that mean nothing where batches of a phase go; resolves when the peer has them all. */
  warm(to: NodeId, phase: BatchPhase, bytes: number, signal: AbortSignal): Promise<void>;
  /** Hands on a ring's ping. */
  circle(to: NodeId, ping: CirclePing, signal: AbortSignal): Promise<void>;
  /** The last round trip to a peer, milliseconds; undefined until one was measured. */
  roundTripMs(to: NodeId): number | undefined;
}

/** What a node offers its peers. `from` is authenticated by the transport. */
export interface LinkReceiver {
  onMessage(from: NodeId, message: SignedTeamMessage): Promise<void>;
  /** @throws MixError where the header is refused */
  onBatch(from: NodeId, header: BatchHeader): BatchSink;
  /** What this node rejects of what the first node has taken. @throws MixError where it cannot be asked that now */
  onScreen(from: NodeId, round: RoundId, claims: readonly Claim[]): readonly ClaimRejection[];
  onPing(from: NodeId): BootId;
  /** @throws MixError ROUND_UNKNOWN, PHASE_SENDER_WRONG */
  onCircle(from: NodeId, ping: CirclePing): void;
}
