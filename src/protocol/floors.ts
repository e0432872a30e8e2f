// Floors: the least that a node or a sender takes part in, whatever is signed. A careless, stolen or hostile authority can sign rounds of
// one sender, one slot or a toy group, in which nobody hides. Apart from checkRoundInfo because each party has floors of its own.
import { MixError } from '../base/index.js';
import { namedGroup } from '../math/index.js';
import type { RoundInfo } from './roundInfo.js';

export interface RoundFloors {
  /** Nodes of the team. One honest node is enough, but nobody knows which one it is. */
  readonly team: number;
  /** Slots of the batch: a message hides among so many outputs. */
  readonly slots: number;
  /** Minimum of distinct senders that the RoundInfo demands: a batch with fewer is not mixed. */
  readonly senders: number;
  /** Bits of the group: 2048 are about 112 bits of security, 3072 are 128. */
  readonly groupBits: number;
}

/** Safe for messages that matter. */
export const SAFE_FLOORS: RoundFloors = { team: 3, slots: 32, senders: 8, groupBits: 3072 };

/** Accepts every well-formed round: for simulators and tests. */
export const NO_FLOORS: RoundFloors = { team: 1, slots: 1, senders: 1, groupBits: 1 };

/** @throws MixError ROUND_BELOW_FLOOR naming the field, what the round has, and the floor */
export function checkFloors(
  info: Pick<RoundInfo, 'team' | 'slots' | 'minSenders' | 'group'>,
  floors: RoundFloors,
): void {
  const values = [
    ['team', info.team.length, floors.team],
    ['slots', info.slots, floors.slots],
    ['senders', info.minSenders, floors.senders],
    ['groupBits', namedGroup(info.group).bits, floors.groupBits],
  ] as const;
  const low = values.find(([, has, least]) => has < least);
  if (low) throw new MixError('ROUND_BELOW_FLOOR', { field: low[0], has: low[1], floor: low[2] });
}
