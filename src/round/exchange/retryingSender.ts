// Gets messages and batches to team members over a Link that may fail: tries again with growing, jittered pauses while the
// failure is one that may pass, reports a peer that stays unreachable, and never sends anything but the same bytes.
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
  /** A peer whose every attempt failed with a connection error for this long is lost. */
  readonly peerLostMs: number;
}

/** Loopback and data-centre links recover in milliseconds, wide ones in seconds; a phase deadline bounds the whole. */
export const DEFAULT_RETRY: RetryPolicy = { firstMs: 25, longestMs: 1_000, peerLostMs: 8_000 };

const isConnectionError = (error: MixError): boolean => error.code === 'LINK_DOWN' || error.code === 'LINK_TIMEOUT';

interface RetryingSenderDeps {
  readonly link: Link;
  readonly clock: Clock;
  readonly rng: Rng;
  readonly log: Logger;
  readonly retry: RetryPolicy;
  /** A peer is lost; called once until it is reached again. */
  readonly onPeerLost: (peer: NodeId) => void;
  /** A peer refused what we sent, for good. */
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

  /** Delivers until acknowledged, refused for good, or aborted. Never rejects. */
  deliver(to: NodeId, message: SignedTeamMessage, signal: AbortSignal): Promise<void> {
    const parcel = { round: message.round, what: message.message.kind };
    return this.#insist(to, parcel, signal, () => this.#deps.link.deliver(to, message, signal));
  }

  /** Sends a batch until acknowledged, refused for good, or aborted. Never rejects. */
  transfer(to: NodeId, source: BatchSource, signal: AbortSignal): Promise<void> {
    const parcel = { round: source.header.round, what: source.header.phase };
    return this.#insist(to, parcel, signal, () => this.#deps.link.transfer(to, source, signal));
  }

  /** Has a peer judge submissions, however often it takes. @throws MixError where it refuses for good; ABORTED */
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
        // What we sent ended with its round, here or there: nobody refused anything.
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

/** The error that ends what a finished round still had under way. */
export const roundEnded = (): MixError => new MixError('ABORTED', { what: 'the round has ended' });
