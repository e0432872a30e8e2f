// Verdict on a round: whether its outputs exist, and which nodes are to blame if it failed. The word of one other node blames nobody:
// evidence convicts, and so does a node's own word, the word of more than half of its team, and what the scheduler has seen itself. If
// one node names another and nothing shows which of them is right, they are a pair (pairs.ts).
import type { ErrorCode, NodeId } from '../../base/index.js';
import { namedGroup } from '../../math/index.js';
import { EVIDENCE_BYTES_MAX, type RoundInfo, ringEntry, STAGES } from '../../protocol/index.js';
import { liarsIn } from './pairs.js';
import { type EndedRound, nodeStage, type RoundRecord, type SchedulerState, type Testimony } from './state.js';

/** Time after a restart of the scheduler in which it waits for nodes that have not come back. */
const UNSEEN_MS = 30_000;

/** Failures for which an honest node has evidence: the word alone is false. */
const SHOWN_CODES: readonly ErrorCode[] = [
  'EQUIVOCATION',
  'KEY_SHARE_IDENTITY',
  'KEY_SHARE_PROOF',
  'KEY_SHARES_DISAGREE',
  'TABLE_DISAGREE',
  'OUTPUTS_DISAGREE',
  'SLOT_COUNT',
];
/** The same, if the shares of a whole batch are small enough for evidence. */
const SHOWN_SHARE_CODES: readonly ErrorCode[] = ['COMMITMENT_OPENING', 'DECRYPTION_PROOF'];
/** Room for the statements and proofs that go with the shares: a few elements each. */
const STATEMENT_BYTES = 64 * 1024;
/**
 * Time after a node's return in which others may still find it lost: a team takes a node for lost after 8 s, and tries again with pauses.
 */
const AFTER_RETURN_MS = 30_000;
/** Share of its time in STANDBY after which a round may have expired by another node's clock. */
const EXPIRED_SHARE = 0.9;

/**
 * True if a round's outputs exist: all of its team report COMPLETED, or at least half do and the others are away or `gone`. A node is
 * done only with every member's signature under the outputs, including the members that are away now. A few members that report too early
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

/** Verdict on a failed round. */
export interface Verdict {
  readonly blamed: readonly NodeId[];
  /** Nodes that reported what the scheduler itself knows to be false. */
  readonly lied: readonly NodeId[];
  /** Accusations by words alone, accuser first. */
  readonly accusations: readonly (readonly [NodeId, NodeId])[];
}

export const hasFailed = (round: RoundRecord): round is EndedRound =>
  round.state === 'FAILED' && round.endedMs !== undefined;

const blamedOnly = (blamed: Iterable<NodeId>, lied: readonly NodeId[] = []): Verdict => ({
  blamed: [...new Set(blamed)],
  lied,
  accusations: [],
});

/** Finds the nodes to blame for a failed round, and the accusations that nothing proves. */
export function reachVerdict(state: SchedulerState, round: EndedRound): Verdict {
  const { convicted, dissenters } = round;
  if (convicted.size > 0) return blamedOnly(convicted);
  if (dissenters.size > 0) return blamedOnly(dissenters);
  const isOfBack = ({ code, named }: Voice) =>
    code === 'PEER_LOST' && named !== undefined && wasAway(state, round, named);
  // Members that were away themselves, as all are when their switch restarts, have lost each other and know of no fault.
  const all = collectVoices(round).filter((voice) => !isOfBack(voice) || !wasAway(state, round, voice.source));
  const guilty = [...confessed(all), ...outvoted(state, round, all)];
  if (guilty.length > 0) return blamedOnly(guilty);
  const voices = all.filter((voice) => !isOfBack(voice));
  const liars = unshown(round);
  if (liars.length > 0) return blamedOnly(liars);
  const accusations = voices.flatMap(({ source, named }) => (named ? [[source, named] as const] : []));
  if (accusations.length > 0) return { blamed: [], lied: [], accusations };
  const lied = voices.filter((voice) => isFalse(round, voice)).map(({ source }) => source);
  return { ...blamedOnly(enders(round, voices), lied), accusations: agreements(round, voices) };
}

