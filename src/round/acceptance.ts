// Limits of a node, and the check of a signed RoundInfo before anything is allocated or written for the round.
import { MixError, type NodeId } from '../base/index.js';
import {
  checkFloors,
  checkRoundInfo,
  isSignedBy,
  NO_FLOORS,
  type RoundFacts,
  type RoundFloors,
  roundDigest,
  type SignedRoundInfo,
} from '../protocol/index.js';

export interface RoundLimits {
  /** Lowest values in a RoundInfo at which this node takes part. */
  readonly floors: RoundFloors;
  /** Rounds open at the same time. */
  readonly openRounds: number;
  /** Ended rounds whose outputs and outcomes can still be asked for. */
  readonly keptRounds: number;
  readonly slots: number;
  readonly width: number;
  /** Limit of the memory of all rounds together, as round/run/memory.ts estimates it. */
  readonly memoryBytes: number;
}

export const DEFAULT_LIMITS: RoundLimits = {
  floors: NO_FLOORS,
  openRounds: 64,
  keptRounds: 32,
  slots: 1 << 16,
  width: 16,
  memoryBytes: Infinity,
};

/** Inputs of {@link checkedFacts}. */
export interface RoundRules {
  readonly self: NodeId;
  readonly network: string;
  readonly membership: number;
  /** Public key whose signature makes a RoundInfo valid. */
  readonly roundAuthority: Uint8Array;
  readonly publicKeyOf: (node: NodeId) => Uint8Array | undefined;
  /** Largest batch that this node mixes. */
  readonly slots: number;
  readonly width: number;
  readonly floors: RoundFloors;
}

/**
 * Returns the facts of a round on this node. @throws MixError ROUND_INFO_INVALID naming the field, ROUND_BELOW_FLOOR,
 * SIGNATURE_INVALID, GROUP_UNKNOWN
 */
export function checkedFacts(signed: SignedRoundInfo, rules: RoundRules): RoundFacts {
  const { info } = signed;
  const group = checkRoundInfo(info);
  const { self, network, membership } = rules;
  if (!isSignedBy(signed, rules.roundAuthority)) throw new MixError('SIGNATURE_INVALID', { what: 'RoundInfo' });
  if (info.network !== network) throw new MixError('ROUND_INFO_INVALID', { field: 'network', got: info.network });
  if (info.membership !== membership) {
    throw new MixError('ROUND_INFO_INVALID', { field: 'membership', got: info.membership });
  }
  for (const field of ['slots', 'width'] as const) {
    if (info[field] > rules[field]) throw new MixError('ROUND_INFO_INVALID', { field, most: rules[field] });
  }
  checkFloors(info, rules.floors);
  const position = info.team.indexOf(self);
  if (position < 0) throw new MixError('ROUND_INFO_INVALID', { field: 'team', why: 'this node is not in it' });
  const members = info.team.map((node, at) => {
    const publicKey = rules.publicKeyOf(node);
    if (!publicKey) throw new MixError('ROUND_INFO_INVALID', { field: 'team', unknown: node });
    return { position: at, node, publicKey };
  });
  return { info, digest: roundDigest(info), group, position, self, members };
}
