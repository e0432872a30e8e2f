// RoundInfo: everything that is fixed about a round before it starts (team in ring order, group, slots, width, deadlines). The round
// authority signs it; its digest binds every share, proof, key and message of the round.
import { type DigestPart, digest, isNodeId, isRoundId, MixError, type NodeId, type RoundId } from '../base/index.js';
import { type SigningKey, verifySignature } from '../cmix/index.js';
import { type Group, type GroupName, namedGroup, SLOTS_MAX, WIDTH_MAX } from '../math/index.js';

export const TEAM_SIZE_MIN = 2;
export const TEAM_SIZE_MAX = 64;
/** Longest deadline of a stage: a day, because key epochs end then. */
const STAGE_MS_MAX = 24 * 3600 * 1000;

/** Deadlines of stages and phases, ms: durations, never times of day. */
export interface RoundDeadlines {
  readonly precomputeMs: number;
  /** Longest wait of a finished precomputation for its batch. */
  readonly standbyMs: number;
  /** Longest time for collecting messages; then the batch is closed as it is. */
  readonly collectMs: number;
  readonly realtimeMs: number;
  /**
   * Longest time between two steps of one node in PRECOMPUTING, in which nodes compute powers. Between its steps the batch passes all
   * other nodes: after its part in a decrypt ring, the first node waits for the rest of that ring, for the whole way back, and for the
   * computation of the slowest node. So set this to at least twice the time of a ring there and back on the machines in use: after half
   * of it without a step, a node suspects a stall (round/machine/blame.ts).
   */
  readonly precomputePhaseMs: number;
  /** The same once the batch is closed. Separate, because only multiplications are left and senders wait for them. */
  readonly realtimePhaseMs: number;
}

export interface RoundInfo {
  /** The network's name: a round of one network means nothing in another. */
  readonly network: string;
  readonly round: RoundId;
  /** Generation of the membership list that the team was drawn from. */
  readonly membership: number;
  /** The team in ring order: node 1 of the protocol first. */
  readonly team: readonly NodeId[];
  readonly group: GroupName;
  readonly slots: number;
  readonly width: number;
  /** Slots of a chunk: the grain of the pipeline. */
  readonly chunkSlots: number;
  /** Bytes of the secret exponents y and z (never of proof nonces). */
  readonly exponentBytes: number;
  /** A batch with fewer distinct senders is not mixed. */
  readonly minSenders: number;
  /** Slots that one sender may take. */
  readonly quotaPerSender: number;
  readonly deadlines: RoundDeadlines;
}

export interface SignedRoundInfo {
  readonly info: RoundInfo;
  readonly signature: Uint8Array;
}

/** H(RoundInfo): 32 bytes, over every field. */
export function roundDigest(info: RoundInfo): Uint8Array {
  const d = info.deadlines;
  const numbers = [info.slots, info.width, info.chunkSlots, info.exponentBytes, info.minSenders, info.quotaPerSender];
  const parts: DigestPart[] = [info.network, info.round, info.membership, info.group, ...numbers];
  parts.push(d.precomputeMs, d.standbyMs, d.collectMs, d.realtimeMs, d.precomputePhaseMs, d.realtimePhaseMs);
  parts.push(info.team.length, ...info.team);
  return digest('round-info', ...parts);
}

const signedDigest = (info: RoundInfo): Uint8Array => digest('round-info-signature', roundDigest(info));

export function signRoundInfo(info: RoundInfo, key: SigningKey): SignedRoundInfo {
  return { info, signature: key.sign(signedDigest(info)) };
}

export function isSignedBy(signed: SignedRoundInfo, publicKey: Uint8Array): boolean {
  return verifySignature(publicKey, signedDigest(signed.info), signed.signature);
}

const integer = (value: number, least: number, most: number): boolean =>
  Number.isInteger(value) && value >= least && value <= most;

