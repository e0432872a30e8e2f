// What a team's reports come to: whether a round's outputs are there, and who is to blame where it failed. Nobody is to blame by the
// word of one other node: evidence convicts, and so does what a node says of itself, what more than half of its team has seen, and
// what the scheduler has seen itself. Where one names another and nothing shows which of them is right, they are a pair (pairs.ts).
import type { ErrorCode, NodeId } from '../../base/index.js';
import { namedGroup } from '../../math/index.js';
import { EVIDENCE_BYTES_MAX, type RoundInfo, STAGES } from '../../protocol/index.js';
import { liarsIn } from './pairs.js';
import { type EndedRound, nodeStage, type RoundRecord, type SchedulerState, type Testimony } from './state.js';

/** After a restart of the scheduler, how long nodes are waited for that have not come back. */
const UNSEEN_MS = 30_000;

/** An honest node that comes to one of these has what shows it: its word alone is false. */
const SHOWN_CODES: readonly ErrorCode[] = [
  'EQUIVOCATION',
  'KEY_SHARE_IDENTITY',
  'KEY_SHARE_PROOF',
  'KEY_SHARES_DISAGREE',
  'TABLE_DISAGREE',
  'OUTPUTS_DISAGREE',
  'SLOT_COUNT',
];
/** The same, where the shares of a whole batch are small enough to be shown. */
const SHOWN_SHARE_CODES: readonly ErrorCode[] = ['COMMITMENT_OPENING', 'DECRYPTION_PROOF'];
/** Statements and proofs that go with the shares: a few elements each. */
const STATEMENT_BYTES = 64 * 1024;
/** How long after a node's return others may still find it lost: a team takes one for lost after 8 s, and tries again with pauses. */
const AFTER_RETURN_MS = 30_000;
/** Of its time in STANDBY, how much is over when a round may have expired by another clock. */
const EXPIRED_SHARE = 0.9;

/**
 * Whether a round's outputs are there: all of its team say so, or at least half, and the others are away or `gone`. A node is done
 * only with every member's signature under the outputs, those of the members that are away among them; a few that say so too early
 * must not end a round behind the backs of the others.
 */
export function isDone(
  { nodes }: SchedulerState,
  { info, stages, openedMs }: RoundRecord,
  nowMs: number,
  gone?: ReadonlySet<NodeId>,
): boolean {
  const isAway = (node: NodeId) => {
    const record = nodes.get(node);
    if (!record || gone?.has(node)) return true;
    return !record.connected && (record.bootId !== undefined || nowMs - openedMs > UNSEEN_MS);
  };
  const left = info.team.filter((node) => stages.get(node) !== 'COMPLETED');
  return 2 * left.length <= info.team.length && left.every(isAway);
}

/** What comes of a failed round. */
export interface Verdict {
  readonly blamed: readonly NodeId[];
  /** Those of them that have said what the scheduler itself knows not to be so. */
  readonly lied: readonly NodeId[];
  /** Who accuses whom by words alone: accuser first. */
  readonly accusations: readonly (readonly [NodeId, NodeId])[];
}

export const hasFailed = (round: RoundRecord): round is EndedRound =>
  round.state === 'FAILED' && round.endedMs !== undefined;

const blamedOnly = (blamed: Iterable<NodeId>, lied: readonly NodeId[] = []): Verdict => ({
  blamed: [...new Set(blamed)],
  lied,
  accusations: [],
});

/** Who is to blame for a failed round, and who accuses whom. */
export function reachVerdict(state: SchedulerState, round: EndedRound): Verdict {
  const { convicted, dissenters } = round;
  if (convicted.size > 0) return blamedOnly(convicted);
  if (dissenters.size > 0) return blamedOnly(dissenters);
  const voices = collectVoices(state, round);
  const guilty = [...confessed(voices), ...outvoted(state, round, voices)];
  if (guilty.length > 0) return blamedOnly(guilty);
  const liars = unshown(round);
  if (liars.length > 0) return blamedOnly(liars);
  const accusations = voices.flatMap(({ source, named }) => (named ? [[source, named] as const] : []));
  if (accusations.length > 0) return { blamed: [], lied: [], accusations };
  const lied = voices.filter((voice) => isFalse(round, voice)).map(({ source }) => source);
  return blamedOnly(enders(round, voices), lied);
}

type Voice = Pick<Testimony, 'named' | 'code' | 'shown'> & { readonly source: NodeId };

/** What each member says, once, whoever has passed it on. Words that are nobody's do not count. */
function collectVoices(state: SchedulerState, round: EndedRound): readonly Voice[] {
  const { info, failures, resumed } = round;
  const voices = new Map<string, Voice>();
  for (const { source, named, code, shown } of failures.values()) {
    if (source === undefined || !info.team.includes(source)) continue;
    // Where we have been away, whoever is late may not have been told by us what to do.
    if (resumed && code === 'DEADLINE_MISSED') continue;
    if (code === 'PEER_LOST' && named !== undefined && wasAway(state, round, named)) continue;
    const inTeam = named !== undefined && info.team.includes(named) ? named : undefined;
    const name = `${source}/${inTeam ?? ''}`;
    voices.set(name, { source, named: inTeam, code, shown: shown || voices.get(name)?.shown === true });
  }
  return [...voices.values()];
}

