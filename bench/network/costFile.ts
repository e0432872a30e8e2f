// Costs of a node's work, as `bench/network/costs.ts` measures them and the network simulation reads them: microseconds of CPU
// for every piece of work of DESIGN's phases, on one named machine. A piece has a price per call and a price per unit, so that
// sixty-four slots and a thousand are both right.
import { readFileSync } from 'node:fs';
import { z } from 'zod';
import { MixError } from '../../src/base/errors.js';

/** Work of the engine's workers; a unit is an element, a power or a base. */
export const ENGINE_WORK = {
  mul: 'a product with a prepared operand',
  mulPlain: 'a product of two plain elements',
  mulGather: 'a product with a prepared operand, permuted',
  prepare: 'an operand brought into the engine’s form',
  powFixed: 'a power of a base that has a table',
  powShared: 'a power with one exponent for all',
  invertBatch: 'an inverse',
  table: 'the table of one base',
  keyShare: 'a key share with its proof, per element',
  verifyShare: 'checking somebody’s key share, per element',
  proof: 'the proof of a batch of decryption shares, per slot',
} as const;

/** Work of the node's one main thread; a unit is a slot, or a message. */
export const MAIN_WORK = {
  draw: 'r, s, their exponents and the permutation of a slot',
  takeSingle: 'a slot of one element that came in: range, copy and Merkle leaf',
  takePair: 'the same of two elements',
  giveSingle: 'a slot of one element that goes out: Merkle leaf',
  givePair: 'the same of two elements',
  root: 'the Merkle root over a slot',
  sign: 'signing what is said',
  verify: 'a signature checked',
  tableOut: 'a slot of the table that goes out: encoded and hashed',
  tableIn: 'a slot of the table that came in: decoded and hashed',
  settle: 'a slot of the table settled: verdicts, distinct senders, who is known',
  judge: 'a slot of the table judged by its MAC',
  slotKey: 'k of a slot derived',
  commit: 'the commitment over a share, made or checked',
  decode: 'an output decoded, and hashed',
} as const;

/** Work of gRPC, TLS and the system in a node's process, mostly on its main thread; a unit is a KiB. */
export const TRANSPORT_WORK = {
  messageOut: 'a message to one member, and its acknowledgement',
  messageIn: 'a message that came in',
  batchOut: 'a batch to one member, in chunks',
  batchIn: 'a batch that came in',
} as const;

export type EngineWork = keyof typeof ENGINE_WORK;
export type MainWork = keyof typeof MAIN_WORK;
export type TransportWork = keyof typeof TRANSPORT_WORK;

const price = z.strictObject({ callUs: z.number().min(0), unitUs: z.number().min(0) });
/** Cost of n units in one call: callUs + n·unitUs. */
export type Price = z.infer<typeof price>;

const pricesOf = <Name extends string>(names: Readonly<Record<Name, string>>) =>
  z.strictObject(Object.fromEntries(Object.keys(names).map((name) => [name, price])) as Record<Name, typeof price>);

const costFile = z.strictObject({
  date: z.string(),
  machine: z.looseObject({ cpu: z.string(), cores: z.int().min(1) }),
  engine: z.string(),
  path: z.string(),
  bits: z.int().min(64),
  exponentBits: z.int().min(64),
  /** Workers of the measured engine: a simulated node has as many. */
  threads: z.int().min(1),
  /** Number of samples of which each price is the median. */
  repeat: z.int().min(1),
  engineWork: pricesOf(ENGINE_WORK),
  mainWork: pricesOf(MAIN_WORK),
  transportWork: pricesOf(TRANSPORT_WORK),
  /** Additional time of a realtime operation while all workers precompute. */
  overtakeUs: z.number().min(0),
  /** Writing a round to disk, synced: no CPU, but a wait. */
  reserveUs: z.number().min(0),
});
export type CostFile = z.infer<typeof costFile>;

/** @throws MixError INPUT_INVALID naming the file and the fault in it */
export function readCostFile(path: string): CostFile {
  const refuse = (reason: string) => new MixError('INPUT_INVALID', { option: '--engine-cost', file: path, reason });
  let parsed: unknown;
  try {
    parsed = JSON.parse(readFileSync(path, 'utf8'));
  } catch (error) {
    throw refuse((error as Error).message);
  }
  const { success, data, error } = costFile.safeParse(parsed);
  if (success) return data;
  const [issue] = error.issues;
  throw refuse(`${issue?.path.join('.') ?? ''}: ${issue?.message ?? 'not a cost file'}`);
}
