// The rounds of the whole network as one node has heard of them from the scheduler: so that a sender may ask any node which
// rounds take messages now, and so that a node leaves alone what is not its business.
import type { Clock } from '../base/clock.js';
import type { NodeId, RoundId } from '../base/ids.js';
import type { SignedRoundInfo } from './roundInfo.js';
import type { RoundUpdate } from './schedulerPort.js';

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

  constructor(self: NodeId, clock: Clock) {
    this.#self = self;
    this.#clock = clock;
  }

  /** Takes note of an update; true where it is about a round of this node. */
  heard(update: RoundUpdate): boolean {
    switch (update.kind) {
      case 'open': {
        const { info } = update.round;
        this.#rounds.set(info.round, { signed: update.round, assignedMs: undefined });
        const [oldest] = this.#rounds.keys();
        if (this.#rounds.size > ROUNDS_MAX && oldest !== undefined) this.#rounds.delete(oldest);
        return info.team.includes(this.#self);
      }
      case 'assign': {
        const heard = this.#rounds.get(update.round);
        if (heard) this.#rounds.set(update.round, { ...heard, assignedMs: this.#clock.nowMs() });
        return heard?.signed.info.team.includes(this.#self) ?? false;
      }
      case 'fail': {
        const heard = this.#rounds.get(update.round);
        this.#rounds.delete(update.round);
        // One that was opened before this node began to listen may be its own: it has told so itself.
        return heard?.signed.info.team.includes(this.#self) ?? true;
      }
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
