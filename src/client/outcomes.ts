// Finds out how a round ended for its submissions, so that no single node's word can lose a message or bring it out twice. Outputs count
// by every node's signature under them; that nothing came out counts by several nodes that kept their shares. Polls slow down as time
// goes by, and one serves a whole batch.
import { asMixError, type Clock, type NodeId, type RoundId, sleep } from '../base/index.js';
import { isAbsent, judgeOutcomes, type Outcome, type RoundInfo } from '../protocol/index.js';
import type { Submission } from '../round/index.js';

/** The part of a round's outputs that a sender looks at. Every node of the round has signed them. */
export interface CameOut {
  /** Code ids of all messages among them, by which a sender knows its own. */
  readonly codeIds: ReadonlySet<string>;
  readonly invalidSlots: readonly number[];
}

/** Questions to a node; Client implements them. */
export interface Questions {
  outcome(info: RoundInfo, submission: Submission, node: NodeId): Promise<Outcome>;
  /** @throws MixError OUTPUTS_UNKNOWN while the round goes on, SIGNATURE_INVALID if not all have signed, ROUND_OVER, LINK_* */
  outputs(round: RoundId, node: NodeId): Promise<CameOut>;
}

export type Ending =
  | { readonly kind: 'mixed'; readonly cameOut: CameOut }
  /** The round failed, and nothing of it has come out or will. */
  | { readonly kind: 'kept' }
  /** The round failed, and shares may have been opened. */
  | { readonly kind: 'failed'; readonly code: string }
  | { readonly kind: 'unsure' };

/** Outcome of a submission that is not among the outputs of its round. */
export type Missing =
  | { readonly kind: 'rejected'; readonly reason: string; readonly node: NodeId }
  /** Nothing of it came out. */
  | { readonly kind: 'absent' }
  /** It was in the table, and a node has mauled it: what came out does not decode. */
  | { readonly kind: 'mauled' };

const POLL_MS = 50;
const POLL_MS_MAX = 2_000;
/**
 * Pause between two polls, as a share of the time waited so far: an answer comes late by no more than that, and a long wait costs few
 * polls.
 */
const POLL_SHARE = 1 / 8;
/** Added to a round's own deadlines before its team is taken to be gone. */
const GRACE_MS = 20_000;

export class OutcomeInquiry {
  readonly #ask: Questions;
  readonly #clock: Clock;
  readonly #info: RoundInfo;
  readonly #sinceMs: number;

  constructor(ask: Questions, clock: Clock, info: RoundInfo) {
    this.#ask = ask;
    this.#clock = clock;
    this.#info = info;
    this.#sinceMs = clock.nowMs();
  }

  #pause(): Promise<void> {
    const waitedMs = this.#clock.nowMs() - this.#sinceMs;
    return sleep(this.#clock, Math.min(Math.max(POLL_MS, waitedMs * POLL_SHARE), POLL_MS_MAX));
  }

  /**
   * Resolves when the round is over, or its deadlines are over and no node can tell. Until then the first node is believed that the round
   * goes on: a lie costs time and nothing else. `sample`: one submission to the round.
   */
  async ending(sample: Submission): Promise<Ending> {
    const { team, deadlines } = this.#info;
    const dueMs = this.#sinceMs + deadlines.collectMs + deadlines.realtimeMs;
    for (;;) {
      const first = await this.#outputs(team[0]!);
      if (typeof first === 'object') return { kind: 'mixed', cameOut: first };
      const nowMs = this.#clock.nowMs();
      const ending = first === 'running' && nowMs < dueMs ? undefined : await this.#askAll(sample);
      if (ending) return ending;
      if (nowMs > dueMs + GRACE_MS) return { kind: 'unsure' };
      await this.#pause();
    }
  }

  async #outputs(node: NodeId): Promise<CameOut | 'running' | undefined> {
    try {
      return await this.#ask.outputs(this.#info.round, node);
    } catch (thrown) {
      return asMixError(thrown).code === 'OUTPUTS_UNKNOWN' ? 'running' : undefined;
    }
  }

  #outcomes(submission: Submission, nodes: readonly NodeId[]): Promise<(Outcome | undefined)[]> {
    // A node that does not answer says nothing of the round; the others decide.
    return Promise.all(nodes.map((node) => this.#ask.outcome(this.#info, submission, node).catch(() => undefined)));
  }

  async #askAll(sample: Submission): Promise<Ending | undefined> {
    const { team } = this.#info;
    const answers = await this.#outcomes(sample, team);
    for (const [position, answer] of answers.entries()) {
      if (!answer || answer.state === 'failed' || answer.state === 'pending') continue;
      const found = await this.#outputs(team[position]!);
      if (typeof found === 'object') return { kind: 'mixed', cameOut: found };
    }
    const verdict = judgeOutcomes(answers);
    if (verdict === 'resend') return { kind: 'kept' };
    if (verdict === 'wait') return undefined;
    const opened = answers.find((answer) => answer?.state === 'failed' && !answer.resendable);
    return { kind: 'failed', code: opened?.state === 'failed' ? opened.code : '' };
  }

  /**
   * For a submission that the first node has refused: true as soon as all others say that the round is without it, false if the round
   * ends first. The first node's refusal alone is worth nothing: it may have taken the submission.
   */
  async absent(submission: Submission, isOver: () => boolean): Promise<boolean> {
    while (!isOver()) {
      if (isAbsent(await this.#outcomes(submission, this.#info.team.slice(1)))) return true;
      await this.#pause();
    }
    return false;
  }

  /** Finds out why a submission is not among the outputs. If all outputs decode, nothing of it has come out, whatever nodes say. */
  async missing(submission: Submission, { invalidSlots }: CameOut): Promise<Missing> {
    const answers = await this.#outcomes(submission, this.#info.team);
    const rejected = answers.find((answer) => answer?.state === 'rejected');
    if (rejected?.state === 'rejected') return { kind: 'rejected', reason: rejected.reason, node: rejected.node };
    const without = answers.filter((answer) => answer !== undefined && isAbsent([answer])).length;
    const agreed = 2 * without >= answers.length && !answers.some((answer) => answer?.state === 'mixed');
    return { kind: invalidSlots.length === 0 || agreed ? 'absent' : 'mauled' };
  }
}
