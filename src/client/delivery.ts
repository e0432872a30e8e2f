// Delivers messages: finds a round that takes messages, registers, submits, and follows the outcome of each (outcomes.ts). A message that
// has left for a round is sent again only if it certainly does not come out of that one. Otherwise a node that said it had refused the
// message, or that the round had failed, and mixed it all the same, would see one text in two rounds, and know its sender. The caller is
// told of everything that cannot be settled so.
import { types } from 'node:util';
import {
  asMixError,
  type Clock,
  type ErrorCode,
  MixError,
  type NodeId,
  type Rng,
  type RoundId,
  randomBelow,
  refuse,
  shared,
  sleep,
} from '../base/index.js';
import { messageCapacity } from '../cmix/index.js';
import { namedGroup } from '../math/index.js';
import type { RoundInfo, SignedRoundInfo } from '../protocol/index.js';
import type { Submission } from '../round/index.js';
import { type ComposedSubmission, type OutgoingMessage, Sender } from './compose.js';
import { type CameOut, type Ending, type Missing, OutcomeInquiry, type Questions } from './outcomes.js';

/** End of a message. */
export type MessageOutcome =
  /** It is among the outputs, which every node of the round has signed. */
  | { readonly state: 'mixed'; readonly round: RoundId }
  /** A node rejected the submission, by the word of one that was asked; the message is not among the signed outputs. */
  | { readonly state: 'rejected'; readonly round: RoundId; readonly reason: string; readonly node: NodeId }
  /**
   * Its round failed when shares may have been opened, or it came out mauled: it may have been read, and the caller decides on sending it
   * again.
   */
  | { readonly state: 'failed'; readonly round: RoundId; readonly code: string }
  /** No node that could tell answers any more, or the answers contradict each other. */
  | { readonly state: 'unsure'; readonly round: RoundId }
  /** No round can take it; `code` names its fault. */
  | { readonly state: 'refused'; readonly code: ErrorCode }
  /** Given up before any round had taken it, or after one failed without reading it. */
  | { readonly state: 'unsent' };

/** Answers of some nodes that were asked for rounds that take messages. */
export interface Look {
  readonly rounds: readonly SignedRoundInfo[];
  /** Nodes whose answer could be used, even if they know no round. */
  readonly usable: number;
  readonly failures: readonly NodeFailure[];
}

/** A node that gave no answer that could be used. */
export interface NodeFailure {
  readonly node: NodeId;
  readonly error: MixError;
}

/** The steps of a delivery; {@link Client} implements them. */
export interface Steps extends Questions {
  look(): Promise<Look>;
  rounds(node: NodeId): Promise<readonly SignedRoundInfo[]>;
  register(senders: readonly Sender[], nodes: readonly NodeId[]): Promise<void>;
  compose(round: SignedRoundInfo, messages: readonly OutgoingMessage[]): Promise<readonly ComposedSubmission[]>;
  /** One answer for each: undefined if it was taken, {@link Unsent} if it has not left. */
  submit(info: RoundInfo, submissions: readonly Submission[]): Promise<readonly (MixError | undefined)[]>;
}

/** A submission that has not left, with the code of an earlier one's refusal. A type of its own, because no node's answer can be one. */
export class Unsent extends MixError {}

export interface DeliveryOptions {
  readonly clock: Clock;
  /** Chooses among rounds that are equally good. */
  readonly rng: Rng;
  /** Ends the search for a round; what a round has taken is followed to its end. */
  readonly signal?: AbortSignal;
  /** Called as a round's first node takes messages. */
  readonly onTaken?: (round: RoundId, count: number) => void;
  /** Called every 10 s, with the failure of each node, while no node gives an answer that can be used. The search goes on. */
  readonly onTrouble?: (failures: readonly NodeFailure[]) => void;
}

interface Item {
  readonly index: number;
  readonly message: OutgoingMessage;
  readonly tries: number;
}

/** An item that has left for a round, with the submission and the answer of the round's first node. */
interface Sent extends Item {
  readonly submission: ComposedSubmission;
  readonly answer: MixError | undefined;
}

const POLL_MS = 50;
const POLL_MS_MAX = 500;
/** Time without a usable answer from any node after which the caller is told. */
const TROUBLE_MS = 10_000;
/** Time in which further answers are awaited after the first: the fastest node must not choose. */
const GRACE_MS = 250;
/** Most tries of a message that fail for passing reasons: keys that changed, batches that were full. */
const TRIES_MAX = 100;
/** Messages of a round that its team is asked about at once. */
const ASKED_AT_ONCE = 8;

