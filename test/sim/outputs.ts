// Outputs as an outside client verifies them: they count only with the signature of every node of the team over their digest.
import { equalBytes } from '../../src/base/bytes.js';
import type { NodeId } from '../../src/base/ids.js';
import { type DecodedOutputs, decodeOutputs, outputDigest } from '../../src/cmix/outputs.js';
import { namedGroup } from '../../src/math/group.js';
import { type RoundInfo, roundDigest } from '../../src/protocol/roundInfo.js';
import { isSaidBy } from '../../src/protocol/teamMessages.js';
import type { SignedOutputs } from '../../src/round/run/round.js';

/** The reason why outputs do not count; undefined if they do. */
export function refusedBecause(
  info: RoundInfo,
  outputs: SignedOutputs,
  publicKeyOf: (node: NodeId) => Uint8Array,
): string | undefined {
  const digest = roundDigest(info);
  if (!equalBytes(outputDigest(digest, outputs.outputs), outputs.digest)) return 'not what the digest says';
  const message = { kind: 'outputSignature', digest: outputs.digest } as const;
  const unsigned = info.team.findIndex((node, i) => {
    const signature = outputs.signatures[i];
    return !signature || !isSaidBy(publicKeyOf(node), digest, node, message, signature);
  });
  return unsigned < 0 ? undefined : `not signed by node ${unsigned + 1}`;
}

/** The messages in the outputs, as texts. */
export function textsOf(info: RoundInfo, outputs: SignedOutputs): { texts: string[]; decoded: DecodedOutputs } {
  const decoded = decodeOutputs(namedGroup(info.group), info.width, outputs.outputs);
  return { texts: decoded.messages.map((payload) => Buffer.from(payload).toString()), decoded };
}
