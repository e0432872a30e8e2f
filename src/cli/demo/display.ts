// What the demo shows while it works: a bar per phase, drawn over itself on a terminal, one line per finished phase
// elsewhere. It also keeps the times: a phase lasts from its first start on any node to its last end on any node, as seen
// by one clock, this process's.
import type { NodeId } from '../../base/ids.js';
import type { PhaseName } from '../../round/roundContext.js';

export const PHASES: readonly PhaseName[] = [
  'generate',
  'precompDecrypt',
  'precompPermute',
  'reveal',
  'realtimeDecrypt',
  'realtimePermute',
  'identify',
];

const LABELS: Record<PhaseName, string> = {
  generate: 'generate',
  precompDecrypt: 'precomp decrypt',
  precompPermute: 'precomp permute',
  reveal: 'reveal',
  realtimeDecrypt: 'realtime decrypt',
  realtimePermute: 'realtime permute',
  identify: 'identify',
};

const BAR = 30;
const REDRAW_MS = 80;

interface PhaseProgress {
  readonly startMs: number;
  endMs: number | undefined;
  readonly fractions: Map<NodeId, number>;
}

export class RoundDisplay {
  readonly #out: NodeJS.WriteStream;
  #round = 0;
  #rounds = 0;
  #team = 0;
  #phases = new Map<PhaseName, PhaseProgress>();
  #note = '';
  #lines = 0;
  #drawnMs = 0;

  constructor(out: NodeJS.WriteStream) {
    this.#out = out;
  }

  begin(round: number, rounds: number, team: number): void {
    this.#round = round;
    this.#rounds = rounds;
    this.#team = team;
    this.#phases = new Map();
    this.#note = '';
    this.#lines = 0;
  }

  progress(node: NodeId, phase: PhaseName, fraction: number): void {
    const nowMs = performance.now();
    let entry = this.#phases.get(phase);
    if (!entry) {
      entry = { startMs: nowMs, endMs: undefined, fractions: new Map() };
      this.#phases.set(phase, entry);
    }
    entry.fractions.set(node, fraction);
    const done = [...entry.fractions.values()].filter((value) => value === 1).length;
    if (fraction === 1 && done === this.#team && entry.endMs === undefined) {
      entry.endMs = nowMs;
      if (!this.#out.isTTY)
        this.say(`round ${this.#round}/${this.#rounds}  ${LABELS[phase].padEnd(17)} ${this.ms(phase).toFixed(0)} ms`);
    }
    this.#draw(nowMs);
  }

  note(text: string): void {
    this.#note = text;
    this.#draw(performance.now(), true);
  }

  /** Milliseconds a phase took; 0 where it did not end. */
  ms(phase: PhaseName): number {
    const entry = this.#phases.get(phase);
    return entry?.endMs === undefined ? 0 : entry.endMs - entry.startMs;
  }

  times(): Record<PhaseName, number> {
    const entries = PHASES.map((phase) => [phase, Math.round(this.ms(phase) * 10) / 10] as const);
    return Object.fromEntries(entries) as Record<PhaseName, number>;
  }

  /** Draws for the last time and leaves the bars standing. */
  end(): void {
    this.#draw(performance.now(), true);
    this.#lines = 0;
  }

  say(text: string): void {
    this.#out.write(`${text}\n`);
  }

  #draw(nowMs: number, force = false): void {
    if (!this.#out.isTTY || (!force && nowMs - this.#drawnMs < REDRAW_MS)) return;
    this.#drawnMs = nowMs;
    const lines = [
      `round ${this.#round} of ${this.#rounds}  ${this.#note}`,
      ...PHASES.map((phase) => this.#bar(phase, nowMs)),
    ];
    const up = this.#lines > 0 ? `\x1b[${this.#lines}A` : '';
    this.#out.write(`${up}${lines.map((line) => `\x1b[2K${line}\n`).join('')}`);
    this.#lines = lines.length;
  }

  #bar(phase: PhaseName, nowMs: number): string {
    const entry = this.#phases.get(phase);
    const sum = entry ? [...entry.fractions.values()].reduce((total, value) => total + value, 0) : 0;
    const fraction = this.#team > 0 ? sum / this.#team : 0;
    const filled = Math.round(fraction * BAR);
    const ms = entry ? (entry.endMs ?? nowMs) - entry.startMs : 0;
    const time = entry ? `${(ms / 1000).toFixed(2).padStart(7)} s` : '';
    return `  ${LABELS[phase].padEnd(17)} ${'█'.repeat(filled)}${'░'.repeat(BAR - filled)} ${time}`;
  }
}
