// Invariants of a simulated round after its end, under any faults: agreement on the outputs, every message output once or its
// sender told, no secret left, no round id that runs again.
import { asMixError } from '../../src/base/errors.js';
import { isAbsent, type Outcome } from '../../src/protocol/outcome.js';
import type { RoundInfo, SignedRoundInfo } from '../../src/protocol/roundInfo.js';
import type { Stage } from '../../src/protocol/stages.js';
import { isOver } from '../../src/round/machine/admission.js';
import { refusedBecause, textsOf } from './outputs.js';
import type { Mishap } from './scenario.js';
import type { Sent } from './senders.js';
import type { SimNode, SimTeam } from './team.js';
import type { Watch } from './watch.js';

export interface PlayedRound {
  readonly signed: SignedRoundInfo;
  readonly info: RoundInfo;
  readonly sent: readonly Sent[];
}

/** Kinds of submissions that may be output. */
const MAY_COME_OUT: readonly Sent['kind'][] = ['good'];

const living = (team: SimTeam): SimNode[] => team.nodes.filter(({ alive }) => alive);

export function checkEnded(team: SimTeam, watch: Watch, { info }: PlayedRound): void {
  for (const node of living(team)) {
    const stage = team.stage(node, info.round);
    if (stage !== undefined && !isOver(stage as Stage)) {
      watch.violate('no round outlives its deadlines', `node ${node.index + 1}, round ${info.round} is ${stage}`);
    }
  }
}

/**
 * Checks that a blamed node was a suspect. Only a lost connection may be blamed on any node; and a node that is cut off itself
 * may be wrong.
 */
export function checkBlame(team: SimTeam, watch: Watch, { info }: PlayedRound, suspects: ReadonlySet<number>): void {
  for (const node of living(team)) {
    const failure = team.failure(node, info.round);
    const indexOf = (id: string | undefined) => team.nodes.findIndex((other) => other.id === id);
    const culprit = indexOf(failure?.culprit);
    if (!failure || culprit < 0 || failure.code === 'PEER_LOST' || suspects.has(culprit)) continue;
    // A node that is cut off may be wrong; a node named only by another is no culprit here.
    if (suspects.has(node.index)) continue;
    const who = `node ${culprit + 1} for ${failure.code}`;
    watch.violate('nobody is blamed without cause', `node ${node.index + 1} blames ${who} in round ${info.round}`);
  }
}

/**
 * If the only mishap is one stalled node, the deadline of its phase ends the round, not the deadline of its stage; the others
 * name the node if it is silent. If it still sends claims about its neighbour, the two form a circle.
 */
export function checkStall(team: SimTeam, watch: Watch, { info }: PlayedRound, mishaps: readonly Mishap[]): void {
  const [stall, ...more] = mishaps;
  if (stall?.kind !== 'stall' || more.length > 0) return;
  const stalled = team.nodes[stall.node]!.id;
  for (const node of living(team)) {
    const { code, culprit, detail = '' } = team.failure(node, info.round) ?? {};
    if (node.id === stalled || code !== 'DEADLINE_MISSED') continue;
    const say = (what: string) =>
      watch.violate('a stall ends its phase', `node ${node.index + 1}: ${what} (${detail})`);
    if (/^stage (PRECOMPUTING|REALTIME)/.test(detail)) say('the stage ran out');
    if (stall.silent && detail.startsWith('phase') && culprit !== stalled) say('the stalled node is not named');
  }
}

export function checkSecrets(team: SimTeam, watch: Watch): void {
  for (const { index, manager } of living(team)) {
    if (manager.secretBytes !== 0) {
      watch.violate('no secret outlives its round', `node ${index + 1} holds ${manager.secretBytes} bytes`);
    }
  }
}

/** Outputs that count, of every node that has completed; they must be equal. */
function acceptedOutputs(team: SimTeam, watch: Watch, { info }: PlayedRound) {
  const keyOf = (id: string) => team.nodes.find((node) => node.id === id)!.key.publicKey;
  const accepted = [];
  for (const node of living(team)) {
    if (team.stage(node, info.round) !== 'COMPLETED') continue;
    const outputs = node.manager.outputs(info.round);
    const refused = refusedBecause(info, outputs, keyOf);
    if (refused) watch.violate('outputs are what all have signed', `node ${node.index + 1}: ${refused}`);
    else accepted.push(outputs);
  }
  const [first, ...others] = accepted;
  if (first && others.some((outputs) => Buffer.compare(outputs.outputs, first.outputs) !== 0)) {
    watch.violate('agreement', `round ${info.round}: different outputs at different nodes`);
  }
  return first;
}

