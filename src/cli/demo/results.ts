// Result of a round of the demo: its line in the closing table and in the JSON that scripts read.
import { PHASES, type PhaseName } from '../../protocol/index.js';
import type { RoundRow } from '../../scheduler/index.js';
import { alignedLines } from '../common/table.js';
import type { MessageBook } from './messageBook.js';

export interface RoundResult {
  /** Counted from 1, in the order in which rounds were done. */
  readonly round: number;
  /** The scheduler's number of the round. */
  readonly id: number;
  readonly messagesIn: number;
  readonly messagesOut: number;
  readonly equal: boolean;
  /** From the first start on any node to the last end on any. */
  readonly phaseMs: Record<PhaseName, number>;
  readonly precomputeMs: number;
  /** From the last message taken to the last node's signature under the outputs. */
  readonly realtimeMs: number;
}

const tenths = (ms: number): number => Math.round(10 * ms) / 10;

/** `takenWallMs`: time at which the last of its messages was taken. All times since 1970. */
export function roundResult(round: number, book: MessageBook, takenWallMs: number | undefined): RoundResult {
  const { row } = book;
  const { openedMs, standbyMs = openedMs, endedMs = 0, realtimeMs = endedMs } = row;
  const phases = PHASES.map((phase) => {
    const { startMs = 0, endMs = startMs } = row.phases[phase] ?? {};
    return [phase, tenths(endMs - startMs)] as const;
  });
  return {
    round,
    id: row.round,
    messagesIn: book.expected,
    messagesOut: book.outputs.length,
    equal: book.equal,
    phaseMs: Object.fromEntries(phases) as Record<PhaseName, number>,
    precomputeMs: Math.round(standbyMs - openedMs),
    realtimeMs: Math.round(endedMs - Math.min(takenWallMs ?? realtimeMs, realtimeMs)),
  };
}

const seconds = (ms: number): string => (ms / 1000).toFixed(ms < 9_950 ? 2 : 1);

/** One line with the result of a round, and its team by the nodes' numbers. */
export function roundLine(result: RoundResult, row: RoundRow, numberOf: (node: string) => string): string {
  const { round, precomputeMs, realtimeMs, messagesIn, messagesOut, equal } = result;
  return [
    `round ${String(round).padStart(3)}`,
    `team ${row.team.map(numberOf).join(' ')}`,
    `precompute ${seconds(precomputeMs)} s`,
    `realtime ${seconds(realtimeMs)} s`,
    `${messagesIn} in, ${messagesOut} out${equal ? '' : ', NOT THE SAME'}`,
  ].join('  ');
}

const HEADERS: Record<PhaseName, string> = {
  generate: 'generate',
  precompDecrypt: 'decrypt',
  precompPermute: 'permute',
  reveal: 'reveal',
  realtimeDecrypt: 'rt-decrypt',
  realtimePermute: 'rt-permute',
  identify: 'identify',
};
/** Rounds in the closing table: the last ones. */
const TABLE_MAX = 20;

export function roundTable(results: readonly RoundResult[]): string {
  const header = ['round', ...PHASES.map((phase) => HEADERS[phase]), 'precompute', 'realtime', 'in', 'out', 'equal'];
  const rows = results
    .slice(-TABLE_MAX)
    .map((result) => [
      String(result.round),
      ...PHASES.map((phase) => seconds(result.phaseMs[phase])),
      seconds(result.precomputeMs),
      seconds(result.realtimeMs),
      String(result.messagesIn),
      String(result.messagesOut),
      result.equal ? 'yes' : 'NO',
    ]);
  const more = results.length - rows.length;
  const note = `times in seconds; phases and rounds overlap${more > 0 ? `; ${more} earlier rounds are not shown` : ''}`;
  return [...alignedLines([header, ...rows], () => true), note].join('\n');
}