/** Refusals that hold for one round only, so that another may take the message; the caller is told every other refusal. */
const PASSES: readonly ErrorCode[] = [
  ...(['ROUND_FULL', 'SENDER_QUOTA', 'ROUND_NOT_COLLECTING', 'ROUND_OVER', 'ROUND_UNKNOWN', 'ROUND_REUSED'] as const),
  ...(['SENDER_UNKNOWN', 'MAC_INVALID', 'INTERNAL'] as const),
  // The membership list is older or newer than the round: another round has other nodes, and a list may be replaced.
  ...(['PEER_UNKNOWN', 'CERTIFICATE_EXPIRED', 'CERTIFICATE_NOT_YET_VALID', 'EPOCH_EXPIRED'] as const),
];
const passes = (error: MixError): boolean => error.retryable || PASSES.includes(error.code);

const fits =
  (capacity: number) =>
  ({ message }: Item): boolean =>
    message.payload.length <= capacity;

export class Delivery {
  readonly #steps: Steps;
  readonly #options: DeliveryOptions;
  readonly #outcomes: MessageOutcome[] = [];
  /** Rounds of which a node could not be reached: others are tried first. */
  readonly #troubled = new Set<RoundId>();
  /** Time since which no node has given an answer that could be used. */
  #uselessSinceMs: number | undefined;
  /** Reason why no node ever will. */
  #hopeless: MixError | undefined;
  /** The look under way: it serves all messages that search. */
  readonly #looking = new Map<'all', Promise<Look>>();

  constructor(steps: Steps, options: DeliveryOptions) {
    this.#steps = steps;
    this.#options = options;
  }

  /**
   * Delivers messages and gives the end of each, in their order. Never rejects because of a single message; an invalid one is refused by
   * itself. Payloads are copied at once: the caller may use its buffers again.
   * @throws MixError NODES_UNUSABLE if no node is of any use, waiting will not mend that, and nothing has left
   */
  async run(messages: readonly OutgoingMessage[]): Promise<readonly MessageOutcome[]> {
    if (!Array.isArray(messages)) refuse('messages', 'an array', messages);
    const items: Item[] = [];
    for (const [index, message] of messages.entries()) {
      if (isMessage(message)) items.push({ index, message: copied(message), tries: 0 });
      else this.#outcomes[index] = { state: 'refused', code: 'ARGUMENT_INVALID' };
    }
    await this.#carry(items, new Set());
    const hopeless = this.#hopeless;
    const nothingLeft = items.every(({ index }) => {
      const outcome = this.#outcomes[index];
      return outcome?.state === 'refused' && outcome.code === hopeless?.code;
    });
    if (hopeless && nothingLeft) throw hopeless;
    return this.#outcomes;
  }

