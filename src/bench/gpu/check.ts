// The output of kernels/dev/check --json: rates of instructions, comparisons with the host, and times on data that is on the card
// already. The program is a separate C++ one, so its output is checked like any input.
import { readFileSync } from 'node:fs';
import { z } from 'zod';
import { MixError } from '../../base/index.js';
import { OPERATIONS } from '../../engine/index.js';

const positive = z.number().positive();
const rate = z.number().min(0);
const shape = {
  op: z.enum(OPERATIONS),
  bits: z.int().positive(),
  lanes: z.int().positive(),
  batch: z.int().positive(),
  exponentBits: z.int().min(0),
};

const schema = z.strictObject({
  card: z.strictObject({
    name: z.string().min(1),
    multiprocessors: z.int().positive(),
    memoryBytes: z.int().positive(),
    computeCapability: z.string(),
    driver: z.string(),
    runtime: z.string(),
    clockMHz: rate,
  }),
  /** Limits are computed from the first rate, unless the second is higher. */
  issue: z.array(z.strictObject({ what: z.string(), perSecond: positive, perClock: rate, clockMHz: rate })).min(1),
  comparisons: z.int().min(0),
  wrong: z.array(z.string()),
  figures: z.array(
    z.strictObject({
      ...shape,
      repeats: z.int().positive(),
      ms: z.strictObject({ min: positive, median: positive, max: positive }),
    }),
  ),
  skipped: z.array(z.strictObject({ ...shape, why: z.string() })),
  /** Error that ended the check early; empty if none did. */
  error: z.string(),
});

export type CheckReport = z.infer<typeof schema>;

/** @throws MixError INPUT_INVALID */
export function parseCheck(text: string): CheckReport {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new MixError('INPUT_INVALID', { what: 'the report of the check', why: (cause as Error).message }, { cause });
  }
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const issue = result.error.issues[0]!;
  throw new MixError('INPUT_INVALID', {
    what: 'the report of the check',
    key: issue.path.join('.'),
    why: issue.message,
  });
}

/** @throws MixError INPUT_INVALID, also if the file cannot be read */
export function readCheck(file: string): CheckReport {
  try {
    return parseCheck(readFileSync(file, 'utf8'));
  } catch (cause) {
    if (cause instanceof MixError) throw cause;
    throw new MixError('INPUT_INVALID', { file, why: (cause as Error).message }, { cause });
  }
}

/** Wide multiply-adds per second: the highest rate, with or without carries. */
export const madsPerSecond = ({ issue }: CheckReport): number =>
  Math.max(...issue.filter(({ what }) => what.startsWith('wide multiply-adds')).map(({ perSecond }) => perSecond));
