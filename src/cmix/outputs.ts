// The outputs of a round: the digest that all nodes sign, and the messages in them. A slot that does not decode is reported, not
// repaired: a node mauled it, or its sender never coded it properly, and tracing finds out which.
import { digest, MixError, toHex } from '../base/index.js';
import type { Group } from '../math/index.js';
import { countSlots } from './elgamal.js';
import { decodeMessage } from './messageCoding.js';

/** The decoded contents of a round's outputs. */
export interface DecodedOutputs {
  /** Payloads, in the order of the output slots. */
  readonly messages: Uint8Array[];
  /** Number of slots that are dummies. */
  readonly dummies: number;
  /** Salts of the dummies as hex, in the order of the output slots. */
  readonly dummySalts: string[];
  /** Outputs that equal an earlier one. Messages have random salts: it was copied, or its sender sent it twice. */
  readonly copies: number;
  /** Output slots that do not decode, ascending. */
  readonly invalidSlots: number[];
}

/** H(out): the outputs count once all nodes have signed it. outputs: slots × width elements. */
export function outputDigest(roundDigest: Uint8Array, outputs: Uint8Array): Uint8Array {
  return digest('outputs', roundDigest, outputs);
}

/** Decodes every output slot. outputs: slots × width elements. @throws MixError WIDTH_INVALID, LENGTH_MISMATCH */
export function decodeOutputs(group: Group, width: number, outputs: Uint8Array): DecodedOutputs {
  const slots = countSlots(group, outputs, width, 'outputs');
  const slotBytes = width * group.elementBytes;
  const messages: Uint8Array[] = [];
  const invalidSlots: number[] = [];
  const dummySalts: string[] = [];
  const heads = new Set<string>();
  for (let slot = 0; slot < slots; slot++) {
    const output = outputs.subarray(slot * slotBytes, (slot + 1) * slotBytes);
    heads.add(takeHead(output));
    const decoded = decodeMessage(group, width, output);
    if (decoded.kind === 'message') messages.push(decoded.payload);
    else if (decoded.kind === 'dummy') dummySalts.push(toHex(decoded.salt));
    else invalidSlots.push(slot);
  }
  return { messages, dummies: dummySalts.length, dummySalts, invalidSlots, copies: slots - heads.size };
}

/** First bytes of a coded message, hash and salt: two messages that share them are the same. */
const HEAD_BYTES = 32;
const takeHead = (output: Uint8Array): string =>
  Buffer.from(output.buffer, output.byteOffset, Math.min(HEAD_BYTES, output.length)).toString('latin1');

/**
 * Compares the dummies that came out with those that went in: each must occur exactly once. Any other dummy was coded so by its
 * sender.
 * @param expected salts of the dummies of the settled table, as hex
 * @param found salts of the dummies that came out
 * @returns number of dummies found that are not the table's
 * @throws MixError OUTPUTS_INCOMPLETE: a node has not permuted, but copied a slot over another
 */
export function checkDummies(expected: ReadonlySet<string>, found: readonly string[]): number {
  const ours = found.filter((salt) => expected.has(salt));
  const distinct = new Set(ours).size;
  const [missing, twice] = [expected.size - distinct, ours.length - distinct];
  if (missing + twice > 0) throw new MixError('OUTPUTS_INCOMPLETE', { missing, twice });
  return found.length - ours.length;
}
