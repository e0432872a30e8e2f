// Carries messages to their end: finds a round that takes messages, registers, submits, and follows what becomes of each. A message
// of a round that failed is sent again only where no share was opened; everything else its caller is told. A message never comes
// out twice because of what is done here.
import { type Clock, sleep } from '../base/clock.js';
import { asMixError, type ErrorCode, type MixError } from '../base/errors.js';
import type { NodeId, RoundId } from '../base/ids.js';
import { messageCapacity } from '../cmix/messageCoding.js';
import { namedGroup } from '../math/group.js';
import { type Outcome, type Verdict, verdictOf } from '../round/outcome.js';
import type { RoundInfo, SignedRoundInfo } from '../round/roundInfo.js';
import type { Submission } from '../round/submissions.js';
import type { OutgoingMessage, Sender } from './compose.js';

/** How a message ended. */
export type Fate =
  | { readonly state: 'mixed'; readonly round: RoundId }
  /** A node found fault with the submission; the others of the round came out. */
  | { readonly state: 'rejected'; readonly round: RoundId; readonly reason: string; readonly node: NodeId }
  /** Its round failed when shares may have been opened: it may have been read, and whether to send it again is the caller's choice. */
  | { readonly state: 'failed'; readonly round: RoundId; readonly code: string }
  /** Nobody who could tell answers any more. */
  | { readonly state: 'unsure'; readonly round: RoundId }
  /** No round can take it: what is wrong with it. */
  | { readonly state: 'refused'; readonly code: ErrorCode }
  /** Given up before any round had taken it, or after one failed without reading it. */
  | { readonly state: 'unsent' };

/** The steps that a delivery is made of: a {@link Client} does them. */
export interface Steps {
  collecting(): Promise<readonly SignedRoundInfo[]>;
  register(senders: readonly Sender[], nodes: readonly NodeId[]): Promise<void>;
  compose(round: SignedRoundInfo, messages: readonly OutgoingMessage[]): Promise<readonly Submission[]>;
  submit(info: RoundInfo, submissions: readonly Submission[]): Promise<readonly (MixError | undefined)[]>;
  outcome(info: RoundInfo, submission: Submission, node: NodeId): Promise<Outcome>;
}

export interface DeliveryOptions {
  readonly clock: Clock;
  /** Ends the search for a round; what a round has taken is followed to its end. */
  readonly signal?: AbortSignal;
  /** Told as messages are taken, and as their round ends. */
  readonly onTaken?: (round: RoundId, count: number) => void;
}

interface Item {
  readonly index: number;
  readonly message: OutgoingMessage;
  readonly tries: number;
}

/** An item with what was submitted for it. */
interface Sent extends Item {
  readonly submission: Submission;
}

const POLL_MS = 50;
const POLL_MS_MAX = 500;
/** What is added to a round's own deadlines before its team is taken to be gone. */
const GRACE_MS = 20_000;
/** Times that a message is tried in vain for reasons that pass: keys that changed, batches that were full. */
const TRIES_MAX = 100;
const AT_ONCE = 64;

/** Answers after which it is certain that a submission was not taken, and another round may take it. */
const ELSEWHERE: readonly ErrorCode[] = ['ROUND_FULL', 'SENDER_QUOTA', 'ROUND_NOT_COLLECTING'];
/** Likewise, once the sender has registered anew. */
const REGISTER_AGAIN: readonly ErrorCode[] = ['SENDER_UNKNOWN', 'MAC_INVALID'];
/** Answers that leave open whether it was taken before: the answer that said so may have been lost. */
const UNCERTAIN: readonly ErrorCode[] = ['ROUND_OVER', 'ROUND_UNKNOWN', 'ROUND_REUSED', 'INTERNAL'];

const fits =
  (capacity: number) =>
  ({ message }: Item): boolean =>
    message.payload.length <= capacity;

type Reading = 'taken' | 'here' | 'elsewhere' | 'refused';

