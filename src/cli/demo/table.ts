// The demo's closing table: per round every phase with its time, messages in and out, and whether they are the same.
import { PHASES } from './display.js';
import type { RoundResult } from './rounds.js';

const seconds = (ms: number): string => (ms / 1000).toFixed(ms < 9_950 ? 2 : 1);

const HEADERS: Record<string, string> = {
  generate: 'generate',
  precompDecrypt: 'decrypt',
  precompPermute: 'permute',
  reveal: 'reveal',
  realtimeDecrypt: 'rt-decrypt',
  realtimePermute: 'rt-permute',
  identify: 'identify',
};

export function roundTable(results: readonly RoundResult[]): string {
  const header = ['round', ...PHASES.map((phase) => HEADERS[phase]!), 'precompute', 'realtime', 'in', 'out', 'equal'];
  const rows = results.map((result) => [
    String(result.round),
    ...PHASES.map((phase) => seconds(result.phaseMs[phase])),
    seconds(result.precomputeMs),
    seconds(result.realtimeMs),
    String(result.messagesIn),
    String(result.messagesOut),
    result.equal ? 'yes' : 'NO',
  ]);
  const widths = header.map((title, column) => Math.max(title.length, ...rows.map((row) => row[column]!.length)));
  const line = (cells: readonly string[]) => cells.map((cell, column) => cell.padStart(widths[column]!)).join('  ');
  return [line(header), ...rows.map(line), 'times in seconds; phases overlap'].join('\n');
}