type Voice = Pick<Testimony, 'named' | 'code' | 'shown'> & { readonly source: NodeId };

/** Collects the word of each member, once, whichever node has passed it on. Words without a source do not count. */
function collectVoices({ info, failures, resumed }: EndedRound): readonly Voice[] {
  const voices = new Map<string, Voice>();
  for (const { source, named, code, shown } of failures.values()) {
    if (source === undefined || !info.team.includes(source)) continue;
    // If the scheduler was away, a late node may have waited for its updates.
    if (resumed && code === 'DEADLINE_MISSED') continue;
    const inTeam = named !== undefined && info.team.includes(named) ? named : undefined;
    const name = `${source}/${inTeam ?? ''}`;
    voices.set(name, { source, named: inTeam, code, shown: shown || voices.get(name)?.shown === true });
  }
  return [...voices.values()];
}

/**
 * True if a node was lost for a while and is back. A member that says so is right and no half of a pair; but the words of a few blame
 * nobody for it, because liars could make use of the absence. While the node was away, it was away for the scheduler, too, or it was not
 * there yet when the scheduler resumed the round.
 */
function wasAway({ nodes }: SchedulerState, { resumed, openedMs, endedMs }: EndedRound, node: NodeId): boolean {
  const { connected = false, awayMs, backMs } = nodes.get(node) ?? {};
  if (!connected || backMs === undefined || backMs <= openedMs) return false;
  return resumed || (awayMs !== undefined && awayMs >= openedMs && endedMs - backMs < AFTER_RETURN_MS);
}

const confessed = (voices: readonly Voice[]): readonly NodeId[] =>
  voices.filter(({ source, named }) => source === named).map(({ source }) => source);

/**
 * Nodes that are named by more than half of the others and by more than may lie together; or that are said to be lost and are away for
 * the scheduler, too.
 */
function outvoted(
  { nodes }: SchedulerState,
  { info, failures }: RoundRecord,
  voices: readonly Voice[],
): readonly NodeId[] {
  const needed = Math.max(Math.floor((info.team.length - 1) / 2), liarsIn(nodes.size)) + 1;
  return info.team.filter((node) => {
    const against = voices.filter(({ named, source }) => named === node && source !== node);
    // A node that reports on the round is not lost, though its stream to the scheduler may have broken for a moment.
    const isAway = nodes.get(node)?.connected === false && !failures.has(node);
    const isLost = isAway && against.some(({ code }) => code === 'PEER_LOST');
    return isLost || against.length >= needed;
  });
}

/** Nodes that report a failure for which they would have evidence, and bring none. */
function unshown({ info, failures }: RoundRecord): readonly NodeId[] {
  const codes = sharesFit(info) ? [...SHOWN_CODES, ...SHOWN_SHARE_CODES] : SHOWN_CODES;
  const isUnshown = ([reporter, { code, source, shown }]: readonly [NodeId, Testimony]) =>
    source === reporter && !shown && codes.includes(code);
  return [...failures].filter(isUnshown).map(([reporter]) => reporter);
}

/** True if the shares of a batch fit into evidence: the largest kind has D_i and C. */
function sharesFit({ slots, width, group }: RoundInfo): boolean {
  return slots * (2 * width + 1) * namedGroup(group).elementBytes + STATEMENT_BYTES <= EVIDENCE_BYTES_MAX;
}

/** Nodes that ended a round for which nobody is named, by their own word or by hearsay without a source. */
function enders(round: EndedRound, voices: readonly Voice[]): readonly NodeId[] {
  if (voices.length === 0) {
    // The only reports are hearsay in the name of nodes that have not signed it.
    const isBaseless = ([, { source, shown }]: readonly [NodeId, Testimony]) => source === undefined && !shown;
    return [...round.failures].filter(isBaseless).map(([reporter]) => reporter);
  }
  return voices.filter((voice) => !mayEnd(round, voices, voice)).map(({ source }) => source);
}

