// The demo's options, checked before anything is started: a wrong number, an unreadable file or a line that no slot can
// carry is refused with its name.
import { readFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { MixError, type Rng, randomBelow, randomBytes } from '../../base/index.js';
import { messageCapacity } from '../../cmix/index.js';
import { ENGINE_NAMES, type EngineName } from '../../engine/index.js';
import { type Group, groupOfBits } from '../../math/index.js';
import { TEAM_SIZE_MAX, TEAM_SIZE_MIN } from '../../protocol/index.js';

/** As commander gives them: text. */
export interface RawDemoOptions {
  readonly rounds?: string;
  readonly duration?: string;
  readonly batch: string;
  readonly nodes: string;
  readonly teamSize?: string;
  readonly teams?: string;
  readonly bits: string;
  readonly width: string;
  readonly input?: string;
  readonly output: string;
  readonly engine: string;
  readonly json: boolean;
  readonly keep: boolean;
}

export interface DemoOptions {
  /** Infinity where a duration is given and nothing else. */
  readonly rounds: number;
  readonly durationMs: number | undefined;
  readonly batch: number;
  readonly nodes: number;
  readonly teamSize: number;
  /** Teams at work at once: one mixes, the others precompute; undefined where demand decides. */
  readonly teams: number | undefined;
  readonly group: Group;
  readonly width: number;
  readonly output: string;
  readonly engine: EngineName | 'auto';
  readonly threads: number;
  readonly json: boolean;
  readonly keep: boolean;
  /** The messages of a round, counted from 0. */
  readonly messagesOf: (round: number) => Uint8Array[];
}

const GENERATED_BYTES_MAX = 400;
/** Rounds where nothing is said of them. */
const ROUNDS = 3;
/** One that mixes and one that precomputes. */
const TEAMS_MIN = 2;
const UNITS_MS: Readonly<Record<string, number>> = { '': 1_000, s: 1_000, m: 60_000, h: 3_600_000 };
const DURATION_MS_MAX = 30 * 24 * 3_600_000;

/** `90`, `90s`, `10m` or `1h`, in milliseconds. */
function durationOf(text: string): number {
  const [, number, unit] = /^(\d+(?:\.\d+)?)([smh]?)$/.exec(text) ?? [];
  const ms = Number(number) * (UNITS_MS[unit ?? ''] ?? Number.NaN);
  if (!(ms > 0) || ms > DURATION_MS_MAX) {
    throw new MixError('INPUT_INVALID', { option: '--duration', got: text, expected: '90s, 10m or 1h' });
  }
  return ms;
}

function whole(name: string, text: string, least: number, most: number): number {
  const value = Number(text);
  if (!/^\d+$/.test(text) || value < least || value > most) {
    throw new MixError('INPUT_INVALID', { option: `--${name}`, got: text, expected: `${least} to ${most}` });
  }
  return value;
}

/** @throws MixError INPUT_INVALID naming the option or the line */
export function parseOptions(raw: RawDemoOptions, rng: Rng): DemoOptions {
  const nodes = whole('nodes', raw.nodes, TEAM_SIZE_MIN, TEAM_SIZE_MAX);
  const teamSize = whole('team-size', raw.teamSize ?? String(Math.min(5, nodes)), TEAM_SIZE_MIN, nodes);
  const batch = whole('batch', raw.batch, 1, 65_536);
  const width = whole('width', raw.width, 1, 15);
  if (!['2048', '3072', '4096'].includes(raw.bits)) {
    throw new MixError('INPUT_INVALID', { option: '--bits', got: raw.bits, expected: '2048, 3072 or 4096' });
  }
  const engines: readonly string[] = ['auto', ...ENGINE_NAMES];
  if (!engines.includes(raw.engine)) {
    throw new MixError('INPUT_INVALID', { option: '--engine', got: raw.engine, expected: engines.join(', ') });
  }
  const group = groupOfBits(Number(raw.bits));
  const capacity = messageCapacity(group, width);
  const lines = raw.input === undefined ? undefined : readLines(raw.input, capacity);
  const durationMs = raw.duration === undefined ? undefined : durationOf(raw.duration);
  const unsaid = durationMs === undefined ? ROUNDS : Infinity;
  return {
    rounds: raw.rounds === undefined ? unsaid : whole('rounds', raw.rounds, 1, 1_000_000),
    durationMs,
    batch,
    nodes,
    teamSize,
    teams: raw.teams === undefined ? undefined : whole('teams', raw.teams, TEAMS_MIN, 64),
    group,
    width,
    output: raw.output,
    engine: raw.engine as EngineName | 'auto',
    // All nodes share this machine's cores.
    threads: Math.max(1, Math.floor(cpus().length / nodes)),
    json: raw.json,
    keep: raw.keep,
    messagesOf: (round) => {
      if (lines) return Array.from({ length: batch }, (_, i) => lines[(round * batch + i) % lines.length]!);
      return Array.from({ length: batch }, () => generate(rng, Math.min(GENERATED_BYTES_MAX, capacity)));
    },
  };
}

/** Random text of 1 to `longest` bytes. */
function generate(rng: Rng, longest: number): Uint8Array {
  const length = 1 + randomBelow(rng, longest);
  const text = Buffer.from(randomBytes(rng, length)).toString('base64url').slice(0, length);
  return new Uint8Array(Buffer.from(text));
}

function readLines(file: string, capacity: number): Uint8Array[] {
  let text: Buffer;
  try {
    text = readFileSync(file);
  } catch (cause) {
    throw new MixError('INPUT_INVALID', { option: '--input', why: (cause as Error).message }, { cause });
  }
  const lines: Uint8Array[] = [];
  for (let at = 0; at < text.length; ) {
    const end = text.indexOf(0x0a, at);
    const stop = end < 0 ? text.length : end;
    lines.push(new Uint8Array(text.subarray(at, stop)));
    at = stop + 1;
  }
  if (lines.length === 0) throw new MixError('INPUT_INVALID', { option: '--input', file, why: 'the file is empty' });
  const long = lines.findIndex((line) => line.length > capacity);
  if (long >= 0) {
    throw new MixError('MESSAGE_TOO_LONG', { file, line: long + 1, length: lines[long]!.length, capacity });
  }
  return lines;
}
