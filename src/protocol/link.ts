// The Link port: how a round reaches its team. comms/ implements it over gRPC and mutual TLS, the simulator over a virtual network that
// loses, delays, duplicates and reorders. One call is one attempt; round/exchange/retryingSender.ts retries, which is safe because
// receivers take each (round, phase, slot) and each message kind once.

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
 * An outgoing batch. Chunks become ready one by one. Chunks and trailer never change: every attempt may read them again, and a link may
 * read them as late as it writes them.
 */
export interface BatchSource {
  readonly header: BatchHeader;
  readonly chunks: number;
  chunk(index: number): Promise<Uint8Array>;
  trailer(): Promise<BatchTrailer>;
}

/** An incoming batch. Methods throw MixError at once if the peer's input is wrong. */
export interface BatchSink {
  /** Takes a chunk. Copies `bytes` before it returns, because the buffer belongs to the link. */
  chunk(index: number, bytes: Uint8Array): void;
  /** Resolves when the whole batch is in and its root verified: the acknowledgement. */
  end(trailer: BatchTrailer): Promise<void>;
}

/** A submission as one member of the team judges it: without the payload, which stays with the first node. */
export interface Claim {
  readonly sender: SenderId;
  readonly salt: Uint8Array;
  readonly payloadDigest: Uint8Array;
  /** The MAC for this member. */
  readonly mac: Uint8Array;
}

/** A claim that a member rejects; `index` is its place in the request. */
export interface ClaimRejection {
  readonly index: number;
  readonly reason: RejectionReason;
}

/** Most claims of one message: 64 MACs cost a member a third of a millisecond. */
export const CLAIMS_MAX = 64;
export interface Link {
  /** Delivers a message; resolves when the peer acknowledged it. Rejects with the peer's MixError or LINK_*. */
  deliver(to: NodeId, message: SignedTeamMessage, signal: AbortSignal): Promise<void>;
  /** Streams a batch, each chunk as soon as it is ready; resolves with the peer's acknowledgement of the whole. */
  transfer(to: NodeId, source: BatchSource, signal: AbortSignal): Promise<void>;
  /** Has a peer judge submissions that the first node has taken for a round; resolves with those that the peer rejects. */
  screen(to: NodeId, round: RoundId, claims: readonly Claim[], signal: AbortSignal): Promise<readonly ClaimRejection[]>;
  /** Asks a peer for the boot id of its process. */
  ping(to: NodeId, signal: AbortSignal): Promise<BootId>;
}

/** A ping that goes round the ring of a team, from member to member. */
export interface CirclePing {
  readonly round: RoundId;
  /** Id of this ping: 16 random bytes, chosen by the first member. */
  readonly id: Uint8Array;
  /** Members that the ping has left so far, the first one included. */
  readonly hop: number;
}

/** Warms and measures links ahead of rounds. A failure has no effect on any round. */
export interface LinkProbe {
  /** Sends `bytes` meaningless bytes over the connection that carries batches of this phase; resolves when the peer has them all. */
  warm(to: NodeId, phase: BatchPhase, bytes: number, signal: AbortSignal): Promise<void>;
  /** Passes a ring's ping on to the next member. */
  circle(to: NodeId, ping: CirclePing, signal: AbortSignal): Promise<void>;
  /** The last round trip to a peer, milliseconds; undefined until one was measured. */
  roundTripMs(to: NodeId): number | undefined;
}

/** Receiver of calls from peers. `from` is authenticated by the transport. */
export interface LinkReceiver {
  onMessage(from: NodeId, message: SignedTeamMessage): Promise<void>;
  /** @throws MixError if the header is refused */
  onBatch(from: NodeId, header: BatchHeader): BatchSink;
  /** Judges claims that the first node has taken; returns those that this node rejects. @throws MixError if it cannot judge them now */
  onScreen(from: NodeId, round: RoundId, claims: readonly Claim[]): readonly ClaimRejection[];
  onPing(from: NodeId): BootId;
  /** @throws MixError ROUND_UNKNOWN, PHASE_SENDER_WRONG */
  onCircle(from: NodeId, ping: CirclePing): void;
}
