// The senders of a simulation: they submit good and bad messages to a round's first node, and record its answers.
import { asMixError } from '../../src/base/errors.js';
import { randomBelow } from '../../src/base/rng.js';
import type { Sender } from '../../src/client/compose.js';
import { payloadDigest, submissionMac } from '../../src/cmix/senderKeys.js';
import { randomElements } from '../../src/math/sampling.js';
import { type RoundInfo, roundDigest } from '../../src/protocol/roundInfo.js';
import type { Submission } from '../../src/round/submissions/desk.js';
import type { BadKind, RoundPlan } from './scenario.js';
import type { SimTeam } from './team.js';

export interface Sent {
  readonly text: string;
  readonly kind: BadKind | 'good';
  readonly submission: Submission;
  /** 'taken', the code of the refusal, or 'waiting' while every slot is in use by submissions that the team still judges. */
  answer: string;
}

/** A copy with one bit changed. */
export function flipped(bytes: Uint8Array, at = 0): Uint8Array {
  const copy = Uint8Array.from(bytes);
  copy[at]! ^= 1;
  return copy;
}

/** A submission of any elements, with valid MACs. */
export function sealed(info: RoundInfo, sender: Sender, salt: Uint8Array, payload: Uint8Array): Submission {
  const { senderId } = sender.key;
  const fields = { roundDigest: roundDigest(info), sender: senderId, salt, payloadDigest: payloadDigest(payload) };
  return {
    sender: senderId,
    salt,
    payload,
    macs: info.team.map((node) => submissionMac(sender.secretWith(node), fields)),
  };
}

/** Spoils `good` in one way; `first` is a submission of the same round that is submitted before it. */
export function spoiled(
  team: SimTeam,
  info: RoundInfo,
  kind: BadKind,
  good: Submission,
  first: Submission,
): Submission {
  const { length } = good.payload;
  const senderOf = (submission: Submission) =>
    team.senders.find(({ key }) => key.senderId === submission.sender) as Sender;
  switch (kind) {
    case 'wrongLength':
      return { ...good, payload: good.payload.slice(1) };
    case 'zero':
      return { ...good, payload: new Uint8Array(length) };
    case 'aboveQ':
      return { ...good, payload: new Uint8Array(length).fill(0xff) };
    case 'macOfFirst':
      return { ...good, macs: good.macs.map((mac, i) => (i === 0 ? flipped(mac) : mac)) };
    case 'macOfOther':
      return { ...good, macs: good.macs.map((mac, i) => (i === info.team.length - 1 ? flipped(mac) : mac)) };
    case 'replay':
      return sealed(info, senderOf(first), first.salt, good.payload);
    case 'repeat':
      return first;
    case 'nonsense': {
      const elements = randomElements(team.rng, team.engine.group, info.width);
      return sealed(info, senderOf(good), good.salt, Uint8Array.from(elements));
    }
  }
}

/** Submits the messages of the plan, good and bad mixed, the very first one good. `drop`: the first is lost on purpose. */
export async function sendAll(team: SimTeam, info: RoundInfo, plan: RoundPlan, drop = false): Promise<Sent[]> {
  const kinds: (BadKind | 'good')[] = [...new Array<'good'>(plan.messages - 1).fill('good'), ...plan.bad];
  for (let last = kinds.length - 1; last > 0; last--) {
    const chosen = randomBelow(team.rng, last + 1);
    [kinds[last], kinds[chosen]] = [kinds[chosen]!, kinds[last]!];
  }
  kinds.unshift('good');
  const texts = kinds.map((kind, i) => `round ${info.round} ${kind} ${i}`);
  const good = await team.compose(info, texts);
  const sent: Sent[] = [];
  for (const [i, kind] of kinds.entries()) {
    const submission = kind === 'good' ? good[i]! : spoiled(team, info, kind, good[i]!, good[0]!);
    const message: Sent = { text: texts[i]!, kind, submission, answer: 'taken' };
    if (!drop || i > 0) submit(team, info, message);
    sent.push(message);
  }
  return sent;
}

/** Records the first node's answer, now or when a slot is free. */
function submit(team: SimTeam, info: RoundInfo, message: Sent): void {
  const answered = (answer: string) => {
    message.answer = answer;
  };
  try {
    const seat = team.first(info).manager.submit(info.round, message.submission);
    answered(seat ? 'waiting' : 'taken');
    seat?.then(
      () => answered('taken'),
      (error) => answered(asMixError(error).code),
    );
  } catch (error) {
    answered(asMixError(error).code);
  }
}
