// The rounds of the whole network as one node has heard of them from the scheduler: so that a sender may ask any node which
// rounds take messages now, and so that a node leaves alone what is not its business.
import type { Clock, NodeId, RoundId } from '../base/index.js';
import type { RoundUpdate, SignedRoundInfo } from '../protocol/index.js';

/** Rounds that are remembered; a scheduler has fewer open. */
const ROUNDS_MAX = 4_096;

interface Heard {
  readonly signed: SignedRoundInfo;
  /** When it was let take messages. */
  readonly assignedMs: number | undefined;
}

export class RoundDirectory {
  readonly #self: NodeId;
  readonly #clock: Clock;
  readonly #rounds = new Map<RoundId, Heard>();
  /** Rounds of this node: known apart, so that however many there are of others, its own updates reach it. */
  readonly #own = new Set<RoundId>();

  constructor(self: NodeId, clock: Clock) {
    this.#self = self;
    this.#clock = clock;
  }

  /** Takes note of an update; true where it is about a round of this node. */
  heard(update: RoundUpdate): boolean {
    const round = update.kind === 'open' ? update.round.info.round : update.round;
    const heard = this.#rounds.get(round);
    switch (update.kind) {
      case 'open':
        this.#rounds.set(round, { signed: update.round, assignedMs: undefined });
        keepNewest(this.#rounds);
        if (update.round.info.team.includes(this.#self)) this.#own.add(round);
        keepNewest(this.#own);
        return this.#own.has(round);
      case 'assign':
        if (heard) this.#rounds.set(round, { ...heard, assignedMs: this.#clock.nowMs() });
        return this.#own.has(round);
      case 'fail':
        this.#rounds.delete(round);
        // One that was opened before this node began to listen may be its own: it has told so itself.
        return this.#own.has(round) || heard === undefined;
    }
  }

  /**
   * Rounds that were let take messages no longer ago than they take them, newest first. A batch that is full is closed earlier,
   * and only its first node knows: it says so to whoever comes too late.
   */
  collecting(): readonly SignedRoundInfo[] {
    const nowMs = this.#clock.nowMs();
    const open: SignedRoundInfo[] = [];
    for (const [round, { signed, assignedMs }] of this.#rounds) {
      if (assignedMs === undefined) continue;
      if (nowMs - assignedMs < signed.info.deadlines.collectMs) open.push(signed);
      else this.#rounds.delete(round);
    }
    return open.reverse();
  }
}

function keepNewest(rounds: {
  readonly size: number;
  keys(): Iterable<RoundId>;
  delete(round: RoundId): boolean;
}): void {
  if (rounds.size <= ROUNDS_MAX) return;
  for (const oldest of rounds.keys()) {
    rounds.delete(oldest);
    return;
  }
}