function outcomesOf(team: SimTeam, { info }: PlayedRound, { submission }: Sent): Outcome[] {
  return living(team).flatMap((node) => {
    try {
      return [node.manager.outcome(info.round, submission.sender, submission.salt)];
    } catch (error) {
      // A restarted node does not know the round any more; this may hold for the whole team.
      const { code } = asMixError(error);
      return code === 'ROUND_UNKNOWN' || code === 'ROUND_REUSED'
        ? []
        : [{ state: 'unknown' as const, resendable: false }];
    }
  });
}

/** Checks that every accepted message is output exactly once or its sender can be told, and that nothing else is output. */
export function checkMessages(team: SimTeam, watch: Watch, played: PlayedRound): void {
  const { info, sent } = played;
  const outputs = acceptedOutputs(team, watch, played);
  const { texts, decoded } = outputs ? textsOf(info, outputs) : { texts: [], decoded: undefined };
  const say = (message: Sent, what: string) =>
    watch.violate('every message comes out once or its sender is told', `"${message.text}" ${what}`);
  for (const message of sent) {
    const count = texts.filter((text) => text === message.text).length;
    if (count > 0 && (message.answer !== 'taken' || !MAY_COME_OUT.includes(message.kind))) {
      say(message, 'came out and must not');
    }
    if (message.answer === 'waiting' && team.first(info).alive) say(message, 'was never answered');
    if (message.kind !== 'good' || message.answer !== 'taken') continue;
    const outcomes = outcomesOf(team, played, message);
    const told = outcomes.some(({ state }) => state === 'failed' || state === 'rejected');
    if (count > 1) say(message, `came out ${count} times`);
    if (count > 0 && outcomes.some((outcome) => isAbsent([outcome]))) {
      say(message, 'came out, and its sender is told that it may send it again');
    }
    if (count === 1 && outcomes.some(({ state }) => state === 'rejected')) say(message, 'came out but was rejected');
    if (count === 0 && !told && outcomes.length > 0) {
      say(message, `is lost: ${outcomes.map(({ state }) => state).join(', ')}`);
    }
  }
  const known = new Set(sent.map(({ text }) => text));
  for (const text of texts) if (!known.has(text)) watch.violate('nothing comes out that did not go in', text);
  const nonsense = sent.filter(({ kind, answer }) => kind === 'nonsense' && answer === 'taken').length;
  if (decoded && decoded.invalidSlots.length !== nonsense) {
    watch.violate('no output is mauled', `${decoded.invalidSlots.length} invalid outputs, ${nonsense} were sent so`);
  }
  for (const message of sent) {
    const harmless = message.kind === 'good' || message.kind === 'nonsense' || message.kind === 'repeat';
    if (message.answer !== 'taken' || harmless) continue;
    // Its first node may have restarted since its answer; the others report a table without the message.
    const told = outcomesOf(team, played, message).some(
      (outcome) => outcome.state === 'rejected' || outcome.state === 'failed' || isAbsent([outcome]),
    );
    if (message.kind !== 'macOfOther') say(message, `(${message.kind}) was taken`);
    else if (outputs && !told) say(message, 'has a bad MAC and nobody was told');
  }
}

/** Checks that no id runs twice, also after a restart. */
export async function checkReuse(team: SimTeam, watch: Watch, { signed, info }: PlayedRound): Promise<void> {
  for (const node of living(team)) {
    // A node that was down when the round was opened does not know it.
    if ((node.disk.writes.get(`round/${String(info.round).padStart(16, '0')}`) ?? 0) === 0) continue;
    const answer = await node.manager.openRound(signed).then(
      () => 'opened',
      (error) => asMixError(error).code,
    );
    if (answer !== 'ROUND_REUSED') watch.violate('a round id runs once', `node ${node.index + 1}: ${answer}`);
  }
}
