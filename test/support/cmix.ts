// Common start of protocol tests: a group, an engine, a seeded generator, a round and its nodes, and ways to corrupt data.
import { digest, fromHex } from '../../src/base/bytes.js';
import { isErrorCode, MixError } from '../../src/base/errors.js';
import { Secret } from '../../src/base/secret.js';
import { unblind } from '../../src/cmix/phases.js';
import type { ShareContext } from '../../src/cmix/proofs/codec.js';
import { SigningKey } from '../../src/cmix/signatures.js';
import type { Engine, Prepared } from '../../src/engine/engine.js';
import { referenceEngine } from '../../src/engine/open.js';
import { namedGroup } from '../../src/math/group.js';
import { SeededRng } from './seededRng.js';

export const group = namedGroup('TEST-512');
export const engine = referenceEngine(group);
export const roundDigest = digest('test-round', 1);
export const otherRound = digest('test-round', 2);

export const hex = (text: string): Uint8Array => fromHex(text)!;
export const secretOf = (text: string): Secret => new Secret(hex(text));

const nodes = Array.from({ length: 3 }, (_, i) => SigningKey.generate(new SeededRng(`node ${i}`)).nodeId);

export function contextOf(width: number, node = 0): ShareContext {
  return { group, roundDigest, node: nodes[node]!, width, exponentBytes: 32 };
}

/** A copy with one bit changed. */
export function flipped(bytes: Uint8Array, at = 0, bit = 1): Uint8Array {
  const copy = Uint8Array.from(bytes);
  copy[at]! ^= bit;
  return copy;
}

/** Returns the result of a call, or the code of the MixError that it throws; other errors are thrown on. */
export function outcome<T>(call: () => T): T | string {
  try {
    return call();
  } catch (error) {
    if (error instanceof MixError && isErrorCode(error.code)) return error.code;
    throw error;
  }
}

/** The MixError that a promise rejects with, or undefined. */
export async function rejection(promise: Promise<unknown>): Promise<MixError | undefined> {
  try {
    await promise;
    return undefined;
  } catch (error) {
    if (error instanceof MixError) return error;
    throw error;
  }
}

/** Identify, all at once: out = x′ ∘ ∏ D_i ∘ c⁻¹. */
export async function unblindOutputs(
  on: Engine,
  mixed: Uint8Array,
  shares: readonly Uint8Array[],
  inversePayload: Uint8Array | Prepared,
): Promise<Uint8Array> {
  let out = await unblind(on, inversePayload, mixed);
  for (const share of shares) out = await unblind(on, out, share);
  return out;
}
