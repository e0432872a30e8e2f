// The messages between `millrace bench link` and the processes at the ends of its link: one question at a time, answered in
// order, over Node.js's channel to a child.
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { abort, asMixError, type ErrorCode, type ErrorValues, MixError } from '../../base/index.js';
import type { LinkCase } from './plan.js';

/** Identity of an end, for the other one's membership list. */
export interface EndFacts {
  /** Hex. */
  readonly identityKey: string;
  /** PEM */
  readonly certificate: string;
}

export interface Ports {
  readonly wide: number;
  readonly default: number;
  /** Plain TCP, for the capacity of the link. */
  readonly plain: number;
}

/** One batch, and the steps before it. */
export interface Measurement {
  readonly of: LinkCase;
  readonly payloads: number;
  /** Bits of one payload. */
  readonly bits: number;
  readonly collectMs: number;
  readonly idleMs: number;
}

export interface Measured {
  /** TCP, TLS, HTTP/2 and the project's handshake. */
  readonly dialMs: number;
  /** Time of each warm-up, in order; none if cold. */
  readonly warmMs: readonly number[];
  /** Time from sending the complete batch to its acknowledgement. */
  readonly ms: number;
  readonly digest: string;
}

interface Received {
  readonly digest: string;
  /** Windows of the session that carried it, as granted by the receiver. */
  readonly streamWindow: number;
  readonly connectionWindow: number;
}

/** Questions to an end, and its answers. */
interface Questions {
  hello: { ask: { sysctls: Readonly<Record<string, string>> }; answer: EndFacts };
  serve: { ask: { client: EndFacts }; answer: Ports };
  received: { ask: object; answer: Received };
  join: { ask: { server: EndFacts; ports: Ports }; answer: { pingMs: number } };
  measure: { ask: Measurement; answer: Measured };
  /** Sends as many bytes as plain TCP takes in this time. */
  blast: { ask: { ms: number }; answer: { bytes: number; ms: number } };
}
type Question = keyof Questions;

export type Answers = {
  readonly [Q in Question]?: (ask: Questions[Q]['ask']) => Promise<Questions[Q]['answer']>;
};

interface Asked {
  readonly question: Question;
  readonly ask: object;
}
type Answered = { readonly answer: object } | { readonly code: ErrorCode; readonly values: ErrorValues };

/** Longer than any batch of any case. */
const ANSWER_MS_MAX = 300_000;

export class End {
  readonly #child: ChildProcess;
  readonly #name: string;

  constructor(name: string, child: ChildProcess) {
    this.#name = name;
    this.#child = child;
    // The waiting question reports it.
    child.on('error', () => {});
  }

  /** @throws MixError of the end; INTERNAL if it dies, ABORTED if it does not answer for ANSWER_MS_MAX */
  async ask<Q extends Question>(question: Q, ask: Questions[Q]['ask']): Promise<Questions[Q]['answer']> {
    const fault = (message: string) => new MixError('INTERNAL', { end: this.#name, question, message });
    const child = this.#child;
    if (!child.connected) throw fault('not running');
    child.send({ question, ask } satisfies Asked);
    const stop = new AbortController();
    const signal = AbortSignal.any([stop.signal, AbortSignal.timeout(ANSWER_MS_MAX)]);
    const exited = once(child, 'exit', { signal }).then(([status]) => Promise.reject(fault(`ended with ${status}`)));
    // It is raced with the answer: after the answer, it is of no interest.
    exited.catch(() => {});
    try {
      const [answered] = (await Promise.race([once(child, 'message', { signal }), exited])) as [Answered];
      if ('code' in answered) throw new MixError(answered.code, { end: this.#name, ...answered.values });
      // The answer has the type of the question: the same program answers.
      return answered.answer as Questions[Q]['answer'];
    } catch (thrown) {
      throw signal.aborted ? new MixError('ABORTED', { end: this.#name, question, ms: ANSWER_MS_MAX }) : thrown;
    } finally {
      abort(stop);
    }
  }

  async close(): Promise<void> {
    const child = this.#child;
    if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) return;
    const gone = once(child, 'exit');
    if (child.connected) child.disconnect();
    else child.kill('SIGKILL');
    await gone;
  }
}

/** The end's side: answers until the asking process has ended. */
export async function answerAll(answers: Answers): Promise<void> {
  const reply = (answered: Answered) => void process.send?.(answered);
  process.on('message', ({ question, ask }: Asked) => {
    // The question has the type that it names: the same program asks.
    const answer = answers[question] as ((ask: object) => Promise<object>) | undefined;
    if (!answer) return reply({ code: 'INTERNAL', values: { message: 'not asked of this end', question } });
    answer(ask).then(
      (found) => reply({ answer: found }),
      (thrown) => {
        const { code, values } = asMixError(thrown);
        reply({ code, values });
      },
    );
  });
  // The asking process may have ended before this end is ready.
  if (process.connected) await once(process, 'disconnect');
}
