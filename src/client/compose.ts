// A sender's computation: codes messages, derives its slot keys with every node of a round's team, blinds, and adds one MAC per node.
// Many messages at once share their inversions, so a client that sends a batch costs little more than one.
import { checkBytes, checkObject, MixError, type NodeId, type Rng, randomBytes, refuse } from '../base/index.js';
import {
  blindMessage,
  codeId,
  encodeMessage,
  payloadDigest,
  SALT_BYTES,
  SenderKey,
  type SenderSecret,
  slotKeys,
  submissionMac,
} from '../cmix/index.js';
import type { Engine } from '../engine/index.js';
import { type RoundInfo, roundDigest } from '../protocol/index.js';
import type { Submission } from '../round/index.js';

/** A sender: its key, and the secret it shares with each node in the node's current epoch. */
export class Sender {
  readonly key: SenderKey;
  readonly #secrets = new Map<NodeId, { readonly epoch: number; readonly secret: SenderSecret }>();

  /** @throws MixError ARGUMENT_INVALID */
  constructor(key: SenderKey) {
    if (!(key instanceof SenderKey)) refuse('key', 'a SenderKey (see createSender of Client)', key);
    this.key = key;
  }

  /** Agrees on a secret with a node for one of its epochs. @throws MixError DH_SECRET_ZERO */
  agree(node: NodeId, epochPublicKey: Uint8Array, epoch: number): void {
    this.#secrets.get(node)?.secret.wipe();
    this.#secrets.set(node, { epoch, secret: this.key.agree(epochPublicKey, epoch) });
  }

  /** True if there is a secret for this very epoch of the node. */
  knows(node: NodeId, epoch: number): boolean {
    return this.#secrets.get(node)?.epoch === epoch;
  }

  /** Forgets the secret with a node that has made room for others, so that this sender registers with it again. */
  forget(node: NodeId): void {
    this.#secrets.get(node)?.secret.wipe();
    this.#secrets.delete(node);
  }

  /** @throws MixError SENDER_UNKNOWN if there is none */
  secretWith(node: NodeId): SenderSecret {
    const found = this.#secrets.get(node);
    if (!found) throw new MixError('SENDER_UNKNOWN', { node });
    return found.secret;
  }

  wipe(): void {
    for (const { secret } of this.#secrets.values()) secret.wipe();
    this.#secrets.clear();
    this.key.wipe();
  }
}

/** @throws MixError ARGUMENT_INVALID: text, or anything else that is not bytes, would be sent as something else */
export function checkMessages(value: unknown, argument: string): asserts value is readonly OutgoingMessage[] {
  if (!Array.isArray(value)) refuse(argument, 'an array', value);
  for (const [index, message] of value.entries()) {
    checkObject(message, `${argument}[${index}]`);
    const { sender, payload } = message as OutgoingMessage;
    if (!(sender instanceof Sender)) refuse(`${argument}[${index}].sender`, 'a Sender (see createSender)', sender);
    checkBytes(payload, `${argument}[${index}].payload`);
  }
}

/** A submission with the id by which its message is known among the outputs. Only for the sender. */
export interface ComposedSubmission extends Submission {
  /**
   * {@link codeId} of its coded message, salt included, so that an equal text of another sender has another id. Never leaves the sender.
   */
  readonly codeId: string;
}

/** A message to send, with its sender. */
export interface OutgoingMessage {
  readonly sender: Sender;
  readonly payload: Uint8Array;
}

/**
 * Composes submissions of one round for many messages. Each gets a fresh salt, so composing a message again gives another submission:
 * keep the result to send it again.
 * @throws MixError MESSAGE_TOO_LONG, SENDER_UNKNOWN; errors of the engine
 */
export async function composeSubmissions(
  engine: Engine,
  rng: Rng,
  info: RoundInfo,
  messages: readonly OutgoingMessage[],
): Promise<ComposedSubmission[]> {
  const { group } = engine;
  const { width, team } = info;
  if (group.name !== info.group) throw new MixError('GROUP_UNKNOWN', { name: info.group, engine: group.name });
  checkMessages(messages, 'messages');
  const digest = roundDigest(info);
  const slotBytes = width * group.elementBytes;
  const plain = engine.allocate(messages.length, width);
  const keys = team.map(() => engine.allocate(messages.length, width));
  const salts = messages.map(() => randomBytes(rng, SALT_BYTES));
  const codeIds: string[] = [];
  for (const [index, { sender, payload }] of messages.entries()) {
    const coded = encodeMessage(group, width, payload, rng);
    codeIds.push(codeId(group, coded));
    plain.set(coded, index * slotBytes);
    for (const [i, node] of team.entries()) {
      const slotKey = slotKeys(group, sender.secretWith(node), digest, salts[index]!, width);
      keys[i]!.set(slotKey, index * slotBytes);
      slotKey.fill(0);
    }
  }
  try {
    const blinded = await blindMessage(engine, plain, keys);
    return messages.map(({ sender }, index) => {
      const salt = salts[index]!;
      const payload = blinded.slice(index * slotBytes, (index + 1) * slotBytes);
      const { senderId } = sender.key;
      const fields = { roundDigest: digest, sender: senderId, salt, payloadDigest: payloadDigest(payload) };
      const macs = team.map((node) => submissionMac(sender.secretWith(node), fields));
      return { sender: senderId, salt, payload, macs, codeId: codeIds[index]! };
    });
  } finally {
    plain.fill(0);
    for (const nodeKeys of keys) nodeKeys.fill(0);
  }
}
