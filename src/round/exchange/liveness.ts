// Watches the team members of open rounds: a peer that does not answer for a while is lost; a peer that answers with another boot
// id has restarted and lost its rounds. Without this watch, a dead node that nobody sends to would only be noticed at a deadline.
import { abort, type BootId, type CancelTimer, type Clock, type NodeId, sleep } from '../../base/index.js';
import type { Link } from '../../protocol/index.js';

export interface PeerWatchOptions {
  readonly intervalMs: number;
  /** Time without an answer after which a peer is lost. */
  readonly lostMs: number;
}

type PeerTrouble = 'PEER_LOST' | 'PEER_RESTARTED';

interface LivenessDeps {
  readonly link: Link;
  readonly clock: Clock;
  readonly options: PeerWatchOptions;
  /** Peers of rounds that are open now. */
  readonly watched: () => Iterable<NodeId>;
  readonly onTrouble: (peer: NodeId, trouble: PeerTrouble) => void;
}

interface PeerRecord {
  readonly bootId: BootId | undefined;
  readonly lastAnswerMs: number;
}

export class Liveness {
  readonly #deps: LivenessDeps;
  readonly #records = new Map<NodeId, PeerRecord>();
  readonly #stop = new AbortController();

  constructor(deps: LivenessDeps) {
    this.#deps = deps;
  }

  /** Runs until {@link close}. */
  async run(): Promise<void> {
    const { clock, options } = this.#deps;
    while (!this.#stop.signal.aborted) {
      const peers = new Set(this.#deps.watched());
      for (const known of this.#records.keys()) if (!peers.has(known)) this.#records.delete(known);
      await Promise.all([...peers].map((peer) => this.#ask(peer)));
      await sleep(clock, options.intervalMs, this.#stop.signal);
    }
  }

  close(): void {
    abort(this.#stop);
  }

  async #ask(peer: NodeId): Promise<void> {
    const { link, clock, options } = this.#deps;
    const before = this.#records.get(peer) ?? { bootId: undefined, lastAnswerMs: clock.nowMs() };
    this.#records.set(peer, before);
    const attempt = new AbortController();
    const cancel: CancelTimer = clock.after(options.intervalMs * 2, () => abort(attempt));
    try {
      const bootId = await link.ping(peer, attempt.signal);
      this.#records.set(peer, { bootId, lastAnswerMs: clock.nowMs() });
      if (before.bootId !== undefined && before.bootId !== bootId) this.#deps.onTrouble(peer, 'PEER_RESTARTED');
    } catch {
      // One missed answer proves nothing; the time without an answer decides.
      if (clock.nowMs() - before.lastAnswerMs >= options.lostMs) this.#deps.onTrouble(peer, 'PEER_LOST');
    } finally {
      cancel();
    }
  }
}