/**
 * Whether a node was lost for a while and is back: who says so is right and no half of a pair, and nobody is to blame by that word alone,
 * which may also come from one that makes use of it. While it was away it was so to us, too; or it was not there yet when we took the
 * round up.
 */
function wasAway({ nodes }: SchedulerState, { resumed, openedMs, endedMs }: EndedRound, node: NodeId): boolean {
  const { connected = false, awayMs, backMs } = nodes.get(node) ?? {};
  if (!connected || backMs === undefined || backMs <= openedMs) return false;
  return resumed || (awayMs !== undefined && awayMs >= openedMs && endedMs - backMs < AFTER_RETURN_MS);
}

const confessed = (voices: readonly Voice[]): readonly NodeId[] =>
  voices.filter(({ source, named }) => source === named).map(({ source }) => source);

/** Who is named by more than half of the others, and more than may lie together; or is said to be lost and is away from here, too. */
function outvoted(
  { nodes }: SchedulerState,
  { info, failures }: RoundRecord,
  voices: readonly Voice[],
): readonly NodeId[] {
  const needed = Math.max(Math.floor((info.team.length - 1) / 2), liarsIn(nodes.size)) + 1;
  return info.team.filter((node) => {
    const against = voices.filter(({ named, source }) => named === node && source !== node);
    // Who speaks of the round is not lost, though its stream to us may have broken for a moment.
    const isAway = nodes.get(node)?.connected === false && !failures.has(node);
    const isLost = isAway && against.some(({ code }) => code === 'PEER_LOST');
    return isLost || against.length >= needed;
  });
}

/** A reporter that says itself what it could show if it were so, and shows nothing. */
function unshown({ info, failures }: RoundRecord): readonly NodeId[] {
  const codes = sharesFit(info) ? [...SHOWN_CODES, ...SHOWN_SHARE_CODES] : SHOWN_CODES;
  const isUnshown = ([reporter, { code, source, shown }]: readonly [NodeId, Testimony]) =>
    source === reporter && !shown && codes.includes(code);
  return [...failures].filter(isUnshown).map(([reporter]) => reporter);
}

/** Whether the shares of a batch can be shown: the largest evidence has D_i and C. */
function sharesFit({ slots, width, group }: RoundInfo): boolean {
  return slots * (2 * width + 1) * namedGroup(group).elementBytes + STATEMENT_BYTES <= EVIDENCE_BYTES_MAX;
}

/** Who ended a round that nobody is named for, by its own word or by none that is anybody's. */
function enders(round: EndedRound, voices: readonly Voice[]): readonly NodeId[] {
  if (voices.length === 0) {
    // All that is there is what was passed on in the name of somebody who has not said it.
    const isBaseless = ([, { source, shown }]: readonly [NodeId, Testimony]) => source === undefined && !shown;
    return [...round.failures].filter(isBaseless).map(([reporter]) => reporter);
  }
  return voices.filter((voice) => !mayEnd(round, voices, voice)).map(({ source }) => source);
}

/** Whether the scheduler knows itself that a word is not so: it gave nothing up, and let the round take no messages. */
function isFalse({ resumed, queuedMs }: RoundRecord, { code }: Voice): boolean {
  return !resumed && (code === 'SCHEDULER_FAILED' || (code === 'TOO_FEW_SENDERS' && queuedMs === undefined));
}

/** Whether a member may say that a round has failed, and name nobody, without being at fault itself. */
function mayEnd(round: EndedRound, voices: readonly Voice[], voice: Voice): boolean {
  const { info, resumed, standbyMs, queuedMs, endedMs } = round;
  const { source, code, shown } = voice;
  const agree = voices.filter((other) => other.code === code).length;
  switch (code) {
    case 'SCHEDULER_FAILED':
      // This run has not: it would have forgotten the round.
      return resumed;
    case 'DEADLINE_MISSED':
      // Where somebody is late, others see that, too.
      return agree > 1 || (standbyMs !== undefined && endedMs - standbyMs > EXPIRED_SHARE * info.deadlines.standbyMs);
    case 'OUTPUTS_INCOMPLETE':
      return isIncomplete(round);
    case 'TOO_FEW_SENDERS':
      if (2 * agree > info.team.length) return true;
      // Who turns senders away shows in many rounds.
      return source === info.team[0] && queuedMs !== undefined;
    default:
      return shown;
  }
}

/** Whether a round ended because its first node, alone, said that it had too few senders. */
export function isEmptyLead({ info, failures, queuedMs }: RoundRecord): boolean {
  if (queuedMs === undefined) return false;
  const sources = [...failures.values()].flatMap(({ code, source }) => (code === 'TOO_FEW_SENDERS' ? [source] : []));
  return sources.length > 0 && sources.every((source) => source === info.team[0]);
}

/** Whether half of a team at least has found that its outputs are not those of the table: each sees that by itself. */
export function isIncomplete({ info, failures }: RoundRecord): boolean {
  const own = [...failures].filter(
    ([node, { code, source, named }]) => code === 'OUTPUTS_INCOMPLETE' && source === node && named === undefined,
  );
  return 2 * own.length >= info.team.length;
}

/** Members that have not said to be where more than half of the team is. */
export const silentMembers = (round: RoundRecord): readonly NodeId[] =>
  round.info.team.filter((node) => STAGES.indexOf(nodeStage(round, node)) < STAGES.indexOf(round.most.stage));