  #end(items: readonly Item[], outcome: MessageOutcome): void {
    for (const { index } of items) this.#outcomes[index] = outcome;
  }

  /** `avoid`: rounds that have no room for these. */
  async #carry(items: readonly Item[], avoid: ReadonlySet<RoundId>): Promise<void> {
    if (items.length === 0) return;
    const round = await this.#find(avoid);
    if (!round && this.#hopeless) return this.#end(items, { state: 'refused', code: this.#hopeless.code });
    if (!round) return this.#end(items, { state: 'unsent' });
    const { info } = round;
    const capacity = messageCapacity(namedGroup(info.group), info.width);
    const [fit, long] = [items.filter(fits(capacity)), items.filter((item) => !fits(capacity)(item))];
    this.#end(long, { state: 'refused', code: 'MESSAGE_TOO_LONG' });
    const [now, later] = [fit.slice(0, info.slots), fit.slice(info.slots)];
    if (now.length === 0) return;
    const full = new Set([...avoid, info.round]);
    await Promise.all([this.#carry(later, full), this.#try(round, now, avoid)]);
  }

  /** Finds a round that takes messages, a random one of those that are as good; undefined if the search was ended. */
  async #find(avoid: ReadonlySet<RoundId>): Promise<SignedRoundInfo | undefined> {
    const { clock, signal } = this.#options;
    for (let pauseMs = POLL_MS; !signal?.aborted; pauseMs = Math.min(pauseMs * 1.5, POLL_MS_MAX)) {
      const look = await shared(this.#looking, 'all', () => this.#steps.look());
      this.#judge(look);
      if (this.#hopeless) return undefined;
      const rounds = look.rounds.filter(({ info }) => !avoid.has(info.round));
      const untried = rounds.filter(({ info }) => !this.#troubled.has(info.round));
      const found = (await this.#confirmed(untried)) ?? (await this.#confirmed(rounds));
      if (found) return found;
      await sleep(clock, pauseMs, signal);
    }
    return undefined;
  }

  /** Tells the caller if no node has been of use for a while, or gives up if waiting cannot mend that. */
  #judge({ usable, failures }: Look): void {
    const nowMs = this.#options.clock.nowMs();
    if (usable > 0) {
      this.#uselessSinceMs = undefined;
      return;
    }
    this.#uselessSinceMs ??= nowMs;
    if (nowMs - this.#uselessSinceMs < TROUBLE_MS) return;
    this.#uselessSinceMs = nowMs;
    if (failures.length > 0 && failures.every(({ error }) => !error.retryable)) {
      const values = Object.fromEntries(failures.map(({ node, error }) => [node, error.message]));
      this.#hopeless = new MixError('NODES_UNUSABLE', values, { cause: failures[0]!.error });
    } else this.#options.onTrouble?.(failures);
  }

  /**
   * Picks a round whose first node confirms that it takes messages, before anything is computed for it. The rounds of other nodes may be
   * over, or lies. A first node that is away is not waited for.
   */
  async #confirmed(rounds: readonly SignedRoundInfo[]): Promise<SignedRoundInfo | undefined> {
    const confirmed = rounds.map(async (round) => {
      const own = await this.#steps.rounds(round.info.team[0]!);
      if (!own.some(({ info }) => info.round === round.info.round)) throw new Error('it takes none');
      return round;
    });
    const { clock, rng } = this.#options;
    const { values } = await settledSoon(clock, confirmed, GRACE_MS);
    return values[randomBelow(rng, Math.max(1, values.length))];
  }

  async #try(round: SignedRoundInfo, items: readonly Item[], avoid: ReadonlySet<RoundId>): Promise<void> {
    const { clock, signal, onTaken } = this.#options;
    const { info } = round;
    const senders = [...new Set(items.map(({ message }) => message.sender))];
    let submissions: readonly ComposedSubmission[];
    try {
      await this.#steps.register(senders, info.team);
    } catch (thrown) {
      // A node of the team is away, or in disorder: try another round, or this one a moment later.
      this.#troubled.add(info.round);
      await sleep(clock, POLL_MS_MAX, signal);
      const error = asMixError(thrown);
      // A wait for nodes is not one of the message's tries: it ends with the search, which the caller ends.
      return this.#carry(passes(error) ? items : this.#again(items, error), avoid);
    }
    try {
      submissions = await this.#steps.compose(
        round,
        items.map(({ message }) => message),
      );
    } catch (thrown) {
      return this.#uncomposed(round, items, avoid, asMixError(thrown));
    }
    const answers = await this.#steps.submit(info, submissions);
    const sent: Sent[] = [];
    const unsent: Item[] = [];
    for (const [i, item] of items.entries()) {
      const answer = answers[i];
      if (answer instanceof Unsent) unsent.push(item);
      else sent.push({ ...item, submission: submissions[i]!, answer });
      if (answer?.code === 'SENDER_UNKNOWN') item.message.sender.forget(info.team[0]!);
    }
    const taken = sent.filter(({ answer }) => answer === undefined).length;
    if (taken > 0) onTaken?.(info.round, taken);
    const full = new Set([...avoid, info.round]);
    await Promise.all([this.#carry(this.#again(unsent, undefined), full), this.#follow(info, sent, full)]);
  }

  /** Halves messages that cannot be composed until the faulty one is found, so that it does not harm the others. */
  async #uncomposed(
    round: SignedRoundInfo,
    items: readonly Item[],
    avoid: ReadonlySet<RoundId>,
    error: MixError,
  ): Promise<void> {
    if (error.retryable) return this.#carry(this.#again(items, error), avoid);
    if (items.length === 1) return this.#end(items, { state: 'refused', code: error.code });
    const middle = items.length >> 1;
    await Promise.all([this.#try(round, items.slice(0, middle), avoid), this.#try(round, items.slice(middle), avoid)]);
  }

  /** Gives the items that may be tried once more; ends the others. */
  #again(items: readonly Item[], error: MixError | undefined): readonly Item[] {
    const [left, over] = [
      items.filter(({ tries }) => tries < TRIES_MAX),
      items.filter(({ tries }) => tries >= TRIES_MAX),
    ];
    this.#end(over, error ? { state: 'refused', code: error.code } : { state: 'unsent' });
    return left.map(({ index, message, tries }) => ({ index, message, tries: tries + 1 }));
  }

  /** Follows items that have left for a round to their end. */
  async #follow(info: RoundInfo, sent: readonly Sent[], full: ReadonlySet<RoundId>): Promise<void> {
    const [sample] = sent;
    if (!sample) return;
    const inquiry = new OutcomeInquiry(this.#steps, this.#options.clock, info);
    let over = false;
    const ending = inquiry.ending(sample.submission).then((known) => {
      over = true;
      return known;
    });
    const waiting = sent.filter(({ answer }) => answer === undefined);
    const absent: Sent[] = [];
    const refused = inLanes(
      sent.filter(({ answer }) => answer !== undefined),
      async (item) => {
        const gone = await inquiry.absent(item.submission, () => over);
        (gone ? absent : waiting).push(item);
      },
    );
    await Promise.all([
      refused.then(() => this.#resend(absent, full)),
      Promise.all([ending, refused]).then(([known]) => this.#settle(inquiry, known, info, waiting, full)),
    ]);
  }

  /** Sends again the items that a round is certainly without; ends those that its first node refused for a fault of their own. */
  async #resend(items: readonly Sent[], full: ReadonlySet<RoundId>): Promise<void> {
    const left = items.filter((item) => {
      const { answer } = item;
      if (!answer || passes(answer)) return true;
      this.#end([item], { state: 'refused', code: answer.code });
      return false;
    });
    await this.#carry(this.#again(left, left[0]?.answer), full);
  }

  async #settle(
    inquiry: OutcomeInquiry,
    ending: Ending,
    { round }: RoundInfo,
    items: readonly Sent[],
    full: ReadonlySet<RoundId>,
  ): Promise<void> {
    switch (ending.kind) {
      case 'kept':
        return this.#resend(items, full);
      case 'failed':
        return this.#end(items, { state: 'failed', round, code: ending.code });
      case 'unsure':
        return this.#end(items, { state: 'unsure', round });
      case 'mixed': {
        const { codeIds } = ending.cameOut;
        const missing = items.filter(({ submission }) => !codeIds.has(submission.codeId));
        const out = items.filter(({ submission }) => codeIds.has(submission.codeId));
        this.#end(out, { state: 'mixed', round });
        const resend: Sent[] = [];
        await inLanes(missing, async (item) => {
          const why = await inquiry.missing(item.submission, ending.cameOut);
          if (why.kind === 'absent') resend.push(item);
          else if (why.kind === 'mauled') this.#end([item], { state: 'failed', round, code: 'MESSAGE_INVALID' });
          else if (isForgotten(why, ending.cameOut)) {
            item.message.sender.forget(why.node);
            resend.push(item);
          } else this.#end([item], { state: 'rejected', round, reason: why.reason, node: why.node });
        });
        return this.#resend(resend, full);
      }
    }
  }
}

/**
 * True for a sender and its bytes: anything else that JavaScript lets a caller pass would be sent as something else, or harm the others.
 */
function isMessage(message: unknown): message is OutgoingMessage {
  if (typeof message !== 'object' || message === null) return false;
  const { sender, payload } = message as Partial<OutgoingMessage>;
  return sender instanceof Sender && types.isUint8Array(payload);
}

const copied = ({ sender, payload }: OutgoingMessage): OutgoingMessage => ({
  sender,
  payload: Uint8Array.from(payload),
});

/** Values that are there `graceMs` after the first one came; `all`: all have settled. */
export async function settledSoon<T>(
  clock: Clock,
  work: readonly Promise<T>[],
  graceMs: number,
): Promise<{ readonly values: readonly T[]; readonly all: boolean }> {
  const values: T[] = [];
  const settled = work.map((one) => one.then((value) => values.push(value)));
  const all = Promise.allSettled(settled).then(() => true);
  // If none came, all have failed, and each caller has seen its failure: nothing is lost.
  const grace = Promise.any(settled).then(
    () => sleep(clock, graceMs).then(() => false),
    () => all,
  );
  return { all: await Promise.race([all, grace]), values: [...values] };
}

/**
 * True if a node says that it has made room for others, and all outputs decode: then nothing of the message has come out, whatever nodes
 * say.
 */
const isForgotten = ({ reason }: Missing & { readonly kind: 'rejected' }, { invalidSlots }: CameOut): boolean =>
  reason === 'SENDER_UNKNOWN' && invalidSlots.length === 0;

/** Does the work for all items, a few at a time. */
async function inLanes<T>(items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
  let next = 0;
  const lane = async () => {
    while (next < items.length) await work(items[next++]!);
  };
  await Promise.all(Array.from({ length: ASKED_AT_ONCE }, lane));
}
