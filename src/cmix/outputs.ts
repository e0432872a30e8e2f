// What comes out of a round: the digest that all nodes sign, and the messages in it. A slot that does not decode is
// reported, not repaired: somebody mauled it, or its sender never coded it properly, and tracing finds out who.
import { digest } from '../base/bytes.js';
import type { Group } from '../math/group.js';
import { slotsOf } from './elgamal.js';
import { decodeMessage } from './messageCoding.js';

/** What the outputs of a round carry. */
export interface DecodedOutputs {
  /** Payloads, in the order of the output slots. */
  readonly messages: Uint8Array[];
  /** How many slots are dummies. */
  readonly dummies: number;
  /** Output slots that do not decode, ascending. */
  readonly invalidSlots: number[];
}

/** H(out): what outputs count by, once all nodes have signed it. outputs: slots × width elements. */
export function outputDigest(roundDigest: Uint8Array, outputs: Uint8Array): Uint8Array {
  return digest('outputs', roundDigest, outputs);
}

/** Decodes every output slot. outputs: slots × width elements. @throws MixError WIDTH_INVALID, LENGTH_MISMATCH */
export function decodeOutputs(group: Group, width: number, outputs: Uint8Array): DecodedOutputs {
  const slots = slotsOf(group, outputs, width, 'outputs');
  const slotBytes = width * group.elementBytes;
  const messages: Uint8Array[] = [];
  const invalidSlots: number[] = [];
  let dummies = 0;
  for (let slot = 0; slot < slots; slot++) {
    const decoded = decodeMessage(group, width, outputs.subarray(slot * slotBytes, (slot + 1) * slotBytes));
    if (decoded.kind === 'message') messages.push(decoded.payload);
    else if (decoded.kind === 'dummy') dummies++;
    else invalidSlots.push(slot);
  }
  return { messages, dummies, invalidSlots };
}
