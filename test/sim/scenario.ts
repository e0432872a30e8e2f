// Draws a scenario from a seed: the size of the team and its rounds, the faults of the network, crashes and partitions and their
// times, and the submissions. The seed determines everything, so that a scenario is replayed by its seed alone.
import { type Rng, randomBelow, randomFraction } from '../../src/base/rng.js';
import { SeededRng } from '../support/seededRng.js';
import type { NetworkFaults } from './network.js';

/** Submissions that must not be mixed, or not in the way that their sender hoped. */
export const BAD_KINDS = [
  'wrongLength',
  'zero',
  'aboveQ',
  'macOfFirst',
  'macOfOther',
  'replay',
  'repeat',
  'nonsense',
] as const;
export type BadKind = (typeof BAD_KINDS)[number];

/** A fault and its time: a number of sent packets, so that it happens during activity. */
export type Mishap =
  | { readonly kind: 'crash'; readonly node: number; readonly atPacket: number; readonly restartMs: number | undefined }
  /** One node is cut off from all others. */
  | { readonly kind: 'partition'; readonly node: number; readonly atPacket: number; readonly healMs: number }
  /** One node ends the rounds that it is in, and says that another is to blame. */
  | {
      readonly kind: 'lie';
      readonly node: number;
      readonly atPacket: number;
      readonly victim: number;
      readonly code: LieCode;
    }
  /** One node answers, but sends no batch any more; a silent one says nothing any more, either. */
  | { readonly kind: 'stall'; readonly node: number; readonly atPacket: number; readonly silent: boolean };

export const LIE_CODES = [
  'DECRYPTION_PROOF',
  'EQUIVOCATION',
  'ELEMENT_RANGE',
  'PEER_LOST',
  'DEADLINE_MISSED',
  'OUTPUTS_INCOMPLETE',
] as const;
export type LieCode = (typeof LIE_CODES)[number];

export interface RoundPlan {
  readonly messages: number;
  readonly bad: readonly BadKind[];
}

export interface Scenario {
  readonly seed: string;
  readonly nodes: number;
  readonly slots: number;
  readonly width: number;
  readonly chunkSlots: number;
  readonly minSenders: number;
  readonly quotaPerSender: number;
  readonly senders: number;
  readonly faults: NetworkFaults;
  readonly rounds: readonly RoundPlan[];
  /** Both rounds at once, or the second when the first has ended. */
  readonly overlap: boolean;
  readonly mishaps: readonly Mishap[];
}

class Dice {
  readonly #rng: Rng;

  constructor(rng: Rng) {
    this.#rng = rng;
  }

  /** from ≤ n ≤ to */
  range(from: number, to: number): number {
    return from + randomBelow(this.#rng, to - from + 1);
  }

  chance(probability: number): boolean {
    return randomFraction(this.#rng) < probability;
  }

  pick<T>(list: readonly T[]): T {
    return list[randomBelow(this.#rng, list.length)]!;
  }

  upTo(most: number): number {
    return randomFraction(this.#rng) * most;
  }
}

function drawFaults(dice: Dice): NetworkFaults {
  const minDelayMs = dice.range(1, 20);
  return {
    // A third of all networks lose no packets, a third up to 5%, a third up to 20%.
    loss: dice.pick([0, 0.05, 0.2]) * dice.upTo(1),
    duplication: dice.chance(0.5) ? dice.upTo(0.2) : 0,
    minDelayMs,
    maxDelayMs: minDelayMs + (dice.chance(0.7) ? dice.range(1, 80) : 0),
  };
}

function drawMishap(dice: Dice, nodes: number): Mishap {
  const node = dice.range(0, nodes - 1);
  const atPacket = dice.range(1, nodes * 160);
  const kind = dice.pick(['crash', 'crash', 'partition', 'partition', 'stall', 'stall'] as const);
  if (kind === 'crash')
    return { kind, node, atPacket, restartMs: dice.chance(0.5) ? dice.range(1, 12_000) : undefined };
  if (kind === 'stall') return { kind, node, atPacket, silent: dice.chance(0.5) };
  // Shorter or longer than the time after which a peer is lost.
  return { kind, node, atPacket, healMs: dice.range(200, 14_000) };
}

/** In a quarter of all scenarios, independent of the other mishaps. */
function drawLies(seed: string | number, nodes: number): Mishap[] {
  const dice = new Dice(new SeededRng(`lies/${seed}`));
  if (!dice.chance(0.25)) return [];
  const node = dice.range(0, nodes - 1);
  const victim = (node + dice.range(1, nodes - 1)) % nodes;
  return [{ kind: 'lie', node, victim, atPacket: dice.range(1, nodes * 160), code: dice.pick(LIE_CODES) }];
}

function drawPlan(dice: Dice, slots: number): RoundPlan {
  const bad = dice.chance(0.5) ? Array.from({ length: dice.range(1, 3) }, () => dice.pick(BAD_KINDS)) : [];
  // Sometimes too few for a full batch, sometimes more than the batch holds.
  return { messages: dice.range(1, slots + 1), bad };
}

export function drawScenario(seed: string | number): Scenario {
  const dice = new Dice(new SeededRng(`scenario/${seed}`));
  const nodes = dice.chance(0.15) ? 2 : dice.range(3, 5);
  const slots = dice.range(3, 8);
  const senders = dice.range(2, 4);
  return {
    seed: String(seed),
    nodes,
    slots,
    width: dice.chance(0.3) ? 2 : 1,
    chunkSlots: dice.range(1, slots),
    minSenders: dice.chance(0.2) ? 2 : 1,
    quotaPerSender: dice.range(2, slots),
    senders,
    faults: drawFaults(dice),
    rounds: Array.from({ length: dice.chance(0.35) ? 2 : 1 }, () => drawPlan(dice, slots)),
    overlap: dice.chance(0.5),
    mishaps: [
      ...Array.from({ length: dice.chance(0.45) ? dice.range(1, 2) : 0 }, () => drawMishap(dice, nodes)),
      ...drawLies(seed, nodes),
    ],
  };
}
