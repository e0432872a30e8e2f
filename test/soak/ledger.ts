// Messages in, messages out, and the reports to their senders: every message comes out at most once, and the sender of one that
// does not come out has been told.
import { MixError } from '../../src/base/errors.js';

/** The outcome of a message. */
export type MessageEnd = 'mixed' | 'refused' | 'rejected' | 'failed' | 'unsure' | 'lost';

export class Ledger {
  readonly counts: Record<MessageEnd, number> = { mixed: 0, refused: 0, rejected: 0, failed: 0, unsure: 0, lost: 0 };
  /** Number of times that senders received each code. */
  readonly codes = new Map<string, number>();
  readonly problems: string[] = [];
  readonly #out = new Set<string>();
  rounds = { completed: 0, failed: 0 };

  /** Records the outputs of a round; the same message never comes out twice. */
  output(round: number, text: string): void {
    if (this.#out.has(text)) this.problems.push(`round ${round}: "${text}" came out twice`);
    this.#out.add(text);
  }

  cameOut(text: string): boolean {
    return this.#out.has(text);
  }

  ended(outcome: MessageEnd, code = ''): void {
    this.counts[outcome]++;
    if (code !== '') this.codes.set(code, (this.codes.get(code) ?? 0) + 1);
  }

  lost(round: number, text: string, why: string): void {
    this.ended('lost');
    this.problems.push(`round ${round}: "${text}" is lost without a word: ${why}`);
  }

  report(): string {
    const { completed, failed } = this.rounds;
    const rounds = completed + failed;
    const share = rounds > 0 ? ((100 * failed) / rounds).toFixed(2) : '0';
    const outcomes = Object.entries(this.counts).map(([outcome, count]) => `${outcome} ${count}`);
    const codes = [...this.codes].sort((a, b) => b[1] - a[1]).map(([code, count]) => `${code} ${count}`);
    return [
      `rounds: ${completed} completed, ${failed} failed (failure rate ${share}%)`,
      `messages: ${outcomes.join(', ')}`,
      `told: ${codes.length > 0 ? codes.join(', ') : 'nothing but success'}`,
    ].join('\n');
  }
}

export const codeOfError = (thrown: unknown): string => (thrown instanceof MixError ? thrown.code : String(thrown));