/**
 * Checks every field against its range, before anything is allocated for the round.
 * @throws MixError ROUND_INFO_INVALID naming the field, GROUP_UNKNOWN
 */
export function checkRoundInfo(info: RoundInfo): Group {
  const group = namedGroup(info.group);
  const d = info.deadlines;
  const rules: readonly (readonly [string, boolean])[] = [
    ['network', info.network.length > 0 && info.network.length <= 64],
    ['round', isRoundId(info.round)],
    ['membership', integer(info.membership, 0, Number.MAX_SAFE_INTEGER)],
    ['team', integer(info.team.length, TEAM_SIZE_MIN, TEAM_SIZE_MAX) && info.team.every(isNodeId)],
    ['team', new Set(info.team).size === info.team.length],
    ['slots', integer(info.slots, 1, SLOTS_MAX)],
    // A ciphertext has one element more than a message, and the limit of batches holds for it, too.
    ['width', integer(info.width, 1, WIDTH_MAX - 1)],
    ['chunkSlots', integer(info.chunkSlots, 1, info.slots)],
    ['exponentBytes', integer(info.exponentBytes, 32, group.elementBytes)],
    ['minSenders', integer(info.minSenders, 1, info.slots)],
    ['quotaPerSender', integer(info.quotaPerSender, 1, info.slots)],
    ['deadlines.precomputeMs', integer(d.precomputeMs, 1, STAGE_MS_MAX)],
    ['deadlines.standbyMs', integer(d.standbyMs, 1, STAGE_MS_MAX)],
    ['deadlines.collectMs', integer(d.collectMs, 1, STAGE_MS_MAX)],
    ['deadlines.realtimeMs', integer(d.realtimeMs, 1, STAGE_MS_MAX)],
    // A phase's deadline after its stage's would never be reached.
    ['deadlines.precomputePhaseMs', integer(d.precomputePhaseMs, 1, d.precomputeMs)],
    ['deadlines.realtimePhaseMs', integer(d.realtimePhaseMs, 1, d.realtimeMs)],
  ];
  const broken = rules.find(([, holds]) => !holds);
  if (broken) throw new MixError('ROUND_INFO_INVALID', { field: broken[0], round: Number(info.round) });
  return group;
}

/** Number of chunks of a batch of this round. */
export const chunkCount = (info: RoundInfo): number => Math.ceil(info.slots / info.chunkSlots);

/** Slots of chunk `index`: all chunks are full but the last. */
export function chunkRange(info: RoundInfo, index: number): { readonly from: number; readonly to: number } {
  const from = index * info.chunkSlots;
  return { from, to: Math.min(from + info.chunkSlots, info.slots) };
}

/**
 * Returns the entry at a place of a ring, counted from 0; places beyond the end begin anew.
 * @throws MixError INTERNAL if the ring is empty or `place` is no index
 */
export function ringEntry<T extends NonNullable<unknown>>(ring: readonly T[], place: number): T {
  const found = ring[place % ring.length];
  if (found === undefined) throw new MixError('INTERNAL', { what: 'a place in a ring', place, length: ring.length });
  return found;
}

/** A member of a round's team. */
export interface TeamMember {
  readonly position: number;
  readonly node: NodeId;
  /** Its identity key. */
  readonly publicKey: Uint8Array;
}

/** The fixed facts of a round on one member: its RoundInfo, and the member's own place in it. */
export interface RoundFacts {
  readonly info: RoundInfo;
  readonly digest: Uint8Array;
  readonly group: Group;
  readonly position: number;
  readonly self: NodeId;
  /** The team, in ring order. */
  readonly members: readonly TeamMember[];
}

/** @throws MixError INTERNAL if `position` is not in the team */
export function memberAt({ members }: Pick<RoundFacts, 'members'>, position: number): TeamMember {
  const member = members[position];
  if (!member) throw new MixError('INTERNAL', { what: 'a position in the team', position, size: members.length });
  return member;
}
