// Delivers messages and batches to team members over a Link that may fail: retries with growing, jittered pauses while the error
// is retryable, reports a peer that stays unreachable, and sends the same bytes each time.
import {
  asMixError,
  type BackoffBounds,
  backoffMs,
  type Clock,
  MixError,
  type NodeId,
  type Rng,
  type RoundId,
  sleep,
} from '../../base/index.js';
import type { Logger } from '../../base/log.js';
import type { BatchSource, Claim, ClaimRejection, Link, SignedTeamMessage } from '../../protocol/index.js';

export interface RetryPolicy extends BackoffBounds {
  /** A peer is lost if every attempt failed with a connection error for this long. */
  readonly peerLostMs: number;
}

/** Loopback and data-centre links recover in milliseconds, wide-area ones in seconds; a phase deadline limits the total. */
export const DEFAULT_RETRY: RetryPolicy = { firstMs: 25, longestMs: 1_000, peerLostMs: 8_000 };

const isConnectionError = (error: MixError): boolean => error.code === 'LINK_DOWN' || error.code === 'LINK_TIMEOUT';

interface RetryingSenderDeps {
  readonly link: Link;
  readonly clock: Clock;
  readonly rng: Rng;
  readonly log: Logger;
  readonly retry: RetryPolicy;
  /** A peer is lost; called once until the peer is reached again. */
  readonly onPeerLost: (peer: NodeId) => void;
  /** A peer refused what this node sent, with an error that is not retryable. */
  readonly onRefused: (peer: NodeId, round: RoundId, what: string, error: MixError) => void;
}

interface Parcel {
  readonly round: RoundId;
  readonly what: string;
}

export class RetryingSender {
  readonly #deps: RetryingSenderDeps;
  readonly #lost = new Set<NodeId>();

  constructor(deps: RetryingSenderDeps) {
    this.#deps = deps;
  }

  /** Delivers until acknowledged, refused without retry, or aborted. Never rejects. */
  deliver(to: NodeId, message: SignedTeamMessage, signal: AbortSignal): Promise<void> {
    const parcel = { round: message.round, what: message.message.kind };
    return this.#insist(to, parcel, signal, () => this.#deps.link.deliver(to, message, signal));
  }

  /** Sends a batch until acknowledged, refused without retry, or aborted. Never rejects. */
  transfer(to: NodeId, source: BatchSource, signal: AbortSignal): Promise<void> {
    const parcel = { round: source.header.round, what: source.header.phase };
    return this.#insist(to, parcel, signal, () => this.#deps.link.transfer(to, source, signal));
  }

  /** Has a peer judge submissions, with retries. @throws MixError: the peer's refusal if it is not retryable; ABORTED */
  async screen(
    to: NodeId,
    round: RoundId,
    claims: readonly Claim[],
    signal: AbortSignal,
  ): Promise<readonly ClaimRejection[]> {
    let rejections: readonly ClaimRejection[] | undefined;
    await this.#insist(to, { round, what: 'screening' }, signal, async () => {
      rejections = await this.#deps.link.screen(to, round, claims, signal);
    });
    if (!rejections) throw new MixError('ABORTED', { what: 'screening' });
    return rejections;
  }

  async #insist(to: NodeId, parcel: Parcel, signal: AbortSignal, attempt: () => Promise<void>): Promise<void> {
    const { what } = parcel;
    const { clock, rng, retry, log } = this.#deps;
    let failures = 0;
    let unreachableSinceMs: number | undefined;
    while (!signal.aborted) {
      try {
        await attempt();
        this.#lost.delete(to);
        return;
      } catch (thrown) {
        if (signal.aborted) return;
        const error = asMixError(thrown);
        // The round ended, here or at the peer: this is no refusal.
        if (error.code === 'ABORTED') return;
        if (!error.retryable) return this.#refused(to, parcel, error);
        unreachableSinceMs = isConnectionError(error) ? (unreachableSinceMs ?? clock.nowMs()) : undefined;
        if (unreachableSinceMs !== undefined && clock.nowMs() - unreachableSinceMs >= retry.peerLostMs)
          this.#reportLost(to);
        log.debug({ to, what, code: error.code, failures }, 'sending again');
      }
      await sleep(clock, backoffMs(retry, ++failures, rng), signal);
    }
  }

  #refused(to: NodeId, { round, what }: Parcel, error: MixError): void {
    this.#deps.log.debug({ to, what, code: error.code }, 'refused by peer');
    this.#deps.onRefused(to, round, what, error);
  }

  #reportLost(peer: NodeId): void {
    if (this.#lost.has(peer)) return;
    this.#lost.add(peer);
    this.#deps.onPeerLost(peer);
  }
}

/** The error that ends the deliveries and waits of an ended round. */
export const roundEnded = (): MixError => new MixError('ABORTED', { what: 'the round has ended' });