/** What the answer to a submission means. Whatever is uncertain counts as taken: its round's team is asked later. */
function readingOf(error: MixError | undefined): Reading {
  if (!error || UNCERTAIN.includes(error.code)) return 'taken';
  if (REGISTER_AGAIN.includes(error.code)) return 'here';
  // With a stage, the node has not heard yet that its round takes messages.
  if (error.code === 'ROUND_NOT_COLLECTING' && error.values.stage !== undefined) return 'here';
  if (ELSEWHERE.includes(error.code)) return 'elsewhere';
  return error.retryable ? 'taken' : 'refused';
}

export class Delivery {
  readonly #steps: Steps;
  readonly #options: DeliveryOptions;
  readonly #fates: Fate[] = [];

  constructor(steps: Steps, options: DeliveryOptions) {
    this.#steps = steps;
    this.#options = options;
  }

  /** The end of each message, in their order. Never rejects for what happens to a message. */
  async run(messages: readonly OutgoingMessage[]): Promise<readonly Fate[]> {
    await this.#carry(
      messages.map((message, index) => ({ index, message, tries: 0 })),
      new Set(),
    );
    return this.#fates;
  }

  #end(items: readonly Item[], fate: Fate): void {
    for (const { index } of items) this.#fates[index] = fate;
  }

  /** `avoid`: rounds that have no room for these. */
  async #carry(items: readonly Item[], avoid: ReadonlySet<RoundId>): Promise<void> {
    if (items.length === 0) return;
    const round = await this.#find(avoid);
    if (!round) return this.#end(items, { state: 'unsent' });
    const { info } = round;
    const capacity = messageCapacity(namedGroup(info.group), info.width);
    const [fit, long] = [items.filter(fits(capacity)), items.filter((item) => !fits(capacity)(item))];
    this.#end(long, { state: 'refused', code: 'MESSAGE_TOO_LONG' });
    const [now, later] = [fit.slice(0, info.slots), fit.slice(info.slots)];
    const full = new Set([...avoid, info.round]);
    if (now.length === 0) return;
    await Promise.all([this.#carry(later, full), this.#try(round, now, avoid, full)]);
  }

  /** A round that takes messages; undefined where the search was ended. */
  async #find(avoid: ReadonlySet<RoundId>): Promise<SignedRoundInfo | undefined> {
    const { clock, signal } = this.#options;
    for (let pauseMs = POLL_MS; !signal?.aborted; pauseMs = Math.min(pauseMs * 1.5, POLL_MS_MAX)) {
      const found = (await this.#steps.collecting()).find(({ info }) => !avoid.has(info.round));
      if (found) return found;
      await sleep(clock, pauseMs, signal);
    }
    return undefined;
  }

  async #try(
    round: SignedRoundInfo,
    items: readonly Item[],
    avoid: ReadonlySet<RoundId>,
    full: ReadonlySet<RoundId>,
  ): Promise<void> {
    const { clock, signal, onTaken } = this.#options;
    const { info } = round;
    const { sent, answers, error } = await this.#submit(round, items);
    if (error && !error.retryable && error.code !== 'EPOCH_EXPIRED') {
      return this.#end(items, { state: 'refused', code: error.code });
    }
    if (error) {
      // Somebody of the team cannot be reached: this round, or another one, a moment later.
      await sleep(clock, POLL_MS_MAX, signal);
      return this.#carry(this.#again(items, error), avoid);
    }
    const byReading: Record<Reading, Sent[]> = { taken: [], here: [], elsewhere: [], refused: [] };
    for (const [i, item] of sent.entries()) {
      const reading = readingOf(answers[i]);
      byReading[reading].push(item);
      if (reading === 'refused') this.#end([item], { state: 'refused', code: answers[i]!.code });
    }
    const { taken, here, elsewhere } = byReading;
    if (taken.length > 0) onTaken?.(info.round, taken.length);
    if (here.length > 0) await sleep(clock, POLL_MS, signal);
    const refusal = answers.find((answer) => answer !== undefined);
    await Promise.all([
      this.#carry(this.#again(elsewhere, refusal), full),
      this.#carry(this.#again(here, refusal), avoid),
      this.#follow(info, taken, full),
    ]);
  }

  /** Those that may be tried once more; the others have come to their end. */
  #again(items: readonly Item[], error: MixError | undefined): readonly Item[] {
    const [left, over] = [
      items.filter(({ tries }) => tries < TRIES_MAX),
      items.filter(({ tries }) => tries >= TRIES_MAX),
    ];
    this.#end(over, error ? { state: 'refused', code: error.code } : { state: 'unsent' });
    return left.map(({ index, message, tries }) => ({ index, message, tries: tries + 1 }));
  }

  async #submit(round: SignedRoundInfo, items: readonly Item[]): Promise<Submitted> {
    const { info } = round;
    const messages = items.map(({ message }) => message);
    try {
      await this.#steps.register([...new Set(messages.map(({ sender }) => sender))], info.team);
      const submissions = await this.#steps.compose(round, messages);
      const sent = items.map((item, i) => ({ ...item, submission: submissions[i]! }));
      return { sent, answers: await this.#steps.submit(info, submissions) };
    } catch (thrown) {
      return { sent: [], answers: [], error: asMixError(thrown) };
    }
  }

  /** Follows what a round has taken to its end. */
  async #follow(info: RoundInfo, items: readonly Sent[], full: ReadonlySet<RoundId>): Promise<void> {
    const [first, ...others] = items;
    if (!first) return;
    const resend: Sent[] = [];
    const settle = (item: Sent, { verdict, answers }: Ending) => {
      if (verdict === 'resend') resend.push(item);
      else this.#end([item], fateOf(info.round, verdict, answers));
    };
    const ending = await this.#ending(info, first);
    settle(first, ending);
    // A round fails for all of its messages.
    const failed = ending.answers.every((answer) => answer === undefined || answer.state === 'failed');
    let next = 0;
    const lane = async () => {
      for (let item = others[next++]; item; item = others[next++]) {
        settle(item, failed ? ending : await this.#ending(info, item));
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, lane));
    await this.#carry(this.#again(resend, undefined), full);
  }

  /** Asks the round's first node, and all of its team where that one cannot say how it ended, until somebody can. */
  async #ending(info: RoundInfo, { submission }: Sent): Promise<Ending> {
    const { clock } = this.#options;
    const { collectMs, realtimeMs } = info.deadlines;
    const endMs = clock.nowMs() + collectMs + realtimeMs + GRACE_MS;
    const ask = (node: NodeId) => this.#steps.outcome(info, submission, node).catch(() => undefined);
    for (let pauseMs = POLL_MS; ; pauseMs = Math.min(pauseMs * 1.5, POLL_MS_MAX)) {
      const first = await ask(info.team[0]!);
      const clear = first?.state === 'mixed' || first?.state === 'pending';
      const answers = clear ? [first] : [first, ...(await Promise.all(info.team.slice(1).map(ask)))];
      const verdict = verdictOf(answers);
      if (verdict !== 'wait' || clock.nowMs() > endMs) return { verdict, answers };
      await sleep(clock, pauseMs);
    }
  }
}

interface Submitted {
  readonly sent: readonly Sent[];
  readonly answers: readonly (MixError | undefined)[];
  /** Nothing was submitted. */
  readonly error?: MixError;
}

interface Ending {
  readonly verdict: Verdict;
  readonly answers: readonly (Outcome | undefined)[];
}

function fateOf(round: RoundId, verdict: Verdict, answers: Ending['answers']): Fate {
  for (const answer of answers) {
    if (verdict === 'rejected' && answer?.state === 'rejected') {
      return { state: 'rejected', round, reason: answer.reason, node: answer.node };
    }
    if (verdict === 'failed' && answer?.state === 'failed' && !answer.resendable) {
      return { state: 'failed', round, code: answer.code };
    }
  }
  return verdict === 'mixed' ? { state: 'mixed', round } : { state: 'unsure', round };
}
