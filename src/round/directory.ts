// The rounds of the whole network that this node has heard of from the scheduler. A sender may ask any node which rounds take
// messages now; the node itself ignores updates of rounds that it is not in.
import type { Clock, NodeId, RoundId } from '../base/index.js';
import type { RoundUpdate, SignedRoundInfo } from '../protocol/index.js';

/** Limit of remembered rounds; a scheduler has fewer open. */
const ROUNDS_MAX = 4_096;

interface Heard {
  readonly signed: SignedRoundInfo;
  /** Time at which the scheduler let the round take messages. */
  readonly assignedMs: number | undefined;
}

export class RoundDirectory {
  readonly #self: NodeId;
  readonly #clock: Clock;
  readonly #rounds = new Map<RoundId, Heard>();
  /** Rounds of this node, limited separately: however many rounds others have, updates of its own reach this node. */
  readonly #own = new Set<RoundId>();

  constructor(self: NodeId, clock: Clock) {
    this.#self = self;
    this.#clock = clock;
  }

  /** Records an update; returns true if it concerns a round of this node. */
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
        // A round opened before this node began to listen may be its own; the round manager knows.
        return this.#own.has(round) || heard === undefined;
    }
  }

  /**
   * Returns the rounds that take messages by their time limit (collectMs since the assignment), newest first. A full batch closes
   * earlier; only its first node knows, and refuses late senders.
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
