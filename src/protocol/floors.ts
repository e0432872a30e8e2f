// The least that a node or a sender takes part in, whatever is signed: an authority that is careless, stolen or hostile can sign rounds
// of one sender, one slot or a toy group, in which nobody hides. Each party has floors of its own.
import { MixError } from '../base/index.js';
import { namedGroup } from '../math/index.js';
import type { RoundInfo } from './roundInfo.js';

export interface RoundFloors {
  /** Nodes of the team: one honest one is enough, and nobody knows which. */
  readonly team: number;
  /** Slots of the batch: among so many outputs a message hides. */
  readonly slots: number;
  /** Distinct senders without which the batch is not mixed. */
  readonly senders: number;
  /** Bits of the group: 2048 are about 112 bits of security, 3072 are 128. */
  readonly groupBits: number;
}

/** Safe for messages that matter. */
export const SAFE_FLOORS: RoundFloors = { team: 3, slots: 32, senders: 8, groupBits: 3072 };

/** Takes everything that is well-formed: for simulators and tests. */
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