/** True if the scheduler itself knows that a word is false: it has not given the round up, or has not let it take messages. */
function isFalse({ resumed, queuedMs }: RoundRecord, { code }: Voice): boolean {
  return !resumed && (code === 'SCHEDULER_FAILED' || (code === 'TOO_FEW_SENDERS' && queuedMs === undefined));
}

/** True if a member may report that a round has failed, and name nobody, without being at fault itself. */
function mayEnd(round: EndedRound, voices: readonly Voice[], voice: Voice): boolean {
  const { info, resumed, queuedMs } = round;
  const { source, code, shown } = voice;
  const agree = voices.filter((other) => other.code === code).length;
  switch (code) {
    case 'SCHEDULER_FAILED':
      // This run has not given it up: it would have forgotten the round.
      return resumed;
    case 'DEADLINE_MISSED':
      // If a member is late, others see that, too. A precomputation that waits for use has its lifetime as only deadline.
      return hasExpired(round) || (agree > 1 && !isWaiting(round));
    case 'OUTPUTS_INCOMPLETE':
      return isIncomplete(round);
    case 'TOO_FEW_SENDERS':
      if (2 * agree > info.team.length) return true;
      // A first node that turns senders away shows in many rounds.
      return source === info.team[0] && queuedMs !== undefined;
    default:
      return shown;
  }
}

/** True if a round ended while its precomputation, complete, waited to be used. */
const isWaiting = ({ standbyMs, queuedMs }: EndedRound): boolean => standbyMs !== undefined && queuedMs === undefined;

/** True if a precomputation may have been over by another node's clock. */
const hasExpired = ({ standbyMs, endedMs, info }: EndedRound): boolean =>
  standbyMs !== undefined && endedMs - standbyMs > EXPIRED_SHARE * info.deadlines.standbyMs;

/**
 * Accusations among a few members that agree on a missed deadline and name nobody: two that wait for each other, or two that lie
 * together. If more than half of a team agree, the deadline was missed.
 */
function agreements(round: EndedRound, voices: readonly Voice[]): readonly (readonly [NodeId, NodeId])[] {
  const agree = voices.filter(({ code }) => code === 'DEADLINE_MISSED').map(({ source }) => source);
  if (isWaiting(round) || hasExpired(round) || 2 * agree.length > round.info.team.length) return [];
  return agree.flatMap((one, i) => agree.slice(i + 1).map((other) => [one, other] as const));
}

/** True if a round ended because its first node, alone, said that it had too few senders. */
export function isEmptyLead({ info, failures, queuedMs }: RoundRecord): boolean {
  if (queuedMs === undefined) return false;
  const sources = [...failures.values()].flatMap(({ code, source }) => (code === 'TOO_FEW_SENDERS' ? [source] : []));
  return sources.length > 0 && sources.every((source) => source === info.team[0]);
}

/** True if a round ended for want of senders, by the word of its first node or of more than half of the team. */
export function isEmpty({ info, failures, queuedMs }: RoundRecord): boolean {
  if (queuedMs === undefined) return false;
  const sources = new Set<NodeId>();
  for (const { code, source } of failures.values()) {
    if (code === 'TOO_FEW_SENDERS' && source !== undefined && info.team.includes(source)) sources.add(source);
  }
  return sources.has(ringEntry(info.team, 0)) || 2 * sources.size > info.team.length;
}

/** True if at least half of a team has found that the outputs are not those of the table: each member sees that by itself. */
export function isIncomplete({ info, failures }: RoundRecord): boolean {
  const own = [...failures].filter(
    ([node, { code, source, named }]) => code === 'OUTPUTS_INCOMPLETE' && source === node && named === undefined,
  );
  return 2 * own.length >= info.team.length;
}

/** Members that have not reported the stage of more than half of the team. */
export const silentMembers = (round: RoundRecord): readonly NodeId[] =>
  round.info.team.filter((node) => STAGES.indexOf(nodeStage(round, node)) < STAGES.indexOf(round.most.stage));
