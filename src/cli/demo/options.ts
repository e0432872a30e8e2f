// The demo's options, checked together before anything is started: an unreadable file, or a line that no slot can carry, is refused
// with its name.
import { readFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { MixError, type Rng, randomBelow, randomBytes } from '../../base/index.js';
import { messageCapacity } from '../../cmix/index.js';
import type { EngineName } from '../../engine/index.js';
import { type Group, groupOfBits } from '../../math/index.js';

/** Options as commander gives them. */
export interface RawDemoOptions {
  readonly rounds?: number;
  readonly duration?: number;
  readonly batch: number;
  readonly nodes: number;
  readonly teamSize?: number;
  readonly teams?: number;
  readonly bits: number;
  readonly width: number;
  readonly input?: string;
  readonly output: string;
  readonly engine: EngineName | 'auto';
  readonly json: boolean;
  readonly keep: boolean;
}

export interface DemoOptions {
  /** Infinity if only a duration is given. */
  readonly rounds: number;
  readonly durationMs: number | undefined;
  readonly batch: number;
  readonly nodes: number;
  readonly teamSize: number;
  /** Teams at work at once: one mixes, the others precompute; undefined if demand decides. */
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
/** Rounds by default. */
const ROUNDS = 3;
/** One that mixes and one that precomputes. */
export const TEAMS_MIN = 2;

/** @throws MixError INPUT_INVALID naming the option or the line */
export function readOptions(raw: RawDemoOptions, rng: Rng): DemoOptions {
  const { nodes, batch, width, engine, output, json, keep, teams, duration: durationMs } = raw;
  const teamSize = raw.teamSize ?? Math.min(5, nodes);
  if (teamSize > nodes) {
    const expected = `at most ${nodes}, the number of nodes`;
    throw new MixError('INPUT_INVALID', { option: '--team-size', got: teamSize, expected });
  }
  const group = groupOfBits(raw.bits);
  const capacity = messageCapacity(group, width);
  const lines = raw.input === undefined ? undefined : readLines(raw.input, capacity);
  return {
    ...{ durationMs, batch, nodes, teamSize, teams, group, width, output, engine, json, keep },
    rounds: raw.rounds ?? (durationMs === undefined ? ROUNDS : Infinity),
    // All nodes share this machine's cores.
    threads: Math.max(1, Math.floor(cpus().length / nodes)),
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
