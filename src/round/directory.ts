// The rounds of the whole network that this node has heard of from the scheduler. A sender may ask any node which rounds take
// messages now; the node itself ignores updates of rounds that it is not in.
import type { Clock, NodeId, RoundId } from '../base/index.js';
import type { RoundUpdate, SignedRoundInfo } from '../protocol/index.js';

/** Limit of remembered rounds; a scheduler has fewer open. */
const ROUNDS_MAX = 4_096;
/** Interval of dropping rounds that take no more messages: each is 4 KiB with a team of five, and a full directory takes 0.1 ms. */
const SWEEP_MS = 1_000;

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
  /** Oldest and newest round that were opened since this node began to listen. */
  #firstOpened = Number.POSITIVE_INFINITY;
  #lastOpened = Number.NEGATIVE_INFINITY;
  #sweptMs = Number.NEGATIVE_INFINITY;

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
        this.#sweep();
        this.#firstOpened = Math.min(this.#firstOpened, round);
        this.#lastOpened = Math.max(this.#lastOpened, round);
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
        return this.#own.has(round) || (heard === undefined && !this.#wasOpened(round));
    }
  }

  /**
   * Returns the rounds that take messages by their time limit (collectMs since the assignment), newest first. A full batch closes
   * earlier; only its first node knows, and refuses late senders.
   */
  collecting(): readonly SignedRoundInfo[] {
    this.#dropOver(this.#clock.nowMs());
    const open = [...this.#rounds.values()].filter(({ assignedMs }) => assignedMs !== undefined);
    return open.map(({ signed }) => signed).reverse();
  }

  #wasOpened(round: RoundId): boolean {
    return round >= this.#firstOpened && round <= this.#lastOpened;
  }

  /** Number of rounds that are remembered. */
  get remembered(): number {
    return this.#rounds.size;
  }

  /** Drops rounds that take no more messages, also if nobody ever asks for those that do. */
  #sweep(): void {
    const nowMs = this.#clock.nowMs();
    if (nowMs - this.#sweptMs < SWEEP_MS) return;
    this.#sweptMs = nowMs;
    this.#dropOver(nowMs);
  }

  #dropOver(nowMs: number): void {
    for (const [round, { signed, assignedMs }] of this.#rounds) {
      const isOver = assignedMs !== undefined && nowMs - assignedMs >= signed.info.deadlines.collectMs;
      if (isOver) this.#rounds.delete(round);
    }
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
